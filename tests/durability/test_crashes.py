"""Processes that die, and processes that compete: kill -9 at every step of a keyed mutation."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bff.durability.open import open_database
from tests.durability.shop import Clock, Shop, Upstream

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]


def _start(
    state_url: str, upstream: Path, *, key: str, together: int = 1, fatal: int | None = None, go: Path | None = None
) -> Any:
    given = {
        "state_url": state_url,
        "upstream": str(upstream),
        "key": key,
        "together": together,
        "fatal": fatal,
        "go": None if go is None else str(go),
    }
    command = [sys.executable, "-m", "tests.durability.worker", json.dumps(given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def _retry(state_url: str, upstream: Upstream, key: str) -> tuple[bytes, bytes]:
    """A minute later, in a new process as far as state goes: the same request twice."""
    database = open_database(state_url)
    shop = Shop(database, upstream, Clock(ahead=60))
    try:
        return (await shop.ask(key=key))["bytes"], (await shop.ask(key=key))["bytes"]
    finally:
        await database.aclose()


async def test_kill_at_any_step_leaves_one_order_and_an_answer(state_url: str, tmp_path: Path) -> None:
    """Before each statement, before and after each commit, before and after the upstream's work."""
    whole = _start(state_url, tmp_path / "whole", key="never-killed")
    points = json.loads(whole.communicate(timeout=60)[0])["points"]
    assert points >= 10
    for fatal in range(points):
        folder, key = tmp_path / f"killed-{fatal}", f"killed-at-{fatal}"
        killed = _start(state_url, folder, key=key, fatal=fatal)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
        upstream = Upstream(folder)
        first, second = await _retry(state_url, upstream, key)
        assert first == second
        assert json.loads(first)["errors"] == []
        assert upstream.orders == 1


async def test_two_processes_with_fifty_requests_each_ask_the_upstream_once(state_url: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    workers = [_start(state_url, tmp_path / "upstream", key="wanted-by-all", together=50, go=go) for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    go.touch()
    answers = [answer for worker in workers for answer in json.loads(worker.communicate(timeout=60)[0])["answers"]]
    assert len(answers) == 100
    assert len(set(answers)) == 1
    assert json.loads(answers[0])["errors"] == []
    assert Upstream(tmp_path / "upstream").calls == 1
