"""A process in a group has its share of a core and no more, and nothing is left of the groups."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import quotas as module
from benchmarks.quotas import PERIOD_US, ROOT, NoQuotas, quotas


def writable() -> bool:
    try:
        with quotas(0.5):
            return True
    except NoQuotas:
        return False


real = pytest.mark.skipif("not writable()", reason="control groups cannot be written here")


@contextmanager
def spinning() -> Iterator[int]:
    """The id of a process that takes all CPU time it can have."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def share_used(pid: int, seconds: float) -> float:
    began, before = time.monotonic(), _spent(pid)
    time.sleep(seconds)
    return (_spent(pid) - before) / (time.monotonic() - began)


def _spent(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def groups_left() -> list[Path]:
    own = f"bench-{os.getpid()}-*"
    return [*ROOT.glob(own), *(ROOT / "cpu").glob(own)]


@real
def test_process_has_its_share_and_no_more_until_the_end() -> None:
    with spinning() as pid:
        with quotas(0.2) as give:
            give(pid)
            assert share_used(pid, 1.0) < 0.25
        assert not groups_left()
        limits = Path(f"/proc/{pid}/cgroup").read_text()
    assert "bench-" not in limits


@real
def test_each_process_has_a_group_of_its_own() -> None:
    with spinning() as one, spinning() as two, quotas(0.2) as give:
        give(one)
        give(two)
        groups = {Path(f"/proc/{pid}/cgroup").read_text() for pid in (one, two)}
    assert len(groups) == 2


@real
def test_groups_are_removed_after_a_failure() -> None:
    def fails(pid: int) -> None:
        with quotas(0.2) as give:
            give(pid)
            assert groups_left()
            raise RuntimeError("nothing was measured")

    with spinning() as pid, pytest.raises(RuntimeError, match="measured"):
        fails(pid)
    assert not groups_left()


@real
def test_groups_are_removed_after_their_processes_have_ended() -> None:
    with quotas(0.2) as give, spinning() as pid:
        give(pid)
    assert not groups_left()


@real
def test_process_that_is_gone_is_an_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with quotas(0.2) as give, pytest.raises(OSError, match=r".+"):
        give(ended.pid)
    assert not groups_left()


@real
def test_groups_of_a_run_that_was_killed_are_cleared_away() -> None:
    home = ROOT / "cpu" if (ROOT / "cpu").exists() else ROOT
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = home / f"bench-{ended.pid}-0"
    left.mkdir()
    with quotas(0.2):
        assert not left.exists()


# Trees of files in the place of control groups: what is written, in either version


def limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the files of a group of 0.35 of a core say, and those of its parent."""
    monkeypatch.setattr(module, "_remove", lambda group: None)
    with quotas(0.35, root):
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_first_version_has_a_tree_for_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cgroup.procs").touch()
    said = {Path(name).name: text for name, text in limits(tmp_path, monkeypatch).items()}
    assert (said["cpu.cfs_period_us"], said["cpu.cfs_quota_us"]) == (str(PERIOD_US), str(round(0.35 * PERIOD_US)))


def test_second_version_is_asked_to_hand_cpu_time_down_and_to_forget_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    (tmp_path / "cgroup.subtree_control").write_text("\n")
    said = {Path(name).name: text for name, text in limits(tmp_path, monkeypatch).items()}
    assert said["cpu.max"] == f"{round(0.35 * PERIOD_US)} {PERIOD_US}"
    assert said["cgroup.subtree_control"] == "+cpu"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "-cpu"


@pytest.mark.parametrize("controllers", [None, "io memory\n"])
def test_system_without_cpu_groups_is_told_before_anything_is_begun(tmp_path: Path, controllers: str | None) -> None:
    if controllers is not None:
        (tmp_path / "cgroup.controllers").write_text(controllers)
    with pytest.raises(NoQuotas, match="no control groups"), quotas(0.35, tmp_path):
        pytest.fail("begun")
    assert not list(tmp_path.glob("bench-*"))


def test_groups_that_cannot_be_made_are_told_before_anything_is_begun(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    (tmp_path / f"bench-{os.getpid()}-0").touch()  # in the way
    with pytest.raises(NoQuotas, match="cannot be made"), quotas(0.35, tmp_path):
        pytest.fail("begun")
