"""What was paid and given back, counted from the world's intents and refunds, and what others took for an order."""

from __future__ import annotations

from datetime import datetime

from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import PaymentIntent, Refund

_TAKEN = ("REQUESTED", "PROCESSING", "SUCCEEDED")
OPEN = ("CREATED", "REQUIRES_ACTION", "PROCESSING")


def refundable(world: World, intent: PaymentIntent) -> int:
    """What was captured, less what was given back or is on its way."""
    given = sum(refund.amount_fen for refund in world.refunds_of(intent.id) if refund.status in _TAKEN)
    return intent.captured_fen - given


def paid_for(world: World, order_number: str) -> int:
    """What the house holds for an order."""
    direct = sum(payment.held_fen for payment in world.direct_payments_of(order_number))
    return direct + sum(refundable(world, intent) for intent in world.payments_of(order_number))


def give_back(world: World, intent: PaymentIntent, amount_fen: int, reason: str, now: datetime) -> Refund:
    """A refund; the simulated providers settle it at once. Refused beyond what was captured."""
    left = refundable(world, intent)
    if amount_fen > left:
        raise Refused("REFUND_EXCEEDS_CAPTURED", f"{left} fen can be given back", refundableMinor=left)
    number = 800001 + len(world.refunds)
    refund = Refund(
        id=f"RF{number}",
        payment_id=intent.id,
        amount_fen=amount_fen,
        status="SUCCEEDED",
        reason=reason,
        created_at=now,
        updated_at=now,
        provider_refund=f"50300{number:023d}",
    )
    world.refunds[refund.id] = refund
    return refund


def close_open(world: World, order_number: str, now: datetime) -> None:
    """Nobody can pay for this order any more; a success that still arrives is given back."""
    for intent in world.payments_of(order_number):
        if intent.status in OPEN:
            intent.status, intent.updated_at = "CLOSED", now


def give_all_back(world: World, order_number: str, reason: str, now: datetime) -> None:
    """Refund the intents of an order. What another party took is theirs to give back."""
    for intent in world.payments_of(order_number):
        left = refundable(world, intent)
        if left > 0:
            give_back(world, intent, left, reason, now)
