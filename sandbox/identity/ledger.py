"""The points ledger: what each line did to the balance, and what is held."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.world.entities import Customer, PointsEntry

_EFFECT = {"EARN": 1, "RELEASE": 1, "HOLD": -1, "REDEEM": -1, "CAPTURE": 0}


class Line(NamedTuple):
    entry: PointsEntry
    delta: int
    balance_after: int


def points(customer: Customer) -> list[Line]:
    """Oldest first."""
    lines, balance = [], 0
    for entry in customer.points:
        delta = _EFFECT[entry.kind] * entry.points
        balance += delta
        lines.append(Line(entry, delta, balance))
    return lines


def held(customer: Customer) -> int:
    """Points of holds that were neither captured nor released yet."""
    settled = {entry.hold_id for entry in customer.points if entry.hold_id is not None}
    return sum(entry.points for entry in customer.points if entry.kind == "HOLD" and entry.id not in settled)
