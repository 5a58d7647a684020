"""What became of the world: everything that orders, payments and visits have changed in it, as plain JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.commerce.progress import refresh
from sandbox.commerce.reservations import release_due
from sandbox.kit.server import System
from sandbox.world import World

GONE_REFUNDS = ("CLOSED", "failed", "canceled")


class Before:
    """The world before anybody ordered."""

    def __init__(self, world: World) -> None:
        self.cars, self.goods = set(world.vehicle_orders), set(world.merchandise_orders)
        self.visits = set(world.appointments) | set(world.bookings)
        self.places = {name: trim.stock for name, trim in world.trims.items()}
        self.stock = {name: product.stock for name, product in world.products.items()}
        self.slots = {name: slot.taken for name, slot in world.slots.items()}


def facts(world: World, systems: dict[str, System], before: Before, now: datetime) -> dict[str, Any]:
    """`taken` is what is kept for somebody: build places, goods, slots. Amounts are fen."""
    release_due(world, now)
    cars = [order for number, order in world.vehicle_orders.items() if number not in before.cars]
    goods = [order for number, order in world.merchandise_orders.items() if number not in before.goods]
    for car in cars:
        refresh(world, car, now)
    numbers = {order.number for order in cars} | {order.number for order in goods}
    return {
        "cars": [
            {"number": o.number, "status": o.status, "trim": o.trim_id, "salesOrder": o.sales_order} for o in cars
        ],
        "goods": [
            {
                "number": o.number,
                "state": o.order_state,
                "payment": o.payment_state,
                "total": o.total_fen,
                "lines": {line.product_id: line.quantity for line in o.lines},
            }
            for o in goods
        ],
        "taken": {
            **_taken(before.places, {name: trim.stock for name, trim in world.trims.items()}),
            **_taken(before.stock, {name: product.stock for name, product in world.products.items()}),
        },
        "slots": {
            name: slot.taken - before.slots[name]
            for name, slot in world.slots.items()
            if slot.taken != before.slots[name]
        },
        "salesOrders": [
            {"number": o.number, "order": o.customer_reference, "rejected": o.rejected}
            for o in world.sales_orders.values()
            if o.customer_reference in numbers
        ],
        "features": [
            {"order": e.order_number, "product": e.product_id, "state": e.state}
            for e in world.entitlements.values()
            if e.order_number in numbers
        ],
        "books": [
            {"payment": p.id, "order": p.order_number, "purpose": p.purpose, "held": p.held_fen}
            for p in world.direct_payments.values()
        ],
        "charges": sorted([*_wechat(systems), *_stripe(systems)], key=lambda charge: str(charge["payment"])),
        "visits": [
            {"number": number, "state": str(state)}
            for number, state in [
                *((name, visit.status) for name, visit in world.appointments.items()),
                *((name, visit.state) for name, visit in world.bookings.items()),
            ]
            if number not in before.visits
        ],
    }


def _taken(before: dict[str, Any], now: dict[str, Any]) -> dict[str, int]:
    return {name: before[name] - left for name, left in now.items() if left is not None and left != before[name]}


def _ledger(system: System) -> Any:
    """A provider's own books: its cashier's page is served by who keeps them."""
    app: Any = system.faulty.app
    cashier = next(route for route in app.routes if route.path.startswith("/cashier/"))
    return cashier.endpoint.__self__._ledger


def _wechat(systems: dict[str, System]) -> list[dict[str, Any]]:
    ledger = _ledger(systems["wechatpay"])
    return [
        {
            "payment": number,
            "open": charge.trade_state == "NOTPAY",
            "authorised": 0,
            "captured": charge.total if charge.transaction_id else 0,
            "refunded": sum(
                refund.asked.amount.refund
                for refund in ledger.refunds.values()
                if refund.charge is charge and refund.status not in GONE_REFUNDS
            ),
        }
        for number, charge in ledger.charges.items()
    ]


def _stripe(systems: dict[str, System]) -> list[dict[str, Any]]:
    """A hold that is captured in part has the rest refunded by Stripe: what was captured says that already."""
    ledger = _ledger(systems["stripe"])
    found = []
    sessions = [session for session in ledger.sessions.values() if session.intent is None]
    for session in sessions:
        is_open = session.status == "open" and session.expires_at > ledger.now()
        payment = session.metadata["charge_id"]
        found.append({"payment": payment, "open": is_open, "authorised": 0, "captured": 0, "refunded": 0})
    for intent in ledger.intents.values():
        intent = ledger.intent(intent.id)
        held = intent.status == "requires_capture"
        unpaid = intent.status.startswith("requires_") and not held
        charge = intent.latest
        rest = 0 if charge is None or not intent.received else charge.amount - intent.received
        found.append(
            {
                "payment": intent.metadata["charge_id"],
                "open": unpaid and intent.session is None,
                "authorised": intent.amount if held else 0,
                "captured": intent.received,
                "refunded": 0 if charge is None or not intent.received else ledger.given_back(charge) - rest,
            }
        )
    return found
