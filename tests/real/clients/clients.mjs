// Runs one scenario with clients that others wrote and prints what they saw, one JSON line an item.
// node clients.mjs SCENARIO URL TOKEN VARIABLES-JSON
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { Defer20220824Handler, GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { auditServer } from 'graphql-http';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const [scenario, url, token, given] = process.argv.slice(2);
const { count = 1, ...variables } = JSON.parse(given ?? '{}');
const headers = token ? { authorization: `Bearer ${token}` } : {};
const socketUrl = url.replace(/^http/, 'ws');

const ORDER = `subscription Follow($orderId: ID!, $after: String) {
  vehicleOrderProgress(orderId: $orderId, after: $after) { id isSnapshot report { rawCode } progress { current } }
}`;
const DEFERRED = `query Deferred($orderId: ID!) {
  node(id: $orderId) { id ... on VehicleOrder { number ... @defer(label: "slow") { progress { current } production { state } } } }
}`;

const tell = (item) => console.log(JSON.stringify(item));

/** Prints results until `count` have come or the stream ends. */
async function follow(results, stop = () => {}) {
  let seen = 0;
  for await (const result of results) {
    tell(result);
    if (++seen >= count) break;
  }
  await stop();
  tell({ done: seen });
}

/** An async iterable over an Observable. */
async function* observed(observable) {
  const queue = [];
  let wake = () => {};
  const push = (item) => { queue.push(item); wake(); };
  const subscription = observable.subscribe({
    next: (value) => push({ value }),
    error: (error) => push({ value: { failed: String(error?.message ?? error) } , end: true }),
    complete: () => push({ end: true }),
  });
  try {
    for (;;) {
      while (queue.length === 0) await new Promise((resolve) => { wake = resolve; });
      const { value, end } = queue.shift();
      if (value !== undefined) yield value;
      if (end) return;
    }
  } finally {
    subscription.unsubscribe();
  }
}

const apollo = (incrementalHandler, link = new HttpLink({ uri: url, headers })) =>
  new ApolloClient({ cache: new InMemoryCache(), link: ApolloLink.from([link]), incrementalHandler });

async function apolloDeferred(handler) {
  const client = apollo(handler);
  const states = observed(client.watchQuery({ query: gql(DEFERRED), variables, notifyOnNetworkStatusChange: true }));
  for await (const { data, dataState, error } of states) {
    tell({ data: data ?? null, dataState, error: error?.message });
    if (dataState === 'complete' || error) break;
  }
  tell({ done: true });
}

const socket = (options = {}) =>
  createWs({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0, ...options });

const scenarios = {
  async 'graphql-ws'() {
    const client = socket();
    await follow(client.iterate({ query: ORDER, variables }), () => client.dispose());
  },
  async 'graphql-ws-bad-token'() {
    const client = socket({ connectionParams: { authorization: 'Bearer nonsense' } });
    try {
      await follow(client.iterate({ query: ORDER, variables }));
    } catch (closed) {
      tell({ code: closed.code, reason: closed.reason });
    }
  },
  async 'graphql-ws-mixed'() {
    const client = socket();
    const one = async (query) => {
      try {
        for await (const result of client.iterate({ query })) return result;
      } catch (errors) {
        return { errors };
      }
    };
    const asked = ['{ viewer { kind } }', '{ nope }', '{ __typename }'];
    for (const result of await Promise.all(asked.map(one))) tell(result);
    await client.dispose();
  },
  async 'graphql-sse'() {
    const client = createSse({ url, headers, retryAttempts: 0 });
    await follow(client.iterate({ query: ORDER, variables }), () => client.dispose());
  },
  async 'graphql-sse-single'() {
    const client = createSse({ url, headers, singleConnection: true, retryAttempts: 0 });
    const query = async () => {
      for await (const result of client.iterate({ query: '{ viewer { kind } }' })) tell(result);
    };
    await query();
    await follow(client.iterate({ query: ORDER, variables }), () => client.dispose());
  },
  async 'apollo-subscription'() {
    await follow(observed(apollo().subscribe({ query: gql(ORDER), variables })));
  },
  async 'apollo-ws'() {
    const ws = socket();
    await follow(observed(apollo(undefined, new GraphQLWsLink(ws)).subscribe({ query: gql(ORDER), variables })));
    await ws.dispose();
  },
  async 'apollo-defer-20220824'() {
    await apolloDeferred(new Defer20220824Handler());
  },
  async 'apollo-defer-current'() {
    await apolloDeferred(new GraphQL17Alpha9Handler());
  },
  async 'urql-defer'() {
    const client = new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers }, preferGetMethod: false });
    await new Promise((resolve) => {
      client.query(DEFERRED, variables).subscribe(({ data, error, hasNext }) => {
        tell({ data: data ?? null, error: error?.message, hasNext });
        if (!hasNext) resolve();
      });
    });
  },
  async 'urql-subscription'() {
    const client = new Client({
      url, exchanges: [fetchExchange], fetchOptions: { headers }, fetchSubscriptions: true, preferGetMethod: false,
    });
    let seen = 0;
    await new Promise((resolve) => {
      const { unsubscribe } = client.subscription(ORDER, variables).subscribe(({ data, error }) => {
        tell({ data: data ?? null, error: error?.message });
        if (++seen >= count) { resolve(); setTimeout(() => unsubscribe()); }
      });
    });
    tell({ done: seen });
  },
  async 'urql-ws'() {
    const ws = socket();
    const client = new Client({
      url,
      preferGetMethod: false,
      exchanges: [subscriptionExchange({
        forwardSubscription: ({ query, variables: own }) => ({
          subscribe: (sink) => ({ unsubscribe: ws.subscribe({ query, variables: own }, sink) }),
        }),
      })],
    });
    let seen = 0;
    await new Promise((resolve) => {
      const { unsubscribe } = client.subscription(ORDER, variables).subscribe(({ data, error }) => {
        tell({ data: data ?? null, error: error?.message });
        if (++seen >= count) { resolve(); setTimeout(() => unsubscribe()); }
      });
    });
    await ws.dispose();
    tell({ done: seen });
  },
  async audits() {
    for (const audit of await auditServer({ url })) {
      tell({ id: audit.id, name: audit.name, status: audit.status, reason: audit.reason });
    }
  },
};

await scenarios[scenario]();
process.exit(0);
