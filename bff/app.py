"""The ASGI application: routes, start and end.

`/graphql` is answered without a framework in between; everything ordinary is Starlette's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bff import settings as settings_module
from bff.access.hops import ClientCertificates
from bff.composition import Services
from bff.durability.once import Once
from bff.errors import BffError
from bff.operations.registry import AdmittedPlans
from bff.pilots.plan import PilotPlan, PlanError
from bff.reconcile import reconcile_route
from bff.serving.addresses import tell_address
from bff.serving.admission import open_admission
from bff.serving.assets import asset_route
from bff.serving.connection import DRAIN
from bff.serving.console import ConsoleConfig, console_routes, load_examples, page, wants_html
from bff.serving.cors import Cors
from bff.serving.edge import Edge
from bff.serving.freshness import tell_freshness
from bff.serving.graphql import GraphQLApp
from bff.serving.health import Readiness, purge_route
from bff.serving.incremental import in_one_piece
from bff.serving.limits import HttpLimits
from bff.serving.notifications import notification_route
from bff.serving.process import Looks, Process
from bff.serving.refusals import code_of, error_entry
from bff.serving.rights import audit_advisers, tell_challenge
from bff.serving.sse_single import SingleConnections
from bff.serving.tuning import settle
from bff.serving.websocket import WebSocketApp
from bff.settings import Settings
from resolvers.schema import build_schema

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "operations"

Tokens = Callable[[], Mapping[str, str]]


class Application:
    """One process of the service. `tokens` gives the console's personas, in development only.

    `schema` replaces the service's own: the benchmark measures all that stands around a schema. `plans` are operations
    that were compiled for the same settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        services: Services | None = None,
        tokens: Tokens = dict,
        schema: strawberry.Schema | None = None,
        plans: AdmittedPlans | None = None,
    ) -> None:
        self.settings = settings
        self.services = services or Services(settings)
        self.plans = plans or plans_for(settings, schema or build_schema(strong=settings.logins.strong_acr))
        self.readiness = Readiness(lambda: self.services.states, self.services.state)
        limits = HttpLimits(
            body_bytes=settings.max_body_bytes,
            batch=settings.max_batch,
            streams_per_caller=settings.streams_per_caller,
        )
        console = ConsoleConfig(
            development=settings.development,
            examples=load_examples(EXAMPLES) if settings.development else (),
            tokens=tokens,
        )
        self.graphql = GraphQLApp(
            self.plans,
            lambda: self.services.ports,
            self.services.verifier,
            explain=settings.development,
            limits=limits,
            page=_page_app(console) if settings.development else None,
            wants_page=wants_html,
        )
        ordering = self.services.ordering
        self.admission = open_admission(self.plans, settings)
        self.admission.join(self.graphql.stages)
        self.graphql.stages.admit.append(audit_advisers)
        self.graphql.stages.admit.append(tell_address(settings.operations.trusted_proxies))
        door = ordering.admission(settings.admission)
        once = Once(self.services.state, in_one_piece, admission=door)
        self.graphql.stages.mutate = once.run
        self.graphql.stages.finish += [tell_freshness, tell_challenge]
        self._stream = SingleConnections(self.graphql)
        self._websocket = WebSocketApp(self.graphql, settings.cors_origins)
        routes: list[BaseRoute] = [*self.readiness.routes(), asset_route(self.services.content)]
        routes.append(notification_route(lambda: ordering.notices))
        if settings.development:
            routes += [*console_routes(console), self._pilots_route(), purge_route(self.services.purge, "/_dev")]
            routes.append(reconcile_route(self.services))
        self.rest: ASGIApp = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _http_error, BffError: _bff_error},
        )
        self.process = Process(
            settings.operating,
            Looks(
                upstreams=lambda: self.services.states,
                fallbacks=lambda: self.plans.fallbacks.counts,
                plans=lambda: len(self.plans),
                compiled=lambda: self.plans.compiled,
                cache_bytes=lambda: getattr(self.services.store, "bytes", None),
                backlog=lambda: ordering.backlog,
                idempotency=lambda: once.outcomes,
                purged=lambda: ordering.retention.purged,
            ),
            development=settings.development,
            addresses={name: address.url for name, address in settings.upstreams.items()},
            health=[*self.readiness.routes(), purge_route(self.services.purge)],
            begin_drain=self.drain,
        )
        gate = self.process.around(self._route, self.graphql.stages)
        believed = ClientCertificates(gate, settings.operations.trusted_proxies)
        self._edge = Edge(believed, limits, Cors(settings.cors_origins), production=not settings.development)

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

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        await self.process.start()
        self.services.ordering.start()
        self.readiness.ready = True
        yield {DRAIN: self.process.draining.begin}
        self.process.draining.begin()
        await self.admission.aclose()
        await self.services.aclose()
        await self.process.stop()

    def _pilots_route(self) -> Route:
        async def pilots(request: Request) -> Response:
            """GET the plan in force, PUT another: for trying rollouts out, in development only."""
            if request.method == "PUT":
                try:
                    self.services.plan.swap(PilotPlan.parse((await request.body()).decode()))
                except (PlanError, UnicodeDecodeError) as error:
                    return JSONResponse({"errors": [error_entry("BAD_REQUEST", str(error))]}, 400)
            return JSONResponse(self.services.plan.plan.as_json())

        return Route("/_dev/pilots", pilots, methods=["GET", "PUT"])


def plans_for(settings: Settings, schema: strawberry.Schema) -> AdmittedPlans:
    """No operation yet, and room for as many as the settings say."""
    return AdmittedPlans(
        schema,
        settings.operations.profile,
        reject=settings.logins.reject,
        max_fields=settings.operations.plan_fields,
    )


def _page_app(console: ConsoleConfig) -> ASGIApp:
    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        await page(console)(scope, receive, send)

    return show


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"errors": [error_entry(code_of(error.status_code), error.detail)]}
    return JSONResponse(body, error.status_code, error.headers)


async def _bff_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BffError)
    return JSONResponse({"errors": [{"message": error.message, "extensions": error.extensions}]}, 502)


WARM: list[AdmittedPlans] = []
"""What the parent of several workers has compiled, trusted documents and their schema: each worker begins with it."""


def create() -> Application:
    """For ASGI servers: `uvicorn --factory bff.app:create`. Raises SettingsError that names what is missing."""
    settings = settings_module.load()
    application = Application(settings, plans=WARM[0] if WARM else None)
    settle()
    return application
