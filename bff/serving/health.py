"""Liveness and readiness: the first says that the process runs, the second that it wants traffic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

States = Callable[[], Mapping[str, Any]]
_NO_STORE = {"cache-control": "no-store"}


class Readiness:
    """Ready between the end of start-up and the beginning of the end. No upstream decides: screens outlive systems.

    Which of them are in maintenance or behind an open breaker is told all the same, as `states` knows it.
    """

    def __init__(self, states: States = dict) -> None:
        self.ready = False
        self._states = states

    def routes(self) -> list[Route]:
        async def live(_request: Request) -> JSONResponse:
            return JSONResponse({"status": "live"}, headers=_NO_STORE)

        async def ready(_request: Request) -> JSONResponse:
            status = "ready" if self.ready else "not ready"
            body = {"status": status, "upstreams": self.unwell()}
            return JSONResponse(body, 200 if self.ready else 503, _NO_STORE)

        return [Route("/health/live", live), Route("/health/ready", ready)]

    def unwell(self) -> dict[str, Any]:
        """The upstreams of which there is something to say: maintenance, open breakers, callers who wait for room."""
        said = {name: msgspec.to_builtins(state) for name, state in self._states().items()}
        return {
            name: state
            for name, state in said.items()
            if state["breakers"] or state["isInMaintenance"] or state["waiting"]
        }


def purge_route(purge: Callable[[str], Awaitable[int]], prefix: str = "") -> Route:
    """`DELETE /cache/TAG`: forget the kept answers that carry the tag; the body says how many those were."""

    async def forget(request: Request) -> JSONResponse:
        return JSONResponse({"purged": await purge(request.path_params["tag"])}, headers=_NO_STORE)

    return Route(prefix + "/cache/{tag}", forget, methods=["DELETE"])
