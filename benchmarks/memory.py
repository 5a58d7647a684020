"""What a worker holds after many requests of many different operations: `python -m benchmarks.memory`.

A client asks as clients do: some operations often, most of them seldom (Zipf), over several connections that are closed
and opened again now and then. More operations than the registry of plans keeps, so that plans come and go all the time.
The gateway is the benchmark's, as it serves; a body that is not right ends the run. Several workers share what their
parent made, so what is told of one is the sum of all processes, the parent's with them, divided by the workers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from time import monotonic

import orjson
import uvloop

from benchmarks.gateways import headers_for, launch
from benchmarks.lab import Process, say, stopping

STEPS = 10
PATIENCE = 2_000
"""Requests until a connection is closed and another opened."""
PAUSE_SECONDS = 0.1

_VEHICLE = ("vin", "model", "order { id status }", "order { status milestones { code at } }", "nextService { at }",
            "nextService { id center { id name city } }")  # fmt: skip
_LINE = ("sku", "title", "qty", "price { amount currency }")
_USER = ("id", "name", "username", "email", "phone", "website")


def operations(count: int) -> list[bytes]:
    """So many different requests, each of a name and a choice of fields of its own."""
    random = Random(11)

    def some(of: tuple[str, ...]) -> str:
        return " ".join(random.sample(of, random.randint(2, len(of))))

    def text(number: int) -> str:
        me = f"me {{ id name vehicles {{ {some(_VEHICLE)} }} }}"
        cart = f"cart {{ id lines {{ {some(_LINE)} }} total {{ amount }} }}"
        posts = f"posts {{ id title user {{ {some(_USER)} }} }}"
        chosen = random.choices((f"{me} {cart}", me, cart, posts, "greet"), (4, 3, 3, 2, 1))[0]
        return f"query Screen{number} {{ {chosen} }}"

    return [orjson.dumps({"query": text(number)}) for number in range(count)]


class Popularity:
    """Operation `n` is asked for 1 / (n + 1) as often as the first."""

    def __init__(self, count: int) -> None:
        self._sums = list(accumulate(1 / (number + 1) for number in range(count)))
        self._random = Random(5)

    def __iter__(self) -> Iterator[int]:
        while True:
            yield bisect(self._sums, self._random.random() * self._sums[-1])


class Client:
    """Connections that take requests from one list until enough were answered."""

    def __init__(self, port: int, bodies: list[bytes], headers: list[str], requests: int) -> None:
        self._port = port
        lines = "".join(f"{header.replace('=', ': ', 1)}\r\n" for header in headers)
        head = f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}content-length: "
        self._requests = [head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies]
        self._next = iter(Popularity(len(bodies)))
        self._left = requests
        self.answered = 0

    async def work(self) -> None:
        while self._left > 0:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            for _ in range(PATIENCE):
                if self._left <= 0:
                    break
                self._left -= 1
                request = self._requests[next(self._next)]
                writer.write(request)
                while not await self._is_answered(reader):
                    await asyncio.sleep(PAUSE_SECONDS)
                    writer.write(request)
                self.answered += 1
            writer.close()

    async def _is_answered(self, reader: asyncio.StreamReader) -> bool:
        """False where the gateway is too busy just now, as on a machine with other work to do."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if head.startswith(b"HTTP/1.1 503"):
            return False
        if not head.startswith(b"HTTP/1.1 200") or not body.startswith(b'{"data":'):
            raise RuntimeError(f"not an answer: {body[:300]!r}")
        return True


def sizes(process: Process, workers: int) -> str:
    held = process.memory_mb()
    return f"PSS a worker {held / workers:6.1f} MB   all {held:6.1f} MB"


async def run(asked: argparse.Namespace, process: Process, port: int) -> None:
    client = Client(port, operations(asked.operations), headers_for("ours", port), asked.requests)
    began = monotonic()
    print(f"{'before':>12}   {sizes(process, asked.workers)}", flush=True)
    working = asyncio.gather(*(client.work() for _ in range(asked.connections)))
    for step in range(1, STEPS + 1):
        while client.answered < asked.requests * step // STEPS and not working.done():  # noqa: ASYNC110 - a look now and then
            await asyncio.sleep(0.05)
        print(f"{client.answered:>12,}   {sizes(process, asked.workers)}   {monotonic() - began:6.0f} s", flush=True)
    await working


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--core", type=int, default=0, help="of the gateway")
    parser.add_argument("--load-core", type=int, default=1, help="of the load and of the services behind")
    parser.add_argument("--port", type=int, default=18_500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--most", type=float, help="fail where a worker is larger in the end (PSS in MB)")
    asked = parser.parse_args()
    running: list[Process] = []
    with stopping(running):
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.upstream", "--port", str(asked.port)]
        upstream = Process("memory-upstream", command, asked.load_core, {})
        running.append(upstream)
        upstream.wait_for(asked.port)
        workers = ["--workers", str(asked.workers)]
        process = launch("ours", asked.port + 100, asked.port, asked.core, workers)
        running.append(process)
        os.sched_setaffinity(0, {asked.load_core})
        say(f"{asked.requests:,} requests of {asked.operations:,} operations over {asked.connections} connections")
        uvloop.run(run(asked, process, asked.port + 100))
        return 1 if asked.most is not None and process.memory_mb() / asked.workers > asked.most else 0


if __name__ == "__main__":
    sys.exit(main())
