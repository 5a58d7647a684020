// The upstream calls behind the last answer, as extensions.explain told them, on one time axis.
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const endOf = (calls) => Math.max(...calls.map(({ startMs, durationMs }) => startMs + durationMs));

export function summary(calls) {
  if (calls.length === 0) return "no upstream calls";
  const rounds = Math.max(...calls.map(({ round }) => round));
  return `${plural(calls.length, "call")} · ${plural(rounds, "round")} · ${milliseconds(endOf(calls))}`;
}

export function waterfallPlugin(session) {
  return { title: "Upstream Calls", icon: WaterfallIcon, content: () => <Waterfall session={session} /> };
}

function Waterfall({ session: { explain, lastRun } }) {
  const run = lastRun.use();
  const asked = explain.use();
  return (
    <section className="waterfall" aria-label="Upstream calls">
      <h2>Upstream Calls</h2>
      {run?.calls ? <Calls run={run} /> : <p>{hint(run, asked)}</p>}
    </section>
  );
}

function hint(run, asked) {
  if (!asked) return "Tick BFF-Explain above and run an operation.";
  return run ? "The answer carried no explanation: it is given in development only." : "Run an operation.";
}

function Calls({ run: { operation, calls } }) {
  if (calls.length === 0) return <p>No upstream was called.</p>;
  const end = Math.max(endOf(calls), 0.001);
  return (
    <table>
      <caption>
        {operation} <span>{summary(calls)}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Round</th>
          <th scope="col">Call</th>
          <th scope="col">Time</th>
        </tr>
      </thead>
      <tbody>
        {calls.map((call, index) => (
          <Call key={index} call={call} end={end} />
        ))}
      </tbody>
    </table>
  );
}

function Call({ call, end }) {
  const { system, operation, keys, startMs, durationMs, attempt, round, outcome } = call;
  // A call that was answered carries its HTTP status; what failed carries an error code.
  const ok = /^[123]\d\d$/.test(outcome) || ["COALESCED", "CACHE"].includes(outcome);
  const left = (100 * startMs) / end;
  const width = Math.min(100 - left, Math.max((100 * durationMs) / end, 0.75));
  return (
    <tr className={ok ? "ok" : "not-ok"}>
      <td>{round}</td>
      <td>
        <strong>{system}</strong> {operation}
        {attempt > 1 && <span> attempt {attempt}</span>}
        {!ok && <em> {outcome}</em>}
        {keys.length > 0 && (
          <details>
            <summary>{plural(keys.length, "key")}</summary>
            {keys.join(", ")}
          </details>
        )}
      </td>
      <td className="time">
        <span className="track">
          <span className="span" style={{ left: `${left}%`, width: `${width}%` }} />
        </span>
        {milliseconds(startMs)} + {milliseconds(durationMs)}
      </td>
    </tr>
  );
}

function WaterfallIcon(props) {
  return (
    <svg viewBox="0 0 16 16" height="1em" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" {...props}>
      <path d="M1.5 3h6M4 8h7M8.5 13h6" />
    </svg>
  );
}
