"""The OpenID Connect side: discovery, keys, and a token for any persona.

The persona grant exists in the sandbox alone: `POST /token` with the form
`grant_type=urn:sandbox:oauth:grant-type:persona&persona=owner` answers a token without any proof of who asks. `persona`
is guest, owner, adviser, head-unit, or the id of any customer. The token exchange (RFC 8693) is what real issuers have:
a client that proves itself names the WeChat account that it has logged in.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sandbox.identity import tokens
from sandbox.kit.openapi import Endpoint
from sandbox.kit.rest import reply
from sandbox.world import World

PERSONA_GRANT = "urn:sandbox:oauth:grant-type:persona"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
OPENID = "urn:wechat:params:oauth:token-type:openid"
CLIENT = "Basic " + base64.b64encode(b"bff:sandbox-client-secret").decode()
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}

TOKEN_FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"enum": [PERSONA_GRANT, EXCHANGE_GRANT]},
        "persona": {"type": "string"},
        "subject_token": {"type": "string"},
        "subject_token_type": {"const": OPENID},
        "audience": {"type": "string"},
    },
}


class Discovery(msgspec.Struct, kw_only=True):
    """OpenID Connect Discovery 1.0, section 3. `issuer` is a name; the other addresses are where this runs."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    scopes_supported: list[str]


class Keys(msgspec.Struct):
    """A JWK set (RFC 7517, section 5)."""

    keys: list[dict[str, str]]


class Token(msgspec.Struct):
    """RFC 6749, section 5.1."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


def endpoints(world: World) -> list[Endpoint]:
    async def discovery(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        scopes = {scope for scopes in tokens.SCOPES.values() for scope in scopes.split()}
        shown = Discovery(
            issuer=tokens.ISSUER,
            token_endpoint=f"{base}/token",
            jwks_uri=f"{base}/.well-known/jwks.json",
            grant_types_supported=[PERSONA_GRANT, EXCHANGE_GRANT],
            response_types_supported=["none"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["ES256"],
            token_endpoint_auth_methods_supported=["none"],
            scopes_supported=sorted(scopes),
        )
        return reply(msgspec.to_builtins(shown))

    async def keys(_request: Request) -> Response:
        return reply(tokens.jwks())

    async def token(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if form.get("grant_type") == [EXCHANGE_GRANT]:
            return exchange(request, form)
        if form.get("grant_type") != [PERSONA_GRANT]:
            return _error("unsupported_grant_type", f"the grants here are {PERSONA_GRANT} and {EXCHANGE_GRANT}")
        personas = form.get("persona", [])
        if len(personas) != 1:
            return _error("invalid_request", "give one persona")
        persona = personas[0]
        if persona not in world.personas and persona not in world.customers:
            return _error("invalid_grant", f"a persona is {', '.join(world.personas)} or a customer id")
        return _token(persona)

    def exchange(request: Request, form: dict[str, list[str]]) -> Response:
        if request.headers.get("authorization") != CLIENT:
            return reply({"error": "invalid_client"}, 401, _NO_STORE)
        if form.get("subject_token_type") != [OPENID]:
            return _error("invalid_request", f"the only subject_token_type here is {OPENID}")
        (openid,), (app,) = form.get("subject_token", [""])[:1], form.get("audience", [""])[:1]
        customer = world.customer_by_identity("WECHAT_MINI", app, openid)
        return _error("invalid_grant", "nobody has this account") if customer is None else _token(customer.id)

    return [
        Endpoint(method="GET", path="/.well-known/openid-configuration", id="GetDiscovery", handler=discovery,
                 answer=Discovery, summary="OpenID Connect discovery."),
        Endpoint(method="GET", path="/.well-known/jwks.json", id="GetKeys", handler=keys, answer=Keys,
                 summary="The public keys of tokens."),
        Endpoint(method="POST", path="/token", id="IssueToken", handler=token, answer=Token,
                 summary="A token for a persona; in the sandbox alone. Errors are those of RFC 6749, section 5.2."),
    ]  # fmt: skip


def _token(persona: str) -> Response:
    made = Token(
        access_token=tokens.issue(persona),
        token_type="Bearer",  # noqa: S106 - a word of RFC 6750
        expires_in=int(tokens.LIFETIME.total_seconds()),
        scope=tokens.claims_of(persona)["scope"],
    )
    return reply(msgspec.to_builtins(made), headers=_NO_STORE)


def _error(code: str, described: str) -> Response:
    problem: dict[str, Any] = {"error": code, "error_description": described}
    return reply(problem, 400, _NO_STORE)
