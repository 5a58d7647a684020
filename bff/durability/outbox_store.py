"""The outbox as scripts: events wait in a table for each stream until a sink has taken them, and are then deleted.

Nothing remembers how far it has come: what is in a table is not sent, whatever its position. So an event that was
committed late, with a lower position (PostgreSQL counts outside of transactions), is not overlooked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bff.domain.cloud_events import EventStream
from bff.durability.database import Script

TABLES = {EventStream.ORDERS: "bff_outbox", EventStream.INSIGHT: "bff_outbox_insight"}
"""Flows write into the first. What is for insight goes from there into the second once it is done with."""

_COLUMNS = "position, id, subject, type, body, at"


class Entry(NamedTuple):
    """An event that waits. `subject` is the order's number, `at` milliseconds since 1970, `attempts` of its order."""

    position: int
    id: str
    subject: str
    type: str
    body: bytes
    at: int
    attempts: int


class Parked(NamedTuple):
    """An order whose events wait for `event`, the first of them, to be taken; tried again at `again_at`."""

    stream: str
    order_number: str
    event: str
    reason: str
    attempts: int
    since: int
    again_at: int


class Parking(NamedTuple):
    """To park an order."""

    order_number: str
    event: str
    reason: str
    again_at: int


class Backlog(NamedTuple):
    """What waits: events, when the oldest was decided (milliseconds since 1970; None: none waits), orders parked."""

    waiting: int
    oldest: int | None
    parked: int


def _due(stream: EventStream) -> str:
    return (
        f"FROM {TABLES[stream]} AS e LEFT JOIN bff_outbox_parked AS p ON p.stream = $1 AND p.subject = e.subject"
        " WHERE p.again_at IS NULL OR p.again_at <= $2"
    )


def has_work(stream: EventStream, owner: str, now: int) -> Script[bool]:
    """Whether something can be sent and nobody else is at it; for polling, without a write lock."""
    held = yield (
        "SELECT name FROM bff_lease WHERE name = $1 AND owner <> $2 AND lease_until > $3",
        (_lease(stream), owner, now),
    )
    if held:
        return False
    rows = yield f"SELECT e.position {_due(stream)} LIMIT 1", (stream.value, now)
    return bool(rows)


def take(stream: EventStream, owner: str, now: int, lease_until: int, most: int) -> Script[list[Entry]]:
    """Become or stay the stream's one publisher, and read what is to be sent, oldest first; [] for anybody else."""
    mine = yield (
        "INSERT INTO bff_lease (name, owner, lease_until) VALUES ($1, $2, $4) ON CONFLICT (name) DO UPDATE"
        " SET owner = excluded.owner, lease_until = excluded.lease_until"
        " WHERE bff_lease.owner = excluded.owner OR bff_lease.lease_until <= $3 RETURNING name",
        (_lease(stream), owner, now, lease_until),
    )
    if not mine:
        return []
    rows = yield (
        f"SELECT e.position, e.id, e.subject, e.type, e.body, e.at, p.attempts {_due(stream)}"
        " ORDER BY e.position LIMIT $3",
        (stream.value, now, most),
    )
    return [Entry(r[0], r[1], r[2], r[3], bytes(r[4]), r[5], r[6] or 0) for r in rows]


def release(stream: EventStream, owner: str) -> Script[None]:
    """Let another process go on at once."""
    yield "DELETE FROM bff_lease WHERE name = $1 AND owner = $2", (_lease(stream), owner)


def settle(
    stream: EventStream, done: Sequence[Entry], onward: frozenset[str], parked: Sequence[Parking], now: int
) -> Script[None]:
    """Delete what was taken (or suppressed), hand on what of it is for insight as well, park orders; all or nothing.

    `onward` are ids. An entry that another publisher has settled meanwhile is not handed on again.
    """
    if done:
        gone = yield (
            f"DELETE FROM {TABLES[stream]} WHERE position IN ({_places(len(done))}) RETURNING {_COLUMNS}",  # noqa: S608
            tuple(entry.position for entry in done),
        )
        for position, id, subject, type_, body, at in sorted(row for row in gone if row[1] in onward):
            yield (
                f"INSERT INTO {TABLES[EventStream.INSIGHT]} ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"  # noqa: S608
                " ON CONFLICT (position) DO NOTHING",
                (position, id, subject, type_, bytes(body), at),
            )
    for subject in sorted({entry.subject for entry in done if entry.attempts}):
        yield "DELETE FROM bff_outbox_parked WHERE stream = $1 AND subject = $2", (stream.value, subject)
    for each in parked:
        if not (yield f"SELECT id FROM {TABLES[stream]} WHERE id = $1", (each.event,)):  # noqa: S608
            continue  # another publisher was done with it meanwhile
        yield (
            "INSERT INTO bff_outbox_parked (stream, subject, event, reason, attempts, since, again_at)"
            " VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (stream, subject) DO UPDATE SET event = excluded.event,"
            " reason = excluded.reason, attempts = bff_outbox_parked.attempts + 1, again_at = excluded.again_at",
            (stream.value, each.order_number, each.event, each.reason, now, each.again_at),
        )


def backlog(stream: EventStream) -> Script[Backlog]:
    counted = yield f"SELECT COUNT(*), MIN(at) FROM {TABLES[stream]}", ()  # noqa: S608 - a table of ours
    parked = yield "SELECT COUNT(*) FROM bff_outbox_parked WHERE stream = $1", (stream.value,)
    return Backlog(counted[0][0], counted[0][1], parked[0][0])


def parked(most: int) -> Script[list[Parked]]:
    """Longest parked first."""
    rows = yield (
        "SELECT stream, subject, event, reason, attempts, since, again_at FROM bff_outbox_parked"
        " ORDER BY since, stream, subject LIMIT $1",
        (most,),
    )
    return [Parked(*row) for row in rows]


def retry(order_number: str, now: int) -> Script[bool]:
    """Make a parked order due now; whether there was one."""
    rows = yield (
        "UPDATE bff_outbox_parked SET again_at = $2 WHERE subject = $1 RETURNING subject",
        (order_number, now),
    )
    return bool(rows)


def drop(stream: EventStream, event: str) -> Script[bool]:
    """Give up one event, so that what waits behind it goes on; whether it was there."""
    rows = yield f"DELETE FROM {TABLES[stream]} WHERE id = $1 RETURNING subject", (event,)  # noqa: S608
    for (subject,) in rows:
        yield "DELETE FROM bff_outbox_parked WHERE stream = $1 AND subject = $2", (stream.value, subject)
    return bool(rows)


def _lease(stream: EventStream) -> str:
    return f"outbox:{stream.value}"


def _places(count: int) -> str:
    return ", ".join(f"${number}" for number in range(1, count + 1))
