"""What happens to a payment, and what a payment tells the flow of its order."""

from __future__ import annotations

from datetime import datetime

from bff.domain.base import Money, Refusal
from bff.domain.payment import PaymentProvider, PaymentPurpose, PaymentScene
from bff.domain.providers import Begun, ChargeState, RepaymentState
from bff.durability.flow import Fact, Woken

PAYMENT = "payment"
"""The kind of flow. Its id is the payment's, by which the provider knows it too; its reference the order's number."""


class Opened(Fact, frozen=True, kw_only=True, tag="opened"):
    """A customer wants to pay. `order_flow` is the flow of the order, which is told what becomes of it: kind and id."""

    order_number: str
    customer_id: str
    purpose: PaymentPurpose
    provider: PaymentProvider
    scene: PaymentScene
    amount: Money
    description: str
    expires_at: datetime
    payer: str | None = None
    client_ip: str | None = None
    holds: bool = False
    order_flow: tuple[str, str] | None = None


class ChargeBegun(Fact, frozen=True, kw_only=True, tag="charge-begun"):
    begun: Begun


class ChargeRefused(Fact, frozen=True, kw_only=True, tag="charge-refused"):
    refusals: list[Refusal]


class ProviderSaid(Fact, frozen=True, kw_only=True, tag="provider-said"):
    """From a query, a notification, or the answer to a close or a capture: all are believed alike."""

    charge: ChargeState


class OrderSettled(Fact, frozen=True, kw_only=True, tag="order-settled"):
    """The order's system took `applied` of it; the rest is the customer's."""

    applied: Money
    give_back: Money


class CloseAsked(Fact, frozen=True, kw_only=True, tag="close-asked"):
    """Nobody shall pay it any more. If somebody has, the money goes where the order's system says."""


class CaptureAsked(Fact, frozen=True, kw_only=True, tag="capture-asked"):
    """What was held has been earned. Nothing to do where it was taken at once."""


class RefundAsked(Fact, frozen=True, kw_only=True, tag="refund-asked"):
    """Give back `amount` of what was taken, or let go of what is held; None: all that is left.

    `id` makes it one refund however often it is asked for: at most 32 of `0-9A-Za-z`.
    """

    id: str
    amount: Money | None
    reason: str


class RepaymentSaid(Fact, frozen=True, kw_only=True, tag="repayment-said"):
    repayment: RepaymentState


class RepaymentRefused(Fact, frozen=True, kw_only=True, tag="repayment-refused"):
    id: str
    refusals: list[Refusal]


class OrderToldOfRefund(Fact, frozen=True, kw_only=True, tag="order-told-of-refund"):
    id: str


PaymentFact = (
    Opened | ChargeBegun | ChargeRefused | ProviderSaid | OrderSettled | CloseAsked | CaptureAsked | RefundAsked
    | RepaymentSaid | RepaymentRefused | OrderToldOfRefund | Woken
)  # fmt: skip


class PaymentSettled(Fact, frozen=True, kw_only=True, tag="payment-settled"):
    """Told to the order's flow: the money arrived (`is_held`: is held), and the order's system took `applied` of it.

    At least once for each payment; it may come after the order was cancelled.
    """

    payment_id: str
    purpose: PaymentPurpose
    applied: Money
    is_held: bool = False


class PaymentReturned(Fact, frozen=True, kw_only=True, tag="payment-returned"):
    """Told to the order's flow: all of the payment is back with the customer, or was never taken."""

    payment_id: str
