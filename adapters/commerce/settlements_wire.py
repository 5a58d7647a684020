"""Dues and settlements on the wire of commerce (docs/contracts/commerce.openapi.json)."""

from __future__ import annotations

import msgspec

from adapters.transport.records import Codes, Refusals
from bff.domain.base import Money
from bff.domain.payment import PaymentPurpose
from bff.domain.settlement import Due, Settlement

payment_purpose = Codes("commerce", PaymentPurpose)

DUE_REFUSALS = Refusals(
    {
        "ORDER_NOT_PAYABLE": ("Nothing is to be paid for this order now.", ["input", "orderId"]),
        "ALREADY_PAID": ("This has been paid already.", ["input", "purpose"]),
    }
)


class WireDue(msgspec.Struct, rename="camel"):
    order_number: str
    customer_id: str
    purpose: str
    amount: Money


class WireSettlement(msgspec.Struct, rename="camel"):
    payment_id: str
    order_number: str
    applied: Money
    give_back: Money


class SettleBody(msgspec.Struct, rename="camel"):
    payment_id: str
    order_number: str
    purpose: str
    amount: Money


class RefundBody(msgspec.Struct, rename="camel"):
    refund_id: str
    amount: Money


def read_due(wire: WireDue) -> Due:
    return Due(
        order_number=wire.order_number,
        customer_id=wire.customer_id,
        purpose=payment_purpose(wire.purpose),
        amount=wire.amount,
    )


def read_settlement(wire: WireSettlement) -> Settlement:
    return Settlement(
        payment_id=wire.payment_id, order_number=wire.order_number, applied=wire.applied, give_back=wire.give_back
    )
