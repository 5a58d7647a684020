"""Vehicle orders as the sandbox answers them: placed, paid, locked by hand or by time, cancelled."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from bff.domain.base import Money, Outcome, PageArgs
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderStatus
from bff.errors import NotFound
from sandbox.commerce.app import create
from sandbox.kit.server import System
from sandbox.payment.app import create as create_payment
from sandbox.world import World
from sandbox.world.configurations import CURRENT_SHARE_CODE, WITHDRAWN_SHARE_CODE
from sandbox.world.orders import TERMS_VERSION
from tests.sandbox_payment import pay
from tests.support import entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio
BUYER = "C0191"
INTENT, DEPOSIT = Money(amount_minor=100_000), Money(amount_minor=500_000)


class Hands:
    """A clock that the test turns."""

    def __init__(self, world: World) -> None:
        self.time = world.now

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock(world: World) -> Hands:
    return Hands(world)


@pytest.fixture
def orders(world: World, clock: Hands) -> CommerceVehicleOrders:
    return CommerceVehicleOrders(sandbox_upstream(create(world, clock)))


@pytest.fixture
def payment(world: World, clock: Hands) -> System:
    return create_payment(world, clock)


def codes(outcome: Outcome[VehicleOrder]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


async def read(orders: CommerceVehicleOrders, number: str) -> VehicleOrder:
    order = (await orders.orders([number]))[number]
    assert isinstance(order, VehicleOrder)
    return order


async def place(
    orders: CommerceVehicleOrders,
    share_code: str = CURRENT_SHARE_CODE,
    *,
    centre: str = "SH0217",
    terms: str = TERMS_VERSION,
    key: str = "place",
) -> Outcome[VehicleOrder]:
    return await orders.place(BUYER, share_code, delivery_centre=centre, terms_version=terms, idempotency_key=key)


async def deposited(orders: CommerceVehicleOrders, payment: System) -> VehicleOrder:
    draft = (await place(orders)).entity
    assert draft is not None
    await pay(payment, BUYER, draft.number, "DEPOSIT", DEPOSIT)
    return await read(orders, draft.number)


async def lock(orders: CommerceVehicleOrders, order: VehicleOrder, key: str = "lock") -> Outcome[VehicleOrder]:
    return await orders.lock(
        order.number,
        configuration_hash=order.configuration_hash,
        total=order.total,
        terms_version=order.terms_version,
        idempotency_key=key,
    )


async def cancel(orders: CommerceVehicleOrders, number: str, key: str = "cancel") -> Outcome[VehicleOrder]:
    return await orders.cancel(number, reason="改主意了", idempotency_key=key)


async def test_every_order_of_the_world_can_be_read_in_one_call(world: World, orders: CommerceVehicleOrders) -> None:
    context = entered_context()
    found = await orders.orders(list(world.vehicle_orders))
    assert len(context.calls.records) == 1
    assert set(found) == set(world.vehicle_orders)
    for number, order in found.items():
        assert isinstance(order, VehicleOrder)
        kept = world.vehicle_orders[number]
        assert (order.status.value, order.vin, order.sales_order) == (kept.status, kept.vin, kept.sales_order)
        assert order.region == world.centres[kept.delivery_centre_id].region
        fully = order.status in (VehicleOrderStatus.READY, VehicleOrderStatus.DELIVERED)
        assert (order.paid == order.total) == fully


async def test_orders_of_the_owner_come_newest_first(world: World, orders: CommerceVehicleOrders) -> None:
    page = await orders.orders_of("C0155", PageArgs(first=10))
    created = [order.created_at for order in page.items]
    assert len(created) > 1
    assert created == sorted(created, reverse=True)


async def test_draft_has_todays_price_and_is_known_to_nobody_else(world: World, orders: CommerceVehicleOrders) -> None:
    places = world.trims["A7-SEVEN"].stock
    outcome = await place(orders)
    assert outcome.entity is not None
    draft = outcome.entity
    saved = world.saved_configurations[CURRENT_SHARE_CODE]
    assert draft.status is VehicleOrderStatus.DRAFT
    assert draft.configuration_hash == saved.configuration_hash
    assert draft.total == Money(amount_minor=saved.price_fen)
    assert (draft.sales_order, draft.otd_number, draft.production_order, draft.vin) == (None, None, None, None)
    assert (draft.paid, draft.intent, draft.deposit) == (Money(amount_minor=0), INTENT, DEPOSIT)
    assert world.trims["A7-SEVEN"].stock == places - 1
    again = await place(orders)
    assert again.entity == draft


async def test_withdrawn_option_cannot_be_ordered(orders: CommerceVehicleOrders) -> None:
    assert codes(await place(orders, WITHDRAWN_SHARE_CODE)) == ["NOT_BUILDABLE"]


async def test_place_is_refused_for_what_changed_meanwhile(world: World, orders: CommerceVehicleOrders) -> None:
    assert codes(await place(orders, centre="XX0001", key="a")) == ["CENTRE_UNKNOWN"]
    assert codes(await place(orders, terms="2019-01", key="b")) == ["TERMS_CHANGED"]
    world.trims["A7-SEVEN"].stock = 0
    assert codes(await place(orders, key="c")) == ["SOLD_OUT"]
    with pytest.raises(NotFound):
        await place(orders, "00000000", key="d")


async def test_last_build_place_goes_to_one_buyer(world: World, orders: CommerceVehicleOrders) -> None:
    world.trims["A7-SEVEN"].stock = 1
    outcomes = await asyncio.gather(*(place(orders, key=f"k{turn}") for turn in range(8)))
    assert sorted(codes(outcome) for outcome in outcomes) == [[]] + [["SOLD_OUT"]] * 7
    assert world.trims["A7-SEVEN"].stock == 0


async def test_intent_makes_the_order_known_to_erp_and_feed(
    world: World, orders: CommerceVehicleOrders, payment: System
) -> None:
    draft = (await place(orders)).entity
    assert draft is not None
    await pay(payment, BUYER, draft.number, "INTENT", INTENT)
    order = await read(orders, draft.number)
    assert (order.status, order.paid) == (VehicleOrderStatus.INTENT_PAID, INTENT)
    assert order.sales_order is not None
    assert order.otd_number is not None
    sales_order = world.sales_orders[order.sales_order]
    assert sales_order.customer_reference == order.number
    assert sales_order.net_fen + sales_order.tax_fen == order.total.amount_minor
    assert [record.code for record in world.otd_records_of(order.otd_number)] == ["1100"]


async def test_deposit_contains_the_intent_and_starts_168_hours(
    orders: CommerceVehicleOrders, payment: System, clock: Hands
) -> None:
    draft = (await place(orders)).entity
    assert draft is not None
    await pay(payment, BUYER, draft.number, "INTENT", INTENT)
    await pay(payment, BUYER, draft.number, "DEPOSIT", Money(amount_minor=400_000))
    order = await read(orders, draft.number)
    assert (order.status, order.paid) == (VehicleOrderStatus.DEPOSIT_PAID, DEPOSIT)
    assert order.cooling_off_ends_at == clock.time + timedelta(hours=168)


async def test_customer_locks_what_was_confirmed(
    world: World, orders: CommerceVehicleOrders, payment: System, clock: Hands
) -> None:
    order = await deposited(orders, payment)
    wrong = {"configuration_hash": "0" * 64, "total": Money(amount_minor=1), "terms_version": "2019-01"}
    seen = {
        "configuration_hash": order.configuration_hash,
        "total": order.total,
        "terms_version": order.terms_version,
    }
    refused = []
    for name, value in wrong.items():
        said = seen | {name: value}
        refused += codes(await orders.lock(order.number, **said, idempotency_key=name))  # type: ignore[arg-type]  # a table of arguments
    assert refused == ["CONFIGURATION_CHANGED", "PRICE_CHANGED", "TERMS_CHANGED"]
    clock.time += timedelta(hours=2)
    locked = (await lock(orders, order)).entity
    assert locked is not None
    assert (locked.status, locked.locked_at) == (VehicleOrderStatus.LOCKED, clock.time)
    assert codes(await lock(orders, order, key="again")) == ["ALREADY_LOCKED"]
    assert codes(await cancel(orders, order.number)) == ["NOT_CANCELLABLE"]
    assert order.otd_number is not None
    assert [record.code for record in world.otd_records_of(order.otd_number)] == ["1100", "1101", "1102"]


async def test_order_locks_itself_at_hour_168(orders: CommerceVehicleOrders, payment: System, clock: Hands) -> None:
    order = await deposited(orders, payment)
    clock.time += timedelta(hours=168, seconds=-1)
    assert (await read(orders, order.number)).status is VehicleOrderStatus.DEPOSIT_PAID
    clock.time += timedelta(seconds=1)
    locked = await read(orders, order.number)
    assert (locked.status, locked.locked_at) == (VehicleOrderStatus.LOCKED, order.cooling_off_ends_at)
    assert codes(await cancel(orders, order.number)) == ["NOT_CANCELLABLE"]
    assert codes(await lock(orders, order)) == ["ALREADY_LOCKED"]


@pytest.mark.parametrize("lock_first", [True, False])
async def test_lock_against_cancel_settles_once(
    orders: CommerceVehicleOrders, payment: System, lock_first: bool
) -> None:
    order = await deposited(orders, payment)
    locking, cancelling = lock(orders, order), cancel(orders, order.number)
    pair = [locking, cancelling] if lock_first else [cancelling, locking]
    outcomes = await asyncio.gather(*pair)
    won = [outcome.entity.status for outcome in outcomes if outcome.entity is not None]
    assert len(won) == 1
    after = await read(orders, order.number)
    assert [after.status] == won
    assert after.paid == (DEPOSIT if after.status is VehicleOrderStatus.LOCKED else Money(amount_minor=0))


async def test_cancel_within_cooling_off_gives_everything_back_and_is_told(
    world: World, orders: CommerceVehicleOrders, payment: System
) -> None:
    places = world.trims["A7-SEVEN"].stock
    order = await deposited(orders, payment)
    outcome = await cancel(orders, order.number)
    assert outcome.entity is not None
    assert (outcome.entity.status, outcome.entity.paid) == (VehicleOrderStatus.CANCELLED, Money(amount_minor=0))
    assert world.trims["A7-SEVEN"].stock == places
    assert order.sales_order is not None
    assert order.otd_number is not None
    assert world.sales_orders[order.sales_order].rejected
    assert world.otd_records_of(order.otd_number)[-1].code == "9000"
    assert codes(await cancel(orders, order.number, key="again")) == ["NOT_CANCELLABLE"]
    assert codes(await lock(orders, order)) == ["NOT_LOCKABLE"]


async def test_balance_makes_the_car_ready(world: World, orders: CommerceVehicleOrders, payment: System) -> None:
    order = await read(orders, "VO00004762")
    assert order.status is VehicleOrderStatus.BALANCE_DUE
    due = Money(amount_minor=order.total.amount_minor - order.paid.amount_minor)
    await pay(payment, order.customer_id, order.number, "BALANCE", due)
    after = await read(orders, order.number)
    assert (after.status, after.paid) == (VehicleOrderStatus.READY, after.total)


async def test_what_is_not_there_cannot_be_locked_or_cancelled(orders: CommerceVehicleOrders) -> None:
    with pytest.raises(NotFound):
        await cancel(orders, "VO99999999")
    assert (await orders.orders(["VO99999999"])) == {}
    assert (await orders.orders_of("C9999", PageArgs(first=1))).items == []
