// The published schema against graphql-eslint's presets. Run by `python -m tools.lint_schema`, which names the file.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import graphql from "@graphql-eslint/eslint-plugin";

const schema = process.env.GRAPHQL_SCHEMA;
const { types, suffixes } = JSON.parse(readFileSync(new URL("value_types.json", import.meta.url), "utf8"));

export default [
  {
    files: [`**/${basename(schema)}`],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema } } },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      // A value has no identity of its own, so an id would be an invention; each one is named with its reason.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        { exceptions: { types: Object.keys(types), suffixes: Object.keys(suffixes) } },
      ],
      // A bounded list inside an entity (lines of an order, options of a group) is not a connection: nobody pages it.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
