"""Flows as scripts over their tables. The row of a flow is its lock: of two facts, one is decided after the other.

Always locked in this order: the flow, then its effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from bff.domain.base import Refusal
from bff.durability.database import Script
from bff.durability.flow import Decision, DomainEvent, Effect, Fact, FlowKind, LedgerEntry, Planned


class Told(NamedTuple):
    """The flow after a fact: None where it does not exist. `is_changed`: something followed from it."""

    state: Any
    refusal: Refusal | None = None
    is_changed: bool = False


class Claimed(NamedTuple):
    """An effect that is ours to perform until the lease is over."""

    flow: str
    kind: str
    name: str
    body: bytes
    owner: str
    attempts: int


class Waiting(NamedTuple):
    """An effect that is not done. `error` is the code of its last failure; `is_held`: somebody is at it."""

    flow: str
    name: str
    body: bytes
    since: int
    due_at: int
    attempts: int
    error: str
    is_held: bool


class Stored(NamedTuple):
    id: str
    kind: str
    reference: str
    state: bytes
    created_at: int
    changed_at: int


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def moment(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


def tell(kind: FlowKind[Any], flow: str, fact: Fact, now: datetime, *, reference: str | None = None) -> Script[Told]:
    """Decide about a fact. `reference` begins the flow where there is none yet; else an unknown flow stays unknown."""
    at = milliseconds(now)
    is_new = False
    if reference is not None:
        begun = yield (
            "INSERT INTO bff_flow (id, kind, reference, state, created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $5)"
            " ON CONFLICT (id) DO NOTHING RETURNING id",
            (flow, kind.name, reference, b"", at),
        )
        is_new = bool(begun)
    rows = yield "SELECT state, kind FROM bff_flow WHERE id = $1 FOR UPDATE", (flow,)
    if not rows:
        return Told(None)
    stored, kind_name = bytes(rows[0][0]), rows[0][1]
    if kind_name != kind.name:
        raise ValueError(f"flow {flow} is a {kind_name}, not a {kind.name}")
    state = msgspec.json.decode(stored, type=kind.state_type) if stored else None
    decision = kind.decide(flow, state, fact, now)
    if decision is None:
        if is_new:
            yield "DELETE FROM bff_flow WHERE id = $1", (flow,)
        return Told(state)
    yield from _write(flow, decision, at)
    return Told(decision.state, decision.refusal, True)


def _write(flow: str, decision: Decision[Any], at: int) -> Script[None]:
    yield (
        "UPDATE bff_flow SET state = $2, changed_at = $3 WHERE id = $1",
        (flow, msgspec.json.encode(decision.state), at),
    )
    if decision.reference is not None:
        yield "UPDATE bff_flow SET reference = $2 WHERE id = $1", (flow, decision.reference)
    for name in decision.dropped:
        yield "DELETE FROM bff_effect WHERE flow = $1 AND name = $2", (flow, name)
    for planned in decision.effects:
        yield from _plan(flow, planned, at)
    for entry in decision.entries:
        yield from enter(entry, at)
    for event in decision.events:
        yield from _publish(event, at)


def _plan(flow: str, planned: Planned, at: int) -> Script[None]:
    due = at if planned.at is None else milliseconds(planned.at)
    # One that waits already is wanted as it is wanted now. Whoever is at it loses the claim: what comes of that try is
    # not believed, since it may not know what has been decided here.
    yield (
        "INSERT INTO bff_effect (flow, name, body, created_at, due_at, owner, lease_until, attempts, error)"
        " VALUES ($1, $2, $3, $4, $5, '', 0, 0, '') ON CONFLICT (flow, name) DO UPDATE"
        " SET body = excluded.body, due_at = excluded.due_at, owner = '', lease_until = 0",
        (flow, planned.effect.name, msgspec.json.encode(planned.effect), at, due),
    )


def enter(entry: LedgerEntry, at: int) -> Script[bool]:
    """Into the ledger; False where this movement of money stands there already."""
    rows = yield (
        "INSERT INTO bff_ledger (id, order_number, payment, kind, amount_minor, currency, movement, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING RETURNING id",
        (
            entry.id, entry.order_number, entry.payment_id, entry.kind, entry.amount.amount_minor,
            entry.amount.currency, entry.movement, at,
        ),
    )  # fmt: skip
    return bool(rows)


def _publish(event: DomainEvent, at: int) -> Script[None]:
    yield (
        "INSERT INTO bff_outbox (id, subject, type, body, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        (event.id, event.order_number, event.type, msgspec.json.encode(event), at),
    )


def find_due(now: int, most: int, flow: str | None = None) -> Script[list[tuple[str, str]]]:
    """Effects that may be claimed, longest due first: (flow, name). For looking, without a write lock."""
    if flow is not None:
        rows = yield (
            "SELECT flow, name FROM bff_effect WHERE flow = $1 AND due_at <= $2 AND lease_until <= $2"
            " ORDER BY due_at LIMIT $3",
            (flow, now, most),
        )
    else:
        rows = yield (
            "SELECT flow, name FROM bff_effect WHERE due_at <= $1 AND lease_until <= $1 ORDER BY due_at LIMIT $2",
            (now, most),
        )
    return [(row[0], row[1]) for row in rows]


def claim(flow: str, name: str, owner: str, now: int, lease_until: int) -> Script[Claimed | None]:
    """Take one effect; None where somebody was quicker. `owner` is new for every claim."""
    rows = yield (
        "UPDATE bff_effect SET owner = $3, lease_until = $5 WHERE flow = $1 AND name = $2 AND due_at <= $4"
        " AND lease_until <= $4 RETURNING body, attempts",
        (flow, name, owner, now, lease_until),
    )
    if not rows:
        return None
    kinds = yield "SELECT kind FROM bff_flow WHERE id = $1", (flow,)
    return Claimed(flow, kinds[0][0], name, bytes(rows[0][0]), owner, rows[0][1])


def finish(kind: FlowKind[Any], done: Claimed, fact: Fact | None, now: datetime) -> Script[Told | None]:
    """Tell the flow what came of an effect that is still ours; None where the claim was lost, and nothing is told."""
    yield "SELECT id FROM bff_flow WHERE id = $1 FOR UPDATE", (done.flow,)
    gone = yield (
        "DELETE FROM bff_effect WHERE flow = $1 AND name = $2 AND owner = $3 RETURNING name",
        (done.flow, done.name, done.owner),
    )
    if not gone:
        return None
    if fact is None:
        return Told(None)
    return (yield from tell(kind, done.flow, fact, now))


def give_back(held: Claimed, due_at: int, error: str) -> Script[None]:
    """It failed, and is tried again then."""
    yield (
        "UPDATE bff_effect SET owner = '', lease_until = 0, due_at = $4, attempts = attempts + 1, error = $5"
        " WHERE flow = $1 AND name = $2 AND owner = $3",
        (held.flow, held.name, held.owner, due_at, error),
    )


def waiting_of(flows: Sequence[str], now: int) -> Script[list[Waiting]]:
    """What is not done yet for these flows."""
    found: list[Waiting] = []
    for flow in flows:
        rows = yield (
            "SELECT flow, name, body, created_at, due_at, attempts, error, lease_until FROM bff_effect"
            " WHERE flow = $1 ORDER BY created_at, name",
            (flow,),
        )
        found += [Waiting(r[0], r[1], bytes(r[2]), r[3], r[4], r[5], r[6], is_held=r[7] > now) for r in rows]
    return found


class Standing(NamedTuple):
    """`due` effects are not done although it is time, the oldest since `oldest` (milliseconds since 1970); `failing`
    have failed at least `FAILING` times.
    """

    due: int
    oldest: int | None
    failing: int


FAILING = 3


def standing(now: int) -> Script[Standing]:
    rows = yield "SELECT COUNT(*), MIN(due_at) FROM bff_effect WHERE due_at <= $1", (now,)
    failing = yield "SELECT COUNT(*) FROM bff_effect WHERE attempts >= $1", (FAILING,)
    return Standing(rows[0][0], rows[0][1], failing[0][0])


def load(flows: Sequence[str]) -> Script[list[Stored]]:
    found: list[Stored] = []
    for flow in flows:
        rows = yield (f"{FLOWS} WHERE id = $1", (flow,))
        found += [stored_of(row) for row in rows]
    return found


def load_by_reference(kind: str, references: Sequence[str]) -> Script[list[Stored]]:
    """Oldest first."""
    found: list[Stored] = []
    for reference in references:
        rows = yield (f"{FLOWS} WHERE reference = $1 AND kind = $2 ORDER BY created_at, id", (reference, kind))
        found += [stored_of(row) for row in rows]
    return found


def load_changed(kind: str, since: int, after: str, most: int) -> Script[list[Stored]]:
    """A page of a kind's flows that changed at or after `since`, by id: for going through all of them."""
    rows = yield (
        f"{FLOWS} WHERE kind = $1 AND changed_at >= $2 AND id > $3 ORDER BY id LIMIT $4",
        (kind, since, after, most),
    )
    return [stored_of(row) for row in rows]


FLOWS = "SELECT id, kind, reference, state, created_at, changed_at FROM bff_flow"


def stored_of(row: tuple[Any, ...]) -> Stored:
    return Stored(row[0], row[1], row[2], bytes(row[3]), row[4], row[5])


def effect_of(kind: FlowKind[Any], body: bytes) -> Effect:
    effect: Effect = msgspec.json.decode(body, type=kind.effect_type)
    return effect
