"""How a vehicle order moves, and how the ERP and the order-to-delivery feed hear of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.payment.ledger import close_open
from sandbox.world import World
from sandbox.world.entities import OtdRecord, Trim, VehicleOrder, VehicleOrderStatus
from sandbox.world.erp import sales_order_of
from sandbox.world.mes import PLANTS
from sandbox.world.orders import DRAFT_HOURS
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


def reserved_until(order: VehicleOrder) -> datetime | None:
    """How long a draft holds its build place; None where nothing takes it away any more."""
    return order.created_at + timedelta(hours=DRAFT_HOURS) if order.status == "DRAFT" else None


def refresh(world: World, order: VehicleOrder, now: datetime) -> None:
    """What time has made of an order, as of the moment when it did: an unpaid draft expires, cooling-off ends."""
    _expire(world, order, now)
    _auto_lock(world, order, now)


def _expire(world: World, order: VehicleOrder, now: datetime) -> None:
    ends = reserved_until(order)
    if ends is not None and ends <= now:
        end(world, order, ends)


def end(world: World, order: VehicleOrder, now: datetime) -> bool:
    """Cancel while that is allowed: the build place is free, nobody can pay any more, ERP and feed hear of it."""
    if not move(order, ("DRAFT", "INTENT_PAID", "DEPOSIT_PAID"), "CANCELLED", now):
        return False
    order.cancelled_at = now
    reserve(world, world.trims[order.trim_id], -1)
    _withdraw(world, order, now)
    close_open(world, order.number, now)
    return True


def reserve(world: World, trim: Trim, cars: int) -> None:
    """Take a car or build place (or, negative, give it back), in the shop's count and in the ERP's."""
    trim.stock -= cars
    world.material_stock[f"{trim.id}/{PLANTS[trim.model_id]}"].reserved += cars


def _auto_lock(world: World, order: VehicleOrder, now: datetime) -> None:
    ends = order.cooling_off_ends_at
    if ends is not None and ends <= now and move(order, ("DEPOSIT_PAID",), "LOCKED", ends):
        order.locked_at = ends
        feed(world, order, "1102", ends)


def register(world: World, order: VehicleOrder, now: datetime) -> None:
    """The first payment makes a draft a real order: the ERP gets its sales order, the feed its first record."""
    if order.sales_order is not None:
        return
    digits = str(int(order.number[2:]))
    if digits in world.sales_orders:
        digits = str(max(map(int, world.sales_orders)) + 1)
    _schedule(world, order, digits, now)
    world.sales_orders[digits] = sales_order_of(world, order, digits)


def attach(world: World, order: VehicleOrder, sales_order: str, now: datetime) -> None:
    """The same where the ERP was told by somebody else; what happened before that, the feed hears now."""
    order.sales_order_is_told = True
    _schedule(world, order, sales_order, now)
    if order.deposit_paid_at is not None:
        feed(world, order, "1101", now)
    if order.locked_at is not None:
        feed(world, order, "1102", now)


def _schedule(world: World, order: VehicleOrder, sales_order: str, now: datetime) -> None:
    order.sales_order, order.otd_number, order.milestone = sales_order, f"SO{sales_order}", "PLACED"
    weeks = world.trims[order.trim_id].delivery_weeks_min
    order.delivery_earliest = now.date() + max(timedelta(days=SOONEST_DAYS), timedelta(weeks=weeks))
    order.delivery_latest = order.delivery_earliest + timedelta(days=WINDOW_DAYS)
    feed(world, order, "1100", now)


def _withdraw(world: World, order: VehicleOrder, now: datetime) -> None:
    """The order is cancelled: the feed says 9000, the ERP rejects its sales order. One that we were told of is left
    to whoever made it.
    """
    if order.sales_order is None:
        return
    order.milestone = "CANCELLED"
    if not order.sales_order_is_told:
        sales_order = world.sales_orders[order.sales_order]
        sales_order.overall_status, sales_order.rejected, sales_order.changed_at = "C", True, now
    feed(world, order, "9000", now)


def feed(world: World, order: VehicleOrder, code: str, happened: datetime) -> None:
    """A record for the feed, which knows an order once it has a number there."""
    if order.otd_number is None:
        return
    sequence = len(world.otd_feed) + 1
    week = year_week(happened)
    world.otd_feed.append(OtdRecord(sequence, order.otd_number, code, order.vin, week, happened, happened))
