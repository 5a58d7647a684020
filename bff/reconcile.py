"""`bff reconcile`: a process of its own that reconciles and ends; or, in development, the running service does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bff.composition import Services
from bff.serving.refusals import error_entry
from bff.settings import Settings


async def reconciled(settings: Settings, *, days: int, mend: bool) -> dict[str, Any]:
    """As JSON: `payments` and `orders` looked at, `findings`."""
    services = Services(settings)
    try:
        return await _run(services, days, mend=mend)
    finally:
        await services.aclose()


async def _run(services: Services, days: int, *, mend: bool) -> dict[str, Any]:
    ordering = services.ordering
    done = await ordering.reconcile(ordering.flows.now - timedelta(days=days), mend=mend)
    found: dict[str, Any] = msgspec.to_builtins(done)
    return found


def reconcile_route(services: Services) -> Route:
    """`POST /_dev/reconcile?days=8&lookOnly=0`, in development only: state is this process's memory there."""

    async def answer(request: Request) -> Response:
        days = request.query_params.get("days", "8")
        if not days.isascii() or not days.isdigit():
            return JSONResponse({"errors": [error_entry("BAD_REQUEST", "days is a whole number.")]}, 400)
        return JSONResponse(await _run(services, int(days), mend=request.query_params.get("lookOnly") != "1"))

    return Route("/_dev/reconcile", answer, methods=["POST"])
