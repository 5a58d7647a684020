"""Deleting flows in which nothing happens any more, as scripts: a page of old ones is looked at, each is judged under
its lock. What may go is said by whoever knows the kinds (`bff/orders/retention.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bff.domain.cloud_events import EventStream
from bff.durability.database import Script
from bff.durability.flow_store import FLOWS, Stored, stored_of
from bff.durability.outbox_store import TABLES

START = (0, "")
"""Where going through a kind's flows begins: (milliseconds since 1970, id)."""


class Matter(NamedTuple):
    """What is deleted together or not at all: all flows of `reference`, or one by itself (None)."""

    flow: str
    reference: str | None

    @property
    def key(self) -> str:
        return self.reference or self.flow


def unchanged(kind: str, before: int, after: tuple[int, str], most: int) -> Script[list[Stored]]:
    """A page of a kind's flows that last changed before then, longest ago first, from the one after `after`."""
    rows = yield (
        f"{FLOWS} WHERE kind = $1 AND changed_at < $2 AND (changed_at, id) > ($3, $4) ORDER BY changed_at, id LIMIT $5",
        (kind, before, *after, most),
    )
    return [stored_of(row) for row in rows]


def unsent(before: int) -> Script[set[str]]:
    """Orders of which an event that was decided before then still waits to be sent."""
    found: set[str] = set()
    for stream in EventStream:  # in the order in which events go from one to the next: none is missed between two looks
        rows = yield f"SELECT DISTINCT subject FROM {TABLES[stream]} WHERE at < $1", (before,)  # noqa: S608
        found |= {row[0] for row in rows}
    return found


def purge(matters: Sequence[Matter], may_go: Callable[[Stored], bool]) -> Script[list[str]]:
    """Delete those of which every flow may go and has nothing waiting; the kinds of the flows that are gone.

    Locked in the order of their keys, so that two processes never wait for each other.
    """
    gone: list[str] = []
    for matter in sorted(set(matters), key=lambda each: each.key):
        column = "id" if matter.reference is None else "reference"
        rows = yield f"{FLOWS} WHERE {column} = $1 ORDER BY id FOR UPDATE", (matter.key,)
        flows = [stored_of(row) for row in rows]
        if all(may_go(flow) for flow in flows) and not (yield from _is_any_waiting(flows)):
            for flow in flows:
                yield "DELETE FROM bff_flow WHERE id = $1", (flow.id,)
            gone += [flow.kind for flow in flows]
    return gone


def _is_any_waiting(flows: Sequence[Stored]) -> Script[bool]:
    for flow in flows:
        if (yield "SELECT name FROM bff_effect WHERE flow = $1 LIMIT 1", (flow.id,)):
            return True
    return False
