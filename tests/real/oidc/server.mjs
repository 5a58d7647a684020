// An OpenID provider that others wrote (oidc-provider): node server.mjs ES256 (or RS256)
// Says its port on the first line of standard output. `POST /rotate` puts a new signing key first and drops the old one.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const alg = process.argv[2];
const ACCOUNT = "C0001";
let generation = 0;

function signingKey() {
  const { privateKey } =
    alg === "RS256"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${++generation}`, use: "sig", alg };
}

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let callback;

  function restart() {
    const provider = new Provider(issuer, {
      jwks: { keys: [signingKey()] },
      clients: [
        {
          client_id: "app",
          token_endpoint_auth_method: "none",
          redirect_uris: ["http://127.0.0.1/cb"],
          grant_types: ["authorization_code"],
          response_types: ["code"],
          id_token_signed_response_alg: alg,
        },
        {
          client_id: "backend",
          client_secret: "backend-secret",
          redirect_uris: [],
          response_types: [],
          grant_types: ["client_credentials"],
          id_token_signed_response_alg: alg,
        },
      ],
      scopes: ["openid", "customer:read", "order:read"],
      pkce: { required: () => true },
      cookies: { keys: ["a key for tests"] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => "urn:example:bff",
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: "customer:read order:read",
            audience: "bff",
            accessTokenTTL: 300,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg } },
          }),
        },
      },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      extraTokenClaims: (_context, token) =>
        token.accountId ? { caller_kind: "CUSTOMER", customer_id: token.accountId, acr: "2" } : {},
      // No pages: whoever comes is logged in, and every scope is granted.
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      loadExistingGrant: async (context) => {
        const grant = new context.oidc.provider.Grant({
          clientId: context.oidc.client.clientId,
          accountId: context.oidc.session.accountId,
        });
        grant.addOIDCScope("openid customer:read order:read");
        grant.addResourceScope("urn:example:bff", "customer:read order:read");
        await grant.save();
        return grant;
      },
    });
    provider.on("server_error", (_context, error) => process.stderr.write(`${error.stack}\n`));
    const handle = provider.callback();
    callback = async (request, response) => {
      if (request.url.startsWith("/interaction/")) {
        await provider.interactionFinished(request, response, { login: { accountId: ACCOUNT, acr: "2" } });
      } else {
        handle(request, response);
      }
    };
  }

  restart();
  server.on("request", (request, response) => {
    if (request.method === "POST" && request.url === "/rotate") {
      restart();
      response.end(`${generation}`);
    } else {
      callback(request, response);
    }
  });
  process.stdout.write(`${server.address().port}\n`);
});
