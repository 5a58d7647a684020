"""A fixed share of a core for each of some processes, by the kernel's control groups.

On a machine where load and services take their cores from what is measured, one worker has more to itself than two have
each. With an equal share for each, small enough that all of them together leave the load what it takes, two can be
compared with one. Both versions of control groups are known; writing them needs root, or a delegated tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.nodejs import say

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 50_000
"""Short enough that a second has twenty, all alike; by 10 ms, what a cut costs in warm caches was seen in CPU time."""
SMALLEST = 0.1
"""A worker with less may not answer its supervisor's ping in time, and would be replaced by one without a quota."""

Give = Callable[[int], None]
"""Puts the process of this id, with all its threads, into a group of its own. Raises OSError where it is gone."""


class NoQuotas(Exception):
    """Control groups cannot be had here; the text says why."""


@contextmanager
def quotas(share: float, root: Path = ROOT) -> Iterator[Give]:
    """Groups of `share` of a core each, removed at the end, whoever is still in them going back to where all are.

    Raises NoQuotas before anything is begun.
    """
    home, made = _home(root), list[Path]()
    lent = _hand_down(home)

    def group() -> Path:
        path = home / f"bench-{os.getpid()}-{len(made)}"
        path.mkdir()
        made.append(path)
        _limit(path, round(share * PERIOD_US))
        return path

    def give(pid: int) -> None:
        (group() / "cgroup.procs").write_text(str(pid))

    try:
        try:
            _sweep(home)
            group()  # told now rather than in the middle of a measurement
        except OSError as error:
            raise NoQuotas(f"a control group of {share:g} of a core cannot be made in {home}: {error}") from error
        yield give
    finally:
        for path in made:
            _remove(path)
        if lent:
            with suppress(OSError):  # others have come to need it
                (home / "cgroup.subtree_control").write_text("-cpu")


def _home(root: Path) -> Path:
    """The directory that groups are made in: the first version's CPU tree, or the second's one tree."""
    if (root / "cpu" / "cgroup.procs").exists():
        return root / "cpu"
    controllers = root / "cgroup.controllers"
    if controllers.exists() and "cpu" in controllers.read_text().split():
        return root
    raise NoQuotas(f"no control groups for CPU time under {root}")


def _hand_down(home: Path) -> bool:
    """Let groups have limits of CPU time, as the second version wants it said from above. Whether it had to be."""
    handed_down = home / "cgroup.subtree_control"
    if not handed_down.exists() or "cpu" in handed_down.read_text().split():
        return False
    try:
        handed_down.write_text("+cpu")
    except OSError as error:
        raise NoQuotas(f"{handed_down} does not take +cpu: {error}") from error
    return True


def _limit(group: Path, quota_us: int) -> None:
    if (group.parent / "cgroup.controllers").exists():
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))


def _remove(group: Path) -> None:
    """Only an empty group can be removed. One that will not go is told, since it would be found by nobody else."""
    try:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()
    except OSError as error:
        say(f"the control group {group} is left behind: {error}")


def _sweep(home: Path) -> None:
    """Groups of runs that were killed."""
    for left in home.glob("bench-*-*"):
        if not Path("/proc", left.name.split("-")[1]).exists():
            with suppress(OSError):  # somebody is still in it
                left.rmdir()
