"""The service's own front door (`GraphQLApp`) over the benchmark's schema and services."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import cast

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.types import Receive, Scope, Send

from adapters.transport.h1 import H1Engine
from adapters.transport.http import Engine, HttpxEngine
from benchmarks.gateway.estate import Estate
from benchmarks.gateway.schema import schema
from bff.access.tokens import Keys, TokenVerifier
from bff.execution import Plans
from bff.ports import Ports
from bff.serving.graphql import GraphQLApp
from bff.serving.tuning import settle

ISSUER, AUDIENCE = "https://benchmark.test", "bff"

ENGINES: dict[str, Callable[[str], Engine]] = {
    "h1": lambda url: H1Engine(connections=64),
    "httpx": lambda url: HttpxEngine(connections=64),
}


class Gateway:
    """`token_file`: where to write an access token that this process accepts (its key is made at the start)."""

    def __init__(self, upstream_base: int, *, engine: str = "h1", token_file: Path | None = None) -> None:
        self._estate = Estate(upstream_base, ENGINES[engine])
        key = ECKey.generate_key("P-256", parameters={"kid": "benchmark"})
        if token_file is not None:
            token_file.write_text(_token(key))
        published = KeySet([key]).as_dict(private=False)

        async def fetch_keys() -> bytes:
            return orjson.dumps(published)

        self._app = GraphQLApp(
            Plans(schema),
            lambda: cast(Ports, self._estate),
            TokenVerifier(Keys(fetch_keys), issuer=ISSUER, audience=AUDIENCE),
            explain=False,
            max_body_bytes=1_000_000,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def aclose(self) -> None:
        await self._estate.aclose()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        settle()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def _token(key: ECKey) -> str:
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "cust-42", "customer_id": "cust-42", "exp": int(time()) + 86_400,
        "scope": "orders service cart",
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "benchmark"}, claims, key)


def create() -> Gateway:
    """For ASGI servers; reads what `__main__` put into the environment."""
    token_file = os.environ.get("BENCH_TOKEN_FILE")
    return Gateway(
        int(os.environ["BENCH_UPSTREAM_BASE"]),
        engine=os.environ.get("BENCH_ENGINE", "h1"),
        token_file=Path(token_file) if token_file else None,
    )
