"""What one HTTP exchange costs, by client: `python -m benchmarks.clients [--rounds 5]`.

Each client asks the same upstream over kept connections, so many requests at once, in a process of its own on one core;
rounds are interleaved. Our engines go through the seam (`Engine.send`); aiohttp and pyreqwest are measured bare, and
only where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import uvloop

from adapters.transport.h1 import H1Engine
from adapters.transport.http import Engine, HttpRequest, HttpxEngine
from benchmarks.lab import Process, say, stopping

Get = Callable[[str], Awaitable[bytes]]
CONNECTIONS = 256


def by_engine(engine: Engine) -> Get:
    async def get(url: str) -> bytes:
        return (await engine.send(HttpRequest(method="GET", url=url, headers={"accept": "*/*"}), 5.0)).body

    return get


def by_aiohttp() -> Get:
    aiohttp: Any = importlib.import_module("aiohttp")
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))

    async def get(url: str) -> bytes:
        async with session.get(url) as reply:
            body: bytes = await reply.read()
            return body

    return get


def by_pyreqwest() -> Get:
    client = importlib.import_module("pyreqwest.client").ClientBuilder().build()

    async def get(url: str) -> bytes:
        return bytes(await (await client.get(url).build().send()).bytes())

    return get


CLIENTS: dict[str, Callable[[], Get]] = {
    "h1": lambda: by_engine(H1Engine(connections=CONNECTIONS)),
    "pyreqwest": by_pyreqwest,
    "aiohttp": by_aiohttp,
    "httpx": lambda: by_engine(HttpxEngine(connections=CONNECTIONS)),
}


async def measure(name: str, url: str, at_once: int, seconds: float) -> float:
    """CPU microseconds a request, after a warm-up of a third of the time."""
    get, done, ends = CLIENTS[name](), 0, 0.0

    async def ask_on() -> None:
        nonlocal done
        while time.monotonic() < ends:
            await get(url)
            done += 1

    spent = 0.0
    for share in (seconds / 3, seconds):
        done, ends, began = 0, time.monotonic() + share, time.process_time()
        await asyncio.gather(*(ask_on() for _ in range(at_once)))
        spent = (time.process_time() - began) / done * 1e6
    return spent


def table(found: dict[tuple[str, int, str], list[float]]) -> str:
    cases = sorted({(path, at_once) for path, at_once, _ in found}, key=lambda case: (case[1], len(case[0])))
    names = [name for name in CLIENTS if any(key[2] == name for key in found)]
    head = ["client", *(f"{path.strip('/')}, {at_once} at once" for path, at_once in cases)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name in names:
        cells = [name]
        for path, at_once in cases:
            own, base = found[path, at_once, name], found[path, at_once, "httpx"]
            ratio = median(one / other for one, other in zip(base, own, strict=True))
            cells.append(f"{median(own):.0f} µs (httpx × 1/{ratio:.0f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=18600)
    parser.add_argument("--child", help="measure this client in this process")
    parser.add_argument("--path", default="/2k")
    parser.add_argument("--at-once", type=int, default=20)
    asked = parser.parse_args()
    if asked.child:
        url = f"http://127.0.0.1:{asked.port}{asked.path}"
        os.sched_setaffinity(0, {0})
        spent = uvloop.run(measure(asked.child, url, asked.at_once, asked.seconds))
        sys.stdout.write(orjson.dumps(spent).decode())
        sys.stdout.flush()
        os._exit(0)  # pyreqwest's runtime aborts the interpreter when it is torn down
    names = [name for name in CLIENTS if name in ("h1", "httpx") or importlib.util.find_spec(name)]
    upstream = Process("upstream", [sys.executable, "-m", "benchmarks.upstream", "--port", str(asked.port)], 1, {})
    found: dict[tuple[str, int, str], list[float]] = {}
    with stopping([upstream]):
        upstream.wait_for(asked.port)
        for round_ in range(asked.rounds):
            for at_once in (20, 200):
                for path in ("/2k", "/12k"):
                    for name in names:
                        found.setdefault((path, at_once, name), []).append(_child(asked, name, path, at_once))
            say(f"round {round_ + 1} of {asked.rounds}")
    print(table(found))
    return 0


def _child(asked: argparse.Namespace, name: str, path: str, at_once: int) -> float:
    command = [sys.executable, "-m", "benchmarks.clients", "--child", name, "--path", path, "--at-once", str(at_once)]
    command += ["--port", str(asked.port), "--seconds", str(asked.seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    spent: float = orjson.loads(done.stdout)
    return spent


if __name__ == "__main__":
    sys.exit(main())
