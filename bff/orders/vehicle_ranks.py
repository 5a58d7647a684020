"""What the status of a car's order says of what was before, what comes by itself, and what cannot come any more."""

from __future__ import annotations

from datetime import datetime

from bff.domain.base import Refusal
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.orders.vehicle_facts import OrderSnapshot
from bff.orders.vehicle_state import WishKind

DRAFT_EXPIRY, AUTO_LOCK = "draft-expiry", "auto-lock"

RANK = {
    status: rank
    for rank, status in enumerate(
        (
            VehicleOrderStatus.UNKNOWN,
            VehicleOrderStatus.DRAFT,
            VehicleOrderStatus.INTENT_PAID,
            VehicleOrderStatus.DEPOSIT_PAID,
            VehicleOrderStatus.LOCKED,
            VehicleOrderStatus.IN_FULFILMENT,
            VehicleOrderStatus.BALANCE_DUE,
            VehicleOrderStatus.READY,
            VehicleOrderStatus.DELIVERED,
            VehicleOrderStatus.CANCELLED,
        )
    )
}
"""Of two looks at an order the one with the higher rank is the newer."""

ENDED = (VehicleOrderStatus.DELIVERED, VehicleOrderStatus.CANCELLED)
PASSED = (VehicleOrderStatus.DEPOSIT_PAID, VehicleOrderStatus.LOCKED)
"""What others are told of even where it was never seen by itself."""

_ORDER = ["input", "orderId"]


def deadline(order: OrderSnapshot) -> tuple[str | None, datetime | None]:
    """What happens to the order by itself, and when."""
    if order.status is VehicleOrderStatus.DRAFT and order.reserved_until is not None:
        return DRAFT_EXPIRY, order.reserved_until
    if order.status is VehicleOrderStatus.DEPOSIT_PAID and order.cooling_off_ends_at is not None:
        return AUTO_LOCK, order.cooling_off_ends_at
    return None, None


def impossible(status: VehicleOrderStatus, kind: WishKind) -> Refusal | None:
    """What commerce would answer for certain, whatever happens meanwhile."""
    if status is VehicleOrderStatus.CANCELLED and kind is WishKind.LOCK:
        return Refusal(code="NOT_LOCKABLE", message="This order is cancelled.", field=_ORDER)
    if status is VehicleOrderStatus.CANCELLED:
        return Refusal(code="NOT_CANCELLABLE", message="This order is cancelled already.", field=_ORDER)
    if RANK[status] < RANK[VehicleOrderStatus.LOCKED]:
        return None
    if kind is WishKind.LOCK:
        return Refusal(code="ALREADY_LOCKED", message="This order is locked already.", field=_ORDER)
    return Refusal(code="NOT_CANCELLABLE", message="This order cannot be cancelled any more.", field=_ORDER)
