"""Two screens of the real schema against the sandbox: `python -m benchmarks.screens [--write]`.

The same resolvers, adapters and engine answer each screen twice: through our front door and compiled plans, and through
Strawberry's own `schema.execute`. CPU time is this process's own; the sandbox runs in another. Where ours goes is then
told apart by leaving parts out: with upstream replies played back from memory there is no transport, and what is left
is split by a profiler, whose shares are applied to the time measured without it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import uvloop
from msgspec.structs import replace

from adapters.transport.engines import engine_for
from adapters.transport.http import Engine, HttpReply, HttpRequest
from benchmarks.lab import ROOT, say
from benchmarks.report import insert
from bff import settings as settings_module
from bff.access.tokens import TokenVerifier
from bff.app import Application
from bff.composition import Services
from bff.context import enter
from bff.serving.headers import context_of
from bff.serving.tuning import settle
from bff.settings import Settings
from resolvers.schema import build_schema
from sandbox.identity.tokens import issue

SCREENS = {"AppHome": "owner", "StoreTablet": "adviser"}
OPERATIONS = ROOT / "examples" / "operations"
DOCUMENT = ROOT / "docs" / "performance.md"
AREAS = {
    "front door (bff/serving, bff/access, bff/operations)": ("bff/serving", "bff/access", "bff/operations"),
    "execution (bff/execution, compiled plans)": ("bff/execution", ".generated", "<compiled", "graphql/"),
    "resolvers and their loads": ("resolvers/", "strawberry/"),
    "rules of calling (limits, breaker, coalescing, cache, log)": (
        *(
            f"adapters/transport/{name}."
            for name in (
                "upstream",
                "exchange",
                "bulkhead",
                "breaker",
                "coalescing",
                "kept",
                "cache",
                "retry",
                "maintenance",
                "slots",
            )
        ),
        "bff/calls",
    ),
    "adapters, protocols and wire formats": ("adapters/", "bff/pilots"),
}

Ask = Callable[[], Awaitable[bytes]]


class Tape:
    """An engine that remembers replies, and gives them again when `plays` is set. `missed` counts what it had not."""

    plays = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._replies: dict[tuple[str, str, bytes], HttpReply] = {}
        self.missed = 0

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        # Boundaries and message ids differ from call to call, and mean nothing to the reply.
        key = (request.method, request.url, re.sub(rb"[0-9a-f-]{32,36}", b"", request.body))
        if Tape.plays and key in self._replies:
            return self._replies[key]
        self.missed += Tape.plays
        reply = self._replies[key] = await self._engine.send(request, timeout)
        return reply

    async def aclose(self) -> None:
        await self._engine.aclose()


class House:
    """The service in this process, the sandbox in another."""

    def __init__(self, port: int) -> None:
        self.tapes: list[Tape] = []
        settings = _without_rates(settings_module.load({"BFF_SANDBOX_PORT": str(port)}))
        self.services = Services(settings, engine=lambda address: self._tape(address.policy.connections))
        self.app = Application(settings, services=self.services)
        self.schema = build_schema()

    def _tape(self, connections: int | None) -> Tape:
        tape = Tape(engine_for(connections=connections or 100))
        self.tapes.append(tape)
        return tape

    def ours(self, screen: str) -> Ask:
        """Through the ASGI application, without a socket in front."""
        query, variables, headers = _request(screen)
        body = orjson.dumps({"query": query, "variables": variables})
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "http_version": "1.1",
            "headers": [*raw, (b"content-length", b"%d" % len(body))], "client": ("127.0.0.1", 1), "scheme": "http",
        }  # fmt: skip

        async def ask() -> bytes:
            parts: list[bytes] = []
            messages = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive() -> dict[str, Any]:
                return messages.pop() if messages else await asyncio.Event().wait()  # type: ignore[return-value]  # never

            async def send(message: Any) -> None:
                parts.append(message.get("body", b""))

            await self.app(dict(scope), receive, send)
            return b"".join(parts)

        return ask

    def strawberry(self, screen: str) -> Ask:
        """Strawberry's executor, with what its view does around it: context, execute, JSON."""
        query, variables, headers = _request(screen)
        verifier: TokenVerifier = self.services.verifier

        async def ask() -> bytes:
            caller = await verifier.caller(headers["authorization"])
            context = context_of(headers, caller, self.services.ports)
            enter(context)
            result = await self.schema.execute(query, variables, context_value=context)
            if result.errors:
                raise RuntimeError(f"{screen}: {result.errors}")
            return json.dumps({"data": result.data}).encode()

        return ask


def _without_rates(settings: Settings) -> Settings:
    """Some systems bear a few calls a second, which the rules of calling keep; here nothing is to wait for that."""
    upstreams = {
        name: replace(address, policy=replace(address.policy, per_second=0.0))
        for name, address in settings.upstreams.items()
    }
    return replace(settings, upstreams=upstreams)


def _request(screen: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    file = OPERATIONS / f"{screen}.variables.json"
    headers = {
        "authorization": f"Bearer {issue(SCREENS[screen])}", "content-type": "application/json",
        "accept": "application/json", "host": "bff.test",
    }  # fmt: skip
    return (
        (OPERATIONS / f"{screen}.graphql").read_text(),
        orjson.loads(file.read_bytes()) if file.exists() else {},
        headers,
    )


async def cpu_us(ask: Ask, times: int) -> float:
    """CPU time of this process for one answer."""
    began = time.process_time()
    for _ in range(times):
        await asyncio.create_task(ask())  # type: ignore[arg-type]  # a coroutine function's result is a coroutine
    return (time.process_time() - began) / times * 1e6


async def shares(ask: Ask, times: int) -> dict[str, float]:
    """The profiler's time by area; a built-in's time belongs to whoever called it."""
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for _ in range(times):
        await asyncio.create_task(ask())  # type: ignore[arg-type]  # as above
    profile.disable()
    spent = dict.fromkeys([*AREAS, "event loop and everything else"], 0.0)
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # not in its types
        if file == "~":
            for (caller, _, _), (_, _, part, _) in callers.items():
                spent[_area(caller)] += part
        else:
            spent[_area(file)] += own
    total = sum(spent.values())
    return {area: part / total for area, part in spent.items()}


def _area(file: str) -> str:
    place = file.replace(str(ROOT) + "/", "")
    for area, places in AREAS.items():
        if any(part in place for part in places):
            return area
    return "event loop and everything else"


async def measure(house: House, screen: str, rounds: int, times: int) -> list[str]:
    ours, plain = house.ours(screen), house.strawberry(screen)
    for _ in range(10):
        answer, other = await ours(), await plain()
    if orjson.loads(answer)["data"] != orjson.loads(other)["data"]:
        raise RuntimeError(f"{screen}: the two answers differ")
    found: dict[str, list[float]] = {"plain": [], "ours": [], "played": [], "plain played": []}
    for _ in range(rounds):
        for name, ask in (("plain", plain), ("ours", ours)):
            Tape.plays = False
            found[name].append(await cpu_us(ask, times))
            Tape.plays = True
            found["plain played" if name == "plain" else "played"].append(await cpu_us(ask, times))
        say(f"{screen}: {found['ours'][-1]:.0f} µs, Strawberry {found['plain'][-1]:.0f} µs")
    Tape.plays = True
    parts = await shares(ours, times)
    Tape.plays = False
    total, played = median(found["ours"]), median(found["played"])
    ratio = median(one / other for one, other in zip(found["plain"], found["ours"], strict=True))
    lines = [
        f"### {screen}", "",
        f"{len(answer)} bytes. Strawberry's `execute`: {median(found['plain']):.0f} µs of CPU a request"
        f" ({median(found['plain played']):.0f} without transport); ours: {total:.0f} ({played:.0f} without), "
        f"**{ratio:.1f} times less**.", "",
        "| where ours goes | µs | share |", "| --- | --- | --- |",
        f"| engine, sockets, waking up (left out when replies are played back) | {total - played:.0f} |"
        f" {(total - played) / total:.0%} |",
    ]  # fmt: skip
    for area, share in sorted(parts.items(), key=lambda part: -part[1]):
        lines.append(f"| {area} | {played * share:.0f} | {played * share / total:.0%} |")
    missed = sum(tape.missed for tape in house.tapes)
    return [*lines, "", f"Replies that could not be played back: {missed}.", ""]


async def run(port: int, rounds: int, times: int) -> str:
    house = House(port)
    settle()
    try:
        sections = [line for screen in SCREENS for line in await measure(house, screen, rounds, times)]
    finally:
        await house.services.aclose()
    return "\n".join(sections)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screens", description=__doc__)
    parser.add_argument("--port", type=int, default=18500, help="of the sandbox")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=30, help="answers in a row, of each in each round")
    parser.add_argument("--write", action="store_true", help="put the result into docs/performance.md")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {1})
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", str(asked.port), "--leave-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(ROOT),
    )
    try:
        assert sandbox.stdout is not None
        if not sandbox.stdout.readline():
            raise RuntimeError("the sandbox did not start")
        os.sched_setaffinity(0, {0})
        text = uvloop.run(run(asked.port, asked.rounds, asked.times))
    finally:
        assert sandbox.stdin is not None
        sandbox.stdin.close()  # it leaves when we do
        sandbox.wait(20)
    print(text)
    if asked.write:
        insert(DOCUMENT, "screens", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
