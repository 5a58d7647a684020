"""The front door, as production has it, before the benchmark's schema and services.

Everything a request passes is on: header limits and security headers, tokens, admission (limits, cost, rates), plans,
deadlines, breakers, room, coalescing, metrics, traces sampled at one percent. Two settings differ from production's:
any document is answered, since the load sends texts, and nobody's rate ends, though it is counted. What stands behind
the door in the car maker's service is not here: its systems, and idempotency keys, as no workload mutates.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from secrets import token_bytes, token_hex
from time import time

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from adapters.transport.engines import engine_for
from adapters.transport.http import Engine, HttpxEngine
from benchmarks.gateway.estate import Estate
from benchmarks.gateway.schema import schema
from bff import settings as settings_module
from bff.access.tokens import Keys, TokenVerifier
from bff.serving.front import Front, plans_for
from bff.serving.process import Looks
from bff.serving.tuning import settle
from bff.settings import Settings
from bff.upstreams import UPSTREAMS

ISSUER, AUDIENCE = "https://benchmark.test", "bff"
CONNECTIONS = 64

ENGINES: dict[str, Callable[[str], Engine]] = {
    "h1": lambda url: engine_for(connections=CONNECTIONS),
    "httpx": lambda url: HttpxEngine(connections=CONNECTIONS),
}


def settings_for(upstream_base: int) -> Settings:
    """Production's, with addresses that are never asked: the benchmark's schema knows only its own services."""
    endless = {"units": 10**12}
    environ = {f"BFF_{name.upper()}_URL": f"http://127.0.0.1:{upstream_base}" for name in UPSTREAMS} | {
        "BFF_MODE": "production",
        "BFF_PUBLIC_URL": "http://127.0.0.1",
        "BFF_OIDC_ISSUER": ISSUER,
        "BFF_OIDC_AUDIENCE": AUDIENCE,
        "BFF_DOCUMENTS_ONLY": "0",
        "BFF_RATE_LIMITS": orjson.dumps({"caller": endless, "anonymous": endless}).decode(),
        "BFF_MANAGEMENT_PORT": "0",
        "BFF_DRAIN_SECONDS": "0",
        "BFF_PSEUDONYM_KEY": f"bench:{b64encode(token_bytes(32)).decode()}",
        "BFF_ADMISSION_KEYS": token_hex(32),
    }
    if (plan_fields := os.environ.get("BFF_PLAN_FIELDS")) is not None:
        environ["BFF_PLAN_FIELDS"] = plan_fields
    return settings_module.load(environ)


class Gateway(Front):
    """`key` signs what this process accepts; without one, no token is."""

    def __init__(self, upstream_base: int, *, engine: str = "h1", key: ECKey | None = None) -> None:
        settings = settings_for(upstream_base)
        self._estate = estate = Estate(upstream_base, ENGINES[engine])
        super().__init__(
            settings,
            plans_for(settings, schema),
            ports=lambda: estate,
            verifier=_verifier(key or new_key()),
            looks=Looks(upstreams=lambda: estate.states),
        )

    async def aclose(self) -> None:
        await self._estate.aclose()


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": "benchmark"})


def _verifier(key: ECKey) -> TokenVerifier:
    published = orjson.dumps(KeySet([key]).as_dict(private=False))

    async def fetch_keys() -> bytes:
        return published

    return TokenVerifier(Keys(fetch_keys), issuer=ISSUER, audience=AUDIENCE)


def token(key: ECKey, number: int = 0) -> str:
    """An access token of a customer. The services send everybody the same."""
    customer = f"cust-{42 + number}"
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": customer, "customer_id": customer, "exp": int(time()) + 86_400,
        "scope": "orders service cart",
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "benchmark"}, claims, key)


def create() -> Gateway:
    """For ASGI servers; reads what `__main__` put into the environment."""
    gateway = _from_environment()
    settle()
    return gateway


def warm_up() -> None:
    """What workers share: this module with all that it imports, and what making a gateway leaves in caches."""
    _from_environment()


def _from_environment() -> Gateway:
    key = os.environ.get("BENCH_KEY")
    return Gateway(
        int(os.environ["BENCH_UPSTREAM_BASE"]),
        engine=os.environ.get("BENCH_ENGINE", "h1"),
        key=ECKey.import_key(orjson.loads(key)) if key else None,
    )
