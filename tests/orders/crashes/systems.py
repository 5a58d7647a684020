"""The systems of the estate in a process that outlives the service's: real HTTP on loopback, over one world.

The sockets belong to whoever forks this process, so that the next one is found at the same addresses. Besides the
systems it serves itself at `DESK`: notifications that a provider has sent and nobody has taken, and what became of the
world.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.kit.server import System
from sandbox.world import World
from tests.orders.crashes.board import Board
from tests.orders.crashes.points import KILL
from tests.orders.crashes.world import Before, facts

DESK = "desk"


class Mailbox(httpx.AsyncBaseTransport):
    """Takes every notification, and keeps it until the service has taken it: as a provider repeats them for days."""

    def __init__(self) -> None:
        self.letters: list[dict[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = base64.b64encode(await request.aread()).decode()
        headers = json.dumps({name: value for name, value in request.headers.items() if name != "host"})
        self.letters.append({"path": request.url.path, "headers": headers, "body": body})
        return httpx.Response(200)


class Door:
    """In front of a system: kills who asked, where they wanted it, when the system has done what they asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        victim = headers.get(KILL.encode())
        if victim is None:
            return await self._app(scope, receive, send)

        async def silent(_message: Message) -> None:
            """Nobody is there to hear it."""

        await self._app(scope, receive, silent)
        os.kill(int(victim), signal.SIGKILL)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        return await send({"type": "http.response.body", "body": b""})


class Desk:
    def __init__(self, world: World, systems: dict[str, System], mailbox: Mailbox, board: Board) -> None:
        self._world, self._systems, self._mailbox, self._board = world, systems, mailbox, board
        self._before = Before(world)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        said: Any = None
        match scope["method"], scope["path"]:
            case "GET", "/facts":
                said = facts(self._world, self._systems, self._before, self._board.now())
            case "GET", "/letters":
                said = self._mailbox.letters
            case "DELETE", _:
                del self._mailbox.letters[0]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})


class Systems:
    """`sockets` by name; `world` and `systems` as they are before anybody asks, which each process has a copy of."""

    def __init__(self, world: World, systems: dict[str, System], mailbox: Mailbox, board: Board) -> None:
        self.world, self.systems = world, systems
        apps: dict[str, ASGIApp] = {name: Door(system) for name, system in systems.items()}
        apps[DESK] = Desk(world, systems, mailbox, board)
        self._sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=256) for name in apps}
        for each in self._sockets.values():
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._apps = {each.getsockname()[1]: apps[name] for name, each in self._sockets.items()}

    @property
    def addresses(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in self._sockets.items()}

    def serve(self) -> None:
        """Until it is killed."""
        config = uvicorn.Config(self._route, interface="asgi3", log_level="warning", access_log=False, lifespan="off")
        asyncio.run(uvicorn.Server(config)._serve(list(self._sockets.values())))

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["server"][1]](scope, receive, send)
