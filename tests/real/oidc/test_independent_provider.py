"""Logins against an OpenID provider that others wrote: by discovery, by code with PKCE, with keys that rotate."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bff.access.keys import RETRY_SECONDS, Discovery, Keys
from bff.access.tokens import TokenVerifier
from bff.context import CallerKind
from bff.errors import NotAuthenticated
from tests.access.issuer import Clock
from tests.estate.house import House
from tools.nodejs import ensure_npm, node_binary

pytestmark = [pytest.mark.anyio, pytest.mark.real]

HERE = Path(__file__).parent
REDIRECT = "http://127.0.0.1/cb"


class Provider:
    """The provider as a client and as its resource server see it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.http = httpx.AsyncClient(base_url=issuer, timeout=20)
        self.ticks = Clock(1000.0)
        self.keys = Keys(Discovery(issuer, self._get).fetch_keys, clock=self.ticks)
        self.verifier = TokenVerifier(self.keys, issuer=issuer, audience="bff")

    async def _get(self, url: str) -> bytes:
        return (await self.http.get(url)).content

    async def log_in(self) -> dict[str, Any]:
        """Authorization code with PKCE (RFC 7636), following the provider's redirects as a browser would."""
        proof = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(proof.encode()).digest()).decode().rstrip("=")
        asked = {
            "client_id": "app", "response_type": "code", "redirect_uri": REDIRECT,
            "scope": "openid customer:read order:read", "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        reply = await self.http.get("/auth", params=asked)
        for _ in range(5):
            if reply.headers["location"].startswith(REDIRECT):
                break
            reply = await self.http.get(reply.headers["location"])
        (code,) = parse_qs(urlsplit(reply.headers["location"]).query)["code"]
        form = {
            "grant_type": "authorization_code", "client_id": "app", "redirect_uri": REDIRECT, "code": code,
            "code_verifier": proof,
        }  # fmt: skip
        granted = await self.http.post("/token", data=form)
        assert granted.status_code == 200, granted.text
        tokens: dict[str, Any] = granted.json()
        return tokens

    async def service_token(self) -> str:
        form = {"grant_type": "client_credentials", "scope": "order:read"}
        granted = await self.http.post("/token", data=form, auth=("backend", "backend-secret"))
        assert granted.status_code == 200, granted.text
        return str(granted.json()["access_token"])


@pytest.fixture(params=["ES256", "RS256"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    ensure_npm(HERE)
    server = await asyncio.create_subprocess_exec(
        node_binary(), "server.mjs", request.param, cwd=HERE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = int(await asyncio.wait_for(server.stdout.readline(), 30))
        made = Provider(f"http://127.0.0.1:{port}")
        yield made
        await made.http.aclose()
    finally:
        server.terminate()
        await server.wait()


def header_of(token: str) -> dict[str, Any]:
    raw = token.split(".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    return header


async def test_login_with_a_code_proves_the_customer(provider: Provider) -> None:
    tokens = await provider.log_in()
    assert header_of(tokens["access_token"])["typ"] == "at+jwt"
    caller = await provider.verifier.caller(f"Bearer {tokens['access_token']}")
    assert (caller.kind, caller.customer_id, caller.acr) == (CallerKind.CUSTOMER, "C0001", "2")
    assert caller.scopes == {"customer:read", "order:read"}
    with pytest.raises(NotAuthenticated):
        await provider.verifier.caller(f"Bearer {tokens['id_token']}")


async def test_client_credentials_prove_a_service_and_nobody_in_person(provider: Provider) -> None:
    caller = await provider.verifier.caller(f"Bearer {await provider.service_token()}")
    assert (caller.kind, caller.subject, caller.customer_id) == (CallerKind.SERVICE, "backend", None)
    assert caller.scopes == {"order:read"}


async def test_rotated_key_is_picked_up_and_the_old_one_forgotten(provider: Provider) -> None:
    old = await provider.service_token()
    await provider.verifier.caller(f"Bearer {old}")
    await provider.http.post("/rotate")
    new = await provider.service_token()
    assert header_of(old)["kid"] != header_of(new)["kid"]
    provider.ticks.now += RETRY_SECONDS + 1
    assert (await provider.verifier.caller(f"Bearer {new}")).subject == "backend"
    with pytest.raises(NotAuthenticated):
        await provider.verifier.caller(f"Bearer {old}")


async def test_whole_service_finds_the_provider_by_its_issuer_alone(provider: Provider) -> None:
    house = House(BFF_OIDC_ISSUER=provider.issuer)
    try:
        tokens = await provider.log_in()
        query = "{ viewer { kind customer { profile { displayName } cart { id } garage { role } } } }"
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        answer = await house.ask(query, persona=None, headers=headers)
        assert answer.data["viewer"]["kind"] == "CUSTOMER"
        assert answer.data["viewer"]["customer"]["profile"]["displayName"]
        assert answer.codes() == {"viewer.customer.garage": "FORBIDDEN"}, "the provider granted no vehicle:read"
        assert (await house.ask(query, persona="owner")).status == 401, "the sandbox is not this issuer"
    finally:
        await house.aclose()
