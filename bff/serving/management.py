"""The management port: metrics, health and state for operators, on a port of its own that no client ever reaches.

`GET /metrics` (Prometheus text), `/health/live`, `/health/ready`, `/state` (JSON). It answers until the very end: while
a process drains, it says so. With one process it is served by that process's own loop, so that a loop which hangs does
not look alive. With several, each answers on a Unix socket in a folder that only their parent and they know, and a
process beside them, which has the port, asks them all (`merged.py`).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

log = logging.getLogger("bff.serving")

FOLDER = "BFF_MANAGEMENT_FOLDER"
"""Set by the parent of several workers: where they put their sockets."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_WORKERS = 256
NO_STORE = {"cache-control": "no-store"}


class QuietServer(uvicorn.Server):
    """A second server in a process that has one: signals, and telling that the process begins, are the first one's."""

    async def serve(self, sockets: list[socket] | None = None) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets)
        await self.main_loop()
        await self.shutdown(sockets)


class Management:
    """`page` gives the metrics, `state` what `/state` shows, `health` the routes of health."""

    def __init__(
        self,
        page: Callable[[], bytes],
        state: Callable[[], dict[str, Any]],
        health: list[Route],
        host: str,
        port: int | None,
    ) -> None:
        self._app = management_app(page, state, health)
        self._host = host
        self._port = port
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._claim: int | None = None

    async def start(self) -> None:
        """Listen. A port that is taken stops nobody from being served: it is an error in the log."""
        folder = os.environ.get(FOLDER)
        if folder is not None:
            self._claim, path = claim_socket(Path(folder))
            await self._listen(uvicorn.Config(self._app, uds=str(path), **QUIET))
        elif self._port is not None:
            await self._listen(uvicorn.Config(self._app, host=self._host, port=self._port, **QUIET))

    async def _listen(self, config: uvicorn.Config) -> None:
        self._server = QuietServer(config)
        self._task = asyncio.create_task(_serve(self._server))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        if self._server.started:
            log.info("Metrics, health and state for operators at %s:%s", self._host, config.uds or self._port)
        else:
            log.error("The management port %s:%s cannot be had; is it taken?", self._host, self._port)

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._task
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


QUIET: dict[str, Any] = {
    "lifespan": "off",
    "log_config": None,
    "log_level": None,  # levels are of loggers that the first server has too
    "access_log": False,
    "server_header": False,
    "ws": "none",
    "timeout_graceful_shutdown": 1,
}


async def _serve(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit:  # how uvicorn says that it cannot bind
        return


def management_app(page: Callable[[], bytes], state: Callable[[], dict[str, Any]], health: list[Route]) -> ASGIApp:
    async def metrics(_request: Request) -> Response:
        return Response(page(), headers=NO_STORE | {"content-type": CONTENT_TYPE})

    async def show(_request: Request) -> Response:
        return JSONResponse(state(), headers=NO_STORE)

    routes: list[BaseRoute] = [Route("/metrics", metrics), Route("/state", show), *health]
    return Starlette(routes=routes)


def claim_socket(folder: Path) -> tuple[int, Path]:
    """The first number that no living worker has, as a locked file, and the path of its socket.

    The kernel lets go of the lock when the process ends, however it does: its successor has the same number.
    """
    for number in range(MOST_WORKERS):
        file = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        path = folder / f"{number}.sock"
        path.unlink(missing_ok=True)
        return file, path
    raise RuntimeError(f"{folder} has no number left for a worker")
