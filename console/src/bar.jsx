// The strip above GraphiQL: which example, as whom, and whether upstream calls are explained.
import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { summary } from "./waterfall.jsx";

export function Bar({ session }) {
  const { config, persona, explain, lastRun } = session;
  const chosen = persona.use();
  const calls = lastRun.use()?.calls;
  return (
    <>
      <h1>Auto BFF</h1>
      <Examples session={session} />
      {config.personas.length > 0 && (
        <span className={`persona persona-${chosen}`}>
          <label htmlFor="persona">Persona</label>
          <select id="persona" value={chosen} onChange={(event) => persona.set(event.target.value)}>
            {config.personas.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </span>
      )}
      {config.explain && (
        <label>
          <input type="checkbox" checked={explain.use()} onChange={(event) => explain.set(event.target.checked)} />
          BFF-Explain
        </label>
      )}
      <output aria-label="Upstream calls of the last run">{calls ? summary(calls) : ""}</output>
    </>
  );
}

function Examples({ session: { config, persona } }) {
  const open = useOpenExample(persona);
  if (config.examples.length === 0) return null;
  const choose = (event) => open(config.examples.find(({ name }) => name === event.target.value));
  return (
    <span>
      <label htmlFor="example">Example</label>
      {/* Always shows the prompt, so that the same example can be opened again. */}
      <select id="example" value="" onChange={choose}>
        <option value="" disabled>
          Open…
        </option>
        {config.examples.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </span>
  );
}

/** Put an example into a tab of its own, reusing the active one when it is empty, and become its persona. */
function useOpenExample(persona) {
  const { addTab, setOperationName } = useGraphiQLActions();
  const { queryEditor, variableEditor, headerEditor } = useGraphiQL(pick("queryEditor", "variableEditor", "headerEditor"));
  return (example) => {
    if (queryEditor.getValue().trim()) addTab();
    queryEditor.setValue(example.query);
    variableEditor?.setValue(asJson(example.variables));
    headerEditor?.setValue(asJson(example.headers));
    setOperationName(example.name);
    if (example.persona) persona.set(example.persona);
  };
}

export function asJson(values) {
  return Object.keys(values).length > 0 ? JSON.stringify(values, null, 2) : "";
}
