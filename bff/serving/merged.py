"""The management port of several workers: a process beside them has it, and asks each of them.

Metrics carry a label `worker`, whose numbers are used again by successors; nothing is added up here, since a sum that
loses a worker looks like a counter that was reset. Ready is who has at least one ready worker, alive who has all; the
state database is up where every worker reaches it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bff.serving.management import CONTENT_TYPE, FOLDER, NO_STORE, QUIET, QuietServer
from bff.serving.workers import Companion, watching_parent

log = logging.getLogger("bff.serving")

PATIENCE_SECONDS = 5.0
MOST_BYTES = 20_000_000

Answer = tuple[int, bytes]


@contextmanager
def merged_management(host: str, port: int | None) -> Generator[Companion | None, None, None]:
    """While inside, workers that are started find where to put their sockets. Gives what the process is to run.

    It is a process and not a thread, since the parent, which forks, has none.
    """
    if port is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="bff-workers-"))
    os.environ[FOLDER] = str(folder)
    try:
        yield partial(serve_management, folder, host, port)
    finally:
        del os.environ[FOLDER]
        rmtree(folder, ignore_errors=True)


def serve_management(folder: Path, host: str, port: int, workers: int) -> None:
    """Answer for so many workers until the parent is gone. Exits with 3 where the port cannot be had."""

    def end() -> None:
        server.should_exit = server.force_exit = True
        rmtree(folder, ignore_errors=True)  # as the parent, which was killed, no longer can

    config = uvicorn.Config(
        merged_app(folder, workers),
        host=host,
        port=port,
        callback_notify=watching_parent(end),
        timeout_notify=0,
        **QUIET,
    )
    server = QuietServer(config)
    try:
        asyncio.run(server.serve())
    except SystemExit:
        log.error("The management port %s:%s cannot be had; is it taken?", host, port)
        raise


def merged_app(folder: Path, workers: int) -> Starlette:
    async def metrics(_request: Request) -> Response:
        answers = await ask_all(folder, "/metrics")
        pages = {number: body.decode() for number, (status, body) in answers.items() if status == 200}
        return Response(merge(pages), headers=NO_STORE | {"content-type": CONTENT_TYPE})

    async def state(_request: Request) -> Response:
        answers = await ask_all(folder, "/state")
        found: dict[str, Any] = {
            number: json.loads(body) for number, (status, body) in answers.items() if status == 200
        }
        return JSONResponse({"workers": found}, headers=NO_STORE)

    async def live(_request: Request) -> Response:
        answers = await ask_all(folder, "/health/live")
        count = sum(status == 200 for status, _ in answers.values())
        status = {"status": "live" if count >= workers else "starting", "workers": count}
        return JSONResponse(status, 200 if count >= workers else 503, NO_STORE)

    async def ready(_request: Request) -> Response:
        answers = await ask_all(folder, "/health/ready")
        count = sum(status == 200 for status, _ in answers.values())
        status: dict[str, Any] = {"status": "ready" if count else "not ready", "workers": count}
        said = {json.loads(body).get("state") for code, body in answers.values() if code in (200, 503)}
        status["state"] = "up" if said == {"up"} else "down"
        return JSONResponse(status, 200 if count else 503, NO_STORE)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/state", state),
            Route("/health/live", live),
            Route("/health/ready", ready),
        ]
    )


async def ask_all(folder: Path, path: str) -> dict[str, Answer]:
    """Number → status and body of every worker that answers."""
    sockets = _sockets(folder)
    answers = await asyncio.gather(*[_ask(each, path) for each in sockets])
    return {each.stem: answer for each, answer in zip(sockets, answers, strict=True) if answer is not None}


def _sockets(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sock"), key=lambda each: int(each.stem))


async def _ask(socket: Path, path: str) -> Answer | None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket), limit=MOST_BYTES)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n".encode())
                reply = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = reply.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return (int(status[0]), body) if status and status[0].isdigit() else None


def merge(pages: dict[str, str]) -> str:
    """Pages of Prometheus text as one: each family once, with the samples of every page, labelled with its worker."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for worker, page in pages.items():
        family = ""
        for line in page.splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                known = heads.setdefault(family, [])
                if line not in known:
                    known.append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, worker))
    lines: Iterable[str] = (line for family in heads for line in (*heads[family], *samples.get(family, ())))
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, worker: str) -> str:
    name, brace, rest = sample.partition("{")
    label = f'worker="{worker}"'
    if brace:
        return f"{name}{{{label}}}{rest[1:]}" if rest.startswith("}") else f"{name}{{{label},{rest}"
    name, _, value = sample.partition(" ")
    return f"{name}{{{label}}} {value}"
