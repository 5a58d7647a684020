"""What happens to an order of the shop."""

from __future__ import annotations

from bff.domain.base import Money, Refusal
from bff.domain.catalogue import EntitlementState
from bff.domain.commerce import Address, OrderState, PaymentState
from bff.durability.flow import Fact, Woken
from bff.orders.payment_facts import PaymentReturned, PaymentSettled
from bff.orders.shop_state import Ordered, SeenFeature


class PlaceAsked(Fact, frozen=True, kw_only=True, tag="place-asked"):
    """A customer orders their cart, as they saw it."""

    customer_id: str
    cart_version: int
    address: Address | None
    expected_total: Money


class Placed(Fact, frozen=True, kw_only=True, tag="placed"):
    """`known_by` is another flow that has the order already: it was found while it was uncertain whether it exists."""

    order: Ordered
    known_by: str = ""


class PlaceRefused(Fact, frozen=True, kw_only=True, tag="place-refused"):
    """Refused for a reason that a customer understands (`refusals`), or by an error that will not go away."""

    refusals: list[Refusal]
    failure: str = ""


class Adopted(Fact, frozen=True, kw_only=True, tag="adopted"):
    """An order that exists without a flow, made before there were flows, or by somebody else."""

    order: Ordered


class CancelAsked(Fact, frozen=True, kw_only=True, tag="cancel-asked"):
    """`key` is the same for every try of one wish."""

    key: str
    reason: str | None


class Seen(Fact, frozen=True, kw_only=True, tag="seen"):
    """How commerce says that the order stands. `features` None: nobody asked about them."""

    order_state: OrderState
    payment_state: PaymentState
    features: tuple[SeenFeature, ...] | None = None


class Cancelled(Fact, frozen=True, kw_only=True, tag="cancelled"):
    """Commerce has cancelled it, now or before."""


class CancelRefused(Fact, frozen=True, kw_only=True, tag="cancel-refused"):
    turn: int
    refusals: list[Refusal]
    payment_state: PaymentState


class Revoked(Fact, frozen=True, kw_only=True, tag="revoked"):
    """What commerce made of revoking: whatever it says now is decided. `state` None: there is no such feature."""

    line: str
    state: EntitlementState | None


class GiveBackTold(Fact, frozen=True, kw_only=True, tag="give-back-told"):
    id: str


ShopFact = (
    PlaceAsked | Placed | PlaceRefused | Adopted | CancelAsked | Seen | Cancelled | CancelRefused | Revoked
    | GiveBackTold | PaymentSettled | PaymentReturned | Woken
)  # fmt: skip
