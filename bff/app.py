"""The ASGI application: the car maker's service behind the front door, and what is served beside `/graphql`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bff import settings as settings_module
from bff.composition import Services
from bff.durability.once import Once
from bff.operations.registry import AdmittedPlans
from bff.pilots.plan import PilotPlan, PlanError
from bff.reconcile import reconcile_route
from bff.serving.assets import asset_route
from bff.serving.console import ConsoleConfig, console_routes, load_examples, page, wants_html
from bff.serving.front import Front, plans_for
from bff.serving.health import purge_route
from bff.serving.incremental import in_one_piece
from bff.serving.notifications import notification_route
from bff.serving.process import Looks
from bff.serving.refusals import error_entry
from bff.serving.tuning import settle
from bff.settings import Settings
from resolvers.schema import build_schema

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "operations"

Tokens = Callable[[], Mapping[str, str]]


class Application(Front):
    """One process of the service. `tokens` gives the console's personas, in development only.

    `plans` are operations that were compiled for the same settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        services: Services | None = None,
        tokens: Tokens = dict,
        plans: AdmittedPlans | None = None,
    ) -> None:
        self.services = services or Services(settings)
        door = self.services.ordering.admission(settings.admission)
        self._once = Once(self.services.state, in_one_piece, admission=door)
        if plans is None:  # those that hold no operation yet are false
            plans = plans_for(settings, build_schema(strong=settings.logins.strong_acr))
        console = None
        if settings.development:
            console = ConsoleConfig(development=True, examples=load_examples(EXAMPLES), tokens=tokens)
        super().__init__(
            settings,
            plans,
            ports=lambda: self.services.ports,
            verifier=self.services.verifier,
            looks=self._looks(),
            state=self.services.state,
            routes=self._routes(console),
            internal=[purge_route(self.services.purge)],
            page=None if console is None else _page_app(console),
            wants_page=wants_html,
        )
        self.graphql.stages.mutate = self._once.run

    def _looks(self) -> Looks:
        ordering = self.services.ordering
        return Looks(
            upstreams=lambda: self.services.states,
            cache_bytes=lambda: getattr(self.services.store, "bytes", None),
            backlog=lambda: ordering.backlog,
            idempotency=lambda: self._once.outcomes,
            purged=lambda: ordering.retention.purged,
        )

    def _routes(self, console: ConsoleConfig | None) -> list[BaseRoute]:
        services = self.services
        routes: list[BaseRoute] = [asset_route(services.content), notification_route(lambda: services.ordering.notices)]
        if console is not None:
            routes += [*console_routes(console), _pilots_route(services), purge_route(services.purge, "/_dev")]
            routes.append(reconcile_route(services))
        return routes

    async def begin(self) -> None:
        self.services.ordering.start()

    async def aclose(self) -> None:
        await self.services.aclose()


def _page_app(console: ConsoleConfig) -> ASGIApp:
    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        await page(console)(scope, receive, send)

    return show


def _pilots_route(services: Services) -> Route:
    async def pilots(request: Request) -> Response:
        """GET the plan in force, PUT another: for trying rollouts out, in development only."""
        if request.method == "PUT":
            try:
                services.plan.swap(PilotPlan.parse((await request.body()).decode()))
            except (PlanError, UnicodeDecodeError) as error:
                return JSONResponse({"errors": [error_entry("BAD_REQUEST", str(error))]}, 400)
        return JSONResponse(services.plan.plan.as_json())

    return Route("/_dev/pilots", pilots, methods=["GET", "PUT"])


WARM: list[AdmittedPlans] = []
"""What the parent of several workers has compiled, trusted documents and their schema: each worker begins with it."""


def create() -> Application:
    """For ASGI servers: `uvicorn --factory bff.app:create`. Raises SettingsError that names what is missing."""
    settings = settings_module.load()
    application = Application(settings, plans=WARM[0] if WARM else None)
    settle()
    return application
