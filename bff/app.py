"""The ASGI application: routes, start and end.

`/graphql` is answered without a framework in between; everything ordinary is Starlette's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bff import settings as settings_module
from bff.composition import Services
from bff.errors import BffError
from bff.execution import Plans
from bff.pilots.plan import PilotPlan, PlanError
from bff.serving.assets import asset_route
from bff.serving.console import ConsoleConfig, console_routes, load_examples, page, wants_html
from bff.serving.graphql import GraphQLApp
from bff.serving.health import Readiness
from bff.settings import Settings
from resolvers.schema import build_schema

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "operations"

Tokens = Callable[[], Mapping[str, str]]


class Application:
    """One process of the service. `tokens` gives the console's personas, in development only."""

    def __init__(self, settings: Settings, *, services: Services | None = None, tokens: Tokens = dict) -> None:
        self.settings = settings
        self.services = services or Services(settings)
        self.plans = Plans(build_schema())
        self.readiness = Readiness()
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
            max_body_bytes=settings.max_body_bytes,
            page=_page_app(console) if settings.development else None,
            wants_page=wants_html,
        )
        routes: list[BaseRoute] = [*self.readiness.routes(), asset_route(self.services.content)]
        if settings.development:
            routes += [*console_routes(console), self._pilots_route()]
        self.rest: ASGIApp = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _http_error, BffError: _bff_error},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/graphql":
            await self.graphql(scope, receive, send)
        else:
            await self.rest(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.readiness.ready = True
        yield
        self.readiness.ready = False
        await self.services.aclose()

    def _pilots_route(self) -> Route:
        async def pilots(request: Request) -> Response:
            """GET the plan in force, PUT another: for trying rollouts out, in development only."""
            if request.method == "PUT":
                try:
                    self.services.plan.swap(PilotPlan.parse((await request.body()).decode()))
                except (PlanError, UnicodeDecodeError) as error:
                    return JSONResponse({"error": str(error)}, 400)
            return JSONResponse(self.services.plan.plan.as_json())

        return Route("/_dev/pilots", pilots, methods=["GET", "PUT"])


def _page_app(console: ConsoleConfig) -> ASGIApp:
    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        await page(console)(scope, receive, send)

    return show


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "BAD_REQUEST")
    body = {"errors": [{"message": error.detail, "extensions": {"code": code}}]}
    return JSONResponse(body, error.status_code, error.headers)


async def _bff_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BffError)
    return JSONResponse({"errors": [{"message": error.message, "extensions": error.extensions}]}, 502)


def create() -> Application:
    """For ASGI servers: `uvicorn --factory bff.app:create`. Raises SettingsError that names what is missing."""
    return Application(settings_module.load())
