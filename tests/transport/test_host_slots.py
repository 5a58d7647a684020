"""Places that the processes of one host share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.transport.slots import HostSlots
from adapters.transport.upstream import Operation, Upstream
from bff.errors import UpstreamBusy
from bff.policy import CallPolicy
from tests.transport.engines import Gated, turns

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import asyncio, sys, time
from pathlib import Path
from adapters.transport.slots import HostSlots
slots = HostSlots("dms", "http://dms", 10, Path(sys.argv[1]))
async def take():
    return [await slots.take(1.0) for _ in range(int(sys.argv[2]))]
print(sum(lease is not None for lease in asyncio.run(take())), flush=True)
time.sleep(60)
"""


class Holder:
    """Another process, which holds places until it is killed."""

    def __init__(self, folder: Path, count: int) -> None:
        command = [sys.executable, "-c", HOLDER, str(folder), str(count)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.held = int(self.process.stdout.readline())

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


async def taken(slots: HostSlots, tries: int = 12) -> list[str]:
    return [lease for _ in range(tries) if (lease := await slots.take(1.0)) is not None]


async def test_all_processes_together_have_no_more_places_than_there_are(tmp_path: Path) -> None:
    slots = HostSlots("dms", "http://dms", 10, tmp_path)
    with Holder(tmp_path, 7) as other:
        assert other.held == 7
        leases = await taken(slots)
        assert len(leases) == 3
        slots.give(leases[0])
        assert len(await taken(slots)) == 1
    await slots.aclose()


async def test_killed_process_leaves_its_places_at_once(tmp_path: Path) -> None:
    slots = HostSlots("dms", "http://dms", 10, tmp_path)
    with Holder(tmp_path, 10) as other:
        assert await taken(slots) == []
        other.kill()
        assert len(await taken(slots)) == 10
    await slots.aclose()


async def test_systems_at_other_addresses_have_places_of_their_own(tmp_path: Path) -> None:
    slots = HostSlots("dms", "http://another-dms", 10, tmp_path)
    with Holder(tmp_path, 10):
        assert len(await taken(slots)) == 10
    await slots.aclose()


async def test_whoever_finds_no_place_waits_for_one_and_then_is_refused(tmp_path: Path) -> None:
    other = Holder(tmp_path, 10)
    policy = CallPolicy(connections=10, timeout=0.2)
    engine = Gated()
    engine.gate.set()
    slots = HostSlots("dms", "http://dms", 10, tmp_path)
    upstream = Upstream("dms", "http://dms", engine, policy=policy, slots=slots)
    with pytest.raises(UpstreamBusy):
        await upstream.call(Operation(name="Get"), "GET", "/a")
    waiting = asyncio.ensure_future(upstream.call(Operation(name="Get"), "GET", "/a"))
    await asyncio.sleep(0.02)
    other.kill()
    assert (await waiting).status == 200
    assert upstream.state.in_flight == 0
    assert len(await taken(slots)) == 10
    await upstream.aclose()


async def test_cancelled_calls_give_their_places_back(tmp_path: Path) -> None:
    slots = HostSlots("dms", "http://dms", 3, tmp_path)
    engine = Gated()
    upstream = Upstream("dms", "http://dms", engine, policy=CallPolicy(connections=3), slots=slots)
    calls = [asyncio.ensure_future(upstream.call(Operation(name="Get"), "GET", f"/{n}")) for n in range(9)]
    await turns()
    assert engine.now == 3
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(await taken(slots)) == 3
    assert upstream.state.in_flight == 0
    await upstream.aclose()
