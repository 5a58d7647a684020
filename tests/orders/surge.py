"""A surge: many buyers, few units, several processes of the service on one database, the systems in another process.

    python -m tests.orders.surge --buyers 10000 --units 100 --processes 4 [--kind shop|vehicle] [--state URL] [--kill]

Buyers behave as docs/surge.md tells clients to. Prints counts, and nothing that depends on how fast the machine is.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from sandbox.identity.tokens import issue
from tests.orders.surge_estate import customer_ids

LINES_A_PROCESS = 40
"""Connections to each process: buyers share them, as a proxy's clients do."""

AGAIN = ("DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN")
"""It may have been done: the same request finds out (docs/orders.md)."""

_PAYLOAD = "{ entity { number } userErrors { code } wait { pollAfter admissionToken position } }"
DOCUMENTS = {
    "shop": "mutation($version: Int!, $total: MinorUnits!, $key: String!, $token: String) { answer:"
    " placeMerchandiseOrder(input: {cartVersion: $version, expectedTotal: {amountMinor: $total}, idempotencyKey: $key,"
    ' admissionToken: $token, address: {recipient: "林晓", phone: "13800000001", province: "上海市", city: "上海市",'
    ' district: "浦东新区", line: "世纪大道1号"}}) ' + _PAYLOAD + " }",
    "vehicle": "mutation($code: String!, $centre: String!, $terms: String!, $key: String!, $token: String) { answer:"
    " placeVehicleOrder(input: {shareCode: $code, deliveryCentre: $centre, termsVersion: $terms, idempotencyKey: $key,"
    " admissionToken: $token}) " + _PAYLOAD + " }",
}
VARIABLES = {"shop": ("version", "total"), "vehicle": ("code", "centre", "terms")}


class Surge(NamedTuple):
    buyers: int
    units: int
    processes: int
    kind: str = "shop"
    rate: int = 20
    burst: int = 20
    poll_seconds: int = 30
    kill: bool = False
    """Kill one of the processes in the middle."""


class Report(NamedTuple):
    """`answers`: what buyers were told in the end. `waits`: answers that said when to come again. `refused`: requests
    that were sent again for another reason, by status or code. `most_asked`: tries of one buyer. `world`: the outcome.
    """

    answers: Counter[str]
    waits: int
    refused: Counter[str]
    most_asked: int
    winners: list[int]
    world: dict[str, Any]


class Line:
    """One connection to a process of the service, kept open."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, token: str) -> tuple[int, Mapping[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"accept: application/graphql-response+json\r\nbff-channel: MINI_PROGRAM\r\n"
            f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        content = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            await self.close()
        return int(lines[0].split()[1]), headers, content

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Crowd:
    """All buyers. `lines` are taken and given back; whoever finds none waits for one, first come first served."""

    def __init__(self, surge: Surge, addresses: list[str], sends: Mapping[str, Any]) -> None:
        self._surge = surge
        self._sends = {name: sends[name] for name in VARIABLES[surge.kind]}
        self._lines: asyncio.Queue[Line] = asyncio.Queue()
        self._all_lines = [Line(address) for _ in range(LINES_A_PROCESS) for address in addresses]
        for line in self._all_lines:
            self._lines.put_nowait(line)
        self.answers, self.refused = Counter[str](), Counter[str]()
        self.waits = self.most_asked = 0
        self.winners: list[int] = []
        self.when_half: Callable[[], None] | None = None
        """Called when half of the units have buyers."""

    async def buy(self, name: str, bearer: str) -> None:
        """Until there is an answer. A retry is the same request; only the place in the queue goes along."""
        place: str | None = None
        asked = 0
        while True:
            variables = self._sends | {"key": f"surge-{name}", "token": place}
            body = orjson.dumps({"query": DOCUMENTS[self._surge.kind], "variables": variables})
            asked += 1
            try:
                status, headers, content = await self._ask(body, bearer)
            except (OSError, asyncio.IncompleteReadError):
                self.refused["connection"] += 1
                await asyncio.sleep(0.2)
                continue
            answer = orjson.loads(content)
            errors = answer.get("errors", ())
            if status != 200 or errors:
                pairs = [(error, error["extensions"]["code"]) for error in errors]
                self.refused.update([code for _, code in pairs] or [str(status)])
                if not all(error["extensions"].get("retryable") or code in AGAIN for error, code in pairs):
                    raise AssertionError(f"{name} was told {status} {content!r}")
                await asyncio.sleep(float(headers.get("retry-after", 1)))
                continue
            payload = answer["data"]["answer"]
            if payload["wait"] is None:
                break
            assert [error["code"] for error in payload["userErrors"]] == ["WAITING"]
            self.waits += 1
            place = payload["wait"]["admissionToken"]
            await asyncio.sleep(payload["wait"]["pollAfter"])
        self.most_asked = max(self.most_asked, asked)
        ordered = payload["entity"] is not None
        assert ordered == (payload["userErrors"] == [])
        self.answers.update(["ORDERED"] if ordered else [error["code"] for error in payload["userErrors"]])
        if ordered and place is not None:
            self.winners.append(_number(place))
        if self.when_half is not None and self.answers["ORDERED"] >= self._surge.units / 2:
            self.when_half()
            self.when_half = None

    async def aclose(self) -> None:
        await asyncio.gather(*[line.close() for line in self._all_lines])

    async def _ask(self, body: bytes, bearer: str) -> tuple[int, Mapping[str, str], bytes]:
        line = await self._lines.get()
        try:
            return await line.post(body, bearer)
        except BaseException:
            await line.close()
            raise
        finally:
            self._lines.put_nowait(line)


def _number(token: str) -> int:
    """The number in a token: for counting here, no business of a client."""
    body = token.split(".")[1]
    number: int = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))[1]
    return number


@asynccontextmanager
async def _process(module: str, *arguments: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environ}, limit=2**20,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    assert said, "a process of the surge ended before it said anything"
    return said.strip()


def _environ(surge: Surge, state_url: str, addresses: Mapping[str, str]) -> dict[str, str]:
    return {f"BFF_{name.upper()}_URL": address for name, address in addresses.items()} | {
        "BFF_MODE": "development",
        "BFF_WORKERS": str(surge.processes),
        "BFF_STATE_URL": state_url,
        "BFF_MANAGEMENT_PORT": "0",
        "BFF_ADMISSION_RATE": str(surge.rate),
        "BFF_ADMISSION_BURST": str(surge.burst),
        "BFF_ADMISSION_POLL_SECONDS": str(surge.poll_seconds),
    }


async def run(surge: Surge, state_url: str) -> Report:
    names = customer_ids(surge.buyers)
    bearers = [issue(name) for name in names]
    async with AsyncExitStack() as stack:
        settings = json.dumps({"buyers": surge.buyers, "units": surge.units})
        estate = await stack.enter_async_context(_process("tests.orders.surge_estate", settings))
        told = json.loads(await _line(estate))
        environ = _environ(surge, state_url, told["addresses"])
        async with AsyncExitStack() as service:
            started = [
                await service.enter_async_context(_process("tests.orders.surge_process", **environ))
                for _ in range(surge.processes)
            ]
            crowd = Crowd(surge, [await _line(each) for each in started], told["sends"])
            service.push_async_callback(crowd.aclose)
            if surge.kill:
                crowd.when_half = started[0].kill
            await asyncio.gather(*[crowd.buy(name, bearer) for name, bearer in zip(names, bearers, strict=True)])
        assert estate.stdin is not None
        estate.stdin.close()
        world = json.loads(await _line(estate))
    return Report(crowd.answers, crowd.waits, crowd.refused, crowd.most_asked, sorted(crowd.winners), world)


def show(surge: Surge, report: Report) -> str:
    world, systems = report.world, report.world["systems"]
    placed = {name: count for name, count in systems["commerce"]["paths"].items() if name.endswith("-orders")}
    said = {
        "buyers, units, processes": f"{surge.buyers}, {surge.units}, {surge.processes}",
        "orders in commerce, of how many buyers": f"{world[surge.kind]['orders']}, {world[surge.kind]['buyers']}",
        "left in stock": world["stock"][surge.kind],
        "answers": dict(report.answers),
        "answers that said when to come again": report.waits,
        "sent again for another reason": dict(report.refused),
        "most tries of one buyer": report.most_asked,
        "last number that ordered": report.winners[-1] if report.winners else None,
        "commerce was asked to order": sum(placed.values()),
        "commerce was asked for carts": systems["commerce"]["paths"].get("/carts", 0),
    }
    for name in ("commerce", "configurator", "erp"):
        stats = systems[name]
        said[f"{name}: requests, most connections, refused"] = (
            f"{stats['requests']}, {stats['most_open']}, {stats['refused']}"
        )
    return "\n".join(f"{name:<45} {value}" for name, value in said.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.orders.surge")
    parser.add_argument("--buyers", type=int, default=1000)
    parser.add_argument("--units", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", choices=DOCUMENTS, default="shop")
    parser.add_argument("--state", help="a postgresql:// address; a file of its own without it")
    parser.add_argument("--kill", action="store_true", help="kill one of the processes in the middle")
    asked = parser.parse_args()
    surge = Surge(asked.buyers, asked.units, asked.processes, asked.kind, kill=asked.kill)
    with TemporaryDirectory() as folder:
        report = asyncio.run(run(surge, asked.state or f"sqlite:///{Path(folder)}/state.sqlite3"))
    sys.stdout.write(show(surge, report) + "\n")


if __name__ == "__main__":
    main()
