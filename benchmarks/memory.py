"""What a worker holds after many requests of many different operations: `python -m benchmarks.memory`.

A client asks as clients do: some operations often, most of them seldom (Zipf), over several connections that are closed
and opened again now and then. More operations than the registry of plans keeps, so that plans come and go all the time.
The gateway is the benchmark's, as it serves; a body that is not right ends the run. Several workers share what their
parent made, so what is told of one is the sum of all processes, the parent's with them, divided by the workers.

With `--service` it is the real service, asked for its screens over the sandbox. What that holds of SOAP replies, flows
and caches the benchmark's schema cannot show.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import orjson
import uvloop

from benchmarks.gateways import headers_for, launch
from benchmarks.lab import Process, say, stopping
from benchmarks.workers import settle

REQUESTS = 1_000_000
REQUESTS_OF_SERVICE = 20_000
"""A quarter of an hour: the dealer system takes fifty calls a second, and every other screen makes several."""
STEPS = 10
PATIENCE = 2_000
"""Requests until a connection is closed and another opened; the service, which gets fewer, is left sooner."""
PAUSE_SECONDS = 0.1
BUSY = ("UPSTREAM_BUSY", "DEADLINE_EXCEEDED")
"""No room in time: in the queue of a system, or in all the time that its request had."""

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


def request_of(body: bytes, headers: Mapping[str, str]) -> bytes:
    """As it is sent: head and body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


class Client:
    """Connections that take requests from one list until enough were answered, each with a body that `is_right`.

    A connection is closed after `patience` requests, and another opened.
    """

    def __init__(
        self, port: int, requests: list[bytes], count: int, is_right: Callable[[bytes], bool], patience: int = PATIENCE
    ) -> None:
        self._port = port
        self._requests = requests
        self._next = iter(Popularity(len(requests)))
        self._left = count
        self._is_right = is_right
        self._patience = patience
        self.answered = 0

    async def work(self) -> None:
        """One connection. Raises RuntimeError for an answer that is none."""
        while self._left > 0:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with closing(writer):
                for _ in range(self._patience):
                    if self._left <= 0:
                        break
                    self._left -= 1
                    await self._ask(reader, writer)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = self._requests[next(self._next)]
        writer.write(request)
        while not await self._is_answered(reader):
            await asyncio.sleep(PAUSE_SECONDS)
            writer.write(request)
        self.answered += 1

    async def _is_answered(self, reader: asyncio.StreamReader) -> bool:
        """False where the gateway is too busy just now, as on a machine with other work to do."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if head.startswith(b"HTTP/1.1 503"):
            return False
        if not head.startswith(b"HTTP/1.1 200") or not self._is_right(body):
            raise RuntimeError(f"not an answer: {head[9:12].decode()} {body[:600]!r}")
        return True


class Answers:
    """Which bodies are right: complete ones, and those that lack only what a busy system did not give, as it may.

    Systems of record take few calls at once and in a second, and a load asks for more: `busy` counts such answers.
    """

    def __init__(self) -> None:
        self.busy = 0

    def __call__(self, body: bytes) -> bool:
        if b'"errors"' not in body:
            return body.startswith(b'{"data":{')
        answer = orjson.loads(body)
        if not isinstance(answer.get("data"), dict):
            return False
        errors = answer.get("errors", [])
        self.busy += bool(errors)
        return all(_is_busy(error.get("extensions") or {}) for error in errors)


def _is_busy(extensions: Mapping[str, Any]) -> bool:
    return extensions.get("code") in BUSY and extensions.get("retryable") is True


def sizes(process: Process, workers: int) -> str:
    held = process.memory_mb()
    return f"PSS a worker {held / workers:6.1f} MB   all {held:6.1f} MB"


async def run(asked: argparse.Namespace, process: Process, client: Client) -> None:
    began = monotonic()
    print(f"{'before':>12}   {sizes(process, asked.workers)}", flush=True)
    working = asyncio.gather(*(client.work() for _ in range(asked.connections)))
    for step in range(1, STEPS + 1):
        while client.answered < asked.requests * step // STEPS and not working.done():  # noqa: ASYNC110 - a look now and then
            await asyncio.sleep(0.05)
        if working.done():
            await working  # what it raises comes before a line that would not be true
        print(f"{client.answered:>12,}   {sizes(process, asked.workers)}   {monotonic() - began:6.0f} s", flush=True)
    await working


def _gateway(asked: argparse.Namespace, running: list[Process]) -> tuple[Process, Client]:
    """The benchmark's gateway and the services behind it."""
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.upstream", "--port", str(asked.port)]
    upstream = Process("memory-upstream", command, asked.load_core, {})
    running.append(upstream)
    upstream.wait_for(asked.port)
    port = asked.port + 100
    process = launch("ours", port, asked.port, asked.core, ["--workers", str(asked.workers)])
    running.append(process)
    headers = dict(header.split("=", 1) for header in headers_for("ours", port))
    requests = [request_of(body, headers) for body in operations(asked.operations)]
    return process, Client(port, requests, asked.requests, lambda body: body.startswith(b'{"data":'))


def _service(asked: argparse.Namespace, running: list[Process], answers: Answers) -> tuple[Process, Client]:
    """The real service and the sandbox behind it."""
    # Not for the other mode: pages of libraries that are loaded here as well count for the gateway in part only.
    from benchmarks import examples, service

    process = service.launch(running, asked.port, asked.workers, asked.core, asked.load_core)
    made = examples.operations(asked.operations)
    known = examples.credentials({each.persona for each in made}, service.ISSUER)
    requests = [request_of(each.body, {**each.headers, **known[each.persona]}) for each in made]
    return process, Client(asked.port + 100, requests, asked.requests, answers, patience=PATIENCE // 20)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--service", action="store_true", help="measure the real service over the sandbox")
    parser.add_argument("--requests", type=int, help=f"{REQUESTS:,}, of the service {REQUESTS_OF_SERVICE:,}")
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--core", type=int, default=0, help="of the gateway")
    parser.add_argument("--load-core", type=int, default=1, help="of the load and of the services behind")
    parser.add_argument("--port", type=int, default=18_500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--most", type=float, help="fail where a worker is larger in the end (PSS in MB)")
    asked = parser.parse_args()
    asked.requests = asked.requests or (REQUESTS_OF_SERVICE if asked.service else REQUESTS)
    running: list[Process] = []
    answers = Answers()
    with stopping(running):
        process, client = _service(asked, running, answers) if asked.service else _gateway(asked, running)
        settle(process, asked.workers)
        os.sched_setaffinity(0, {asked.load_core})
        say(f"{asked.requests:,} requests of {asked.operations:,} operations over {asked.connections} connections")
        uvloop.run(run(asked, process, client))
        if asked.service:
            say(f"{answers.busy:,} answers lacked what a busy system did not give")
        return 1 if asked.most is not None and process.memory_mb() / asked.workers > asked.most else 0


if __name__ == "__main__":
    sys.exit(main())
