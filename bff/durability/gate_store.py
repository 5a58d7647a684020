"""The gate in front of ordering, as a script over its tables.

A gate is one row: how many numbers it has given, up to which of them it lets through, and the credit of a token bucket
(thousandths of a turn) as it stood at a time. Letting a number through costs one turn; a number whose holder is known
to have left costs none. Both counts only grow, so a view that is a little old lets nobody through who may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bff.durability.database import Rows, Script

TURN = 1000
"""What letting one number through costs, of the credit that a millisecond adds `Pace.per_second` to."""

LOOKED_AT = 1000
"""How many numbers of those who have left are passed over at most in one turn."""

PUT_AT_ONCE = 200


class Pace(NamedTuple):
    """How many a second are let through, in the long run; and how many at once after a quiet time."""

    per_second: int
    burst: int


class Shortage(NamedTuple):
    """Of `item` at most `available` are left: whoever wants more is told `refusal` (JSON).

    `until` is when that is forgotten, in milliseconds since 1970.
    """

    item: str
    available: int
    until: int
    refusal: bytes


class Turn(NamedTuple):
    """`numbers` has one for each arrival, None for a key that the journal knows: it was let through before."""

    numbers: list[int | None]
    given: int
    admitted: int
    shortages: list[Shortage]


def turn(
    gate: str,
    pace: Pace,
    now: int,
    arrivals: Sequence[str] = (),
    left: Sequence[int] = (),
    shortages: Sequence[Shortage] = (),
) -> Script[Turn]:
    """Give numbers to arrivals (scopes of idempotency keys) in their order, and let through who may go by now.

    Who may go follows from the time alone, not from how often somebody looks. The row's time never goes back: of
    several clocks the one that is furthest ahead counts.
    """
    given, admitted, credit, at = yield from _row(gate, pace, now)
    known = yield from _known(arrivals, now)
    first, numbers = given, list[int | None]()
    for scope in arrivals:
        given += scope not in known
        numbers.append(None if scope in known else given)
    yield from _put_left(gate, [number for number in left if number > admitted])
    was = admitted
    credit += max(0, now - at) * pace.per_second
    admitted, credit = yield from _pass_over(gate, admitted, first, credit)
    if admitted == first:  # what nobody waited for is lost, but for a burst
        admitted, credit = _let_through(admitted, given, min(credit, pace.burst * TURN), [])
    if (given, admitted) != (first, was):
        yield (
            "UPDATE bff_gate SET given = $2, admitted = $3, credit = $4, at = $5 WHERE name = $1",
            (gate, given, admitted, credit, max(now, at)),
        )
    yield from _put_shortages(gate, shortages, now)
    rows = yield (
        "SELECT item, available, until_at, refusal FROM bff_gate_shortage WHERE gate = $1 AND until_at > $2",
        (gate, now),
    )
    known_short = [Shortage(item, available, until, bytes(refusal)) for item, available, until, refusal in rows]
    return Turn(numbers, given, admitted, known_short)


def is_known(scope: str, now: int) -> Script[bool]:
    """Whether the journal has the key: it was let through, and whatever became of it is there."""
    found = yield from _known([scope], now)
    return bool(found)


def _row(gate: str, pace: Pace, now: int) -> Script[tuple[int, int, int, int]]:
    """The gate's row, locked; a new one has its whole burst."""
    select = "SELECT given, admitted, credit, at FROM bff_gate WHERE name = $1 FOR UPDATE", (gate,)
    rows: Rows = yield select
    if not rows:
        yield (
            "INSERT INTO bff_gate (name, given, admitted, credit, at) VALUES ($1, 0, 0, $2, $3)"
            " ON CONFLICT (name) DO NOTHING",
            (gate, pace.burst * TURN, now),
        )
        rows = yield select
    given, admitted, credit, at = rows[0]
    return given, admitted, credit, at


def _known(scopes: Sequence[str], now: int) -> Script[set[str]]:
    if not scopes:
        return set()
    rows = yield (
        f"SELECT scope FROM bff_idempotency WHERE expires_at > $1 AND scope IN ({_places(2, len(scopes))})",  # noqa: S608
        (now, *scopes),
    )
    return {row[0] for row in rows}


def _pass_over(gate: str, admitted: int, given: int, credit: int) -> Script[tuple[int, int]]:
    """Let through of those who waited as far as the credit goes; what is known of those who left is forgotten."""
    if admitted == given:
        return admitted, credit
    gone = yield (
        "SELECT number FROM bff_gate_left WHERE gate = $1 AND number > $2 ORDER BY number LIMIT $3",
        (gate, admitted, LOOKED_AT),
    )
    admitted, credit = _let_through(admitted, given, credit, [row[0] for row in gone])
    if gone:
        yield "DELETE FROM bff_gate_left WHERE gate = $1 AND number <= $2", (gate, admitted)
    return admitted, credit


def _let_through(admitted: int, given: int, credit: int, gone: Sequence[int]) -> tuple[int, int]:
    """As far as the credit goes. Where `gone` may be only the beginning of those who left, not beyond its end."""
    ends = given if len(gone) < LOOKED_AT else min(given, gone[-1])
    absent = set(gone)
    while admitted < ends:
        if admitted + 1 not in absent:
            if credit < TURN:
                break
            credit -= TURN
        admitted += 1
    return admitted, credit


def _put_left(gate: str, numbers: Sequence[int]) -> Script[None]:
    for start in range(0, len(numbers), PUT_AT_ONCE):
        some = numbers[start : start + PUT_AT_ONCE]
        values = ", ".join(f"($1, ${place})" for place in range(2, len(some) + 2))
        yield f"INSERT INTO bff_gate_left (gate, number) VALUES {values} ON CONFLICT DO NOTHING", (gate, *some)  # noqa: S608


def _put_shortages(gate: str, shortages: Sequence[Shortage], now: int) -> Script[None]:
    if shortages:
        yield "DELETE FROM bff_gate_shortage WHERE gate = $1 AND until_at <= $2", (gate, now)
    for shortage in shortages:
        yield (
            "INSERT INTO bff_gate_shortage (gate, item, available, until_at, refusal) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (gate, item) DO UPDATE SET available = excluded.available, until_at = excluded.until_at,"
            " refusal = excluded.refusal",
            (gate, *shortage),
        )


def _places(first: int, count: int) -> str:
    return ", ".join(f"${place}" for place in range(first, first + count))
