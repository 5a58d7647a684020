"""Money that this service takes itself, as commerce's books follow it; and sales orders that it makes itself."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from adapters.commerce.settlements import CommerceSettlements
from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from bff.domain.base import Money
from bff.domain.payment import PaymentPurpose
from bff.domain.settlement import Settlement
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderStatus
from bff.errors import NotFound, UpstreamRejected
from sandbox.commerce.app import create
from sandbox.kit.server import System
from sandbox.payment.app import create as create_payment
from sandbox.world import World
from sandbox.world.configurations import CURRENT_SHARE_CODE
from sandbox.world.orders import TERMS_VERSION
from tests.sandbox_payment import begin, pay
from tests.sandbox_payment import settle as simulate
from tests.support import sandbox_upstream

pytestmark = pytest.mark.anyio
BUYER = "C0191"
NOTHING, INTENT, DEPOSIT = (Money(amount_minor=fen) for fen in (0, 100_000, 500_000))


class Hands:
    """A clock that the test turns."""

    def __init__(self, world: World) -> None:
        self.time = world.now

    def __call__(self) -> datetime:
        return self.time


class Commerce:
    """Commerce and the sandbox's own payment service over one world."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = world, Hands(world)
        self.system: System = create(world, self.clock)
        self.payment: System = create_payment(world, self.clock)
        self.orders = CommerceVehicleOrders(sandbox_upstream(self.system))
        self.settlements = CommerceSettlements(sandbox_upstream(self.system))

    async def place(self) -> VehicleOrder:
        outcome = await self.orders.place(
            BUYER, CURRENT_SHARE_CODE, delivery_centre="SH0217", terms_version=TERMS_VERSION, idempotency_key="place"
        )
        assert outcome.entity is not None
        return outcome.entity

    async def read(self, number: str) -> VehicleOrder:
        order = (await self.orders.orders([number]))[number]
        assert isinstance(order, VehicleOrder)
        return order

    async def settle(self, payment: str, number: str, purpose: str, amount: Money) -> Settlement:
        outcome = await self.settlements.settle(payment, number, PaymentPurpose(purpose), amount)
        assert outcome.entity is not None
        return outcome.entity

    async def repaid(self, payment: str, refund: str, amount: Money) -> Settlement:
        outcome = await self.settlements.repaid(payment, refund, amount)
        assert outcome.entity is not None
        return outcome.entity

    async def attach(self, number: str, sales_order: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.system)
        async with httpx.AsyncClient(transport=transport, base_url="http://commerce.test") as client:
            return await client.put(f"/vehicle-orders/{number}/sales-order", json={"salesOrder": sales_order})

    def codes(self, order: VehicleOrder) -> list[str]:
        return [record.code for record in self.world.otd_records_of(order.otd_number or "")]


@pytest.fixture
def commerce(world: World) -> Commerce:
    return Commerce(world)


async def test_what_an_order_owes_follows_what_was_paid(commerce: Commerce) -> None:
    draft = await commerce.place()
    intent = (await commerce.settlements.due(draft.number, PaymentPurpose.INTENT)).entity
    assert intent is not None
    assert (intent.customer_id, intent.amount) == (BUYER, INTENT)
    await commerce.settle("P1", draft.number, "INTENT", INTENT)
    deposit = (await commerce.settlements.due(draft.number, PaymentPurpose.DEPOSIT)).entity
    assert deposit is not None
    assert deposit.amount == Money(amount_minor=400_000), "the deposit contains the intent"
    again = await commerce.settlements.due(draft.number, PaymentPurpose.INTENT)
    early = await commerce.settlements.due(draft.number, PaymentPurpose.BALANCE)
    assert [refusal.code for refusal in (*again.refusals, *early.refusals)] == ["ALREADY_PAID", "ORDER_NOT_PAYABLE"]
    with pytest.raises(NotFound):
        await commerce.settlements.due("VO99999999", PaymentPurpose.INTENT)


async def test_a_payment_is_settled_once_and_the_payment_service_does_not_know_it(commerce: Commerce) -> None:
    draft = await commerce.place()
    told = await asyncio.gather(*(commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT) for _ in range(5)))
    assert {(one.applied, one.give_back) for one in told} == {(DEPOSIT, NOTHING)}
    order = await commerce.read(draft.number)
    assert (order.status, order.paid) == (VehicleOrderStatus.DEPOSIT_PAID, DEPOSIT)
    assert commerce.world.payments_of(draft.number) == []
    with pytest.raises(UpstreamRejected):
        await commerce.settle("P1", draft.number, "INTENT", INTENT)


async def test_what_the_order_does_not_want_is_given_back(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT)
    twice = await commerce.settle("P2", draft.number, "DEPOSIT", DEPOSIT)
    assert (twice.applied, twice.give_back) == (NOTHING, DEPOSIT)
    left = await commerce.repaid("P2", "R1", DEPOSIT)
    assert (left.applied, left.give_back) == (NOTHING, NOTHING)
    assert (await commerce.read(draft.number)).paid == DEPOSIT, "it was not the order's money"


async def test_a_refund_counts_once_and_never_beyond_the_payment(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT)
    part = Money(amount_minor=120_000)
    for _ in range(2):
        left = await commerce.repaid("P1", "R1", part)
        assert (left.applied, left.give_back) == (Money(amount_minor=380_000), NOTHING)
    assert (await commerce.read(draft.number)).paid == Money(amount_minor=380_000)
    for refund, amount in (("R1", INTENT), ("R2", DEPOSIT)):
        with pytest.raises(UpstreamRejected):
            await commerce.repaid("P1", refund, amount)
    with pytest.raises(NotFound):
        await commerce.repaid("P9", "R1", part)


async def test_cancelling_counts_direct_payments_and_leaves_them_to_whoever_took_them(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT)
    cancelled = (await commerce.orders.cancel(draft.number, reason=None, idempotency_key="c")).entity
    assert cancelled is not None
    assert (cancelled.status, cancelled.paid) == (VehicleOrderStatus.CANCELLED, DEPOSIT)
    late = await commerce.settle("P2", draft.number, "INTENT", INTENT)
    assert (late.applied, late.give_back) == (NOTHING, INTENT)
    await commerce.repaid("P1", "R1", DEPOSIT)
    assert (await commerce.read(draft.number)).paid == NOTHING


async def test_the_sales_order_is_told_and_the_feed_catches_up(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT)
    paid = await commerce.read(draft.number)
    assert (paid.sales_order, paid.otd_number) == (None, None), "whoever takes the money makes it"
    commerce.clock.time += timedelta(hours=168)
    assert (await commerce.read(draft.number)).status is VehicleOrderStatus.LOCKED
    for _ in range(2):
        assert (await commerce.attach(draft.number, "9001")).status_code == 200
    order = await commerce.read(draft.number)
    assert (order.sales_order, order.otd_number) == ("9001", "SO9001")
    assert commerce.codes(order) == ["1100", "1101", "1102"]
    other = await commerce.attach(draft.number, "9002")
    assert (other.status_code, other.json()["code"]) == (409, "SALES_ORDER_EXISTS")


async def test_a_cancelled_order_takes_no_sales_order(commerce: Commerce) -> None:
    draft = await commerce.place()
    assert (await commerce.attach(draft.number, "9001")).json()["code"] == "NOT_AMENDABLE"
    await commerce.settle("P1", draft.number, "INTENT", INTENT)
    await commerce.orders.cancel(draft.number, reason=None, idempotency_key="c")
    refused = await commerce.attach(draft.number, "9001")
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_AMENDABLE")


async def test_a_told_sales_order_is_not_rejected_by_commerce(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "INTENT", INTENT)
    commerce.world.sales_orders["9001"] = next(iter(commerce.world.sales_orders.values()))
    await commerce.attach(draft.number, "9001")
    await commerce.orders.cancel(draft.number, reason=None, idempotency_key="c")
    assert not commerce.world.sales_orders["9001"].rejected
    assert commerce.codes(await commerce.read(draft.number))[-1] == "9000"


async def test_two_ways_to_pay_come_to_one_sales_order(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "INTENT", INTENT)
    await pay(commerce.payment, BUYER, draft.number, "DEPOSIT", Money(amount_minor=400_000))
    order = await commerce.read(draft.number)
    assert (order.status, order.paid, order.sales_order) == (VehicleOrderStatus.DEPOSIT_PAID, DEPOSIT, None)


async def test_an_unpaid_draft_expires_and_its_build_place_is_free(commerce: Commerce) -> None:
    trim = commerce.world.trims["A7-SEVEN"]
    places = trim.stock
    draft = await commerce.place()
    assert draft.reserved_until == draft.created_at + timedelta(hours=24)
    intent = await begin(commerce.payment, BUYER, draft.number, "INTENT", INTENT)
    commerce.clock.time += timedelta(hours=24, seconds=-1)
    assert (await commerce.read(draft.number)).status is VehicleOrderStatus.DRAFT
    commerce.clock.time += timedelta(seconds=1)
    expired = await commerce.read(draft.number)
    assert (expired.status, expired.reserved_until) == (VehicleOrderStatus.CANCELLED, None)
    assert trim.stock == places
    late = await commerce.settle("P1", draft.number, "DEPOSIT", DEPOSIT)
    assert (late.applied, late.give_back) == (NOTHING, DEPOSIT)
    await simulate(commerce.payment, intent.id)
    assert (await commerce.read(draft.number)).paid == NOTHING


async def test_a_paid_order_does_not_expire(commerce: Commerce) -> None:
    draft = await commerce.place()
    await commerce.settle("P1", draft.number, "INTENT", INTENT)
    commerce.clock.time += timedelta(days=30)
    assert (await commerce.read(draft.number)).status is VehicleOrderStatus.INTENT_PAID


@pytest.mark.parametrize(
    ("number", "purpose"), [("MO500002", "MERCHANDISE"), ("VO00004762", "BALANCE"), ("BK300013", "SERVICE")]
)
async def test_every_kind_of_order_can_be_settled(commerce: Commerce, number: str, purpose: str) -> None:
    due = (await commerce.settlements.due(number, PaymentPurpose(purpose))).entity
    assert due is not None
    settled = await commerce.settle("P1", number, purpose, due.amount)
    assert (settled.applied, settled.give_back) == (due.amount, NOTHING)
    again = await commerce.settlements.due(number, PaymentPurpose(purpose))
    assert [refusal.code for refusal in again.refusals] == ["ALREADY_PAID"]


async def test_a_cancellation_of_unpaid_orders_only_leaves_a_paid_one(commerce: Commerce) -> None:
    paid = await commerce.place()
    await commerce.settle("P1", paid.number, "INTENT", INTENT)
    refused = await commerce.orders.cancel(paid.number, reason=None, idempotency_key="a", only_unpaid=True)
    assert [refusal.code for refusal in refused.refusals] == ["NOT_CANCELLABLE"]
    assert (await commerce.read(paid.number)).status is VehicleOrderStatus.INTENT_PAID
    assert (await commerce.orders.cancel(paid.number, reason=None, idempotency_key="b")).entity is not None


async def test_a_sales_order_of_two_makers_has_two_numbers(commerce: Commerce) -> None:
    """The ERP has given the number away that commerce would have taken."""
    draft = await commerce.place()
    orders = commerce.world.sales_orders
    orders[str(int(draft.number[2:]))] = other = next(iter(orders.values()))
    await pay(commerce.payment, BUYER, draft.number, "INTENT", INTENT)
    order = await commerce.read(draft.number)
    assert order.sales_order is not None
    assert orders[order.sales_order].customer_reference == draft.number
    assert orders[str(int(draft.number[2:]))] is other
