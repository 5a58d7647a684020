// Starts the console: reads what the server offers, then GraphiQL with its plugins under our own strip.
import "./workers.js";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./console.css";
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createPortal } from "react-dom";
import { createRoot } from "react-dom/client";
import { asJson, Bar } from "./bar.jsx";
import { createFetcher } from "./fetcher.js";
import { createSession } from "./session.js";
import { waterfallPlugin } from "./waterfall.jsx";

const WELCOME = "# Pick an example above, or write your own.\n";

/** What a browser that has never been here finds in its only tab; afterwards it finds what it left. */
function firstTab([example]) {
  if (localStorage.getItem("graphiql:tabState") !== null) return {};
  if (!example) return { initialQuery: WELCOME };
  const { query, variables, headers } = example;
  return { initialQuery: query, initialVariables: asJson(variables), initialHeaders: asJson(headers) };
}

async function start() {
  const answer = await fetch("/console/config.json");
  if (!answer.ok) throw new Error(`/console/config.json answered ${answer.status}`);
  const session = createSession(await answer.json());
  const plugins = [explorerPlugin({ showAttribution: false }), waterfallPlugin(session), HISTORY_PLUGIN];
  const fetcher = createFetcher(session);
  createRoot(document.getElementById("root")).render(
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      {...firstTab(session.config.examples)}
      defaultEditorToolsVisibility
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>GraphiQL</GraphiQL.Logo>
      {createPortal(<Bar session={session} />, document.getElementById("bar"))}
    </GraphiQL>,
  );
}

start().catch((problem) => {
  document.getElementById("root").textContent = `The console did not start: ${problem.message}`;
});
