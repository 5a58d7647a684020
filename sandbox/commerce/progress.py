"""How a vehicle order moves, and how the ERP and the order-to-delivery feed hear of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.world import World
from sandbox.world.entities import OtdRecord, VehicleOrder, VehicleOrderStatus
from sandbox.world.erp import sales_order_of
from sandbox.world.otd import year_week

SOONEST_DAYS = 40
WINDOW_DAYS = 12


def move(
    order: VehicleOrder, expected: tuple[VehicleOrderStatus, ...], status: VehicleOrderStatus, now: datetime
) -> bool:
    """Compare and set: of two that want to move an order on, one does."""
    if order.status not in expected:
        return False
    order.status, order.updated_at = status, now
    return True


def auto_lock(world: World, order: VehicleOrder, now: datetime) -> None:
    """When the cooling-off has ended, the order is locked by itself, as of that moment."""
    ends = order.cooling_off_ends_at
    if ends is not None and ends <= now and move(order, ("DEPOSIT_PAID",), "LOCKED", ends):
        order.locked_at = ends
        feed(world, order, "1102", ends)


def register(world: World, order: VehicleOrder, now: datetime) -> None:
    """The first payment makes a draft a real order: the ERP gets its sales order, the feed its first record."""
    if order.sales_order is not None:
        return
    digits = str(int(order.number[2:]))
    order.sales_order, order.otd_number, order.milestone = digits, f"SO{digits}", "PLACED"
    weeks = world.trims[order.trim_id].delivery_weeks_min
    order.delivery_earliest = now.date() + max(timedelta(days=SOONEST_DAYS), timedelta(weeks=weeks))
    order.delivery_latest = order.delivery_earliest + timedelta(days=WINDOW_DAYS)
    world.sales_orders[digits] = sales_order_of(world, order, digits)
    feed(world, order, "1100", now)


def withdraw(world: World, order: VehicleOrder, now: datetime) -> None:
    """The order is cancelled: the ERP rejects its sales order, the feed says 9000."""
    if order.sales_order is None:
        return
    order.milestone = "CANCELLED"
    sales_order = world.sales_orders[order.sales_order]
    sales_order.overall_status, sales_order.rejected, sales_order.changed_at = "C", True, now
    feed(world, order, "9000", now)


def feed(world: World, order: VehicleOrder, code: str, happened: datetime) -> None:
    assert order.otd_number is not None
    sequence = len(world.otd_feed) + 1
    week = year_week(happened)
    world.otd_feed.append(OtdRecord(sequence, order.otd_number, code, order.vin, week, happened, happened))
