"""The way in, whatever the schema: every door of `/graphql`, what is let through it, and one process's begin and end.

It knows plans and ports, and no system behind them: `bff.app` puts the car maker's service behind one, the benchmark
its own five. `/graphql` is answered without a framework in between; everything ordinary is Starlette's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.access.hops import ClientCertificates
from bff.access.tokens import TokenVerifier
from bff.errors import BffError
from bff.operations.registry import AdmittedPlans
from bff.serving.addresses import tell_address
from bff.serving.admission import open_admission
from bff.serving.connection import DRAIN
from bff.serving.cors import Cors
from bff.serving.edge import Edge
from bff.serving.freshness import tell_freshness
from bff.serving.graphql import GraphQLApp
from bff.serving.health import Readiness
from bff.serving.limits import HttpLimits
from bff.serving.process import Looks, Process
from bff.serving.refusals import code_of, error_entry
from bff.serving.rights import audit_advisers, tell_challenge
from bff.serving.sse_single import SingleConnections
from bff.serving.websocket import WebSocketApp
from bff.settings import Settings

if TYPE_CHECKING:
    import strawberry

    from bff.durability.database import Database


class Front:
    """One process of a service. A subclass says what stands behind it, and what begins and ends with it.

    `ports` is what resolvers find in their request's context, asked anew for each. `state` is the database whose health
    is told. `routes` are served beside `/graphql` and health, `internal` on the management port. `page` answers who
    wants a page of `/graphql`: browsers.
    """

    def __init__(
        self,
        settings: Settings,
        plans: AdmittedPlans,
        *,
        ports: Callable[[], Any],
        verifier: TokenVerifier,
        looks: Looks,
        state: Database | None = None,
        routes: Sequence[BaseRoute] = (),
        internal: Sequence[Route] = (),
        page: ASGIApp | None = None,
        wants_page: Callable[[Scope], bool] = lambda scope: False,
    ) -> None:
        self.settings = settings
        self.plans = plans
        self.readiness = Readiness(looks.upstreams, state)
        limits = HttpLimits(
            body_bytes=settings.max_body_bytes,
            batch=settings.max_batch,
            streams_per_caller=settings.streams_per_caller,
        )
        self.graphql = GraphQLApp(
            plans, ports, verifier, explain=settings.development, limits=limits, page=page, wants_page=wants_page
        )
        self.admission = open_admission(plans, settings)
        self._join_stages()
        self._stream = SingleConnections(self.graphql)
        self._websocket = WebSocketApp(self.graphql, settings.cors_origins)
        self.rest: ASGIApp = Starlette(
            routes=[*self.readiness.routes(), *routes],
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _http_error, BffError: _bff_error},
        )
        self.process = Process(
            settings.operating,
            plans,
            looks,
            development=settings.development,
            addresses={name: address.url for name, address in settings.upstreams.items()},
            health=[*self.readiness.routes(), *internal],
            begin_drain=self.drain,
        )
        gate = self.process.around(self._route, self.graphql.stages)
        believed = ClientCertificates(gate, settings.operations.trusted_proxies)
        self._edge = Edge(believed, limits, Cors(settings.cors_origins), production=not settings.development)

    def _join_stages(self) -> None:
        stages = self.graphql.stages
        self.admission.join(stages)
        stages.admit += [audit_advisers, tell_address(self.settings.operations.trusted_proxies)]
        stages.finish += [tell_freshness, tell_challenge]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._edge(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.rest
        if scope["type"] == "http" and scope["path"] == "/graphql":
            app = self.graphql
        elif scope["type"] == "http" and scope["path"] == "/graphql/stream":
            app = self._stream
        elif scope["type"] == "websocket" and scope["path"] == "/graphql":
            app = self._websocket
        await app(scope, receive, send)

    def drain(self) -> None:
        """Called when the server begins to stop: no more traffic is wanted, and streams end so that requests can."""
        self.readiness.ready = False
        self.graphql.streams.drain()

    async def begin(self) -> None:
        """Start what stands behind, before the first request."""

    async def aclose(self) -> None:
        """End what stands behind, after the last request."""

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        await self.process.start()
        await self.begin()
        self.readiness.ready = True
        yield {DRAIN: self.process.draining.begin}
        self.process.draining.begin()
        await self.admission.aclose()
        await self.aclose()
        await self.process.stop()


def plans_for(settings: Settings, schema: strawberry.Schema) -> AdmittedPlans:
    """No operation yet, and room for as many as the settings say."""
    return AdmittedPlans(
        schema,
        settings.operations.profile,
        reject=settings.logins.reject,
        max_fields=settings.operations.plan_fields,
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"errors": [error_entry(code_of(error.status_code), error.detail)]}
    return JSONResponse(body, error.status_code, error.headers)


async def _bff_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BffError)
    return JSONResponse({"errors": [{"message": error.message, "extensions": error.extensions}]}, 502)
