"""Processes that publish and die: kill -9 at every step, and an end when they are told to stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bff.durability.open import open_database
from tests.orders.outbox_kit import INSIGHT, ORDERS, Clock, Customers, Recorder, first_told, outbox, waiting
from tests.orders.outbox_worker import fill

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
DECIDED = [("a1", "SO1"), ("b1", "SO2"), ("a2", "SO1"), ("b2", "SO2")]
TOLD = {"SO1": ["a1", "a2"], "SO2": ["b1", "b2"]}


def start(**given: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.orders.outbox_worker", json.dumps(given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ended(worker: subprocess.Popen[str]) -> list[Any]:
    """The lines that it told."""
    out = worker.communicate(timeout=120)[0]
    assert worker.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_kill_at_any_step_loses_nothing_and_keeps_the_order(state_url: str, tmp_path: Path) -> None:
    """Each process dies over a batch of its own, and the next one has it told."""
    url = (tmp_path / "killed-{}.jsonl").as_uri().replace("%7B%7D", "{}")
    ends = ended(start(state_url=state_url, events_url=url, decided=DECIDED))
    assert len(ends) >= 30
    assert ends == [[-signal.SIGKILL, 0]] * len(ends)
    twice = 0
    for number in range(len(ends)):
        lines = lines_of(tmp_path / f"killed-{number}.jsonl")
        told = {f"{number}:{order}": [f"{number}:{id}" for id in ids] for order, ids in TOLD.items()}
        assert first_told(lines, "/bff/orders") == first_told(lines, "/bff/insight") == told
        same = {(line["source"], line["id"]): line for line in lines}
        assert all(same[line["source"], line["id"]] == line for line in lines)
        twice += len(lines) > 8
    assert twice >= 4  # else none died between sending and writing it down
    database = open_database(state_url)
    assert await waiting(outbox(database, Recorder(), Customers(), Clock())) == {ORDERS: 0, INSIGHT: 0}
    await database.aclose()


async def test_told_to_stop_it_ends_and_the_next_goes_on_at_once(tmp_path: Path) -> None:
    state, log = f"sqlite:///{tmp_path}/state.sqlite3", tmp_path / "events.jsonl"
    await fill(state, DECIDED)
    worker = start(state_url=state, events_url=log.as_uri(), forever=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    worker.send_signal(signal.SIGTERM)
    ended(worker)
    ended(start(state_url=state, events_url=log.as_uri()))  # on the same clock: no lease has run out meanwhile
    lines = lines_of(log)
    assert first_told(lines, "/bff/orders") == first_told(lines, "/bff/insight") == TOLD
    assert len(lines) == 8
