// Who asks and how: the persona whose token is sent, whether upstream calls are explained, and what the last run cost.
import { createStore } from "./store.js";

export function createSession(config) {
  const names = config.personas.map(({ name }) => name);
  const persona = createStore(config.examples[0]?.persona ?? names[0] ?? null, "auto-bff:persona");
  if (!names.includes(persona.get())) persona.set(names[0] ?? null);
  return {
    config,
    persona,
    explain: createStore(config.explain, "auto-bff:explain"),
    lastRun: createStore(null),
    token: () => config.personas.find(({ name }) => name === persona.get())?.token,
  };
}
