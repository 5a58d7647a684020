"""Processes that die at every point of a scenario, and those that come after them.

    python -m tests.orders.crashes.lab '{"scenario": "car-locked", "state_url": "sqlite:///…", "folder": "…"}'

From one warm process are forked, for each point: the systems with a world of their own; a service that dies there; and
a service that recovers, with one of the endings of `choice.py`. Prints a line of JSON for each run.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bff.durability.database import Script
from bff.durability.flow_store import milliseconds
from sandbox.estate import build_systems
from sandbox.world import build_world
from tests.orders.crashes.board import Board
from tests.orders.crashes.books import Found, differences, first_told, problems, read_books
from tests.orders.crashes.choice import AGAIN, BACK, GONE, chosen, second
from tests.orders.crashes.client import Client
from tests.orders.crashes.flaws import FLAWS
from tests.orders.crashes.points import Points
from tests.orders.crashes.scenarios import DOCUMENTS, SCENARIOS, Hands, Scenario
from tests.orders.crashes.service import Service
from tests.orders.crashes.systems import DESK, Mailbox, Systems

LEASES_SECONDS = 45
"""After this, what a dead process had claimed is free: a key for 13 seconds, an effect or a stream of events for 30."""

HOP_MILLISECONDS = 30 * 60_000
CHILD_SECONDS = 90
PERSONA = "owner"
STATE_TABLES = (
    "bff_idempotency_answer", "bff_idempotency", "bff_effect", "bff_flow", "bff_ledger", "bff_outbox", "bff_notice",
    "bff_outbox_insight", "bff_outbox_parked", "bff_lease",
)  # fmt: skip


class Lab:
    def __init__(self, scenario: str, state_url: str, folder: str, flaw: str | None = None) -> None:
        if flaw is not None:
            FLAWS[flaw]()
        self.scenario: Scenario = SCENARIOS[scenario]
        self.state_url, self.events = state_url, Path(folder) / "events.jsonl"
        world = build_world()
        self.scenario.prepare(world)
        self.board = Board(max(world.now, datetime.now(UTC)).replace(microsecond=0))
        mailbox = Mailbox()
        built = build_systems(world, clock=self.board.now, transport=mailbox)
        self.systems = Systems(world, built, mailbox, self.board)
        self.service = Service(self.board, self.systems.addresses, state_url, self.events)
        self._warm()
        gc.collect()
        gc.freeze()

    def _warm(self) -> None:
        """What is imported late, and every document's plan, is there before anybody is forked."""
        for document in DOCUMENTS:
            self.service.app.plans.plan(document)
        systems = _fork(self.systems.serve)
        asyncio.run(self._knock())
        _end(systems)

    async def _knock(self) -> None:
        hands = self._hands()
        await hands.client.outside("GET", DESK, "/letters")
        await hands.client.aclose()

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, fatal: int | None, ending: str, whole: dict[str, Any] | None = None) -> dict[str, Any]:
        """One life of the world: {killed, place, problems} and, of one in which nobody died, what it came to."""
        self._clear()
        systems = _fork(self.systems.serve)
        try:
            status = _wait(_fork(partial(self._asyncio, self._live, fatal)))
            said: dict[str, Any] = {"killed": status == -signal.SIGKILL, "place": self.board.place}
            if status not in (0, -signal.SIGKILL):
                return said | {"problems": [f"ended with {status}", self.board.found]}
            if fatal is None:
                said["names"] = self.board.found
            if ending == AGAIN and fatal is not None and whole is not None:
                self.board.points = 0
                status = _wait(_fork(partial(self._asyncio, self._live, second(fatal, len(whole["names"])))))
                if status not in (0, -signal.SIGKILL):
                    return said | {"problems": [f"the second ended with {status}", self.board.found]}
                said["again"] = self.board.place if status == -signal.SIGKILL else None
            self.board.found = None
            status = _wait(_fork(partial(self._asyncio, self._recover, ending, whole)))
            if status != 0:
                return said | {"problems": [f"recovery ended with {status}", self.board.found]}
            found: dict[str, Any] = self.board.found
            return said | found
        finally:
            _end(systems)

    def _clear(self) -> None:
        self.board.reset()
        self.events.unlink(missing_ok=True)
        if self.state_url.startswith("sqlite"):
            path = Path(self.state_url.removeprefix("sqlite:///"))
            for each in path.parent.glob(path.name + "*"):
                each.unlink()
        else:
            assert _wait(_fork(partial(self._asyncio, self._empty))) == 0, self.board.found
            self.board.reset()

    def _asyncio(self, work: Callable[..., Coroutine[Any, Any, None]], *given: Any) -> None:
        try:
            asyncio.run(work(*given))
        except BaseException:
            self.board.found = traceback.format_exc()[-4000:]
            os._exit(1)

    async def _empty(self) -> None:
        def script() -> Script[None]:
            for table in STATE_TABLES:
                yield f"DELETE FROM {table}", ()

        await self.service.services.state.run(script)

    # ── in a process of its own ──────────────────────────────────────────────────────────────────────────────────────

    async def _live(self, fatal: int | None) -> None:
        """From the step that was begun last, if somebody died in it."""
        if self.board.place:
            self.board.pass_by(seconds=LEASES_SECONDS)
        points = self.service.points
        points.fatal, points.is_counting = fatal, True
        hands = self._hands()
        await self._go_on(hands, points)
        points.is_counting = False
        self.board.found = points.names
        await self._end(hands)

    async def _go_on(self, hands: Hands, points: Points) -> None:
        for number in range(self.board.step, len(self.scenario.steps)):
            step = self.scenario.steps[number]
            self.board.step, points.step = number, step.name
            await step.do(hands)
        self.board.step = len(self.scenario.steps)

    async def _recover(self, ending: str, whole: dict[str, Any] | None) -> None:
        hands = self._hands()
        if ending != GONE and self.board.step < len(self.scenario.steps):
            self.board.pass_by(seconds=LEASES_SECONDS)
            await self._go_on(hands, self.service.points)
        self.board.pass_by(seconds=LEASES_SECONDS)
        await self.service.background()
        await self._let_time_pass()
        found = await self._find(hands.client)
        wrong = problems(found)
        if whole is None:
            self.board.found = {"problems": wrong, "facts": found.facts, "told": first_told(found.events)}
        else:
            is_alike = self.scenario.is_exact and ending != GONE
            self.board.found = {"problems": wrong + (differences(found, whole) if is_alike else [])}
        await self._end(hands)

    def _hands(self) -> Hands:
        client = Client(self.service, self.board, self.systems.addresses, PERSONA)
        return Hands(client, self.service, self.board)

    async def _end(self, hands: Hands) -> None:
        await hands.client.aclose()
        await self.service.services.aclose()

    async def _let_time_pass(self) -> None:
        """From one thing that falls due to the next, but not in small steps: nobody minds if something is done late."""
        ends = milliseconds(self.board.now()) + self.scenario.days * 86_400_000
        while (now := milliseconds(self.board.now())) < ends:
            due = await self.service.services.state.run(_next_due, write=False)
            until = ends if due is None else min(ends, max(due, now + HOP_MILLISECONDS))
            self.board.pass_by(seconds=(until - now) / 1000)
            await self.service.background()

    async def _find(self, client: Client) -> Found:
        facts = (await client.outside("GET", DESK, "/facts")).json()
        books = await self.service.services.state.run(read_books, write=False)
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        events = [(e["source"], e["partitionkey"], e["type"], e["id"]) for e in map(json.loads, lines)]
        return Found(facts, books, events, milliseconds(self.board.now()))


def _next_due() -> Script[int | None]:
    effects = yield "SELECT MIN(due_at) FROM bff_effect", ()
    parked = yield "SELECT MIN(again_at) FROM bff_outbox_parked", ()
    return min((row[0] for row in (*effects, *parked) if row[0] is not None), default=None)


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(CHILD_SECONDS)
        work()
    finally:
        os._exit(0)


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ── all points ───────────────────────────────────────────────────────────────────────────────────────────────────────


def main(
    scenario: str,
    state_url: str,
    folder: str,
    every: int | None = None,
    stride: int = 1,
    only: tuple[int, str] | None = None,
    step: str | None = None,
    flaw: str | None = None,
) -> None:
    """`only` is point and ending of a single run; `step` and `flaw` as in `choice.py` and `flaws.py`."""
    lab = Lab(scenario, state_url, folder, flaw)
    whole = lab.run(None, BACK)
    _tell(whole | {"point": None, "ending": BACK})
    if whole["problems"]:
        return
    for point, ending in chosen(whole["names"], every, stride, step) if only is None else [only]:
        _tell(lab.run(point, ending, whole) | {"point": point, "ending": ending})


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
