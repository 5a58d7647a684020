"""One process of the service in a surge: `python -m tests.orders.surge_process`, settings from the environment.

Prints its address; ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import uvicorn

from bff.app import create
from bff.serving.connection import server_options


async def run() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(
        uvicorn.Config(
            create(),
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            **server_options(),
        )
    )
    task = asyncio.create_task(server._serve([listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(_until_parent_is_done)
    server.should_exit = True
    await task


def _until_parent_is_done() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass


if __name__ == "__main__":
    asyncio.run(run())
