"""Events in a file: whole lines, whoever writes beside us, dies in the middle, or takes the file away."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.eventlog import client
from adapters.eventlog.client import EventLog, NoSink
from bff.domain.cloud_events import CloudEvent
from tests.orders.outbox_kit import ORDERS

pytestmark = pytest.mark.anyio


def made(id: str, **data: object) -> CloudEvent:
    return CloudEvent(
        id=id,
        source="/bff/orders",
        type="order.placed.v1",
        subject="t1.ab",
        time=datetime(2026, 3, 9, tzinfo=UTC),
        partitionkey="SO1",
        sequence="1",
        data=data,
    )


def ids(path: Path) -> list[str]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line)["id"] for line in text.splitlines()]


async def test_each_event_is_a_line_and_the_file_is_ours_alone(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "new" / "events.jsonl")
    first = await log.send(ORDERS, [made("e1", words="zwei\nZeilen"), made("e2")])
    await log.send(ORDERS, [made("e3")])
    await log.aclose()
    assert first.taken == {"e1", "e2"}
    assert ids(tmp_path / "new" / "events.jsonl") == ["e1", "e2", "e3"]
    assert (tmp_path / "new" / "events.jsonl").stat().st_mode & 0o777 == 0o600


async def test_events_are_on_the_disk_before_they_count_as_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    synced: list[list[str]] = []
    sync = os.fsync

    def watched(file: int) -> None:
        if os.path.samestat(os.fstat(file), path.stat()):
            synced.append(ids(path))
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    log = EventLog(path)
    await log.send(ORDERS, [made("e1"), made("e2")])
    await log.send(ORDERS, [made("e3")])
    await log.aclose()
    assert synced == [["e1", "e2"], ["e1", "e2", "e3"]]


async def test_two_writers_never_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    logs = [EventLog(path), EventLog(path)]
    batches = [[made(f"w{w}-{b}-{n}", filler="x" * 3000) for n in range(10)] for w in range(2) for b in range(20)]
    await asyncio.gather(*[logs[number // 20].send(ORDERS, batch) for number, batch in enumerate(batches)])
    for log in logs:
        await log.aclose()
    written = ids(path)
    assert len(written) == 400
    for start in range(0, 400, 10):  # a batch is in one piece
        assert len({id.rpartition("-")[0] for id in written[start : start + 10]}) == 1


async def test_a_file_that_was_rotated_is_left_and_a_new_one_begun(tmp_path: Path) -> None:
    path, old = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    log = EventLog(path)
    await log.send(ORDERS, [made("e1")])
    path.rename(old)
    await log.send(ORDERS, [made("e2")])
    await log.aclose()
    assert (ids(old), ids(path)) == (["e1"], ["e2"])


async def test_a_file_that_is_rotated_while_its_lock_is_waited_for_gets_nothing_more(tmp_path: Path) -> None:
    path, old = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    path.touch()
    with path.open() as rotating:
        fcntl.flock(rotating, fcntl.LOCK_EX)
        log = EventLog(path)
        sending = asyncio.create_task(log.send(ORDERS, [made("e1")]))
        await asyncio.sleep(0.05)
        path.rename(old)
    assert (await sending).taken == {"e1"}
    await log.aclose()
    assert (old.read_text(), ids(path)) == ("", ["e1"])


@pytest.mark.parametrize("torn", ['{"id": "half', "x" * 200_000])
@pytest.mark.parametrize("before", ["", '{"id": "e0"}\n'])
async def test_the_half_line_of_a_process_that_died_is_cut_off(tmp_path: Path, torn: str, before: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(before + torn)
    log = EventLog(path)
    await log.send(ORDERS, [made("e1")])
    await log.aclose()
    assert ids(path) == (["e0", "e1"] if before else ["e1"])


async def test_a_full_disk_takes_nothing_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    await log.send(ORDERS, [made("e1")])
    write, room = os.write, [40]

    def full(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        room[0] -= (wrote := write(file, data[: room[0]]))
        return wrote

    monkeypatch.setattr(os, "write", full)
    delivery = await log.send(ORDERS, [made("e2")])
    assert delivery.failed == {"e2": f"{path}: No space left on device"}
    assert ids(path) == ["e1"]
    monkeypatch.setattr(os, "write", write)
    await log.send(ORDERS, [made("e2")])
    await log.aclose()
    assert ids(path) == ["e1", "e2"]


async def test_a_lock_that_is_never_given_back_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOCK_SECONDS", 0.02)
    path = tmp_path / "events.jsonl"
    path.touch()
    log = EventLog(path)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        delivery = await log.send(ORDERS, [made("e1")])
    await log.aclose()
    assert delivery.failed == {"e1": f"{path}: another process does not give back its lock"}


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = EventLog(tmp_path / "file" / "events.jsonl")
    delivery = await log.send(ORDERS, [made("e1")])
    await log.aclose()
    assert delivery.taken == frozenset()
    assert delivery.failed == {"e1": f"{tmp_path}/file/events.jsonl: File exists"}


async def test_nothing_keeps_what_nobody_wants() -> None:
    assert (await NoSink().send(ORDERS, [made("e1")])).taken == {"e1"}
