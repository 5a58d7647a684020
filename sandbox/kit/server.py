"""Real HTTP servers on loopback, one a system, in one process and one event loop.

A system may bear a limited number of connections, as the dealer system does: one more is reset at once. What a server
has seen is at `GET /_stats`: requests, connections open now and at most, refused connections.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.kit.faults import FaultyApp


@dataclass(slots=True)
class Stats:
    requests: int = 0
    open: int = 0
    most_open: int = 0
    refused: int = 0
    paths: dict[str, int] = field(default_factory=dict)


class System:
    """A named system: its app, how many connections it bears (None: any number), and what it has seen."""

    def __init__(self, name: str, app: ASGIApp, *, max_connections: int | None = None) -> None:
        self.name = name
        self.max_connections = max_connections
        self.stats = Stats()
        self.faulty = FaultyApp(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == "/_stats":
                return await self._tell(scope, send)
            if not scope["path"].startswith("/_"):
                self.stats.requests += 1
                self.stats.paths[scope["path"]] = self.stats.paths.get(scope["path"], 0) + 1
        return await self.faulty(scope, receive, send)

    async def _tell(self, scope: Scope, send: Send) -> None:
        if scope["method"] == "DELETE":
            self.stats = Stats(open=self.stats.open)
        body = json.dumps(asdict(self.stats)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _protocol(system: System) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, counting connections and handing the transport to faults that reset it."""

    class Counting(HttpToolsProtocol):
        counted = False

        def connection_made(self, transport: Any) -> None:
            stats = system.stats
            if system.max_connections is not None and stats.open >= system.max_connections:
                stats.refused += 1
                transport.abort()
                return
            self.counted = True
            stats.open += 1
            stats.most_open = max(stats.most_open, stats.open)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.counted:
                system.stats.open -= 1
                super().connection_lost(exc)

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
            extensions["sandbox.transport"] = self.transport

    return Counting


class Estate:
    """Several systems served together. `start` returns when all listen; port 0 takes a free port."""

    def __init__(self, systems: Sequence[tuple[System, int]], host: str = "127.0.0.1") -> None:
        self._systems = systems
        self._host = host
        self._servers: list[uvicorn.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.addresses: dict[str, str] = {}

    async def start(self) -> None:
        for system, port in self._systems:
            listener = socket.create_server((self._host, port), backlog=1024)
            # Inherited by what it accepts; asyncio sets it only on sockets that name their protocol, and without it
            # each answer waits 40 ms for a delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            config = uvicorn.Config(
                system,
                http=_protocol(system),
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_keep_alive=75,
            )
            server = uvicorn.Server(config)
            self._servers.append(server)
            self.addresses[system.name] = f"http://{self._host}:{listener.getsockname()[1]}"
            self._tasks.append(asyncio.create_task(server._serve([listener])))
        while not all(server.started for server in self._servers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # uvicorn has no event for it

    async def stop(self) -> None:
        for server in self._servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*self._tasks)
