"""kill -9 at every await of every flow: in the end each customer has what they paid for once, or all of their money.

As a rule a process dies once in each third state that lasts (each sixth on PostgreSQL): where between two such points
makes no difference. `CRASH_STRIDE=1`: in each of them. `CRASH_EVERY=1`: at every point, once with each ending;
`CRASH_EVERY=5`: at each fifth point, endings in turn. `CRASH_ONLY='car-locked 17 BACK'`: one run again.

docs/orders-crashes.md tells the points, and how things go on from there.
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
STRIDE = int(os.environ.get("CRASH_STRIDE", "3"))
ON_POSTGRESQL = ("car-locked", "car-cancelled", "goods-cancelled", "payment-refunded", "feature-captured", "visit-new")


@pytest.fixture
def folder() -> Iterator[str]:
    """In memory where that can be: who is killed loses nothing there either, and nobody waits for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="crash-", dir=memory if memory.is_dir() else None) as name:
        yield name


def die(**given: Any) -> tuple[dict[str, Any], list[Any]]:
    """The run in which nobody dies, and those in which somebody does."""
    command = [sys.executable, "-m", "tests.orders.crashes.lab", json.dumps(given)]
    lab = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert lab.returncode == 0, lab.stderr[-4000:]
    runs = [json.loads(line) for line in lab.stdout.splitlines()]
    return runs[0], runs[1:]


def die_everywhere(scenario: str, state_url: str, folder: str, stride: int) -> tuple[dict[str, Any], list[Any]]:
    if ONLY and ONLY[0] != scenario:
        pytest.skip("another scenario is wanted")
    only = [int(ONLY[1]), ONLY[2]] if ONLY else None
    return die(scenario=scenario, state_url=state_url, folder=folder, stride=stride, every=EVERY, only=only)


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
    whole, runs = die_everywhere(scenario, f"sqlite:///{folder}/state.sqlite3", folder, STRIDE)
    check(scenario, whole, runs)
    kinds = (BEFORE_SENT, BEFORE_ANSWER, COMMITTED, WRITTEN, "before statement 1", "before commit")
    assert all(any(name.endswith(kind) for name in whole["names"]) for kind in kinds)
    assert len(runs) > 5 or ONLY


@pytest.mark.real
@pytest.mark.parametrize("scenario", ON_POSTGRESQL)
def test_postgresql_keeps_it_as_well(scenario: str, postgres_url: str, folder: str) -> None:
    check(scenario, *die_everywhere(scenario, postgres_url, folder, 2 * STRIDE))


@pytest.mark.parametrize(
    ("flaw", "scenario", "step", "sign"),
    [
        ("new key for every try", "car-locked", "place", "cars: "),
        ("new refund for every try", "payment-refunded", "refund", "entered "),
        ("effects at most once", "goods-cancelled", "background", "MO"),
    ],
)
def test_what_is_wrong_is_found(flaw: str, scenario: str, step: str, sign: str, folder: str) -> None:
    """Each flaw shows in what became of the world when somebody dies in this step, and only then."""
    state = f"sqlite:///{folder}/state.sqlite3"
    whole, runs = die(scenario=scenario, state_url=state, folder=folder, step=step, stride=2, flaw=flaw)
    assert whole["problems"] == []
    wrong = [said for run in runs for said in run["problems"]]
    assert any(said.startswith(sign) for said in wrong), wrong
    assert any(run["problems"] == [] for run in runs)
