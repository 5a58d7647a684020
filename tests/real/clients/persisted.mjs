// Asks one query twice by its hash and prints each request's members and each result, one JSON line an item.
// node persisted.mjs apollo|apollo-get|urql URL
import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { print } from 'graphql';

const [scenario, url] = process.argv.slice(2);
const tell = (item) => console.log(JSON.stringify(item));
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const QUERY = gql`query Kind { viewer { __typename kind } }`;

async function fetch_(address, options) {
  const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(address).searchParams);
  const reply = await fetch(address, options);
  tell({ sent: Object.keys(body).sort(), method: options.method ?? 'GET', status: reply.status });
  return reply;
}

if (scenario === 'urql') {
  const client = new Client({ url, exchanges: [fetchExchange], fetch: fetch_, preferGetMethod: false });
  const document = { kind: 'Document', definitions: [], documentId: `sha256:${sha256(print(QUERY))}` };
  for (let i = 0; i < 2; i++) {
    const { data, error } = await client.query(document, {}, { requestPolicy: 'network-only' }).toPromise();
    tell({ data, error: error?.graphQLErrors?.[0]?.message });
  }
} else {
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries: scenario === 'apollo-get' });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([link, new HttpLink({ uri: url, fetch: fetch_ })]),
    defaultOptions: { query: { fetchPolicy: 'network-only', errorPolicy: 'all' } },
  });
  for (let i = 0; i < 2; i++) {
    const { data, error } = await client.query({ query: QUERY });
    tell({ data, error: error?.message });
  }
}
