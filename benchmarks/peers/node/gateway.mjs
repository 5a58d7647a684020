// node gateway.mjs apollo|yoga|mercurius|mercurius-jit : one schema, served by each as its documentation does it.
// PORT and BENCH_UPSTREAM_BASE are read from the environment.
import { createServer } from 'node:http';
import DataLoader from 'dataloader';
import { Pool } from 'undici';

const base = Number(process.env.BENCH_UPSTREAM_BASE ?? 18100);
const port = Number(process.env.PORT);
const host = '127.0.0.1';
const services = [0, 1, 2, 3, 4].map((offset) => new Pool(`http://${host}:${base + offset}`, { connections: 64 }));
const [POSTS, CUSTOMER, ORDERS, SERVICE, CART] = services;

async function get(service, path) {
  const { statusCode, body } = await service.request({ method: 'GET', path });
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`);
  return body.json();
}

async function rows(service, path, name, keys) {
  const query = keys.map((key) => `${name}=${encodeURIComponent(key)}`).join('&');
  const found = new Map((await get(service, `${path}?${query}`)).map((row) => [row[name], row]));
  return keys.map((key) => found.get(key) ?? null);
}

const typeDefs = `
  type Query { greet: String! posts: [Post!]! me: Customer! cart: Cart! }
  type Post { id: Int! userId: Int! title: String! body: String! user: User }
  type User { id: Int! name: String! username: String! email: String! phone: String website: String }
  type Customer { id: ID! name: String! email: String! vehicles: [Vehicle!]! }
  type Vehicle { vin: ID! model: String! order: Order nextService: ServiceVisit }
  type Order { id: ID! status: String! milestones: [Milestone!]! }
  type Milestone { code: String! at: String! }
  type ServiceVisit { id: ID! at: String! center: Center }
  type Center { id: ID! name: String! city: String! }
  type Cart { id: ID! lines: [Line!]! total: Money! }
  type Line { sku: String! title: String! qty: Int! price: Money! }
  type Money { amount: Float! currency: String! }
`;

const Query = {
  greet: () => 'Hello World!',
  posts: () => get(POSTS, '/posts'),
  me: () => get(CUSTOMER, '/customer/me'),
  cart: () => get(CART, '/cart'),
};

// What crosses to another service: type, field, the key on the parent, and where rows of such keys are.
const crossings = [
  ['Post', 'user', 'userId', POSTS, '/users', 'id'],
  ['Vehicle', 'order', 'vin', ORDERS, '/orders', 'vin'],
  ['Vehicle', 'nextService', 'vin', SERVICE, '/services', 'vin'],
  ['ServiceVisit', 'center', 'centerId', SERVICE, '/centers', 'id'],
];

const makeContext = () =>
  Object.fromEntries(
    crossings.map(([, , , service, path, name]) => [path, new DataLoader((keys) => rows(service, path, name, keys))]),
  );

function withDataLoaders() {
  const resolvers = { Query };
  for (const [type, field, key, , path] of crossings) {
    (resolvers[type] ??= {})[field] = (parent, _arguments, context) => context[path].load(parent[key]);
  }
  return resolvers;
}

function mercuriusLoaders() {
  const loaders = {};
  for (const [type, field, key, service, path, name] of crossings) {
    (loaders[type] ??= {})[field] = {
      opts: { cache: false },
      async loader(queries) {
        const keys = queries.map(({ obj }) => obj[key]);
        const distinct = [...new Set(keys)];
        const found = new Map((await rows(service, path, name, distinct)).map((row, at) => [distinct[at], row]));
        return keys.map((wanted) => found.get(wanted));
      },
    };
  }
  return loaders;
}

const start = {
  async apollo() {
    const { ApolloServer } = await import('@apollo/server');
    const { startStandaloneServer } = await import('@apollo/server/standalone');
    const server = new ApolloServer({ typeDefs, resolvers: withDataLoaders(), introspection: false });
    await startStandaloneServer(server, { listen: { host, port }, context: async () => makeContext() });
  },
  async yoga() {
    const { createSchema, createYoga } = await import('graphql-yoga');
    const schema = createSchema({ typeDefs, resolvers: withDataLoaders() });
    const yoga = createYoga({ schema, context: makeContext, logging: false, graphiql: false, landingPage: false });
    createServer(yoga).listen(port, host);
  },
  async mercurius(jit = 0) {
    const { default: Fastify } = await import('fastify');
    const { default: mercurius } = await import('mercurius');
    const app = Fastify({ logger: false });
    app.register(mercurius, { schema: typeDefs, resolvers: { Query }, loaders: mercuriusLoaders(), jit });
    await app.listen({ host, port });
  },
  'mercurius-jit': () => start.mercurius(1),
};

await start[process.argv[2]]();
