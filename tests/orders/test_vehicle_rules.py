"""What follows from single facts about a car's order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bff.domain.base import Money, Refusal
from bff.domain.payment import PaymentPurpose
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.durability.flow import Decision, Tell, Wake, Woken
from bff.orders import vehicle_facts as facts
from bff.orders.payment_facts import PaymentReturned, PaymentSettled
from bff.orders.vehicle_making import WISHES_KEPT
from bff.orders.vehicle_rules import decide
from bff.orders.vehicle_state import (
    Cancel,
    CancelSalesOrder,
    CreateSalesOrder,
    FindPayments,
    Lock,
    SalesStep,
    VehicleOrderState,
    WishKind,
    WishOutcome,
)

NOW = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
WANTED = facts.OrderWanted(customer_id="C1", share_code="A7", delivery_centre="SH", terms_version="t")
DRAFT = facts.OrderSnapshot(
    number="VO1", customer_id="C1", status=VehicleOrderStatus.DRAFT, configuration_hash="hash",
    total=Money(amount_minor=20_000_000), paid=Money(amount_minor=0), terms_version="t", created_at=NOW,
    reserved_until=NOW + timedelta(hours=24), cooling_off_ends_at=None, locked_at=None, sales_order=None, sold_to="1",
    materials=("A7", "K2G"),
)  # fmt: skip
REFUSED = [Refusal(code="NOT_CANCELLABLE", message="no")]


def at(status: str, **fields: Any) -> facts.OrderSnapshot:
    """The order further on."""
    times = {"DEPOSIT_PAID": {"cooling_off_ends_at": NOW + timedelta(hours=168)}, "LOCKED": {"locked_at": NOW}}
    return replace(DRAFT, status=VehicleOrderStatus(status), reserved_until=None, **{**times.get(status, {}), **fields})


class Flow:
    """A flow without a database: facts go in one after the other."""

    def __init__(self, *told: facts.VehicleOrderFact) -> None:
        self.state: VehicleOrderState | None = None
        self.events: list[str] = []
        self.tell(*told)

    def tell(self, *told: facts.VehicleOrderFact, now: datetime = NOW) -> Decision[VehicleOrderState] | None:
        decision = None
        for fact in told:
            decision = decide("VF1", self.state, fact, now)
            if decision is not None:
                self.state = decision.state
                self.events += [event.type for event in decision.events]
        return decision

    @property
    def known(self) -> VehicleOrderState:
        assert self.state is not None
        return self.state

    def outcome(self, wish: str) -> tuple[WishOutcome, list[str]]:
        found = self.known.wish(wish)
        assert found is not None
        return found.outcome, [refusal.code for refusal in found.refusals]


def effects(decision: Decision[VehicleOrderState] | None) -> Sequence[Any]:
    return [] if decision is None else [planned.effect for planned in decision.effects]


def standing(status: str, **fields: Any) -> Flow:
    return Flow(WANTED, facts.OrderSeen(order=DRAFT), facts.OrderSeen(order=at(status, **fields)))


def lock(wish: str = "l") -> facts.LockAsked:
    return facts.LockAsked(id=wish, configuration_hash="hash", total=DRAFT.total, terms_version="t")


def settled(payment: str = "BP1", minor: int = 100_000) -> PaymentSettled:
    return PaymentSettled(payment_id=payment, purpose=PaymentPurpose.INTENT, applied=Money(amount_minor=minor))


def test_a_fact_about_nothing_begins_nothing() -> None:
    for fact in (lock(), settled(), Woken(reason="refresh"), facts.SalesOrderMade(number="1")):
        assert decide("VF1", None, fact, NOW) is None


def test_wanting_it_again_changes_nothing_and_wanting_something_else_is_refused() -> None:
    flow = Flow(WANTED)
    assert flow.tell(WANTED) is None
    other = flow.tell(replace(WANTED, share_code="B1"))
    assert other is not None
    assert other.refusal is not None
    assert (other.refusal.code, other.state.wanted) == ("IDEMPOTENCY_KEY_REUSED", WANTED)


def test_every_status_is_told_once_and_none_that_was_skipped_is_missing() -> None:
    flow = standing("DEPOSIT_PAID")
    for status in ("IN_FULFILMENT", "DEPOSIT_PAID", "IN_FULFILMENT", "BALANCE_DUE"):
        flow.tell(facts.OrderSeen(order=at(status)))
    assert flow.events == [
        f"order.{what}.v1" for what in ("placed", "deposit_paid", "locked", "in_fulfilment", "balance_due")
    ]


def test_an_adopted_order_tells_only_what_happens_from_then_on() -> None:
    flow = Flow(facts.OrderSeen(order=at("DEPOSIT_PAID")))
    assert flow.events == []
    flow.tell(facts.OrderSeen(order=at("LOCKED")))
    assert flow.events == ["order.locked.v1"]


def test_an_older_look_changes_nothing() -> None:
    flow = standing("LOCKED")
    assert flow.tell(facts.OrderSeen(order=at("DEPOSIT_PAID"))) is None
    assert flow.tell(facts.OrderSeen(order=at("UNKNOWN"))) is None
    assert flow.tell(facts.OrderSeen(order=at("CANCELLED", number="VO2"))) is None


def test_deadlines_follow_the_order() -> None:
    begun = Flow(WANTED).tell(facts.OrderSeen(order=DRAFT))
    assert begun is not None
    assert (Wake(reason="draft-expiry"), DRAFT.reserved_until) in [(p.effect, p.at) for p in begun.effects]
    paid = Flow(WANTED, facts.OrderSeen(order=DRAFT)).tell(facts.OrderSeen(order=at("DEPOSIT_PAID")))
    assert paid is not None
    assert "wake:draft-expiry" in paid.dropped
    assert (Wake(reason="auto-lock"), NOW + timedelta(hours=168)) in [(p.effect, p.at) for p in paid.effects]


def test_the_second_wish_waits_and_is_told_what_the_first_came_to() -> None:
    flow = standing("DEPOSIT_PAID")
    assert [type(effect) for effect in effects(flow.tell(lock()))] == [Lock]
    assert effects(flow.tell(facts.CancelAsked(id="c"))) == []
    assert flow.outcome("c") == (WishOutcome.WAITING, [])
    flow.tell(facts.WishAnswered(id="l", refusals=[], order=at("LOCKED")))
    assert flow.outcome("l") == (WishOutcome.DONE, [])
    assert flow.outcome("c") == (WishOutcome.REFUSED, ["NOT_CANCELLABLE"])


def test_a_wish_that_waited_is_sent_when_the_first_is_refused() -> None:
    flow = standing("DEPOSIT_PAID")
    flow.tell(lock(), facts.CancelAsked(id="c"))
    refused = [Refusal(code="PRICE_CHANGED", message="no")]
    next_one = flow.tell(facts.WishAnswered(id="l", refusals=refused, order=at("DEPOSIT_PAID")))
    assert flow.outcome("l") == (WishOutcome.REFUSED, ["PRICE_CHANGED"])
    assert [effect.wish.id for effect in effects(next_one) if isinstance(effect, Cancel)] == ["c"]


def test_a_cancellation_that_came_true_otherwise_is_done() -> None:
    """Its first try was done and not answered, and commerce has forgotten the key."""
    flow = standing("DEPOSIT_PAID")
    flow.tell(facts.CancelAsked(id="c"), facts.WishAnswered(id="c", refusals=REFUSED, order=at("CANCELLED")))
    assert flow.outcome("c") == (WishOutcome.DONE, [])


def test_a_wish_with_another_content_is_refused() -> None:
    flow = standing("DEPOSIT_PAID")
    flow.tell(lock())
    other = flow.tell(replace(lock(), total=Money(amount_minor=1)))
    assert other is not None
    assert other.refusal is not None
    assert other.refusal.code == "IDEMPOTENCY_KEY_REUSED"
    assert flow.tell(lock()) is None


def test_wishes_are_forgotten_when_there_are_many() -> None:
    flow = standing("DEPOSIT_PAID")
    for turn in range(3 * WISHES_KEPT):
        refused = [Refusal(code="PRICE_CHANGED", message="no")]
        flow.tell(lock(f"l{turn}"), facts.WishAnswered(id=f"l{turn}", refusals=refused, order=at("DEPOSIT_PAID")))
    assert len(flow.known.wishes) <= WISHES_KEPT + 1
    assert flow.outcome(f"l{3 * WISHES_KEPT - 1}") == (WishOutcome.REFUSED, ["PRICE_CHANGED"])


def test_an_automatic_lock_that_is_refused_is_tried_again_with_what_holds_then() -> None:
    flow = standing("DEPOSIT_PAID")
    flow.tell(Woken(reason="auto-lock"), now=NOW + timedelta(hours=168))
    first = flow.known.wishes[0]
    amended = at("DEPOSIT_PAID", total=Money(amount_minor=1))
    refused = [Refusal(code="PRICE_CHANGED", message="no")]
    decision = flow.tell(facts.WishAnswered(id=first.id, refusals=refused, order=amended))
    assert Wake(reason="auto-lock") in effects(decision)
    flow.tell(Woken(reason="auto-lock"), now=NOW + timedelta(hours=169))
    assert (flow.known.wishes[1].total, flow.known.wishes[1].kind) == (amended.total, WishKind.LOCK)


@pytest.mark.parametrize("reason", ["auto-lock", "draft-expiry"])
def test_a_time_that_came_too_late_changes_nothing(reason: str) -> None:
    assert effects(standing("LOCKED").tell(Woken(reason=reason))) == []


def test_the_first_money_makes_one_sales_order() -> None:
    flow = standing("INTENT_PAID")
    made = [effect for effect in effects(flow.tell(settled())) if isinstance(effect, CreateSalesOrder)]
    assert [(one.draft.reference, one.draft.sold_to, len(one.draft.lines)) for one in made] == [("VO1", "1", 2)]
    again = [*effects(flow.tell(settled())), *effects(flow.tell(settled("BP2", 400_000)))]
    assert not any(isinstance(effect, CreateSalesOrder) for effect in again)


def test_no_sales_order_is_begun_while_the_order_may_end() -> None:
    flow = standing("INTENT_PAID")
    flow.tell(facts.CancelAsked(id="c"))
    assert not any(isinstance(effect, CreateSalesOrder) for effect in effects(flow.tell(settled())))
    late = flow.tell(facts.WishAnswered(id="c", refusals=REFUSED, order=at("LOCKED")))
    assert any(isinstance(effect, CreateSalesOrder) for effect in effects(late))


def test_a_cancelled_order_loses_its_sales_order_and_its_money_and_neither_waits() -> None:
    flow = standing("INTENT_PAID")
    flow.tell(settled(), facts.SalesOrderMade(number="4711"))
    first = flow.tell(facts.OrderSeen(order=at("CANCELLED")))
    assert {type(effect) for effect in effects(first)} == {CancelSalesOrder, FindPayments}
    assert first is not None
    assert {"create-sales-order", "attach-sales-order"} <= set(first.dropped)
    second = flow.tell(facts.PaymentsFound(payments=[]))
    assert [effect.flow for effect in effects(second) if isinstance(effect, Tell)] == ["BP1"]
    flow.tell(PaymentReturned(payment_id="BP1"))
    assert not flow.known.is_over
    flow.tell(facts.SalesOrderRejected(number="4711"))
    assert flow.known.is_over


def test_a_sales_order_that_is_not_found_is_looked_for_once_more() -> None:
    flow = standing("INTENT_PAID")
    flow.tell(settled(), facts.OrderSeen(order=at("CANCELLED")))
    again = flow.tell(facts.SalesOrderRejected(number=None))
    assert again is not None
    assert [p.at for p in again.effects if isinstance(p.effect, CancelSalesOrder)] == [NOW + timedelta(minutes=2)]
    flow.tell(facts.SalesOrderRejected(number=None))
    assert flow.known.sales.step is SalesStep.GONE
    late = flow.tell(facts.SalesOrderMade(number="4711"))
    assert [effect.sales_order for effect in effects(late)] == ["4711"], "it came all the same"
