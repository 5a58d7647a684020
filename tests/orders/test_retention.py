"""Ended flows go when their time is over, whole orders at once, and nothing that could still matter goes with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.domain.base import Money
from bff.domain.commerce import MerchandiseOrder, OrderState
from bff.domain.payment import PaymentProvider, PaymentPurpose, PaymentStatus, RefundStatus
from bff.domain.providers import ChargeState, ChargeStatus, Notice, RepaymentState
from bff.domain.service import BookingOrigin
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.durability.database import Database
from bff.durability.flow import Woken
from bff.durability.sqlite import SqliteDatabase
from bff.ordering import Ordering
from bff.orders import payment_facts as facts
from bff.orders import retention as retention_module
from bff.orders.booking_facts import BOOKING
from bff.orders.findings import Finding
from bff.orders.payment_facts import PAYMENT, RefundAsked
from bff.orders.payment_rules import decide
from bff.orders.payment_state import PaymentFlowState
from bff.orders.reconciliation import Reconciliation
from bff.orders.retention import KINDS, Retention
from bff.orders.shop_state import SHOP_ORDER
from bff.orders.vehicle_facts import VEHICLE_ORDER
from sandbox.world import World
from tests.orders.bank import PRICE, Bank, Fault, Till, Time
from tests.orders.bank import Desk as OrderDesk
from tests.orders.booking_kit import Desk as Workshop
from tests.orders.booking_kit import only
from tests.orders.dealership import INTENT, Dealership, Process
from tests.orders.shop_kit import CAR, CUP, HEATED, Floor
from tests.orders.test_reconciliation import reconcile
from tests.support import entered_context

pytestmark = pytest.mark.anyio
DAYS = 400


@pytest.fixture
def till(database: Database) -> Till:
    return Till(database, Bank(), OrderDesk(), Time())


@pytest.fixture
async def floor(database: Database) -> Floor:
    return Floor(database)


@pytest.fixture
async def memory() -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(None)
    yield opened
    await opened.aclose()


async def write(database: Database, *statements: str) -> None:
    def script() -> Any:
        for sql in statements:
            yield sql, ()

    await database.run(script)


async def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    def script() -> Any:
        return (yield sql, ())

    found: list[tuple[Any, ...]] = await database.run(script, write=False)
    return found


async def events_are_sent(database: Database) -> None:
    """What was published is deleted at once."""
    await write(database, "DELETE FROM bff_outbox")


async def kept(database: Database) -> list[str]:
    return sorted(row[0] for row in await rows(database, "SELECT kind FROM bff_flow"))


async def paid(till: Till, payment: str = "BP1", **wanted: bool | int) -> None:
    await till.open(payment, **wanted)
    await till.flows.settle()
    assert till.bank.pay(payment)
    assert await till.notify(till.bank.notices[-1]) == 204
    await till.flows.settle()


async def expire(till: Till) -> None:
    """Whatever is open is closed. Asking may move the closing to a little later."""
    till.time.pass_by(hours=3)
    await till.flows.settle()
    till.time.pass_by(minutes=1)
    await till.flows.settle()


# ── what goes, and when ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_payment_goes_when_its_days_are_over_and_is_counted(till: Till) -> None:
    retention = Retention(till.flows, till.database, days=DAYS)
    await paid(till)
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS - 1)
    await retention.purge()
    assert await kept(till.database) == [PAYMENT]
    till.time.pass_by(days=1, seconds=1)
    await retention.purge()
    assert await kept(till.database) == []
    assert retention.purged == dict.fromkeys(KINDS, 0) | {PAYMENT: 1}
    assert await rows(till.database, "SELECT kind, payment FROM bff_ledger") == [("CAPTURE", "BP1")], "the books stay"


async def test_nothing_goes_where_all_is_kept_for_ever(till: Till) -> None:
    await paid(till)
    await events_are_sent(till.database)
    till.time.pass_by(days=10_000)
    await Retention(till.flows, till.database, days=0).purge()
    assert await kept(till.database) == [PAYMENT]


async def test_order_goes_with_its_payments_and_not_before_any_of_them(floor: Floor) -> None:
    """The last change of any of them counts."""
    retention = Retention(floor.processes[0].flows, floor.database, days=DAYS)
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    floor.time.pass_by(days=300)
    asked = RefundAsked(id="R1", amount=Money(amount_minor=5), reason="a scratch")
    await floor.processes[0].flows.tell(PAYMENT, payment, asked)
    await floor.settle()
    await events_are_sent(floor.database)
    floor.time.pass_by(days=101)
    await retention.purge()
    assert await kept(floor.database) == [PAYMENT, SHOP_ORDER]
    floor.time.pass_by(days=300)
    await retention.purge()
    assert await kept(floor.database) == []
    assert (retention.purged[PAYMENT], retention.purged[SHOP_ORDER]) == (1, 1)


async def test_order_that_never_came_to_be_goes_by_itself(floor: Floor) -> None:
    retention = Retention(floor.processes[0].flows, floor.database, days=DAYS)
    seen = await floor.fill((CUP, None))
    await floor.fill((CUP, None))
    assert (await floor.place(seen, "k")).refusals
    floor.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(floor.database) == []


async def test_service_forgets_in_the_background(till: Till) -> None:
    await paid(till)
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    nothing: Any = None
    ordering = Ordering(till.database, clock=till.time, ports=lambda: nothing, retention_days=DAYS)
    ordering.start()
    async with asyncio.timeout(30):
        while await kept(till.database):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await ordering.aclose()
    assert ordering.retention.purged[PAYMENT] == 1


async def test_visit_goes_only_when_it_lies_long_back(world: World, database: Database) -> None:
    entered_context()
    desk = Workshop(world, database)
    retention = Retention(desk.process.flows, database, days=1)
    booking = only(await desk.book())
    assert (booking.start - desk.clock()).days >= 1
    await events_are_sent(database)
    desk.clock.move(86_400 + 1)
    await retention.purge()
    assert await kept(database) == [BOOKING]
    desk.clock.move((booking.start - desk.clock()).total_seconds() + 86_400 + 1)
    await retention.purge()
    assert await kept(database) == []
    cancelled = only(await desk.process.port.cancel(booking.id, reason=None, idempotency_key="later"))
    assert cancelled.id.origin is BookingOrigin.DMS, "it is the system's all the same"


async def test_order_of_a_car_goes_when_it_is_cancelled_and_all_is_undone(world: World, memory: SqliteDatabase) -> None:
    entered_context()
    dealership = Dealership(world)
    process = Process(dealership, memory)
    retention = Retention(process.flows, memory, days=DAYS)
    order = await process.place()
    await process.pay(order.number, PaymentPurpose.INTENT, INTENT)
    await events_are_sent(memory)
    dealership.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(memory) == [PAYMENT, VEHICLE_ORDER], "a car may be waited for"
    await process.cancel(order.number)
    await process.flows.settle()
    await events_are_sent(memory)
    dealership.time.pass_by(minutes=10)
    await process.flows.settle()
    state = (await process.flows.states_of(VEHICLE_ORDER, [order.number]))[order.number][0][1]
    assert (state.is_over, state.order.status) == (True, VehicleOrderStatus.CANCELLED)
    dealership.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(memory) == []


async def test_many_go_in_pages_and_those_who_stay_do_not_stand_in_the_way(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "PAGE", 3)
    monkeypatch.setattr(retention_module, "PAGES", 2)
    retention = Retention(till.flows, till.database, days=DAYS)
    for number in range(13):
        await till.flows.tell(PAYMENT, f"BP{number:02}", till.wish(), reference=f"MO{number}")
        till.time.pass_by(seconds=1)
    await till.flows.settle()
    await expire(till)
    await write(
        till.database,
        "UPDATE bff_flow SET changed_at = created_at",
        "INSERT INTO bff_effect (flow, name, body, created_at, due_at, owner, lease_until, attempts, error)"
        " SELECT id, 'wake:x', state, 0, 9000000000000, '', 0, 0, '' FROM bff_flow WHERE id < 'BP07'",
    )
    till.time.pass_by(days=DAYS + 1)
    gone = []
    for _ in range(5):
        await retention.purge()
        gone.append(retention.purged[PAYMENT])
    assert gone == [0, 5, 6, 6, 6]
    assert len(await kept(till.database)) == 7


async def test_all_is_looked_at_again_after_a_while_and_by_every_process(till: Till) -> None:
    processes = [Retention(till.flows, till.database, days=DAYS) for _ in range(2)]
    await till.open("BP1")
    await till.flows.settle()
    await expire(till)
    till.time.pass_by(days=DAYS, minutes=-2)
    await processes[0].purge()
    till.time.pass_by(minutes=3)
    await processes[0].purge()
    assert await kept(till.database) == [PAYMENT], "it was looked at just now"
    await asyncio.gather(*[each.purge() for each in processes])
    assert await kept(till.database) == []
    await till.open("BP2")
    await till.flows.settle()
    await expire(till)
    till.time.pass_by(days=DAYS, seconds=1)
    await asyncio.gather(*[each.purge() for each in processes])
    assert sum(each.purged[PAYMENT] for each in processes) == 2


# ── what stays ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_event_that_is_not_sent_keeps_its_order(till: Till) -> None:
    retention = Retention(till.flows, till.database, days=DAYS)
    await paid(till)
    for table in ("bff_outbox", "bff_outbox_insight"):
        till.time.pass_by(days=DAYS + 1)
        await retention.purge()
        assert await kept(till.database) == [PAYMENT], table
        if table == "bff_outbox":
            move = "INSERT INTO bff_outbox_insight SELECT position, id, subject, type, body, at FROM bff_outbox"
            await write(till.database, move, "DELETE FROM bff_outbox")
    await write(till.database, "DELETE FROM bff_outbox_insight")
    till.time.pass_by(hours=2)
    await retention.purge()
    assert await kept(till.database) == []


async def test_hold_stays_until_it_is_taken_or_let_go(till: Till) -> None:
    retention = Retention(till.flows, till.database, days=DAYS)
    await paid(till, holds=True)
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(till.database) == [PAYMENT]


async def test_refund_that_people_must_end_stays(till: Till) -> None:
    retention = Retention(till.flows, till.database, days=DAYS)
    await paid(till)
    await till.flows.tell(PAYMENT, "BP1", RefundAsked(id="R1", amount=None, reason="x"))
    await till.flows.settle()
    back = RepaymentState(id="R1", charge_id="BP1", status=RefundStatus.ABNORMAL, raw_status="ABNORMAL")
    assert await till.notify(Notice(id="n9", repayment=back)) == 204
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(till.database) == [PAYMENT]


async def test_step_that_fails_for_ever_stays(till: Till) -> None:
    retention = Retention(till.flows, till.database, days=DAYS)
    await paid(till)
    await till.flows.tell(PAYMENT, "BP1", RefundAsked(id="R1", amount=Money(amount_minor=5), reason="x"))
    till.bank.faults.next.append(Fault.BEFORE)
    await till.flows.run_due()
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(till.database) == [PAYMENT]


async def test_feature_that_no_car_has_confirmed_stays(floor: Floor) -> None:
    retention = Retention(floor.processes[0].flows, floor.database, days=DAYS)
    await floor.reach(reachable=False)
    await floor.pay(await floor.order((HEATED, CAR)))
    await events_are_sent(floor.database)
    floor.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(floor.database) == [PAYMENT, SHOP_ORDER]


async def test_cancelled_order_stays_until_its_money_is_back(floor: Floor) -> None:
    retention = Retention(floor.processes[0].flows, floor.database, days=DAYS)
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    assert (await floor.cancel(order.number)).entity is not None
    assert not (await floor.state(order.number)).is_over
    await floor.settle()
    assert floor.bank.accounts[payment].net == 0
    assert (await floor.state(order.number)).is_over
    await events_are_sent(floor.database)
    floor.time.pass_by(days=DAYS + 1)
    await retention.purge()
    assert await kept(floor.database) == []
    assert await left_behind(floor) == []


@pytest.mark.parametrize("holds", [False, True])
async def test_what_is_over_wants_nothing_more_by_itself(memory: SqliteDatabase, holds: bool) -> None:
    """Only a provider, or somebody who asks for money back, could still move a payment that is over."""
    till = Till(memory, Bank(), OrderDesk(), Time())
    await till.open("BP1", holds=holds)
    await till.flows.settle()
    if not holds:
        await paid(till, "BP2")
    till.time.pass_by(days=2)
    await till.flows.settle()
    states = await till.flows.states(PAYMENT, ["BP1", "BP2"])
    nothing, all_of_it = Money(amount_minor=0), PRICE
    told: list[facts.PaymentFact] = [
        facts.CloseAsked(),
        facts.CaptureAsked(),
        facts.OrderSettled(applied=nothing, give_back=all_of_it),
        facts.OrderToldOfRefund(id="R"),
        Woken(reason="expiry"),
    ]
    for payment, state in states.items():
        assert (state.is_over, await till.flows.waiting_of([payment])) == (True, [])
        for fact in told:
            decided = decide(payment, state, fact, till.time())
            assert decided is None or not (decided.effects or decided.events or decided.entries), fact


@pytest.mark.parametrize("status", [PaymentStatus.CREATED, PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING])
def test_payment_under_way_is_not_over(status: PaymentStatus) -> None:
    assert not PaymentFlowState(opened=OPENED, status=status, created_at=OPENED.expires_at).is_over


OPENED = Till(SqliteDatabase(None), Bank(), OrderDesk(), Time()).wish()


# ── what comes all the same ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def forgotten(till: Till) -> Till:
    """BP1 was paid, BP2 closed; neither is kept any more."""
    await till.open("BP2")
    await till.flows.settle()
    await expire(till)
    await paid(till)
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    await Retention(till.flows, till.database, days=DAYS).purge()
    assert await kept(till.database) == []
    return till


def charged(payment: str, status: ChargeStatus = ChargeStatus.SUCCEEDED) -> Notice:
    state = ChargeState(id=payment, status=status, raw_status=status.value, amount=PRICE, transaction="t9")
    return Notice(id=f"late-{payment}-{status.value}", charge=state)


def repaid(payment: str, refund: str, status: RefundStatus = RefundStatus.SUCCEEDED) -> Notice:
    state = RepaymentState(id=refund, charge_id=payment, status=status, raw_status=status.value, amount=PRICE)
    return Notice(id=f"late-{refund}-{status.value}", repayment=state)


async def money(till: Till) -> list[tuple[str, str, str]]:
    findings = (await reconcile(till)).findings
    return [(each.id, each.order_number, each.theirs) for each in findings if each.about == "money"]


async def test_late_notification_of_what_the_books_know_changes_nothing(forgotten: Till) -> None:
    for payment, status in (("BP1", ChargeStatus.SUCCEEDED), ("BP2", ChargeStatus.CLOSED)):
        assert await forgotten.notify(charged(payment, status)) == 204
    assert await kept(forgotten.database) == []
    assert (await reconcile(forgotten)).findings == []


async def test_money_that_came_for_a_forgotten_payment_is_told_to_people_until_it_is_back(forgotten: Till) -> None:
    for _ in range(3):
        assert await forgotten.notify(charged("BP2")) == 204
    assert await kept(forgotten.database) == [], "nobody begins to pay for an order that is over"
    assert await money(forgotten) == [("BP2", "", "500000 CNY")]
    assert not (await reconcile(forgotten)).is_clear
    assert await forgotten.notify(repaid("BP2", "by-hand")) == 204
    assert (await reconcile(forgotten)).findings == []


async def test_refund_of_a_forgotten_payment_is_told_with_the_order_that_it_was_for(forgotten: Till) -> None:
    assert await forgotten.notify(repaid("BP1", "by-hand")) == 204
    assert await money(forgotten) == [("BP1", "MO1", "-500000 CNY")]


async def test_refund_that_a_bank_sends_back_is_told_and_one_that_never_went_is_not(till: Till) -> None:
    await paid(till)
    await till.flows.tell(PAYMENT, "BP1", RefundAsked(id="R1", amount=None, reason="x"))
    await till.flows.settle()
    await events_are_sent(till.database)
    till.time.pass_by(days=DAYS + 1)
    await Retention(till.flows, till.database, days=DAYS).purge()
    assert await till.notify(repaid("BP1", "R1")) == 204
    assert await till.notify(repaid("BP1", "R2", RefundStatus.ABNORMAL)) == 204
    assert await money(till) == []
    assert await till.notify(repaid("BP1", "R1", RefundStatus.ABNORMAL)) == 204
    assert await money(till) == [("BP1", "MO1", "500000 CNY")]


async def test_payments_of_others_at_the_same_provider_are_not_ours_to_tell_of(forgotten: Till) -> None:
    """The payment service may have the same merchant's account."""
    assert await forgotten.notify(charged("PI-of-the-service")) == 204
    assert await money(forgotten) == []


async def test_order_that_is_cancelled_when_its_payment_is_forgotten_is_told_to_people(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    payment = await floor.pay(order)
    await events_are_sent(floor.database)
    floor.time.pass_by(days=DAYS + 1)
    await Retention(floor.processes[0].flows, floor.database, days=DAYS).purge()
    assert await kept(floor.database) == []
    assert await left_behind(floor) == []
    cancelled = await floor.cancel(order.number)
    assert isinstance(cancelled.entity, MerchandiseOrder)
    assert cancelled.entity.order_state is OrderState.CANCELLED
    (finding,) = await left_behind(floor)
    assert (finding.id, finding.order_number, finding.theirs) == (
        payment, order.number, f"{order.total.amount_minor} CNY",
    )  # fmt: skip


async def left_behind(floor: Floor) -> list[Finding]:
    flows, ports = floor.processes[0].flows, {PaymentProvider.CARD: floor.bank}
    nothing: Any = None
    work = Reconciliation(flows, floor.database, ports, nothing, nothing)
    return [each for each in (await work.run(floor.time.now.replace(year=2000))).findings if each.about == "money"]
