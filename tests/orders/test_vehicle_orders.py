"""The order of a car from the first wish to its end, over the sandbox's commerce and ERP."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bff.domain.base import Money, Outcome
from bff.domain.order_steps import StepOutcome
from bff.domain.payment import PaymentPurpose, PaymentStatus
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderStatus
from bff.durability.database import Database
from bff.durability.sqlite import SqliteDatabase
from bff.errors import IdempotencyKeyReused, NotFound, OutcomeUnknown, UpstreamUnavailable
from sandbox.world import World
from sandbox.world.configurations import WITHDRAWN_SHARE_CODE
from tests.orders.bank import Fault
from tests.orders.dealership import BUYER, DEPOSIT, INTENT, NOTHING, TRIM, Dealership, Process
from tests.support import entered_context

pytestmark = pytest.mark.anyio
REST = Money(amount_minor=400_000)
CUT = {"kind": "truncate", "times": 1, "bytes": 0}
"""Done, and the answer lost."""


@pytest.fixture
def dealership(world: World) -> Dealership:
    entered_context()
    return Dealership(world)


@pytest.fixture
def process(dealership: Dealership) -> Process:
    return Process(dealership, SqliteDatabase(None))


def codes(outcome: Outcome[VehicleOrder]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


# ── placing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_placing_again_is_the_same_order(process: Process, dealership: Dealership) -> None:
    places = dealership.places
    order = await process.place()
    assert dealership.commerce.stats.paths == {"/vehicle-orders": 1}, "what commerce answered is not asked again"
    assert (order.status, order.reserved_until) == (
        VehicleOrderStatus.DRAFT,
        order.created_at + timedelta(hours=24),
    )
    assert await process.place() == order
    assert dealership.places == places - 1
    assert await process.pending(order.number) == []
    with pytest.raises(IdempotencyKeyReused):
        await process.try_to_place(share_code=WITHDRAWN_SHARE_CODE)


async def test_a_refusal_is_told_again_under_its_key(process: Process, dealership: Dealership) -> None:
    for _ in range(2):
        assert codes(await process.try_to_place("k1", WITHDRAWN_SHARE_CODE)) == ["NOT_BUILDABLE"]
        with pytest.raises(NotFound):
            await process.try_to_place("k2", "00000000")
    assert await process.orders.placements(BUYER) == []
    assert [path for path in dealership.commerce.stats.paths if path.startswith("/vehicle-orders")] == [
        "/vehicle-orders"
    ]
    assert dealership.commerce.stats.paths["/vehicle-orders"] == 2


async def test_a_lost_answer_to_placing_is_found_out(process: Process, dealership: Dealership) -> None:
    places = dealership.places
    await dealership.fault(dealership.commerce, {**CUT, "match": "shareCode"})
    with pytest.raises(OutcomeUnknown):
        await process.place()
    placement = (await process.orders.placements(BUYER))[0]
    assert [(step.step.value, step.outcome) for step in placement.pending] == [("PLACING", StepOutcome.UNKNOWN)]
    await process.later(seconds=5)
    order = await process.place()
    assert dealership.places == places - 1
    assert await process.orders.placements(BUYER) == []
    assert (await process.state(order.number)).wanted is not None


async def test_an_order_seen_before_its_flow_knows_it_stays_with_that_flow(
    process: Process, dealership: Dealership
) -> None:
    await dealership.fault(dealership.commerce, {**CUT, "match": "shareCode"})
    with pytest.raises(OutcomeUnknown):
        await process.place()
    number = max(dealership.world.vehicle_orders)
    dealership.time.pass_by(seconds=2)
    assert (await process.cancel(number)).entity is not None
    assert (await process.state(number)).wanted is not None, "one flow, and it is the one that placed it"


async def test_an_order_made_elsewhere_is_adopted(process: Process, dealership: Dealership) -> None:
    outcome = await process.cancel("VO00004722")
    assert outcome.entity is not None
    assert outcome.entity.status is VehicleOrderStatus.CANCELLED
    await process.flows.settle()
    assert (await process.state("VO00004722")).is_over
    assert dealership.sales_orders("VO00004722") == [("4722", True)]
    with pytest.raises(NotFound):
        await process.cancel("VO99999999")


# ── paying ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_money_makes_the_sales_order(process: Process, dealership: Dealership) -> None:
    draft = await process.place()
    await process.pay(draft.number, PaymentPurpose.INTENT, INTENT)
    order = await process.read(draft.number)
    made = dealership.sales_orders(draft.number)
    assert (order.status, order.paid) == (VehicleOrderStatus.INTENT_PAID, INTENT)
    assert made == [(order.sales_order, False)]
    assert order.sales_order is not None
    billed = dealership.world.sales_orders[order.sales_order]
    assert billed.sold_to == order.sold_to
    rounding = len(billed.items)  # each item's tax is rounded by itself
    assert abs(billed.net_fen + billed.tax_fen - order.total.amount_minor) <= rounding
    await process.pay(draft.number, PaymentPurpose.DEPOSIT, REST)
    assert (await process.read(draft.number)).status is VehicleOrderStatus.DEPOSIT_PAID
    assert dealership.sales_orders(draft.number) == made
    assert dealership.codes(draft.number) == ["1100", "1101"]
    assert await process.pending(draft.number) == []


@pytest.mark.parametrize("is_done", [True, False])
async def test_an_uncertain_create_in_the_erp_comes_to_one_sales_order(
    process: Process, dealership: Dealership, is_done: bool
) -> None:
    draft = await process.place()
    fault = CUT if is_done else {"kind": "status", "status": 503, "times": 1}
    await dealership.fault(dealership.erp, {**fault, "match": 'PurchaseOrderByCustomer"'})
    await process.pay(draft.number, PaymentPurpose.INTENT, INTENT)
    assert len(dealership.sales_orders(draft.number)) == int(is_done)
    [step] = await process.pending(draft.number)
    known = StepOutcome.UNKNOWN if is_done else StepOutcome.PENDING
    assert (step.step.value, step.outcome, step.attempts) == ("CREATING_SALES_ORDER", known, 1)
    await process.later(minutes=1)
    order = await process.read(draft.number)
    assert dealership.sales_orders(draft.number) == [(order.sales_order, False)]
    assert await process.pending(draft.number) == []


async def test_an_erp_in_maintenance_for_an_hour_delays_the_sales_order_only(
    process: Process, dealership: Dealership
) -> None:
    draft = await process.place()
    await dealership.fault(dealership.erp, {"kind": "maintenance"})
    await process.pay(draft.number, PaymentPurpose.DEPOSIT, DEPOSIT)
    for _ in range(12):
        await process.later(minutes=5)
    order = await process.read(draft.number)
    assert (order.status, order.sales_order, order.paid) == (VehicleOrderStatus.DEPOSIT_PAID, None, DEPOSIT)
    [step] = await process.pending(draft.number)
    assert step.step.value == "CREATING_SALES_ORDER"
    assert step.error is not None
    assert step.attempts >= 12
    assert (await process.lock(order)).entity is not None, "the customer need not wait for the ERP"
    await dealership.fault(dealership.erp)
    await process.later(minutes=10)
    locked = await process.read(draft.number)
    assert dealership.sales_orders(draft.number) == [(locked.sales_order, False)]
    assert dealership.codes(draft.number) == ["1100", "1101", "1102"]
    assert await process.pending(draft.number) == []


async def test_a_sales_order_that_the_erp_refuses_is_tried_again_once_it_may_be_mended(
    process: Process, dealership: Dealership
) -> None:
    draft = await process.place()
    prices = dealership.world.price_conditions
    missing = next(condition for condition in prices.values() if condition.material == TRIM)
    del prices[missing.record]
    await process.pay(draft.number, PaymentPurpose.INTENT, INTENT)
    [step] = await process.pending(draft.number)
    assert (step.step.value, step.error, step.outcome) == (
        "CREATING_SALES_ORDER", "MATERIAL_UNKNOWN", StepOutcome.PENDING,
    )  # fmt: skip
    prices[missing.record] = missing
    await process.later(hours=1)
    assert len(dealership.sales_orders(draft.number)) == 1


# ── locking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lock_is_bound_to_what_was_confirmed(process: Process) -> None:
    order = await process.deposited()
    assert codes(await process.lock(order, "a", configuration_hash="0" * 64)) == ["CONFIGURATION_CHANGED"]
    assert codes(await process.lock(order, "b", total=Money(amount_minor=1))) == ["PRICE_CHANGED"]
    assert codes(await process.lock(order, "c", terms_version="2019-01")) == ["TERMS_CHANGED"]
    locked = (await process.lock(order, "d")).entity
    assert locked is not None
    assert locked.status is VehicleOrderStatus.LOCKED
    assert (await process.lock(order, "d")).entity == locked, "the same key, the same answer"
    assert codes(await process.lock(order, "e")) == ["ALREADY_LOCKED"]
    assert codes(await process.lock(order, "a", configuration_hash="0" * 64)) == ["CONFIGURATION_CHANGED"]
    with pytest.raises(IdempotencyKeyReused):
        await process.lock(order, "a")


async def test_a_draft_cannot_be_locked(process: Process) -> None:
    assert codes(await process.lock(await process.place())) == ["NOT_LOCKABLE"]


async def test_an_uncertain_lock_is_shown_and_found_out(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    await dealership.fault(dealership.commerce, {**CUT, "match": "/lock"})
    with pytest.raises(OutcomeUnknown):
        await process.lock(order)
    assert [(s.step.value, s.outcome) for s in await process.pending(order.number)] == [
        ("LOCKING", StepOutcome.UNKNOWN)
    ]
    await process.later(seconds=5)
    assert (await process.lock(order)).entity is not None
    assert dealership.codes(order.number).count("1102") == 1


async def test_the_order_locks_itself_at_hour_168(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    await process.later(hours=167, minutes=59)
    assert (await process.read(order.number)).locked_at is None
    await process.later(minutes=1)
    state = await process.state(order.number)
    assert state.order is not None
    assert (state.order.status, state.order.locked_at) == (VehicleOrderStatus.LOCKED, order.cooling_off_ends_at)
    assert codes(await process.cancel(order.number)) == ["NOT_CANCELLABLE"]


async def test_downtime_of_more_than_168_hours_ends_in_a_lock_as_of_its_hour(
    world: World, dealership: Dealership
) -> None:
    database = SqliteDatabase(None)
    order = await Process(dealership, database).deposited()
    dealership.time.pass_by(hours=400)
    reborn = Process(dealership, database)
    await reborn.flows.settle()
    state = await reborn.state(order.number)
    assert state.order is not None
    assert (state.order.status, state.order.locked_at) == (VehicleOrderStatus.LOCKED, order.cooling_off_ends_at)
    assert await reborn.pending(order.number) == []
    await database.aclose()


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_cancellation_gives_everything_back_in_order(process: Process, dealership: Dealership) -> None:
    places = dealership.places
    draft = await process.place()
    paid = await process.pay(draft.number, PaymentPurpose.INTENT, INTENT)
    open_one = await process.open(draft.number, PaymentPurpose.DEPOSIT, REST)
    outcome = await process.cancel(draft.number)
    assert outcome.entity is not None
    assert (outcome.entity.status, dealership.places) == (VehicleOrderStatus.CANCELLED, places)
    assert "CANCELLING_SALES_ORDER" in await process.steps(draft.number)
    await process.flows.settle()
    assert [rejected for _, rejected in dealership.sales_orders(draft.number)] == [True]
    assert dealership.bank.accounts[paid].net == 0
    assert not dealership.bank.accounts[open_one.id].is_open
    assert (await process.read(draft.number)).paid == NOTHING
    assert (await process.state(draft.number)).is_over
    assert await process.pending(draft.number) == []
    assert (await process.cancel(draft.number)).entity is not None, "the same key, the same answer"
    assert codes(await process.cancel(draft.number, "again")) == ["NOT_CANCELLABLE"]


async def test_what_a_cancellation_still_owes_is_shown_until_it_is_done(
    process: Process, dealership: Dealership
) -> None:
    order = await process.deposited()
    await dealership.fault(dealership.erp, {"kind": "maintenance"})
    assert (await process.cancel(order.number)).entity is not None
    await process.later(minutes=30)
    assert await process.steps(order.number) == {"CANCELLING_SALES_ORDER"}
    assert dealership.refunded == DEPOSIT.amount_minor, "money does not wait for an ERP that sleeps"
    await dealership.fault(dealership.erp)
    await process.later(minutes=10)
    assert await process.pending(order.number) == []


async def test_a_refund_that_fails_is_shown_with_its_error(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    dealership.bank.faults.next.append(Fault.BEFORE)
    assert (await process.cancel(order.number)).entity is not None
    await process.flows.settle()
    [step] = await process.pending(order.number)
    assert (step.step.value, step.error) == ("REFUNDING", "UPSTREAM_UNAVAILABLE")
    await process.later(minutes=1)
    assert await process.pending(order.number) == []


async def test_an_uncertain_cancellation_is_found_out(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    await dealership.fault(dealership.commerce, {**CUT, "match": "/cancel"})
    with pytest.raises(OutcomeUnknown):
        await process.cancel(order.number)
    assert await process.steps(order.number) == {"CANCELLING"}
    await process.later(seconds=5)
    assert (await process.cancel(order.number)).entity is not None
    assert (await process.state(order.number)).is_over


async def test_a_cancellation_that_reached_nobody_says_so_and_goes_on(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    await dealership.fault(dealership.commerce, {"kind": "drop", "times": 1, "match": "/cancel"})
    with pytest.raises((UpstreamUnavailable, OutcomeUnknown)):
        await process.cancel(order.number)
    await process.later(seconds=5)
    assert (await process.read(order.number)).status is VehicleOrderStatus.CANCELLED


async def test_cancelling_while_the_sales_order_is_being_made_leaves_none(
    dealership: Dealership,
) -> None:
    """The create is under way in one process, slow and not to be stopped, when another cancels the order."""
    database = SqliteDatabase(None)
    first, second = Process(dealership, database), Process(dealership, database)
    draft = await first.place()
    await dealership.fault(
        dealership.erp, {"kind": "delay", "milliseconds": 2500, "times": 1, "match": 'PurchaseOrderByCustomer"'}
    )
    paying = asyncio.create_task(first.pay(draft.number, PaymentPurpose.INTENT, INTENT))
    while not dealership.erp.faulty.faults[0].struck:  # noqa: ASYNC110 - the sandbox counts, and tells nobody
        await asyncio.sleep(0.01)
    assert (await second.cancel(draft.number)).entity is not None
    await second.flows.settle()
    assert dealership.sales_orders(draft.number) == [], "not made yet when it was looked for"
    await paying
    assert [rejected for _, rejected in dealership.sales_orders(draft.number)] == [False], "it came late"
    assert await second.steps(draft.number) == {"CANCELLING_SALES_ORDER"}
    await second.later(minutes=3)
    assert [rejected for _, rejected in dealership.sales_orders(draft.number)] == [True]
    assert (await second.state(draft.number)).is_over
    await database.aclose()


async def test_cancelling_after_an_uncertain_create_finds_what_was_made(
    process: Process, dealership: Dealership
) -> None:
    """The ERP has made it, this service has no number for it: it is found by the order's."""
    draft = await process.place()
    await dealership.fault(dealership.erp, {**CUT, "match": 'PurchaseOrderByCustomer"'})
    await process.pay(draft.number, PaymentPurpose.INTENT, INTENT)
    assert [rejected for _, rejected in dealership.sales_orders(draft.number)] == [False]
    assert (await process.state(draft.number)).sales.number is None
    assert (await process.cancel(draft.number)).entity is not None
    await process.flows.settle()
    assert [rejected for _, rejected in dealership.sales_orders(draft.number)] == [True]
    assert (await process.state(draft.number)).is_over
    assert dealership.refunded == INTENT.amount_minor


async def test_money_that_arrives_after_the_cancellation_goes_back(process: Process, dealership: Dealership) -> None:
    draft = await process.place()
    payment = await process.open(draft.number, PaymentPurpose.DEPOSIT, DEPOSIT)
    assert (await process.cancel(draft.number)).entity is not None
    await process.paid(payment.id)
    await process.flows.settle()
    assert dealership.bank.accounts[payment.id].net == 0
    assert dealership.sales_orders(draft.number) == []
    assert (await process.state(draft.number)).is_over


# ── the time ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_unpaid_draft_expires(process: Process, dealership: Dealership) -> None:
    places = dealership.places
    draft = await process.place()
    payment = await process.open(draft.number, PaymentPurpose.INTENT, INTENT)
    await process.later(hours=24)
    assert (await process.read(draft.number)).status is VehicleOrderStatus.CANCELLED
    assert dealership.places == places
    intents = (await process.payments.intents([payment.id]))[payment.id]
    assert not isinstance(intents, BaseException)
    assert intents.status is PaymentStatus.CLOSED
    state = await process.state(draft.number)
    assert state.is_over
    assert [wish.reason for wish in state.wishes] == ["not paid in time"]


async def test_a_draft_paid_in_the_last_second_does_not_expire(process: Process, dealership: Dealership) -> None:
    """Commerce has the money; this service has not heard of it when the hour comes."""
    draft = await process.place()
    dealership.time.pass_by(hours=23, minutes=59, seconds=59)
    payment = await process.open(draft.number, PaymentPurpose.INTENT, INTENT)
    await process.paid(payment.id)
    assert await process.flows.run_due() == 1, "commerce is told"
    dealership.time.pass_by(seconds=1)
    await process.flows.settle()
    order = await process.read(draft.number)
    assert (order.status, order.paid) == (VehicleOrderStatus.INTENT_PAID, INTENT)
    assert dealership.sales_orders(draft.number) == [(order.sales_order, False)]


async def test_what_becomes_of_an_order_elsewhere_is_adopted(process: Process, dealership: Dealership) -> None:
    order = await process.deposited()
    assert (await process.lock(order)).entity is not None
    dealership.world.vehicle_orders[order.number].status = "IN_FULFILMENT"
    await process.later(days=1, seconds=1)
    state = await process.state(order.number)
    assert state.order is not None
    assert state.order.status is VehicleOrderStatus.IN_FULFILMENT


# ── trap 3 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock_first", [True, False])
@pytest.mark.parametrize("seconds", [-1, 0])
async def test_trap_3_lock_and_cancel_at_hour_168_exactly_one_wins(
    dealership: Dealership, database: Database, lock_first: bool, seconds: int
) -> None:
    """Two processes; a second before the hour either may win, from the hour on the lock has."""
    locks, cancels = Process(dealership, database), Process(dealership, database)
    order = await locks.deposited()
    dealership.time.pass_by(hours=168, seconds=seconds)
    wishes = [locks.lock(order), cancels.cancel(order.number)]
    told = await asyncio.gather(*(wishes if lock_first else reversed(wishes)))
    locked, cancelled = told if lock_first else reversed(told)
    await asyncio.gather(locks.flows.settle(), cancels.flows.settle())
    after = await locks.read(order.number)
    if after.status is VehicleOrderStatus.LOCKED:
        assert codes(cancelled) == ["NOT_CANCELLABLE"]
        assert locked.entity is not None or codes(locked) == ["ALREADY_LOCKED"]
        assert after.paid == DEPOSIT
    else:
        assert seconds < 0, "from the hour on it is locked"
        assert (after.status, after.paid) == (VehicleOrderStatus.CANCELLED, NOTHING)
        assert cancelled.entity is not None
        assert codes(locked) == ["NOT_LOCKABLE"]
    assert [rejected for _, rejected in dealership.sales_orders(order.number)] == [
        after.status is VehicleOrderStatus.CANCELLED
    ]
    assert (await cancels.state(order.number)).order is not None
    assert await cancels.pending(order.number) == []


async def test_trap_3_the_second_wish_waits_for_the_answer_to_the_first(
    process: Process, dealership: Dealership
) -> None:
    """A lock whose answer is lost, then a cancellation: commerce is not asked for it before the lock is certain."""
    order = await process.deposited()
    await dealership.fault(dealership.commerce, {**CUT, "match": "/lock"})
    with pytest.raises(OutcomeUnknown):
        await process.lock(order)
    with pytest.raises(OutcomeUnknown):
        await process.cancel(order.number)
    assert [step.step.value for step in await process.pending(order.number)] == ["LOCKING", "CANCELLING"]
    assert f"/vehicle-orders/{order.number}/cancel" not in dealership.commerce.stats.paths
    await process.later(seconds=5)
    assert codes(await process.cancel(order.number)) == ["NOT_CANCELLABLE"]
    assert (await process.lock(order)).entity is not None
