"""Shop orders as flows, by example: paid in time or not, cancelled, and money that goes back."""

from __future__ import annotations

import pytest

from bff.domain.commerce import OrderState, PaymentState
from bff.domain.payment import PaymentStatus
from bff.errors import NotFound, OutcomeUnknown, UpstreamUnavailable
from bff.orders.shop_state import ShopPhase
from tests.orders.bank import Fault
from tests.orders.shop_kit import ADDRESS, CAR, CUP, HEATED, OWNER, Floor, codes

pytestmark = pytest.mark.anyio


# ── reservations ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_reservation_that_is_over_is_cancelled_and_its_open_payment_closed(floor: Floor) -> None:
    stock = floor.world.products[CUP].stock
    order = await floor.order((CUP, None), (HEATED, CAR))
    intent = await floor.begin(order)
    await floor.wait(minutes=14)
    assert (await floor.look(order.number)).order_state is OrderState.CREATED
    await floor.wait(minutes=1)
    ended = floor.world.merchandise_orders[order.number]
    assert (ended.order_state, ended.payment_state) == ("CANCELLED", "UNPAID")
    assert [feature.state for feature in floor.features(order.number)] == ["REVOKED"]
    assert floor.world.products[CUP].stock == stock
    found = (await floor.processes[0].payments.intents([intent.id]))[intent.id]
    assert found.status is PaymentStatus.CLOSED  # type: ignore[union-attr]
    assert not floor.bank.pay(intent.id)
    assert [event.type for event in await floor.events()] == ["order.placed.v1", "order.cancelled.v1"]


async def test_money_that_arrives_after_the_reservation_goes_back(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    intent = await floor.begin(order)
    assert floor.bank.pay(intent.id)  # in time, but the bank tells late
    floor.time.pass_by(minutes=16)
    await floor.notify()
    await floor.settle()
    await floor.wait(minutes=10)
    account = floor.bank.accounts[intent.id]
    assert (account.captured, account.net) == (order.total.amount_minor, 0)
    assert floor.world.merchandise_orders[order.number].order_state == "CANCELLED"


async def test_paid_in_the_last_second_beats_the_end_of_the_reservation(floor: Floor) -> None:
    """Commerce has taken the money; that it has is not told before the flow wakes to cancel."""
    order = await floor.order((CUP, None))
    intent = await floor.begin(order)
    assert floor.bank.pay(intent.id)
    floor.time.pass_by(minutes=14, seconds=59)
    floor.faults.next.append(Fault.AFTER)  # commerce settles, its answer is lost
    await floor.notify()
    await floor.settle()
    assert floor.world.merchandise_orders[order.number].payment_state == "PAID"
    await floor.wait(minutes=5)
    assert (await floor.look(order.number)).order_state is OrderState.CONFIRMED
    state = await floor.state(order.number)
    assert (state.phase, state.is_paid) == (ShopPhase.CONFIRMED, True)
    assert floor.bank.accounts[intent.id].net == order.total.amount_minor


async def test_reservation_that_ended_while_nobody_worked_is_adopted(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    intent = await floor.begin(order)
    floor.time.pass_by(days=3)
    assert (await floor.look(order.number)).order_state is OrderState.CANCELLED  # commerce has done it by itself
    await floor.settle()
    assert (await floor.state(order.number)).phase is ShopPhase.CANCELLED
    assert await floor.steps(order.number) == []
    assert not floor.bank.pay(intent.id)


# ── cancelling ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_cancelled_order_gives_money_and_goods_back(floor: Floor) -> None:
    stock = floor.world.products[CUP].stock
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    assert floor.bank.accounts[payment].captured == order.total.amount_minor
    cancelled = await floor.cancel(order.number)
    assert cancelled.entity is not None
    assert cancelled.entity.order_state is OrderState.CANCELLED
    assert set(await floor.steps(order.number)) == {"CLOSING_PAYMENT", "REFUNDING"}
    await floor.settle()
    assert floor.bank.accounts[payment].net == 0
    seen = await floor.look(order.number)
    assert seen.payment_state is PaymentState.REFUNDED
    assert await floor.steps(order.number) == []
    assert floor.world.products[CUP].stock == stock
    assert codes(await floor.cancel(order.number, "another")) == ["NOT_CANCELLABLE"]
    again = await floor.cancel(order.number)
    assert again.entity is not None


async def test_cancel_that_does_not_arrive_is_shown_and_comes_true(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    floor.faults.next.append(Fault.BEFORE)
    with pytest.raises(UpstreamUnavailable):
        await floor.cancel(order.number)
    seen = await floor.look(order.number)
    (step,) = await floor.pending(order.number)
    assert seen.order_state is OrderState.CONFIRMED
    assert (step.step.value, step.outcome.value, step.attempts) == ("CANCELLING", "PENDING", 1)
    await floor.wait(seconds=5)
    assert (await floor.state(order.number)).phase is ShopPhase.CANCELLED
    assert floor.bank.accounts[payment].net == 0


async def test_cancel_that_nobody_confirmed_is_adopted_when_the_order_is_read(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.cancel(order.number)
    (waiting,) = await floor.processes[0].flows.waiting_of([(await floor.flow(order.number))])
    assert (waiting.name, waiting.error) == ("cancel", "OUTCOME_UNKNOWN")
    seen = await floor.look(order.number)
    assert seen.order_state is OrderState.CANCELLED
    assert set(await floor.steps(order.number)) == {"CLOSING_PAYMENT", "REFUNDING"}
    await floor.settle()
    assert floor.bank.accounts[payment].net == 0


async def test_what_is_sent_cannot_be_cancelled(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    await floor.pay(order)
    floor.world.merchandise_orders[order.number].fulfilment_state = "SHIPPED"
    for key in ("cancel", "cancel", "another"):
        assert codes(await floor.cancel(order.number, key)) == ["NOT_CANCELLABLE"]
    assert (await floor.state(order.number)).phase is ShopPhase.CONFIRMED
    with pytest.raises(NotFound):
        await floor.cancel("MO999999")


async def test_order_that_staff_cancelled_is_paid_back(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    await floor.processes[0].plain.cancel_order(order.number, reason="staff", idempotency_key="staff")
    assert (await floor.look(order.number)).order_state is OrderState.CANCELLED
    assert set(await floor.steps(order.number)) == {"CLOSING_PAYMENT", "REFUNDING"}
    await floor.settle()
    assert floor.bank.accounts[payment].net == 0


async def test_order_that_was_made_without_a_flow_is_cancelled_through_one(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    made = await floor.processes[0].plain.place_order(
        OWNER, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key="other-channel"
    )
    assert made.entity is not None
    payment = await floor.pay(made.entity)
    cancelled = await floor.cancel(made.entity.number)
    assert cancelled.entity is not None
    await floor.settle()
    assert floor.bank.accounts[payment].net == 0
