"""The load: so many connections, each asking again as soon as it was answered. One JSON line of results.

`python -m benchmarks.load --url http://127.0.0.1:8000/graphql --body FILE --connections 50 --seconds 4 [--header K=V]`

With `--tokens FILE`, a token a line, each connection is another caller, as far as there are tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson
import uvloop


class Load:
    """Counts what was answered between begin and end; latencies in milliseconds."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.bad = 0
        self.is_over = False


class Client(asyncio.Protocol):
    def __init__(self, load: Load, request: bytes) -> None:
        self._load = load
        self._request = request
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._sent = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        load = self._load
        if load.is_over:
            return
        load.latencies.append((perf_counter() - self._sent) * 1000)
        if self._parser.get_status_code() != 200:
            load.bad += 1
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.is_over:
            self._load.bad += 1


def request_of(url: str, body: bytes, headers: list[str]) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    lines = [
        f"POST {parts.path or '/'} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json",
        "accept: application/json", f"content-length: {len(body)}",
        *(header.replace("=", ": ", 1) for header in headers),
    ]  # fmt: skip
    return parts.hostname, parts.port, "\r\n".join([*lines, "", ""]).encode() + body


async def run(
    url: str, body: bytes, headers: list[str], tokens: list[str], connections: int, seconds: float
) -> dict[str, float]:
    callers = [[*headers, f"authorization=Bearer {token}"] for token in tokens] or [headers]
    requests = [request_of(url, body, caller) for caller in callers]
    load, loop = Load(), asyncio.get_running_loop()
    began = perf_counter()
    opened = []
    for number in range(connections):
        host, port, request = requests[number % len(requests)]
        opened.append(await loop.create_connection(partial(Client, load, request), host, port))
    await asyncio.sleep(max(0.0, began + seconds - perf_counter()))
    took, load.is_over = perf_counter() - began, True
    for transport, _ in opened:
        transport.abort()
    latencies = sorted(load.latencies) or [0.0]

    def at(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))]

    return {
        "requests": len(load.latencies), "seconds": took, "bad": load.bad,
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "most": latencies[-1],
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--body", required=True, type=Path)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--core", type=int, help="run on this core only")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--tokens", type=Path)
    asked = parser.parse_args()
    if asked.core is not None:
        os.sched_setaffinity(0, {asked.core})
    gc.disable()
    tokens = asked.tokens.read_text().split() if asked.tokens is not None else []
    result = uvloop.run(run(asked.url, asked.body.read_bytes(), asked.header, tokens, asked.connections, asked.seconds))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
    sys.stdout.flush()
