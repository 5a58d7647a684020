// Monaco asks for its workers by label; each is a bundle of its own, since a worker cannot share the page's chunks.
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(WORKER_URLS[label] ?? WORKER_URLS.editor, { type: "module", name: label }),
};
