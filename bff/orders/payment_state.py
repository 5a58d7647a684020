"""A payment as it is remembered, and what it may still want done."""

from __future__ import annotations

from datetime import datetime

from bff.domain.base import Money, Refusal, Value
from bff.domain.payment import ClientAction, PaymentIntent, PaymentProvider, PaymentStatus, Refund, RefundStatus
from bff.domain.providers import Charge, Repayment
from bff.durability.flow import Effect, Tell, Wake
from bff.orders.payment_facts import Opened

GONE = (RefundStatus.CLOSED,)
"""Refunds that will give nothing back: what they asked for can be asked for again."""


class RefundRecord(Value, frozen=True, kw_only=True):
    """`is_release`: not money sent back, but a part of a hold that is not taken. `is_told`: the order's system knows of
    it.
    """

    id: str
    amount: Money
    reason: str
    status: RefundStatus
    created_at: datetime
    raw_status: str = ""
    transaction: str | None = None
    is_release: bool = False
    is_told: bool = False


class PaymentFlowState(Value, frozen=True, kw_only=True):
    """`captured` is what the provider took, in the currency in which it did; `applied` what the order accepted of it
    (None: it has not been asked yet). `is_closing`: nobody shall pay it any more. `returns_all`: whatever arrives goes
    back, since the order does not want it any more.
    """

    opened: Opened
    status: PaymentStatus
    created_at: datetime
    client_action: ClientAction | None = None
    reference: str = ""
    failure_code: str | None = None
    refusals: tuple[Refusal, ...] = ()
    captured: Money | None = None
    is_held: bool = False
    transaction: str | None = None
    applied: Money | None = None
    refunds: tuple[RefundRecord, ...] = ()
    is_closing: bool = False
    returns_all: bool = False
    is_capture_asked: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the provider will say nothing new of the charge: not so of FAILED, since a customer may try again."""
        return self.captured is not None or self.status is PaymentStatus.CLOSED

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it, if no step waits: no money is held, owed or on its way, and no refund
        is left for people. What could still come is what nobody here has asked for.
        """
        if self.is_held or not (self.is_final or self.status is PaymentStatus.FAILED):
            return False
        if self.captured is not None and self.applied is None and self.left_minor > 0:
            return False
        done = (RefundStatus.SUCCEEDED,) if self.left_minor > 0 else (RefundStatus.SUCCEEDED, *GONE)
        return all(refund.status in done for refund in self.refunds)

    @property
    def returned_minor(self) -> int:
        """What was given back, or is on its way."""
        return sum(refund.amount.amount_minor for refund in self.refunds if refund.status not in GONE)

    @property
    def left_minor(self) -> int:
        """What can still be given back of what was taken or is held."""
        if self.captured is not None:
            sent = sum(r.amount.amount_minor for r in self.refunds if r.status not in GONE and not r.is_release)
            return self.captured.amount_minor - sent
        return self.opened.amount.amount_minor - self.returned_minor if self.is_held else 0

    def money(self, minor: int) -> Money:
        currency = self.captured.currency if self.captured is not None else self.opened.amount.currency
        return Money(amount_minor=minor, currency=currency)

    def intent(self, payment_id: str) -> PaymentIntent:
        """As clients see it."""
        opened, requires_action = self.opened, self.status is PaymentStatus.REQUIRES_ACTION
        refunds = sorted(self.refunds, key=lambda refund: (refund.created_at, refund.id), reverse=True)
        return PaymentIntent(
            id=payment_id,
            order_number=opened.order_number,
            customer_id=opened.customer_id,
            purpose=opened.purpose,
            provider=opened.provider,
            scene=opened.scene,
            amount=opened.amount,
            captured=self.captured or Money(amount_minor=0, currency=opened.amount.currency),
            status=self.status,
            raw_status=self.status.value,
            failure_code=self.failure_code,
            client_action=self.client_action if requires_action and not self.is_closing else None,
            created_at=self.created_at,
            expires_at=opened.expires_at,
            refunds=[
                Refund(
                    id=refund.id,
                    payment_id=payment_id,
                    amount=refund.amount,
                    status=refund.status,
                    reason=refund.reason,
                    created_at=refund.created_at,
                )
                for refund in refunds
            ],
        )


class _AtProvider(Effect, frozen=True, kw_only=True):
    provider: PaymentProvider
    reference: str = ""


class Begin(_AtProvider, frozen=True, kw_only=True, tag="begin"):
    charge: Charge


class Query(_AtProvider, frozen=True, kw_only=True, tag="query"):
    """Ask the provider: notifications may never come."""


class Close(_AtProvider, frozen=True, kw_only=True, tag="close"):
    """Nobody can pay it any more, and a hold is let go; or it says that somebody has paid."""


class Capture(_AtProvider, frozen=True, kw_only=True, tag="capture"):
    amount: Money


class Repay(_AtProvider, frozen=True, kw_only=True, tag="repay"):
    repayment: Repayment

    @property
    def name(self) -> str:
        return f"repay:{self.repayment.id}"


class QueryRepay(_AtProvider, frozen=True, kw_only=True, tag="query-repay"):
    repayment: Repayment
    transaction: str | None = None

    @property
    def name(self) -> str:
        return f"query-repay:{self.repayment.id}"


class Settle(Effect, frozen=True, kw_only=True, tag="settle"):
    """Tell the order's system that the money is there, and hear what it takes."""

    order_number: str
    purpose: str
    amount: Money


class TellOrderOfRefund(Effect, frozen=True, kw_only=True, tag="tell-order-of-refund"):
    id: str
    amount: Money

    @property
    def name(self) -> str:
        return f"tell-order-of-refund:{self.id}"


PaymentEffect = Begin | Query | Close | Capture | Repay | QueryRepay | Settle | TellOrderOfRefund | Tell | Wake
