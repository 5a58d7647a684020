"""Features on cars, by example: held for, activated, given back."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from bff.domain.commerce import OrderState, PaymentState
from bff.orders.shop_state import FeatureStep, ShopPhase
from tests.orders.bank import Fault
from tests.orders.shop_kit import AMPLIFIER, CAR, CUP, HEATED, OWNER, Floor, price
from tests.support import entered_context

pytestmark = pytest.mark.anyio


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
