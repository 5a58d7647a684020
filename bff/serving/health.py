"""Liveness and readiness: the first says that the process runs, the second that it wants traffic."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Readiness:
    """Ready between the end of start-up and the beginning of the end. No upstream decides: screens outlive systems."""

    def __init__(self) -> None:
        self.ready = False

    def routes(self) -> list[Route]:
        async def live(_request: Request) -> JSONResponse:
            return JSONResponse({"status": "live"}, headers={"cache-control": "no-store"})

        async def ready(_request: Request) -> JSONResponse:
            status = "ready" if self.ready else "not ready"
            return JSONResponse({"status": status}, 200 if self.ready else 503, {"cache-control": "no-store"})

        return [Route("/health/live", live), Route("/health/ready", ready)]
