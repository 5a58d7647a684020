"""The five REST services behind every gateway, in one process: `python -m benchmarks.upstream --port 18100`.

Bodies stand ready in memory; a call costs about ten microseconds. `/orders?vin=A&vin=B` (or `vin=A,B`) gives the rows
of these keys; `/2k` and `/12k` are bodies of that size. Control, not counted: `/_calls` (calls since `/_reset`),
`/_trace` (arrivals), `/_delay?ms=60`.
"""

from __future__ import annotations

import argparse
import asyncio
from time import perf_counter
from typing import cast
from urllib.parse import parse_qsl, unquote

import orjson
import uvloop

from benchmarks.workloads import Row, World

SERVICES = 5


class Tables:
    def __init__(self, world: World) -> None:
        whole = {
            "/posts": world.posts, "/users": world.users, "/customer/me": world.me, "/orders": world.orders,
            "/services": world.services, "/centers": world.centers, "/cart": world.cart,
        }  # fmt: skip
        self._whole = {path: orjson.dumps(value) for path, value in whole.items()}
        self._whole |= {f"/{size}k": b'"' + b"x" * (size * 1024 - 2) + b'"' for size in (2, 12)}
        self._keyed = {
            "/users": ("id", _by(world.users, "id")), "/orders": ("vin", _by(world.orders, "vin")),
            "/services": ("vin", _by(world.services, "vin")), "/centers": ("id", _by(world.centers, "id")),
        }  # fmt: skip
        self._known: dict[str, bytes] = {}
        self.calls = 0
        self.arrivals: list[float] = []
        self.delay = 0.0

    def answer(self, target: str) -> bytes:
        """A whole HTTP response. Targets repeat, so that most are look-ups."""
        if target.startswith("/_"):
            return _response(self._control(target))
        self.calls += 1
        if self.delay:
            self.arrivals.append(perf_counter())
        known = self._known.get(target)
        if known is None:
            known = _response(self._body(target))
            if len(self._known) < 10_000:
                self._known[target] = known
        return known

    def _body(self, target: str) -> bytes | None:
        path, _, query = target.partition("?")
        if not query or path not in self._keyed:
            return self._whole.get(path)
        name, rows = self._keyed[path]
        keys = [key for given, value in parse_qsl(query) if given.strip("[]") == name for key in value.split(",")]
        return b"[" + b",".join([rows[key] for key in keys if key in rows]) + b"]"

    def _control(self, target: str) -> bytes:
        if target.startswith("/_delay?ms="):
            self.delay = int(target[11:]) / 1000
        elif target == "/_reset":
            self.calls, self.arrivals = 0, []
        elif target == "/_trace":
            return orjson.dumps(self.arrivals)
        return orjson.dumps({"calls": self.calls})


def _by(rows: list[Row], name: str) -> dict[str, bytes]:
    return {str(row[name]): orjson.dumps(row) for row in rows}


def _response(body: bytes | None) -> bytes:
    if body is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """Only GET without a body, which is all that gateways send here; pipelined requests are answered in order."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        *heads, self._rest = data.split(b"\r\n\r\n")
        for head in heads:
            line = head.split(b"\r\n", 1)[0]
            target = line.split(b" ")[1].decode()
            if target.startswith("http://"):
                target = "/" + target.split("/", 3)[3]
            self._answer(unquote(target) if "%" in target else target)

    def _answer(self, target: str) -> None:
        assert self._transport is not None
        response = self._tables.answer(target)
        if self._tables.delay and not target.startswith("/_"):
            asyncio.get_running_loop().call_later(self._tables.delay, self._transport.write, response)
        else:
            self._transport.write(response)


async def serve(port: int) -> None:
    tables, loop = Tables(World()), asyncio.get_running_loop()
    for offset in range(SERVICES):
        await loop.create_server(lambda: Connection(tables), "127.0.0.1", port + offset, backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=18100)
    uvloop.run(serve(parser.parse_args().port))
