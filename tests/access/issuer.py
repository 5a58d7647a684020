"""An issuer for tests: keys of its own, tokens as wrong as a test wants them, a JWK set that can change or be away."""

from __future__ import annotations

import base64
import json
from time import time
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from bff.access.keys import Key, Keys
from bff.access.tokens import TokenVerifier
from bff.errors import UpstreamUnavailable

ISSUER = "https://login.example"
AUDIENCE = "bff"
CUSTOMER = {"caller_kind": "CUSTOMER", "customer_id": "C0001", "scope": "customer:read order:read"}


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Issuer:
    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.fetches = 0
        self.is_away = False
        self.add("es", ECKey.generate_key("P-256", {"kid": "es", "alg": "ES256", "use": "sig"}))
        self.clock = Clock(time())
        self.ticks = Clock(1000.0)
        self.key_set = Keys(self.fetch, clock=self.ticks)

    def add(self, kid: str, key: Key) -> Key:
        self.keys[kid] = key
        return key

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.is_away:
            raise UpstreamUnavailable("oidc")
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]}).encode()

    def verifier(self, **changes: Any) -> TokenVerifier:
        return TokenVerifier(self.key_set, issuer=ISSUER, audience=AUDIENCE, clock=self.clock, **changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "s1", "iat": now, "exp": now + 300, **CUSTOMER, **changes}
        return {name: value for name, value in whole.items() if value is not ...}

    def token(self, *, kid: str = "es", alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """`...` as a claim's value leaves the claim out."""
        return self.signed(json.dumps(self.claims(**claims)).encode(), kid=kid, alg=alg, header=header)

    def signed(
        self, payload: bytes, *, kid: str = "es", alg: str = "ES256", header: dict[str, Any] | None = None
    ) -> str:
        full = {"alg": alg, "typ": "at+jwt", "kid": kid, **(header or {})}
        full = {name: value for name, value in full.items() if value is not ...}
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        signing = {name: value for name, value in self.keys[kid].as_dict(private=True).items() if name != "alg"}
        return jws.serialize_compact(full, payload, type(self.keys[kid]).import_key(signing), registry=registry)


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    return ".".join([*(_part(part) for part in (header, claims)), signature])


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
