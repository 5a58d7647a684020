"""What commerce does by itself over time: reservations that run out, and features that a car has to confirm."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from adapters.commerce.cart import CommerceCarts
from adapters.commerce.catalogue import CommerceCatalogue
from adapters.commerce.settlements import CommerceSettlements
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Money
from bff.domain.catalogue import Entitlement, EntitlementState, Product, ProductKind
from bff.domain.commerce import Address, Cart, MerchandiseOrder, OrderState, PaymentState
from bff.domain.payment import PaymentPurpose
from bff.errors import NotFound
from sandbox.commerce.app import create
from sandbox.world import World
from tests.support import sandbox_upstream

pytestmark = pytest.mark.anyio
OWNER = "C0001"
CAR = "LDCA1AB57SB000001"
ADDRESS = Address(recipient="林晓", phone="+8613800000001", province="上海", city="上海", district="浦东", line="1 号")
HAND = Operation(name="Hand", effect=Effect.WRITE)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Desk:
    """Commerce behind its adapters, and the hand that plays the car."""

    def __init__(self, world: World) -> None:
        self.clock = Clock(world.now)
        self.upstream: Upstream = sandbox_upstream(create(world, self.clock))
        self.carts, self.catalogue = CommerceCarts(self.upstream), CommerceCatalogue(self.upstream)
        self.settlements = CommerceSettlements(self.upstream)

    async def order(self, *wanted: tuple[str, str | None], customer: str = OWNER) -> MerchandiseOrder:
        for product, vin in wanted:
            added = await self.carts.add_line(customer, product, 1, vin=vin, version=None)
            assert added.entity is not None, added.refusals
        cart = (await self.carts.carts([customer]))[customer]
        assert isinstance(cart, Cart)
        placed = await self.carts.place_order(
            customer, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key=cart.id
        )
        assert placed.entity is not None, placed.refusals
        return placed.entity

    async def look(self, number: str) -> MerchandiseOrder:
        order = (await self.carts.orders([number]))[number]
        assert isinstance(order, MerchandiseOrder)
        return order

    async def pay(self, order: MerchandiseOrder, payment: str = "BP1") -> tuple[int, int]:
        """What the order took, and what it did not want, in fen."""
        done = await self.settlements.settle(payment, order.number, PaymentPurpose.MERCHANDISE, order.total)
        assert done.entity is not None
        return done.entity.applied.amount_minor, done.entity.give_back.amount_minor

    async def feature(self, order: MerchandiseOrder) -> Entitlement:
        found = (await self.catalogue.entitlements([CAR]))[CAR]
        assert isinstance(found, list)
        return next(entitlement for entitlement in found if entitlement.order_number == order.number)

    async def acknowledge(self, entitlement: Entitlement, result: str) -> int:
        path, body = f"/entitlements/{entitlement.id}/_acknowledge", json.dumps({"result": result}).encode()
        return (await self.upstream.call(HAND, "POST", path, body=body)).status

    async def reach(self, *, reachable: bool) -> None:
        body = json.dumps({"reachable": reachable}).encode()
        assert (await self.upstream.call(HAND, "PUT", f"/_vehicles/{CAR}", body=body)).status == 200


@pytest.fixture
def desk(world: World) -> Desk:
    world.carts.clear()
    return Desk(world)


# ── reservations ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_unpaid_order_runs_out_and_its_goods_are_free(world: World, desk: Desk) -> None:
    stock = world.products["P1001"].stock
    order = await desk.order(("P1001", None), ("F4001", CAR))
    assert stock is not None
    assert (order.reserved_until, world.products["P1001"].stock) == (world.now + timedelta(minutes=15), stock - 1)
    assert [line.kind for line in order.lines] == [ProductKind.PHYSICAL, ProductKind.FEATURE]
    desk.clock.move(minutes=14, seconds=59)
    assert (await desk.look(order.number)).order_state is OrderState.CREATED
    desk.clock.move(seconds=1)
    seen = await desk.look(order.number)
    assert (seen.order_state, seen.payment_state, seen.reserved_until) == (
        OrderState.CANCELLED,
        PaymentState.UNPAID,
        None,
    )
    assert world.products["P1001"].stock == stock
    assert (await desk.feature(order)).state is EntitlementState.REVOKED


async def test_money_that_comes_after_the_reservation_is_not_wanted(desk: Desk) -> None:
    order = await desk.order(("P1001", None))
    desk.clock.move(minutes=15)
    assert await desk.pay(order) == (0, order.total.amount_minor)
    assert (await desk.look(order.number)).order_state is OrderState.CANCELLED


async def test_paid_order_does_not_run_out(world: World, desk: Desk) -> None:
    order = await desk.order(("P1001", None))
    stock = world.products["P1001"].stock
    assert await desk.pay(order) == (order.total.amount_minor, 0)
    desk.clock.move(days=2)
    seen = await desk.look(order.number)
    assert (seen.order_state, seen.payment_state, seen.reserved_until) == (
        OrderState.CONFIRMED,
        PaymentState.PAID,
        None,
    )
    assert world.products["P1001"].stock == stock


async def test_what_ran_out_can_be_bought_and_is_shown_in_stock(world: World, desk: Desk) -> None:
    world.products["P1402"].stock = 1
    await desk.order(("P1402", None))
    assert await in_stock(desk) is False
    desk.clock.move(minutes=15)
    assert await in_stock(desk) is True
    again = await desk.order(("P1402", None), customer="C0191")
    assert (again.order_state, world.products["P1402"].stock) == (OrderState.CREATED, 0)


async def in_stock(desk: Desk) -> bool | None:
    catalogue = CommerceCatalogue(sandbox_same(desk))  # one without answers that were kept
    product = (await catalogue.products(["P1402"]))["P1402"]
    assert isinstance(product, Product)
    return product.in_stock


def sandbox_same(desk: Desk) -> Upstream:
    return Upstream(desk.upstream.name, desk.upstream.base_url, desk.upstream._engine, simulated=True)


async def test_end_of_a_reservation_cancels_only_what_is_not_paid(desk: Desk) -> None:
    order = await desk.order(("P1001", None))
    await desk.pay(order)
    late = await desk.carts.cancel_order(order.number, reason=None, idempotency_key="e", only_unpaid=True)
    assert [refusal.code for refusal in late.refusals] == ["NOT_CANCELLABLE"]
    done = await desk.carts.cancel_order(order.number, reason=None, idempotency_key="c")
    assert done.entity is not None
    assert done.entity.payment_state is PaymentState.PAID  # whoever took the money gives it back, and says so
    given = await desk.settlements.repaid("BP1", "R1", order.total)
    assert given.entity is not None
    assert (await desk.look(order.number)).payment_state is PaymentState.REFUNDED


# ── features ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_car_confirms_a_feature_a_few_seconds_after_it_was_paid(world: World, desk: Desk) -> None:
    order = await desk.order(("F4001", CAR))
    await desk.pay(order)
    waiting = await desk.feature(order)
    assert (waiting.state, waiting.activation_deadline) == (
        EntitlementState.ACTIVATING,
        world.now + timedelta(hours=24),
    )
    desk.clock.move(seconds=4)
    assert (await desk.feature(order)).state is EntitlementState.ACTIVATING
    desk.clock.move(minutes=1)
    active = await desk.feature(order)
    assert (active.state, active.starts_at, active.activation_deadline) == (
        EntitlementState.ACTIVE,
        world.now + timedelta(seconds=5),
        None,
    )
    assert await desk.acknowledge(active, "ACTIVE") == 200
    assert await desk.acknowledge(active, "FAILED") == 409


async def test_car_that_cannot_be_reached_confirms_when_it_is_back(world: World, desk: Desk) -> None:
    await desk.reach(reachable=False)
    order = await desk.order(("F4001", CAR))
    await desk.pay(order)
    desk.clock.move(days=3)
    assert (await desk.feature(order)).state is EntitlementState.ACTIVATING
    await desk.reach(reachable=True)
    assert (await desk.feature(order)).state is EntitlementState.ACTIVATING
    desk.clock.move(seconds=5)
    active = await desk.feature(order)
    assert (active.state, active.starts_at) == (EntitlementState.ACTIVE, desk.clock.now)


async def test_of_revoke_and_acknowledge_one_decides(desk: Desk) -> None:
    await desk.reach(reachable=False)
    order = await desk.order(("F4001", CAR))
    await desk.pay(order)
    waiting = await desk.feature(order)
    for key in ("a", "a", "b"):
        revoked = await desk.catalogue.revoke(waiting.id, idempotency_key=key)
        assert revoked.entity is not None
        assert revoked.entity.state is EntitlementState.REVOKED
    assert await desk.acknowledge(waiting, "ACTIVE") == 409
    again = await desk.order(("F4001", CAR))
    await desk.pay(again, "BP2")
    second = await desk.feature(again)
    assert await desk.acknowledge(second, "ACTIVE") == 200
    refused = await desk.catalogue.revoke(second.id, idempotency_key="c")
    assert [refusal.code for refusal in refused.refusals] == ["ALREADY_ACTIVE"]
    with pytest.raises(NotFound):
        await desk.catalogue.revoke("EN99999", idempotency_key="d")


async def test_car_that_refuses_is_not_asked_again(desk: Desk) -> None:
    order = await desk.order(("F4001", CAR))
    await desk.pay(order)
    assert await desk.acknowledge(await desk.feature(order), "FAILED") == 200
    desk.clock.move(minutes=1)
    failed = await desk.feature(order)
    assert failed.state is EntitlementState.ACTIVATION_FAILED
    revoked = await desk.catalogue.revoke(failed.id, idempotency_key="r")
    assert revoked.entity is not None
    assert revoked.entity.state is EntitlementState.ACTIVATION_FAILED


async def test_of_two_orders_for_one_feature_and_car_the_first_paid_has_it(desk: Desk) -> None:
    first = await desk.order(("F4001", CAR))
    second = await desk.order(("F4001", CAR), ("P1001", None))
    price = next(line.total.amount_minor for line in second.lines if line.product_id == "F4001")
    assert await desk.pay(first, "BP1") == (first.total.amount_minor, 0)
    assert await desk.pay(second, "BP2") == (second.total.amount_minor - price, price)
    assert (await desk.feature(first)).state is EntitlementState.ACTIVATING
    assert (await desk.feature(second)).state is EntitlementState.ACTIVATION_FAILED


async def test_order_whose_feature_is_being_activated_can_be_cancelled_until_the_car_has_it(desk: Desk) -> None:
    order = await desk.order(("F4001", CAR))
    await desk.pay(order)
    desk.clock.move(seconds=5)
    refused = await desk.carts.cancel_order(order.number, reason=None, idempotency_key="a")
    assert [refusal.code for refusal in refused.refusals] == ["NOT_CANCELLABLE"]
    other = await desk.order(("F4008", CAR))
    assert await desk.pay(other, "BP2") == (other.total.amount_minor, 0)
    done = await desk.carts.cancel_order(other.number, reason=None, idempotency_key="b")
    assert done.entity is not None
    assert (await desk.feature(other)).state is EntitlementState.REVOKED
    assert done.entity.total == Money(amount_minor=other.total.amount_minor)
