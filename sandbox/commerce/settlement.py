"""What an order owes, and what becomes of it when money arrives or leaves. The payment service calls this."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.kit.rest import Refused
from sandbox.payment.ledger import paid_for
from sandbox.world import World
from sandbox.world.entities import DirectPayment, MerchandiseOrder, PaymentIntent, PaymentPurpose, VehicleOrder
from sandbox.world.orders import COOLING_OFF_HOURS, DEPOSIT_FEN, INTENT_FEN

from .entitlements import activate, begin_activation
from .features import is_entitled
from .progress import feed, move, refresh, register
from .reservations import release_due

_SERVICE_DONE = ("READY", "RETURNING")


def owner_of(world: World, order_number: str) -> str | None:
    """Whose order it is; None where there is no such order."""
    kinds = (world.vehicle_orders, world.merchandise_orders, world.bookings, world.repair_orders)
    found = next((kind[order_number] for kind in kinds if order_number in kind), None)
    return found.customer_id if found is not None else None


def owed(world: World, order_number: str, purpose: PaymentPurpose, now: datetime) -> int:
    """What must be paid for this purpose, in fen. Refuses with ORDER_NOT_PAYABLE or ALREADY_PAID."""
    if order_number in world.vehicle_orders:
        return _vehicle_order_owes(world, world.vehicle_orders[order_number], purpose, now)
    if order_number in world.merchandise_orders:
        release_due(world, now)
        return _merchandise_owes(world, world.merchandise_orders[order_number], purpose)
    return _service_owes(world, order_number, purpose)


def _vehicle_order_owes(world: World, order: VehicleOrder, purpose: PaymentPurpose, now: datetime) -> int:
    refresh(world, order, now)
    status, paid = order.status, paid_for(world, order.number)
    if purpose == "INTENT" and status == "DRAFT":
        return INTENT_FEN
    if purpose == "DEPOSIT" and status in ("DRAFT", "INTENT_PAID"):
        return DEPOSIT_FEN - paid
    if purpose == "BALANCE" and status == "BALANCE_DUE":
        return order.total_fen - paid
    early = status in ("DRAFT", "INTENT_PAID", "DEPOSIT_PAID", "LOCKED", "IN_FULFILMENT")
    known = purpose in ("INTENT", "DEPOSIT", "BALANCE")
    if status == "CANCELLED" or not known or (purpose == "BALANCE" and early):
        raise Refused("ORDER_NOT_PAYABLE", f"the order is {status}")
    raise Refused("ALREADY_PAID", f"the order is {status}")


def _merchandise_owes(world: World, order: MerchandiseOrder, purpose: PaymentPurpose) -> int:
    kinds = {world.products[line.product_id].kind for line in order.lines}
    fits = purpose == "MERCHANDISE" or (purpose == "FEATURE" and kinds == {"FEATURE"})
    if order.order_state == "CANCELLED" or not fits:
        raise Refused("ORDER_NOT_PAYABLE", f"the order is {order.order_state}")
    if order.payment_state != "UNPAID":
        raise Refused("ALREADY_PAID", f"the order is {order.payment_state}")
    return order.total_fen


def _service_owes(world: World, order_number: str, purpose: PaymentPurpose) -> int:
    """A visit is paid by its approved estimate once the work is done."""
    booking, repair = world.bookings.get(order_number), world.repair_orders.get(order_number)
    visit = booking or repair
    done = (booking is not None and booking.state in _SERVICE_DONE) or (repair is not None and repair.status in "RI")
    if visit is None or purpose != "SERVICE" or not done:
        raise Refused("ORDER_NOT_PAYABLE", "the work is not done")
    if paid_for(world, order_number) > 0:
        raise Refused("ALREADY_PAID", "the visit is paid")
    approved = [estimate.total_fen for estimate in visit.estimates if estimate.approved_at is not None]
    if not approved:
        raise Refused("ORDER_NOT_PAYABLE", "there is no approved estimate")
    return approved[-1]


def settle(world: World, intent: PaymentIntent, now: datetime) -> int:
    """The provider has taken the money: move the order on. Answers what must be given back, in fen: all of it where
    the order was cancelled or paid otherwise meanwhile, a line's price where its feature is on the car already.
    """
    if _owed_besides(world, intent, now) != intent.amount_fen:
        return intent.amount_fen
    return _move_on(world, intent.order_number, intent.purpose, now, is_direct=False)


def settle_direct(
    world: World, payment_id: str, order_number: str, purpose: PaymentPurpose, amount_fen: int, now: datetime
) -> DirectPayment:
    """Another party has taken money for an order, or holds it: count it, as far as the order wants it."""
    try:
        is_due = owed(world, order_number, purpose, now) == amount_fen
    except Refused:
        is_due = False
    payment = DirectPayment(payment_id, order_number, purpose, amount_fen, amount_fen if is_due else 0, now)
    world.direct_payments[payment_id] = payment
    if is_due:
        payment.applied_fen -= _move_on(world, order_number, purpose, now, is_direct=True)
    return payment


def _move_on(world: World, order_number: str, purpose: PaymentPurpose, now: datetime, *, is_direct: bool) -> int:
    """What was owed has been paid. Answers what must be given back all the same, in fen."""
    if order_number in world.merchandise_orders:
        return _settle_merchandise(world, world.merchandise_orders[order_number], now, is_direct=is_direct)
    if order_number in world.vehicle_orders:
        _settle_vehicle_order(world, world.vehicle_orders[order_number], purpose, now)
    return 0


def _owed_besides(world: World, intent: PaymentIntent, now: datetime) -> int | None:
    """What the order owed before this very intent was captured."""
    captured, intent.captured_fen = intent.captured_fen, 0
    try:
        return owed(world, intent.order_number, intent.purpose, now)
    except Refused:
        return None
    finally:
        intent.captured_fen = captured


def _settle_vehicle_order(world: World, order: VehicleOrder, purpose: PaymentPurpose, now: datetime) -> None:
    """Its first payment makes the sales order, unless another party took it: then it makes that as well."""
    tells_erp = not any(payment.applied_fen for payment in world.direct_payments_of(order.number))
    if purpose == "INTENT":
        move(order, ("DRAFT",), "INTENT_PAID", now)
        order.intent_fen, order.intent_paid_at = INTENT_FEN, now
    elif purpose == "DEPOSIT":
        move(order, ("DRAFT", "INTENT_PAID"), "DEPOSIT_PAID", now)
        order.deposit_fen, order.deposit_paid_at = DEPOSIT_FEN, now
        order.cooling_off_ends_at = now + timedelta(hours=COOLING_OFF_HOURS)
    else:
        move(order, ("BALANCE_DUE",), "READY", now)
        return
    if tells_erp:
        register(world, order, now)
    if purpose == "DEPOSIT":
        feed(world, order, "1101", now)


def _settle_merchandise(world: World, order: MerchandiseOrder, now: datetime, *, is_direct: bool) -> int:
    order.payment_state, order.order_state, order.updated_at = "PAID", "CONFIRMED", now
    if any(world.products[line.product_id].kind == "PHYSICAL" for line in order.lines):
        order.fulfilment_state = "PENDING"
    back = 0
    for entitlement in world.entitlements.values():
        if entitlement.order_number != order.number or entitlement.state != "PENDING_PAYMENT":
            continue
        product = world.products[entitlement.product_id]
        if is_entitled(world, entitlement.vin, product.id):
            entitlement.state = "ACTIVATION_FAILED"
            back += next(line.unit_price_fen for line in order.lines if line.product_id == product.id)
        elif is_direct:
            begin_activation(entitlement, now)
        else:
            activate(world, entitlement, now)
    return back


def refunded(world: World, order_number: str, now: datetime) -> None:
    """Money was given back: the payment state of a shop order follows what is left."""
    order = world.merchandise_orders.get(order_number)
    if order is None or order.payment_state == "UNPAID":
        return
    order.payment_state = "PARTIALLY_REFUNDED" if paid_for(world, order_number) > 0 else "REFUNDED"
    order.updated_at = now
