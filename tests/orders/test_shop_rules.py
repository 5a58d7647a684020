"""Rules of a shop order that only a certain order of facts brings out: `decide` by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bff.domain.base import Money, Refusal, Text
from bff.domain.catalogue import EntitlementState, ProductKind
from bff.domain.commerce import FulfilmentState, MerchandiseOrder, OrderLine, OrderState, PaymentState
from bff.domain.payment import PaymentPurpose
from bff.durability.flow import Decision, Woken
from bff.orders import shop_facts as facts
from bff.orders.payment_facts import PaymentReturned, PaymentSettled
from bff.orders.shop_rules import decide
from bff.orders.shop_state import (
    Cancel,
    Feature,
    FeatureStep,
    GiveBack,
    Look,
    Ordered,
    Revoke,
    SeenFeature,
    ShopOrderState,
    ShopPhase,
    Take,
    holds_for,
)

NOW = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
VIN = "LDCA1AB57SB000001"
PRICES = {"F1": 100, "F2": 60}
NONE = Money(amount_minor=0)


class Flow:
    """A flow told one fact after the other; `wanted` is what its last decision wanted done."""

    def __init__(self, *products: str) -> None:
        self.now = NOW
        self.state: ShopOrderState | None = None
        self.last: Decision[ShopOrderState] | None = None
        order = Ordered(
            number="MO1",
            customer_id="C1",
            total=Money(amount_minor=sum(PRICES[product] for product in products)),
            order_state=OrderState.CREATED,
            payment_state=PaymentState.UNPAID,
            reserved_until=NOW + timedelta(minutes=15),
            features=tuple(
                Feature(line=product, product=product, vin=VIN, price=Money(amount_minor=PRICES[product]))
                for product in products
            ),
            features_only=True,
        )
        self.tell(facts.Adopted(order=order))

    def tell(self, fact: facts.ShopFact, *, after: timedelta = timedelta(0)) -> None:
        self.now += after
        self.last = decide("SF1", self.state, fact, self.now)
        if self.last is not None:
            self.state = self.last.state

    def paid(self, applied: int, *, is_held: bool = True) -> None:
        told = Money(amount_minor=applied)
        self.tell(PaymentSettled(payment_id="P", purpose=PaymentPurpose.FEATURE, applied=told, is_held=is_held))

    def seen(self, *, paid: PaymentState = PaymentState.PAID, **states: EntitlementState) -> None:
        features = tuple(
            SeenFeature(entitlement=f"E-{product}", product=product, vin=VIN, state=state, deadline=None)
            for product, state in states.items()
        )
        self.tell(facts.Seen(order_state=OrderState.CONFIRMED, payment_state=paid, features=features))

    def is_unmoved(self) -> bool:
        return self.last is None

    @property
    def wanted(self) -> list[object]:
        return [] if self.last is None else [planned.effect for planned in self.last.effects]

    def want(self, kind: type) -> list[object]:
        return [effect for effect in self.wanted if isinstance(effect, kind)]

    def steps(self) -> list[FeatureStep]:
        assert self.state is not None
        return [feature.step for feature in self.state.features]


def test_hold_is_taken_only_after_the_payment_knows_what_of_it_is_not_to_be_taken() -> None:
    flow = Flow("F1", "F2")
    flow.paid(160)
    flow.seen(F1=EntitlementState.ACTIVE, F2=EntitlementState.ACTIVATION_FAILED)
    (given,) = flow.want(GiveBack)
    assert isinstance(given, GiveBack)
    assert (given.amount, flow.want(Take)) == (Money(amount_minor=60), [])
    flow.tell(facts.GiveBackTold(id=given.id))
    assert flow.want(Take) == [Take(payment="P")]
    flow.tell(facts.GiveBackTold(id=given.id))
    assert flow.is_unmoved()
    flow.paid(160)  # told again
    assert flow.is_unmoved()


def test_what_the_order_did_not_take_is_not_given_back_again() -> None:
    flow = Flow("F1", "F2")
    flow.paid(100)  # a feature that the car has by now failed when commerce took the money
    flow.seen(F1=EntitlementState.ACTIVE, F2=EntitlementState.ACTIVATION_FAILED)
    assert (flow.want(GiveBack), flow.want(Take)) == ([], [Take(payment="P")])


def test_each_failure_is_given_back_once() -> None:
    flow = Flow("F1", "F2")
    flow.paid(160, is_held=False)
    flow.seen(F1=EntitlementState.ACTIVATION_FAILED, F2=EntitlementState.ACTIVATING)
    assert [given.amount for given in flow.want(GiveBack)] == [Money(amount_minor=100)]  # type: ignore[attr-defined]
    flow.seen(F1=EntitlementState.ACTIVATION_FAILED, F2=EntitlementState.ACTIVATING)
    assert flow.want(GiveBack) == []
    flow.seen(F1=EntitlementState.ACTIVATION_FAILED, F2=EntitlementState.ACTIVATION_FAILED)
    assert [given.amount for given in flow.want(GiveBack)] == [None]  # type: ignore[attr-defined]  # nothing stands
    assert flow.want(Take) == []


def test_car_that_was_quicker_than_revoking_keeps_its_feature() -> None:
    flow = Flow("F1")
    flow.paid(100)
    flow.seen(F1=EntitlementState.ACTIVATING)
    flow.tell(Woken(reason="activation"), after=timedelta(hours=24))
    assert flow.want(Revoke) == [Revoke(line="F1", entitlement="E-F1")]
    assert flow.steps() == [FeatureStep.REVOKING]
    flow.tell(facts.Revoked(line="F1", state=EntitlementState.ACTIVE))
    assert (flow.steps(), flow.want(Take), flow.want(GiveBack)) == ([FeatureStep.ACTIVE], [Take(payment="P")], [])
    flow.seen(F1=EntitlementState.REVOKED)  # an older answer than the one that decided
    assert flow.steps() == [FeatureStep.ACTIVE]


def test_revoking_that_decided_nothing_is_looked_at_again() -> None:
    flow = Flow("F1")
    flow.paid(100)
    flow.seen(F1=EntitlementState.ACTIVATING)
    flow.tell(Woken(reason="activation"), after=timedelta(hours=24))
    flow.tell(facts.Revoked(line="F1", state=EntitlementState.UNKNOWN))
    assert len(flow.want(Look)) == 1
    flow.seen(F1=EntitlementState.ACTIVATING)
    assert len(flow.want(Revoke)) == 1


def test_feature_that_commerce_never_named_is_looked_for_before_it_is_given_up() -> None:
    flow = Flow("F1")
    flow.paid(100)
    flow.tell(Woken(reason="activation"), after=timedelta(hours=24))
    assert (len(flow.want(Look)), flow.want(Revoke), flow.steps()) == (1, [], [FeatureStep.ACTIVATING])
    flow.seen()
    assert (flow.steps(), len(flow.want(GiveBack))) == ([FeatureStep.FAILED], 1)


@pytest.mark.parametrize("settled_first", [True, False])
def test_money_that_is_gone_takes_what_no_car_has(settled_first: bool) -> None:
    """Both orders of the two facts: a payment may be returned before it is heard that it was settled."""
    flow = Flow("F1")
    if settled_first:
        flow.paid(100)
        flow.tell(PaymentReturned(payment_id="P"))
    else:
        flow.tell(PaymentReturned(payment_id="P"))
        flow.paid(100)
    assert len(flow.want(Look)) >= 1
    flow.seen(F1=EntitlementState.ACTIVATING, paid=PaymentState.REFUNDED)
    assert flow.want(Revoke) == [Revoke(line="F1", entitlement="E-F1")]
    flow.tell(facts.Revoked(line="F1", state=EntitlementState.REVOKED))
    assert (flow.steps(), flow.want(GiveBack), flow.want(Take)) == ([FeatureStep.FAILED], [], [])


def test_money_that_arrives_at_a_cancelled_order_goes_back() -> None:
    flow = Flow("F1")
    flow.tell(facts.Cancelled())
    flow.paid(100)  # commerce took it before it cancelled; that is heard after
    (given,) = flow.want(GiveBack)
    assert isinstance(given, GiveBack)
    assert (given.payment, given.amount) == ("P", None)
    flow.paid(100)
    assert flow.is_unmoved()


def test_end_of_the_reservation_asks_only_for_what_is_not_paid() -> None:
    flow = Flow("F1")
    flow.tell(Woken(reason="reservation"), after=timedelta(minutes=15))
    (cancel,) = flow.want(Cancel)
    assert isinstance(cancel, Cancel)
    assert cancel.only_unpaid
    refused = facts.CancelRefused(turn=cancel.turn, refusals=[], payment_state=PaymentState.PAID)
    flow.tell(refused)
    assert flow.state is not None
    assert (flow.state.phase, len(flow.want(Look))) == (ShopPhase.CONFIRMED, 1)
    flow.tell(refused)
    assert flow.is_unmoved()


def test_answer_to_an_older_wish_to_cancel_does_not_end_the_newer_one() -> None:
    flow = Flow("F1")
    flow.tell(Woken(reason="reservation"), after=timedelta(minutes=15))
    flow.tell(facts.CancelAsked(key="k", reason=None))
    (cancel,) = flow.want(Cancel)
    assert isinstance(cancel, Cancel)
    assert (cancel.turn, cancel.only_unpaid) == (2, False)
    said = Refusal(code="NOT_CANCELLABLE", message="no")
    flow.tell(facts.CancelRefused(turn=1, refusals=[said], payment_state=PaymentState.PAID))
    assert flow.is_unmoved()
    flow.tell(facts.CancelRefused(turn=2, refusals=[said], payment_state=PaymentState.PAID))
    assert flow.state is not None
    assert (flow.state.phase, flow.state.cancel_refusals) == (ShopPhase.CONFIRMED, (said,))


def test_second_wish_to_cancel_hears_what_comes_of_the_first() -> None:
    flow = Flow("F1")
    flow.tell(facts.CancelAsked(key="one", reason="a"))
    flow.tell(facts.CancelAsked(key="two", reason="b"))
    assert flow.is_unmoved()
    flow.tell(facts.CancelAsked(key="one", reason="a"))
    assert len(flow.want(Cancel)) == 1
    flow.tell(facts.Cancelled())
    flow.tell(facts.CancelAsked(key="three", reason=None))
    assert flow.last is not None
    assert flow.last.refusal is not None
    flow.tell(facts.CancelAsked(key="one", reason="a"))
    assert flow.is_unmoved()


def order_of(*kinds: ProductKind) -> MerchandiseOrder:
    lines = [
        OrderLine(
            id=str(turn),
            product_id="P",
            name=Text(zh="物"),
            quantity=1,
            unit_price=NONE,
            total=NONE,
            vin=VIN,
            kind=kind,
        )
        for turn, kind in enumerate(kinds)
    ]
    return MerchandiseOrder(
        number="MO1",
        customer_id="C1",
        lines=lines,
        items_total=NONE,
        shipping=NONE,
        discount=NONE,
        total=NONE,
        order_state=OrderState.CREATED,
        payment_state=PaymentState.UNPAID,
        fulfilment_state=FulfilmentState.NONE,
        address=None,
        carrier=None,
        tracking_number=None,
        created_at=NOW,
    )


def test_only_features_are_paid_by_a_hold() -> None:
    assert holds_for(order_of(ProductKind.FEATURE, ProductKind.FEATURE))
    assert not holds_for(order_of(ProductKind.FEATURE, ProductKind.PHYSICAL))
    assert not holds_for(order_of(ProductKind.UNKNOWN))
    assert not holds_for(order_of())
