"""Liveness and readiness: the first says that the process runs, the second that it wants traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bff.errors import StateUnavailable

if TYPE_CHECKING:
    from bff.durability.database import Database, Script

States = Callable[[], Mapping[str, Any]]
_NO_STORE = {"cache-control": "no-store"}

FRESH_SECONDS, PATIENCE_SECONDS = 5.0, 1.0
"""How long what was found of the state database is told again, and how long a probe waits for it."""


class StatePulse:
    """Whether the state database answers. However many ask, it is asked once in a few seconds."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._fresh_until = float("-inf")
        self._found: Literal["up", "down"] = "down"
        self._looking = asyncio.Lock()

    async def look(self) -> Literal["up", "down"]:
        async with self._looking:
            if self._clock() >= self._fresh_until:
                self._found = await self._ask()
                self._fresh_until = self._clock() + FRESH_SECONDS
        return self._found

    async def _ask(self) -> Literal["up", "down"]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._database.run(_least, write=False)
        except (StateUnavailable, TimeoutError):
            return "down"
        return "up"


def _least() -> Script[None]:
    """Reads a row, so that a file is opened and not only its driver."""
    yield "SELECT MAX(number) FROM bff_migration", ()


class Readiness:
    """Ready between the end of start-up and the beginning of the end. No upstream decides: screens outlive systems.

    Which of them are in maintenance or behind an open breaker is told all the same, as `states` knows it; and so is
    whether the state database answers, without which there are no orders but everything else.
    """

    def __init__(self, states: States = dict, database: Database | None = None) -> None:
        self.ready = False
        self._states = states
        self._pulse = None if database is None else StatePulse(database)

    def routes(self) -> list[Route]:
        async def live(_request: Request) -> JSONResponse:
            return JSONResponse({"status": "live"}, headers=_NO_STORE)

        async def ready(_request: Request) -> JSONResponse:
            status = "ready" if self.ready else "not ready"
            body = {"status": status, "upstreams": self.unwell()}
            if self._pulse is not None:
                body["state"] = await self._pulse.look()
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
