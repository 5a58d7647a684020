"""Shop orders of several processes at once, on either database."""

from __future__ import annotations

import asyncio

import pytest

from bff.durability.database import Database
from bff.orders.shop_state import ShopPhase
from tests.orders.shop_kit import CAR, CUP, HEATED, Floor

pytestmark = pytest.mark.anyio


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
