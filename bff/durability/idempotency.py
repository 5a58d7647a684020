"""The journal of idempotency keys, as scripts over its two tables.

    (none) ── claim ──▶ RUNNING ── complete ──▶ DONE      an answer is stored: it is given again
       ▲                 │    ▲                  │ another selection of the same input
       └─── forget ──────┤    └───── claim ──────┤
                         └─── leave ──▶ UNKNOWN ─┘        perhaps done: runs again under the same upstream key

A claim is a lease: whoever dies while RUNNING is succeeded when the lease is over, and can store nothing after that.
The row of a scope is the only lock; the database decides between processes.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from bff.durability.database import Script


class Claim(NamedTuple):
    """Who wants to run what. Times are milliseconds since 1970.

    `scope` is the caller's key for this mutation, `fingerprint` the input, `selection` what is asked of the outcome;
    `owner` is a name that nobody else has.
    """

    scope: str
    fingerprint: str
    selection: str
    owner: str
    now: int
    lease_until: int
    expires_at: int


class Verdict(Enum):
    MINE = "run it, then complete, leave or forget"
    ANSWERED = "give the stored answer"
    RUNNING = "somebody else runs it"
    REUSED = "the key belongs to another input"


class Decision(NamedTuple):
    """`is_first`: nobody has run it before, so if nothing was done the key may be forgotten."""

    verdict: Verdict
    answer: bytes = b""
    is_first: bool = False


def claim(wanted: Claim) -> Script[Decision]:
    """Take the scope if it is free. Run again by the same owner it decides the same."""
    yield (
        "DELETE FROM bff_idempotency WHERE scope = $1 AND expires_at <= $2 AND lease_until <= $2",
        (wanted.scope, wanted.now),
    )
    inserted = yield (
        "INSERT INTO bff_idempotency (scope, fingerprint, state, owner, lease_until, expires_at)"
        " VALUES ($1, $2, 'RUNNING', $3, $4, $5) ON CONFLICT (scope) DO NOTHING RETURNING scope",
        (wanted.scope, wanted.fingerprint, wanted.owner, wanted.lease_until, wanted.expires_at),
    )
    if inserted:
        return Decision(Verdict.MINE, is_first=True)
    rows = yield (
        "SELECT fingerprint, owner, lease_until FROM bff_idempotency WHERE scope = $1 FOR UPDATE",
        (wanted.scope,),
    )
    if not rows:  # purged between the two statements
        return Decision(Verdict.RUNNING)
    fingerprint, owner, lease_until = rows[0]
    if fingerprint != wanted.fingerprint:
        return Decision(Verdict.REUSED)
    if owner == wanted.owner:
        return Decision(Verdict.MINE)
    # A statement of its own: under read committed it sees what was committed while the row was waited for.
    answers = yield (
        "SELECT answer FROM bff_idempotency_answer WHERE scope = $1 AND selection = $2",
        (wanted.scope, wanted.selection),
    )
    if answers:
        return Decision(Verdict.ANSWERED, bytes(answers[0][0]))
    if lease_until > wanted.now:
        return Decision(Verdict.RUNNING)
    yield (
        "UPDATE bff_idempotency SET state = 'RUNNING', owner = $2, lease_until = $3 WHERE scope = $1",
        (wanted.scope, wanted.owner, wanted.lease_until),
    )
    return Decision(Verdict.MINE)


def is_running(scope: str, now: int) -> Script[bool]:
    """Whether it is worth while to wait longer; for polling, without a write lock."""
    rows = yield (
        "SELECT scope FROM bff_idempotency WHERE scope = $1 AND owner <> '' AND lease_until > $2",
        (scope, now),
    )
    return bool(rows)


def complete(scope: str, owner: str, selection: str, answer: bytes) -> Script[bool]:
    """Store the answer and give the scope back; False if the lease was lost, and then nothing is stored."""
    rows = yield "SELECT scope FROM bff_idempotency WHERE scope = $1 AND owner = $2 FOR UPDATE", (scope, owner)
    if not rows:
        return False
    yield (
        "INSERT INTO bff_idempotency_answer (scope, selection, answer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        (scope, selection, answer),
    )
    yield "UPDATE bff_idempotency SET state = 'DONE', owner = '', lease_until = 0 WHERE scope = $1", (scope,)
    return True


def leave(scope: str, owner: str) -> Script[None]:
    """Give the scope back without an answer: the next request with the key finds out."""
    yield (
        "UPDATE bff_idempotency SET owner = '', lease_until = 0, state = CASE WHEN EXISTS"
        " (SELECT 1 FROM bff_idempotency_answer WHERE scope = $1) THEN 'DONE' ELSE 'UNKNOWN' END"
        " WHERE scope = $1 AND owner = $2",
        (scope, owner),
    )


def forget(scope: str, owner: str) -> Script[None]:
    """Nothing was done for the key: it may be used as if for the first time."""
    yield "DELETE FROM bff_idempotency WHERE scope = $1 AND owner = $2", (scope, owner)


def purge(now: int, most: int) -> Script[int]:
    """Delete keys whose time is over, a bounded number at once, with their answers. How many those were."""
    gone = yield (
        "DELETE FROM bff_idempotency WHERE scope IN (SELECT scope FROM bff_idempotency"
        " WHERE expires_at <= $1 AND lease_until <= $1 LIMIT $2) RETURNING scope",
        (now, most),
    )
    return len(gone)
