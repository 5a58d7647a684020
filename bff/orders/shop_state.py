"""A shop order as it is remembered, and what it may still want done.

Commerce keeps the order; this is what the service has asked for, what came of it, and whose money it has. No address,
no words of the customer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from bff.domain.base import Money, Refusal, Value
from bff.domain.catalogue import EntitlementState, ProductKind
from bff.domain.commerce import Address, MerchandiseOrder, OrderState, PaymentState
from bff.durability.flow import Effect, Tell, Wake

SHOP_ORDER = "shop-order"
"""The kind of flow. Its reference is the order's number, once commerce has given one."""

ACTIVATION = timedelta(hours=24)
"""How long a car has to confirm a feature, where commerce names no deadline itself."""


class ShopPhase(Enum):
    """REFUSED: commerce did not want it, there is no order. MERGED: another flow has the order."""

    PLACING = "PLACING"
    REFUSED = "REFUSED"
    MERGED = "MERGED"
    RESERVED = "RESERVED"
    CONFIRMED = "CONFIRMED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


class FeatureStep(Enum):
    """UNPAID → ACTIVATING → ACTIVE, or (→ REVOKING) → FAILED."""

    UNPAID = "UNPAID"
    ACTIVATING = "ACTIVATING"
    REVOKING = "REVOKING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class Feature(Value, frozen=True, kw_only=True):
    """A line that a car has to confirm. `entitlement` is commerce's name for it, empty until it was seen."""

    line: str
    product: str
    vin: str
    price: Money
    step: FeatureStep = FeatureStep.UNPAID
    entitlement: str = ""
    since: datetime | None = None
    deadline: datetime | None = None

    @property
    def is_decided(self) -> bool:
        return self.step in (FeatureStep.ACTIVE, FeatureStep.FAILED)


class PaidBy(Value, frozen=True, kw_only=True):
    """A payment of which the order took `applied`. `is_held`: not taken yet; `is_returned`: all of it is back."""

    payment: str
    applied: Money
    is_held: bool = False
    is_capture_asked: bool = False
    is_returned: bool = False


class GivenBack(Value, frozen=True, kw_only=True):
    """What a payment was asked to give back; `amount` None: all that is left. `is_told`: the payment knows."""

    id: str
    payment: str
    amount: Money | None
    at: datetime
    is_told: bool = False


class ShopOrderState(Value, frozen=True, kw_only=True):
    """`refusals` and `failure` (an error's code) say why it was not placed, `cancel_refusals` why not cancelled.

    `cancel_key` is the customer's newest wish to cancel; `is_expiring`: nobody asked, the reservation is over.
    `features_only`: nothing is sent, so money need only be held until cars have confirmed. `looks` counts how often the
    cars' answers were looked for.
    """

    phase: ShopPhase
    customer_id: str
    begun_at: datetime
    number: str = ""
    total: Money = Money(amount_minor=0)
    reserved_until: datetime | None = None
    features: tuple[Feature, ...] = ()
    features_only: bool = False
    payments: tuple[PaidBy, ...] = ()
    given_back: tuple[GivenBack, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    failure: str = ""
    cancel_key: str = ""
    cancel_refusals: tuple[Refusal, ...] = ()
    cancels: int = 0
    is_expiring: bool = False
    looks: int = 0
    merged_into: str = ""

    @property
    def is_paid(self) -> bool:
        return any(paid.applied.amount_minor > 0 for paid in self.payments)

    @property
    def stands(self) -> bool:
        """Whether anything of the order was or will be delivered."""
        failed = all(feature.step is FeatureStep.FAILED for feature in self.features)
        return not (self.features and self.features_only and failed)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it, if no step waits: cars have answered, money is taken or back."""
        if self.phase in (ShopPhase.REFUSED, ShopPhase.MERGED):
            return True
        if self.phase not in (ShopPhase.CONFIRMED, ShopPhase.CANCELLED):
            return False
        is_asking = any(f.step in (FeatureStep.ACTIVATING, FeatureStep.REVOKING) for f in self.features)
        if is_asking or not all(given.is_told for given in self.given_back):
            return False
        standing = [paid for paid in self.payments if paid.applied.amount_minor > 0 and not paid.is_returned]
        if self.phase is ShopPhase.CANCELLED or not self.stands:
            return not standing
        return all(paid.is_capture_asked for paid in standing if paid.is_held)

    def money(self, minor: int) -> Money:
        return Money(amount_minor=minor, currency=self.total.currency)


class Ordered(Value, frozen=True, kw_only=True):
    """What the flow keeps of commerce's order."""

    number: str
    customer_id: str
    total: Money
    order_state: OrderState
    payment_state: PaymentState
    reserved_until: datetime | None
    features: tuple[Feature, ...]
    features_only: bool

    @classmethod
    def of(cls, order: MerchandiseOrder) -> Ordered:
        return cls(
            number=order.number,
            customer_id=order.customer_id,
            total=order.total,
            order_state=order.order_state,
            payment_state=order.payment_state,
            reserved_until=order.reserved_until,
            features=tuple(
                Feature(line=line.id, product=line.product_id, vin=line.vin, price=line.total)
                for line in order.lines
                if line.kind is ProductKind.FEATURE and line.vin is not None
            ),
            features_only=holds_for(order),
        )


class SeenFeature(Value, frozen=True, kw_only=True):
    """A feature of the order as commerce says it stands."""

    entitlement: str
    product: str
    vin: str
    state: EntitlementState
    deadline: datetime | None


def holds_for(order: MerchandiseOrder) -> bool:
    """Whether its money is to be held, and taken only when what was bought works: so for nothing but features."""
    return bool(order.lines) and all(line.kind is ProductKind.FEATURE for line in order.lines)


class Place(Effect, frozen=True, kw_only=True, tag="place"):
    """The address is here only: it is gone when the order is placed. Not tried any more after `until`."""

    until: datetime

    customer_id: str
    cart_version: int
    address: Address | None
    expected_total: Money


class Cancel(Effect, frozen=True, kw_only=True, tag="cancel"):
    """`turn` makes each wish a request of its own. `only_unpaid`: not an order that was paid in the last moment."""

    number: str
    turn: int
    reason: str | None
    only_unpaid: bool


class Look(Effect, frozen=True, kw_only=True, tag="look"):
    """How do the order and its features stand?"""

    is_work: ClassVar[bool] = False

    number: str
    vins: tuple[str, ...]


class Revoke(Effect, frozen=True, kw_only=True, tag="revoke"):
    line: str
    entitlement: str

    @property
    def name(self) -> str:
        return f"revoke:{self.line}"


class ClosePayments(Effect, frozen=True, kw_only=True, tag="close-payments"):
    """Nobody shall pay for this order any more."""

    number: str


class GiveBack(Effect, frozen=True, kw_only=True, tag="give-back"):
    id: str
    payment: str
    amount: Money | None
    reason: str

    @property
    def name(self) -> str:
        return f"give-back:{self.id}"


class Take(Effect, frozen=True, kw_only=True, tag="take"):
    """What is held has been earned."""

    payment: str

    @property
    def name(self) -> str:
        return f"take:{self.payment}"


ShopEffect = Place | Cancel | Look | Revoke | ClosePayments | GiveBack | Take | Tell | Wake
