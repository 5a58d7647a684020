// Sends an operation as the chosen persona. What is typed into the headers editor wins over what the switches add.
export function createFetcher({ config, explain, lastRun, token }) {
  return async function fetcher(params, { headers: typed = {} } = {}) {
    const introspecting = params.operationName === "IntrospectionQuery";
    const explained = config.explain && explain.get() && !introspecting;
    const headers = new Headers({
      accept: "application/graphql-response+json, application/json;q=0.9",
      "content-type": "application/json",
    });
    if (token()) headers.set("authorization", `Bearer ${token()}`);
    if (explained) headers.set("BFF-Explain", "1");
    for (const [name, value] of Object.entries(typed)) headers.set(name, value);

    const began = performance.now();
    const response = await fetch(config.endpoint, { method: "POST", headers, body: JSON.stringify(params) });
    const text = await response.text();
    const result = parse(text) ?? { errors: [{ message: `HTTP ${response.status}: the answer is not JSON`, text }] };
    if (!introspecting) {
      lastRun.set({
        operation: params.operationName,
        elapsedMs: performance.now() - began,
        calls: result.extensions?.explain?.calls ?? null,
      });
    }
    return result;
  };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
