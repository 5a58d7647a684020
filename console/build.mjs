// Bundles the console into dist/: hashed assets, index.html that names them, and the notices of what is inside.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const DIST = "dist";
const BASE = "/console/assets";

const WORKERS = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
};

const shared = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: join(DIST, "assets"),
  assetNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  entryNames: "[name]-[hash]",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
};

// GraphiQL's style.css already holds Monaco's rules, and CSS of a dynamically imported module would never be loaded.
const monacoCssOnce = {
  name: "monaco-css-once",
  setup({ onLoad }) {
    onLoad({ filter: /monaco-editor\/.*\.css$/ }, () => ({ contents: "", loader: "css" }));
  },
};

/** The built file of each entry point, by the entry's path. */
function outputs({ metafile }) {
  return Object.entries(metafile.outputs)
    .filter(([, output]) => output.entryPoint)
    .map(([path, output]) => ({ file: basename(path), css: output.cssBundle && basename(output.cssBundle), ...output }));
}

/** Licence texts of every package that has code in the bundle. */
function notices(...results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(inputs.map((path) => path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
  return [...packages].sort().map((directory) => {
    const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    const file = readdirSync(directory).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const text = file && existsSync(join(directory, file)) ? readFileSync(join(directory, file), "utf8").trim() : "";
    return `${name} ${version} (${license})\n\n${text}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST);

const workers = await build({ ...shared, entryPoints: WORKERS });
const workerUrls = Object.fromEntries(
  outputs(workers).map(({ file }) => [file.slice(0, file.indexOf("-")), `${BASE}/${file}`]),
);

const page = await build({
  ...shared,
  entryPoints: { console: "src/main.jsx", icon: "src/icon.svg" },
  splitting: true,
  jsx: "automatic",
  // The old names lead to UMD files, whose exports a bundle of ES modules does not see.
  alias: { "prettier/parser-babel": "prettier/plugins/babel", "prettier/parser-graphql": "prettier/plugins/graphql" },
  loader: { ".svg": "copy", ".ttf": "file" },
  define: { ...shared.define, WORKER_URLS: JSON.stringify(workerUrls) },
  plugins: [monacoCssOnce],
});

const main = outputs(page).find(({ entryPoint }) => entryPoint === "src/main.jsx");
const icon = outputs(page).find(({ entryPoint }) => entryPoint === "src/icon.svg");
const html = readFileSync("index.html", "utf8")
  .replace("{script}", `${BASE}/${main.file}`)
  .replace("{style}", `${BASE}/${main.css}`)
  .replace("{icon}", `${BASE}/${icon.file}`);
writeFileSync(join(DIST, "index.html"), html);
writeFileSync(join(DIST, "THIRD-PARTY.txt"), notices(workers, page));

const bytes = [workers, page].flatMap(({ metafile }) => Object.values(metafile.outputs)).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(`bundled ${(bytes / 1e6).toFixed(1)} MB into ${DIST}/`);
