"""kill -9 at every await of every flow: in the end each customer has what they paid for once, or all of their money.

As a rule a process dies once in each state that lasts: between two such points it makes no difference where. With
`CRASH_EVERY=1` it dies at every point, and each time the customer comes back once and never comes back once
(`CRASH_EVERY=5`: at each fifth point). One run again: `CRASH_ONLY='car-locked 17 BACK'`. docs/orders-crashes.md tells
the points, and how it goes on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.orders.crashes.points import BEFORE_ANSWER, BEFORE_SENT, COMMITTED, WRITTEN
from tests.orders.crashes.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[3]
EVERY = int(os.environ["CRASH_EVERY"]) if "CRASH_EVERY" in os.environ else None
ONLY = os.environ.get("CRASH_ONLY", "").split()
EVERY_STATE, EVERY_FIFTH = 1, 5


@pytest.fixture
def folder() -> Iterator[str]:
    """In memory where that can be: who is killed loses nothing there either, and nobody waits for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="crash-", dir=memory if memory.is_dir() else None) as name:
        yield name


def die_everywhere(scenario: str, state_url: str, folder: str, stride: int) -> tuple[dict[str, Any], list[Any]]:
    """The run in which nobody dies, and those in which somebody does."""
    if ONLY and ONLY[0] != scenario:
        pytest.skip("another scenario is wanted")
    only = [int(ONLY[1]), ONLY[2]] if ONLY else None
    given = {"scenario": scenario, "state_url": state_url, "folder": folder, "stride": stride}
    command = [sys.executable, "-m", "tests.orders.crashes.lab", json.dumps(given | {"every": EVERY, "only": only})]
    lab = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    runs = [json.loads(line) for line in lab.stdout.splitlines()]
    return runs[0], runs[1:]


def check(scenario: str, whole: dict[str, Any], runs: list[Any]) -> None:
    assert whole["problems"] == []
    wrong = [
        f"CRASH_ONLY='{scenario} {run['point']} {run['ending']}' died at {run['place']}: {run['problems']}"
        for run in runs
        if run["problems"] or not run["killed"]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kill_anywhere_leaves_nothing_twice_and_nothing_undone(scenario: str, folder: str) -> None:
    whole, runs = die_everywhere(scenario, f"sqlite:///{folder}/state.sqlite3", folder, EVERY_STATE)
    check(scenario, whole, runs)
    kinds = (BEFORE_SENT, BEFORE_ANSWER, COMMITTED, WRITTEN, "before statement 1", "before commit")
    assert all(any(name.endswith(kind) for name in whole["names"]) for kind in kinds)
    assert len(runs) > 20 or ONLY


@pytest.mark.real
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_postgresql_keeps_it_as_well(scenario: str, postgres_url: str, folder: str) -> None:
    check(scenario, *die_everywhere(scenario, postgres_url, folder, EVERY_FIFTH))
