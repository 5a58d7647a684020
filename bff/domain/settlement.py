"""What the systems that keep orders are told about money, where this service takes it itself. Source: commerce.

They alone decide what an order owes and whether a payment still counts: an order that was cancelled, or paid otherwise
meanwhile, does not take it, and all of it is to be given back.
"""

from __future__ import annotations

from typing import Protocol

from bff.domain.base import Money, Outcome, Value
from bff.domain.payment import PaymentPurpose


class Due(Value, frozen=True, kw_only=True):
    """What an order owes for a purpose, and whose order it is."""

    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    amount: Money


class Settlement(Value, frozen=True, kw_only=True):
    """What became of a payment: `applied` went to the order, `give_back` did not and is the customer's."""

    payment_id: str
    order_number: str
    applied: Money
    give_back: Money


class SettlementPort(Protocol):
    """Safe to repeat: a payment id is settled once, a refund id counted once, whatever was answered."""

    async def due(self, order_number: str, purpose: PaymentPurpose) -> Outcome[Due]:
        """Refusal codes: ORDER_NOT_PAYABLE, ALREADY_PAID. Raises NotFound."""
        ...

    async def settle(
        self, payment_id: str, order_number: str, purpose: PaymentPurpose, amount: Money
    ) -> Outcome[Settlement]:
        """The money is there (or held for us). An order that does not want it gives it back in the answer.

        Raises NotFound where there is no such order.
        """
        ...

    async def repaid(self, payment_id: str, refund_id: str, amount: Money) -> Outcome[Settlement]:
        """Money was given back: the order's books follow. Raises NotFound for a payment that was never settled."""
        ...
