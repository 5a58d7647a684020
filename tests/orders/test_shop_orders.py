"""Shop orders as flows, by example: placed, run out, paid, activated, given back, cancelled, and shown meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from bff.domain.base import Outcome, PageArgs
from bff.domain.commerce import MerchandiseOrder, OrderState, PaymentState
from bff.domain.payment import PaymentStatus
from bff.durability.database import Database
from bff.durability.sqlite import SqliteDatabase
from bff.errors import DeadlineExceeded, InvalidInput, NotFound, OutcomeUnknown, StateUnavailable, UpstreamUnavailable
from bff.orders.shop_orders import flow_id
from bff.orders.shop_state import SHOP_ORDER, FeatureStep, ShopPhase
from tests.orders.bank import Fault
from tests.orders.shop_kit import ADDRESS, CAR, OWNER, Floor
from tests.support import entered_context

pytestmark = pytest.mark.anyio
HEATED, AMPLIFIER, CUP = "F4001", "F4008", "P1001"


@pytest.fixture
async def floor() -> AsyncIterator[Floor]:
    database = SqliteDatabase(None)
    yield Floor(database, processes=2)
    await database.aclose()


def codes(outcome: Outcome[MerchandiseOrder]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def price(order: MerchandiseOrder, product: str) -> int:
    return next(line.total.amount_minor for line in order.lines if line.product_id == product)


# ── placing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_order_is_placed_once_for_a_key_and_is_kept_for_a_quarter_of_an_hour(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    placed = await floor.place(cart, "same-key")
    again = await floor.place(cart, "same-key", process=1)
    assert placed.entity is not None
    assert again.entity == placed.entity
    assert await floor.pending(placed.entity.number) == []
    assert placed.entity.reserved_until is not None
    assert (placed.entity.reserved_until - floor.world.now).total_seconds() == 900
    assert len(floor.world.merchandise_orders) == 1
    assert (await floor.state(placed.entity.number)).phase is ShopPhase.RESERVED


async def test_cart_that_another_device_changed_is_not_ordered(floor: Floor) -> None:
    seen = await floor.fill((CUP, None))
    await floor.fill((CUP, None))
    assert codes(await floor.place(seen, "k")) == ["CART_VERSION_CONFLICT"]
    assert codes(await floor.place(seen, "k")) == ["CART_VERSION_CONFLICT"]
    assert floor.world.merchandise_orders == {}
    assert (await floor.cart()).lines[0].quantity == 2


async def test_price_and_stock_count_as_they_are_at_the_last_moment(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.BEFORE)
    with pytest.raises(UpstreamUnavailable):
        await floor.place(cart, "k")
    floor.world.products[CUP].price_fen += 100  # while the order waits to be tried again
    assert codes(await floor.place(cart, "k")) == ["PRICE_CHANGED"]
    cart = await floor.cart()
    floor.world.products[CUP].stock = 0
    assert codes(await floor.place(cart, "again")) == ["OUT_OF_STOCK"]
    assert (floor.world.merchandise_orders, floor.world.products[CUP].stock) == ({}, 0)


async def test_order_that_nobody_confirmed_is_found_by_its_key(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    assert len(floor.world.merchandise_orders) == 1
    found = await floor.place(cart, "k", process=1)
    assert found.entity is not None
    assert list(floor.world.merchandise_orders) == [found.entity.number]


async def test_order_that_nobody_asks_for_again_is_found_in_the_background(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    await floor.wait(seconds=2)
    (number,) = floor.world.merchandise_orders
    assert (await floor.state(number)).phase is ShopPhase.RESERVED
    await floor.wait(minutes=15)
    assert (await floor.look(number)).order_state is OrderState.CANCELLED


async def test_order_is_not_placed_long_after_its_customer_was_told_that_it_was_not(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.BEFORE)
    with pytest.raises(UpstreamUnavailable):
        await floor.place(cart, "k")
    await floor.wait(hours=1)  # commerce, or this service, was down
    assert floor.world.merchandise_orders == {}
    assert (await floor.cart()).version == cart.version
    placed = await floor.place(cart, "k")  # unless they ask for it again
    assert placed.entity is not None


async def test_uncertain_order_that_is_given_up_runs_out_and_can_be_paid_before(floor: Floor) -> None:
    for is_paid in (False, True):
        cart = await floor.fill((CUP, None))
        floor.faults.next.append(Fault.AFTER)
        with pytest.raises(OutcomeUnknown):
            await floor.place(cart, f"k-{is_paid}")
        await floor.wait(minutes=5)
        listed = (await floor.commerce.orders_of(OWNER, PageArgs(first=1))).items[0]
        if is_paid:
            await floor.pay(listed)
        await floor.wait(minutes=20)
        ended = OrderState.CONFIRMED if is_paid else OrderState.CANCELLED
        assert (await floor.look(listed.number)).order_state is ended


async def test_customer_who_finds_their_uncertain_order_and_pays_has_one_order(floor: Floor) -> None:
    """The order is found in the list before its own flow knows that it exists."""
    cart = await floor.fill((HEATED, CAR))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    (listed,) = (await floor.commerce.orders_of(OWNER, PageArgs(first=5))).items
    payment = await floor.pay(listed)
    assert floor.bank.accounts[payment].held == listed.total.amount_minor
    found = await floor.place(cart, "k")
    assert found.entity is not None
    assert found.entity.number == listed.number
    state = (await floor.processes[0].flows.states(SHOP_ORDER, [flow_id("k")]))[flow_id("k")]
    assert (state.phase, state.merged_into) == (ShopPhase.MERGED, await floor.flow(listed.number))
    await floor.live(hours=1)
    assert floor.bank.accounts[payment].net == listed.total.amount_minor
    assert (await floor.look(listed.number)).order_state is OrderState.CONFIRMED
    cancelled = await floor.cancel(listed.number)
    assert codes(cancelled) == ["NOT_CANCELLABLE"]


async def test_order_of_nobody_is_not_found_and_not_tried_again(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    for _ in range(2):
        with pytest.raises(NotFound):
            await floor.place(cart, "k", customer="C9999")
    assert await floor.processes[0].flows.run_due() == 0


async def test_request_without_time_says_that_it_is_not_known(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    entered_context().deadline -= 20
    with pytest.raises(DeadlineExceeded) as raised:
        await floor.commerce.place_order(
            OWNER, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key="k"
        )
    assert raised.value.began_write
    entered_context()
    await floor.wait(seconds=2)
    assert len(floor.world.merchandise_orders) == 1


async def test_card_number_is_refused_before_anything_is_written_down(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    with pytest.raises(InvalidInput):
        await floor.cancel(order.number, reason="4111 1111 1111 1111")
    assert (await floor.state(order.number)).phase is ShopPhase.RESERVED


async def test_no_word_of_the_customer_is_kept(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    await floor.cancel(order.number, reason="不想要了")

    def script():  # type: ignore[no-untyped-def]  # a script of one line
        return (yield "SELECT state FROM bff_flow", ())

    for (state,) in await floor.database.run(script, write=False):
        assert not any(word in bytes(state).decode() for word in (ADDRESS.recipient, ADDRESS.phone, "不想要了"))


# ── reservations ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── features ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_money_for_a_feature_is_held_until_the_car_has_it(floor: Floor) -> None:
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    account = floor.bank.accounts[payment]
    assert (account.held, account.captured) == (order.total.amount_minor, 0)
    (step,) = await floor.pending(order.number)
    assert (step.step.value, step.outcome.value) == ("ACTIVATING", "PENDING")
    await floor.wait(seconds=2)
    assert (account.held, account.captured) == (order.total.amount_minor, 0)
    await floor.wait(seconds=4)
    assert [feature.state for feature in floor.features(order.number)] == ["ACTIVE"]
    assert (account.held, account.captured) == (0, order.total.amount_minor)
    assert await floor.steps(order.number) == []
    assert [event.type for event in await floor.events() if event.type.startswith(("order", "feature"))] == [
        "order.placed.v1",
        "order.confirmed.v1",
        "feature.activated.v1",
    ]


@pytest.mark.parametrize("downtime", [False, True])
async def test_car_that_never_answers_is_paid_back_by_the_deadline(floor: Floor, downtime: bool) -> None:
    await floor.reach(reachable=False)
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    if downtime:
        await floor.wait(days=3)
    else:
        await floor.live(hours=23.9)
        assert floor.bank.accounts[payment].held == order.total.amount_minor
        assert await floor.steps(order.number) == ["ACTIVATING"]
        await floor.live(hours=0.3)
    account = floor.bank.accounts[payment]
    assert (account.held, account.captured, account.is_released) == (0, 0, True)
    assert [feature.state for feature in floor.features(order.number)] == ["REVOKED"]
    assert floor.world.merchandise_orders[order.number].payment_state == "REFUNDED"
    await floor.reach(reachable=True)
    await floor.wait(hours=1)
    assert [feature.state for feature in floor.features(order.number)] == ["REVOKED"]
    assert await floor.steps(order.number) == []


async def test_car_is_asked_after_less_and_less_often(floor: Floor) -> None:
    await floor.reach(reachable=False)
    order = await floor.order((HEATED, CAR))
    await floor.pay(order)
    times: list[float] = []
    for second in range(0, 3600, 2):
        floor.time.pass_by(seconds=2)
        if await floor.processes[0].flows.run_due():
            times.append(second + 2)
    pauses = [later - earlier for earlier, later in itertools.pairwise([0, *times])]
    assert pauses[:8] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert set(pauses[8:]) == {300}


async def test_car_that_confirmed_before_it_was_revoked_keeps_its_feature(floor: Floor) -> None:
    """The flow was down for two days, the car was not: commerce decides, and is believed."""
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    await floor.wait(days=2)
    assert [feature.state for feature in floor.features(order.number)] == ["ACTIVE"]
    assert floor.bank.accounts[payment].net == order.total.amount_minor


async def test_revoke_and_acknowledge_at_once(floor: Floor) -> None:
    """Whoever is first at commerce wins, the other adopts it: tried in both orders."""
    for winner in ("car", "service"):
        await floor.reach(reachable=False)
        order = await floor.order((AMPLIFIER if winner == "service" else HEATED, CAR))
        payment = await floor.pay(order)
        await floor.wait(hours=23.9)
        (feature,) = floor.features(order.number)
        if winner == "car":
            floor.time.pass_by(hours=1)
            assert await floor.answer(feature.id, "ACTIVE") == 200
            await floor.settle()
        else:
            await floor.wait(hours=1)
            assert await floor.answer(feature.id, "ACTIVE") == 409
        is_active = floor.features(order.number)[0].state == "ACTIVE"
        assert is_active == (winner == "car")
        assert floor.bank.accounts[payment].net == (order.total.amount_minor if is_active else 0)


async def test_lost_answer_to_revoking_is_asked_for_again(floor: Floor) -> None:
    await floor.reach(reachable=False)
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    await floor.wait(hours=23.9)
    floor.time.pass_by(hours=1)
    assert await floor.processes[0].flows.run_due() > 0
    state = await floor.state(order.number)
    assert state.features[0].step is FeatureStep.REVOKING
    floor.faults.next.append(Fault.AFTER)
    await floor.processes[0].flows.run_due()
    (step,) = [step for step in await floor.pending(order.number) if step.step.value == "REVOKING"]
    assert step.outcome.value == "UNKNOWN"
    await floor.wait(minutes=1)
    assert floor.bank.accounts[payment].is_released


async def test_feature_that_fails_is_paid_back_and_the_rest_stands(floor: Floor) -> None:
    order = await floor.order((HEATED, CAR), (AMPLIFIER, CAR), (CUP, None))
    payment = await floor.pay(order)
    account = floor.bank.accounts[payment]
    assert account.captured == order.total.amount_minor  # goods are sent: nothing is held
    failing = next(feature for feature in floor.features(order.number) if feature.product_id == HEATED)
    assert await floor.answer(failing.id, "FAILED") == 200
    await floor.wait(seconds=10)
    assert account.net == order.total.amount_minor - price(order, HEATED)
    seen = await floor.look(order.number)
    assert (seen.order_state, seen.payment_state) == (OrderState.CONFIRMED, PaymentState.PARTIALLY_REFUNDED)
    assert {feature.product_id: feature.state for feature in floor.features(order.number)} == {
        HEATED: "ACTIVATION_FAILED",
        AMPLIFIER: "ACTIVE",
    }
    await floor.wait(hours=25)
    assert account.net == order.total.amount_minor - price(order, HEATED)


async def test_of_a_hold_only_what_works_is_taken(floor: Floor) -> None:
    order = await floor.order((HEATED, CAR), (AMPLIFIER, CAR))
    payment = await floor.pay(order)
    account = floor.bank.accounts[payment]
    failing = next(feature for feature in floor.features(order.number) if feature.product_id == HEATED)
    assert await floor.answer(failing.id, "FAILED") == 200
    await floor.wait(seconds=10)
    assert (account.held, account.captured) == (0, price(order, AMPLIFIER))
    assert not account.refunds  # never taken, and so not sent back


async def test_two_orders_for_one_feature_and_car(floor: Floor) -> None:
    orders = []
    for key in ("first", "second"):
        placed = await floor.place(await floor.fill((HEATED, CAR)), key)
        assert placed.entity is not None
        orders.append(placed.entity)
    intents = [await floor.begin(order, process=turn) for turn, order in enumerate(orders)]
    for intent in intents:
        assert floor.bank.pay(intent.id)
        await floor.notify()
    await asyncio.gather(*(process.flows.settle() for process in floor.processes))
    await floor.live(hours=1)
    states = sorted(floor.features(order.number)[0].state for order in orders)
    assert states == ["ACTIVATION_FAILED", "ACTIVE"]
    taken = sorted(floor.bank.accounts[intent.id].net for intent in intents)
    assert taken == [0, orders[0].total.amount_minor]
    for order in orders:
        assert await floor.steps(order.number) == []


async def test_order_is_cancelled_while_its_feature_is_on_the_way(floor: Floor) -> None:
    await floor.reach(reachable=False)
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    cancelled = await floor.cancel(order.number)
    assert cancelled.entity is not None
    await floor.settle()
    assert [feature.state for feature in floor.features(order.number)] == ["REVOKED"]
    assert floor.bank.accounts[payment].is_released
    await floor.wait(hours=25)
    assert floor.bank.accounts[payment].net == 0
    assert await floor.steps(order.number) == []


async def test_money_that_is_called_back_takes_the_feature_with_it(floor: Floor) -> None:
    """The hold ran out at the bank, or staff let it go: what the car has not confirmed is withdrawn."""
    await floor.reach(reachable=False)
    order = await floor.order((HEATED, CAR))
    payment = await floor.pay(order)
    entered_context()
    await floor.processes[0].payments.refund(payment, order.total, reason="staff", idempotency_key="staff")
    await floor.settle()
    await floor.wait(minutes=10)
    assert [feature.state for feature in floor.features(order.number)] == ["REVOKED"]


async def test_hold_that_runs_out_before_a_part_of_it_is_let_go(floor: Floor) -> None:
    order = await floor.order((HEATED, CAR), (AMPLIFIER, CAR))
    payment = await floor.pay(order)
    failing = next(feature for feature in floor.features(order.number) if feature.product_id == HEATED)
    assert await floor.answer(failing.id, "FAILED") == 200
    entered_context()
    await floor.processes[0].payments.refund(payment, order.total, reason="staff", idempotency_key="staff")
    await floor.wait(hours=30)
    assert floor.bank.accounts[payment].net == 0
    assert await floor.steps(order.number) == []
    assert await floor.processes[0].flows.waiting_of([await floor.flow(order.number)]) == []


async def test_feature_bought_through_the_payment_service_is_not_ours_to_watch(floor: Floor) -> None:
    from sandbox.payment.app import create as create_payment
    from tests.sandbox_payment import pay

    order = await floor.order((HEATED, CAR))
    await pay(create_payment(floor.world, floor.time), OWNER, order.number, "FEATURE", order.total)
    await floor.wait(hours=2)
    assert (await floor.look(order.number)).order_state is OrderState.CONFIRMED
    assert [feature.state for feature in floor.features(order.number)] == ["ACTIVE"]
    assert (await floor.state(order.number)).phase is ShopPhase.CONFIRMED


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_orders_are_read_without_our_own_database(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await floor.order((CUP, None))

    async def away(*_: object, **__: object) -> None:
        raise StateUnavailable

    monkeypatch.setattr(floor.database, "run", away)
    assert (await floor.look(order.number)).number == order.number
    with pytest.raises(StateUnavailable):
        await floor.cancel(order.number)


# ── many processes, either database ──────────────────────────────────────────────────────────────────────────────────


async def test_two_processes_place_pay_and_activate_once(database: Database) -> None:
    floor = Floor(database, processes=2)
    cart = await floor.fill((HEATED, CAR))
    placed = await asyncio.gather(*(floor.place(cart, "same-key", process=process) for process in (0, 1)))
    numbers = {outcome.entity.number for outcome in placed if outcome.entity is not None}
    assert len(numbers) == len(floor.world.merchandise_orders) == 1
    order = placed[0].entity
    assert order is not None
    intent = await floor.begin(order, process=1)
    assert floor.bank.pay(intent.id)
    await asyncio.gather(floor.notify(0), floor.notify(1))
    await asyncio.gather(floor.settle(0), floor.settle(1))
    floor.time.pass_by(seconds=10)
    await asyncio.gather(floor.settle(0), floor.settle(1))
    assert floor.bank.accounts[intent.id].captured == order.total.amount_minor
    told = [event.type for event in await floor.events() if not event.type.startswith("payment")]
    assert sorted(told) == ["feature.activated.v1", "order.confirmed.v1", "order.placed.v1"]


async def test_customer_cancels_while_another_process_hears_of_the_payment(database: Database) -> None:
    floor = Floor(database, processes=2)
    stock = floor.world.products[CUP].stock
    order = await floor.order((CUP, None))
    intent = await floor.begin(order)
    assert floor.bank.pay(intent.id)
    await floor.notify(1)
    await asyncio.gather(floor.cancel(order.number), floor.settle(1))
    await floor.wait(minutes=1)
    await floor.wait(minutes=10)
    assert floor.bank.accounts[intent.id].net == 0
    assert floor.world.merchandise_orders[order.number].order_state == "CANCELLED"
    assert floor.world.products[CUP].stock == stock
    assert (await floor.state(order.number)).phase is ShopPhase.CANCELLED


async def test_two_orders_for_one_feature_are_paid_at_once(database: Database) -> None:
    floor = Floor(database, processes=2)
    orders = [await floor.order((HEATED, CAR)) for _ in range(2)]
    intents = [await floor.begin(order) for order in orders]
    for process, intent in enumerate(intents):
        assert floor.bank.pay(intent.id)
        await floor.notify(process)
    await asyncio.gather(floor.settle(0), floor.settle(1))
    floor.time.pass_by(minutes=1)
    await asyncio.gather(floor.settle(0), floor.settle(1))
    await floor.wait(minutes=20)
    assert sorted(floor.features(order.number)[0].state for order in orders) == ["ACTIVATION_FAILED", "ACTIVE"]
    assert sorted(floor.bank.accounts[intent.id].net for intent in intents) == [0, orders[0].total.amount_minor]
