"""Money that moved at a provider for a payment that is not kept here: forgotten since (`retention.py`), or lost.

A notification cannot begin a flow that nobody asked for, and whose order is long over. It is entered in the ledger,
under no order's number, which is how reconciliation finds it and tells people. When they have given the money back at
the provider, the notification of that is entered as well, and the finding is gone.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import ChargeStatus, Notice
from bff.durability.database import Script
from bff.durability.flow import LedgerEntry
from bff.durability.flow_store import enter, milliseconds
from bff.orders.shop_state import SHOP_ORDER, ShopOrderState, ShopPhase
from bff.orders.vehicle_facts import VEHICLE_ORDER
from bff.orders.vehicle_state import VehicleOrderState

NOBODYS = ""
"""The order's number in such entries."""

MOST = 500

_NET = "CAST(SUM(CASE WHEN kind = 'REFUND' THEN -amount_minor ELSE amount_minor END) AS BIGINT)"
_NOT_KEPT = "NOT EXISTS (SELECT 1 FROM bff_flow AS p WHERE p.id = bff_ledger.payment)"


class Stray(NamedTuple):
    """`net_minor` came (or, negative, went) without a payment of ours. `order_number` is empty where it is unknown."""

    payment: str
    order_number: str
    net_minor: int
    currency: str


def enter_stray(notice: Notice, now: datetime) -> Script[bool]:
    """Whether money moved of which the ledger did not know; then it does now."""
    entry = _entry(notice)
    if entry is None:
        return False
    if entry.kind == "REVERSAL":
        refund = f"REFUND:{entry.id.partition(':')[2]}"
        if not (yield "SELECT id FROM bff_ledger WHERE id = $1", (refund,)):
            return False  # it never went, so it did not come back
    return (yield from enter(entry, milliseconds(now)))


def _entry(notice: Notice) -> LedgerEntry | None:
    charge, repayment = notice.charge, notice.repayment
    if charge is not None and charge.status is ChargeStatus.SUCCEEDED:
        return _line("CAPTURE", charge.id, charge.id, charge.captured or charge.amount, charge.transaction)
    if repayment is not None and repayment.status is RefundStatus.SUCCEEDED:
        return _line("REFUND", repayment.id, repayment.charge_id, repayment.amount, repayment.transaction)
    if repayment is not None and repayment.status is RefundStatus.ABNORMAL:
        return _line("REVERSAL", repayment.id, repayment.charge_id, repayment.amount, repayment.transaction)
    return None


def _line(kind: str, entry_id: str, payment: str, amount: Money | None, movement: str | None) -> LedgerEntry | None:
    """None where the provider does not say how much: that is in the log, and at the provider."""
    if amount is None:
        return None
    return LedgerEntry(
        id=f"{kind}:{entry_id}",
        order_number=NOBODYS,
        payment_id=payment,
        kind=kind,
        amount=amount,
        movement=movement or "",
    )


def find_strays(since: int) -> Script[list[Stray]]:
    """What was entered so since then (milliseconds since 1970) and does not come to nothing."""
    rows = yield (
        f"SELECT payment, {_NET}, currency FROM bff_ledger WHERE order_number = $1 AND {_NOT_KEPT}"  # noqa: S608
        f" GROUP BY payment, currency HAVING MAX(at) >= $2 AND {_NET} <> 0 ORDER BY payment LIMIT $3",
        (NOBODYS, since, MOST),
    )
    found: list[Stray] = []
    for payment, net, currency in rows:
        known = yield (
            "SELECT order_number FROM bff_ledger WHERE payment = $1 AND order_number <> $2 LIMIT 1",
            (payment, NOBODYS),
        )
        found.append(Stray(payment, known[0][0] if known else "", net, currency))
    return found


def find_left_behind(since: int) -> Script[list[Stray]]:
    """Orders that were cancelled since then, and whose payments are not kept any more: their money is still here."""
    rows = yield (
        "SELECT DISTINCT f.kind, f.id, f.reference, bff_ledger.payment, bff_ledger.currency FROM bff_flow AS f"  # noqa: S608
        " JOIN bff_ledger ON bff_ledger.order_number = f.reference WHERE f.kind IN ($1, $2) AND f.changed_at >= $3"
        f" AND {_NOT_KEPT} ORDER BY f.reference, bff_ledger.payment LIMIT $4",
        (SHOP_ORDER, VEHICLE_ORDER, since, MOST),
    )
    found: list[Stray] = []
    for kind, flow, number, payment, currency in rows:
        states = yield "SELECT state FROM bff_flow WHERE id = $1", (flow,)
        sums = yield f"SELECT {_NET} FROM bff_ledger WHERE payment = $1 AND currency = $2", (payment, currency)  # noqa: S608
        if sums[0][0] and _is_cancelled(kind, bytes(states[0][0])):
            found.append(Stray(payment, number, sums[0][0], currency))
    return found


def _is_cancelled(kind: str, state: bytes) -> bool:
    if kind == VEHICLE_ORDER:
        return msgspec.json.decode(state, type=VehicleOrderState).is_cancelled
    return msgspec.json.decode(state, type=ShopOrderState).phase is ShopPhase.CANCELLED
