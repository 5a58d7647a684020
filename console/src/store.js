// One value that components and the fetcher both read; kept in local storage when it has a key.
import { useSyncExternalStore } from "react";

function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

export function createStore(initial, key) {
  let value = (key && stored(key)) ?? initial;
  const listeners = new Set();
  const subscribe = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const get = () => value;
  const set = (next) => {
    value = next;
    if (key) localStorage.setItem(key, JSON.stringify(next));
    listeners.forEach((listener) => listener());
  };
  return { get, set, use: () => useSyncExternalStore(subscribe, get) };
}
