"""Goods that a placed order keeps for its payment: taken from stock at once, free again when the time is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.payment.ledger import close_open
from sandbox.world import World
from sandbox.world.entities import MerchandiseOrder, Product
from sandbox.world.erp import DISTRIBUTION_CENTRE

RESERVED = timedelta(minutes=15)
"""How long an order that is not paid keeps what it took."""

_GIVEN_UP = ("PENDING_PAYMENT", "ACTIVATING")


def reserve(world: World, order: MerchandiseOrder) -> None:
    """Take what the order wants from stock, until it is paid or its time is over."""
    for line in order.lines:
        take(world, world.products[line.product_id], line.quantity)
    order.reserved_until = order.created_at + RESERVED
    world.reservations.append((order.reserved_until, order.number))


def release_due(world: World, now: datetime) -> None:
    """Orders whose time is over and that nobody has paid are cancelled, as of that moment. Cheap when there are none:
    they are kept in the order in which they run out.
    """
    while world.reservations and world.reservations[0][0] <= now:
        until, number = world.reservations.popleft()
        order = world.merchandise_orders[number]
        if order.order_state == "CREATED" and order.payment_state == "UNPAID":
            end(world, order, until)


def end(world: World, order: MerchandiseOrder, now: datetime) -> None:
    """Cancel it: its goods are free, its features are withdrawn, nobody can pay for it any more."""
    order.order_state, order.fulfilment_state, order.updated_at = "CANCELLED", "NONE", now
    for line in order.lines:
        take(world, world.products[line.product_id], -line.quantity)
    for entitlement in world.entitlements.values():
        if entitlement.order_number == order.number and entitlement.state in _GIVEN_UP:
            entitlement.state = "REVOKED"
    close_open(world, order.number, now)


def take(world: World, product: Product, quantity: int) -> None:
    """Take from stock (or, negative, put back), in the shop's count and in the ERP's."""
    if product.stock is None:
        return
    product.stock -= quantity
    kept = world.material_stock.get(f"{product.id}/{DISTRIBUTION_CENTRE}")
    if kept is not None:
        kept.reserved += quantity
