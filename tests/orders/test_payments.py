"""Payments, scenario by scenario, on both databases; the numbered traps of the domain by name."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bff.domain.base import Money
from bff.domain.payment import PaymentStatus, RefundStatus
from bff.domain.providers import ChargeState, ChargeStatus, Notice
from bff.durability.database import Database
from bff.orders.payment_facts import CaptureAsked, CloseAsked, RefundAsked
from bff.orders.payment_state import PaymentFlowState
from tests.orders.bank import PRICE, Bank, Desk, Fault, Till, Time

pytestmark = pytest.mark.anyio


@pytest.fixture
def till(database: Database) -> Till:
    return Till(database, Bank(), Desk(), Time())


@pytest.fixture
def other(till: Till) -> Till:
    """Another process on the same database."""
    return Till(till.database, till.bank, till.desk, till.time)


async def state_of(till: Till, payment: str = "BP1") -> PaymentFlowState:
    state: PaymentFlowState = (await till.flows.states("payment", [payment]))[payment]
    return state


async def rows(till: Till, sql: str) -> list[tuple[Any, ...]]:
    def script() -> Any:
        return (yield sql, ())

    found: list[tuple[Any, ...]] = await till.database.run(script, write=False)
    return found


async def paid(till: Till, payment: str = "BP1", **wanted: bool | int) -> Notice:
    """Opened, begun and paid; the notification that tells it, not delivered."""
    await till.open(payment, **wanted)
    await till.flows.settle()
    assert till.bank.pay(payment)
    return till.bank.notices[-1]


async def test_trap_1_the_same_notification_five_times_in_parallel(till: Till, other: Till) -> None:
    notice = await paid(till)
    answers = await asyncio.gather(*[each.notify(notice) for each in (till, other, till, other, till)])
    assert answers == [204] * 5
    await asyncio.gather(till.flows.settle(), other.flows.settle())
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED
    assert await rows(till, "SELECT kind, amount_minor FROM bff_ledger") == [("CAPTURE", PRICE.amount_minor)]
    assert await rows(till, "SELECT type FROM bff_outbox") == [("payment.succeeded.v1",)]
    assert till.desk.applied == {"BP1": PRICE.amount_minor}


async def test_trap_2_the_notification_comes_before_the_payment_was_begun_for_us(till: Till) -> None:
    await till.open("BP1")
    till.bank.faults.next.append(Fault.AFTER)  # it is made, but we do not hear so
    await till.flows.run_due()
    assert (await state_of(till)).status is PaymentStatus.CREATED
    assert till.bank.pay("BP1")
    assert await till.notify(till.bank.notices[0]) == 204
    till.time.pass_by(minutes=1)
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED
    assert till.desk.books == PRICE.amount_minor


async def test_forged_notification_changes_nothing(till: Till) -> None:
    notice = await paid(till)
    assert await till.notify(notice, signature="forged") == 400
    assert (await state_of(till)).status is PaymentStatus.REQUIRES_ACTION
    assert await rows(till, "SELECT id FROM bff_notice") == []


async def test_notification_of_a_payment_that_we_never_opened_is_acknowledged_and_begins_nothing(till: Till) -> None:
    stray = ChargeState(id="BP9", status=ChargeStatus.SUCCEEDED, raw_status="paid", amount=PRICE, captured=PRICE)
    assert await till.notify(Notice(id="stray", charge=stray)) == 204
    assert await rows(till, "SELECT id FROM bff_flow") == []


async def test_a_notification_that_never_comes_is_found_by_asking(till: Till) -> None:
    await paid(till)
    till.time.pass_by(seconds=11)
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED


@pytest.mark.parametrize("amount", [1, PRICE.amount_minor - 1, PRICE.amount_minor + 1])
async def test_another_amount_is_given_back_and_never_reaches_the_order(till: Till, amount: int) -> None:
    await till.open("BP1")
    await till.flows.settle()
    till.bank.pay("BP1", amount)
    await till.notify(till.bank.notices[0])
    await till.flows.settle()
    state = await state_of(till)
    assert (state.status, state.failure_code) == (PaymentStatus.FAILED, "AMOUNT_MISMATCH")
    assert till.bank.accounts["BP1"].net == 0
    assert till.desk.settled == {}


async def test_another_currency_is_another_amount(till: Till) -> None:
    await till.open("BP1")
    await till.flows.settle()
    dollars = Money(amount_minor=PRICE.amount_minor, currency="USD")
    said = ChargeState(id="BP1", status=ChargeStatus.SUCCEEDED, raw_status="paid", amount=dollars, captured=dollars)
    await till.notify(Notice(id="n", charge=said))
    assert (await state_of(till)).failure_code == "AMOUNT_MISMATCH"
    assert till.desk.settled == {}


async def test_of_two_payments_for_one_order_one_comes_back(till: Till) -> None:
    for payment in ("BP1", "BP2"):
        await till.notify(await paid(till, payment))
    await till.flows.settle()
    assert sorted(account.net for account in till.bank.accounts.values()) == [0, PRICE.amount_minor]
    assert till.desk.books == PRICE.amount_minor


async def test_late_success_on_a_cancelled_order_refunds_itself(till: Till) -> None:
    notice = await paid(till)
    till.desk.is_cancelled = True
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=None, reason="cancelled"))
    await till.flows.settle()
    await till.notify(notice)
    await till.flows.settle()
    assert till.bank.accounts["BP1"].net == 0
    assert [refund.status for refund in (await state_of(till)).refunds] == [RefundStatus.SUCCEEDED]


async def test_payment_that_was_closed_as_it_was_paid_counts(till: Till) -> None:
    await paid(till)
    await till.flows.tell("payment", "BP1", CloseAsked())
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED
    assert till.desk.books == PRICE.amount_minor


async def test_what_was_said_before_is_not_unsaid(till: Till) -> None:
    await till.notify(await paid(till))
    for number, status in enumerate((ChargeStatus.CLOSED, ChargeStatus.OPEN, ChargeStatus.FAILED)):
        await till.notify(Notice(id=f"old-{number}", charge=ChargeState(id="BP1", status=status, raw_status="old")))
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED
    assert till.desk.books == PRICE.amount_minor


async def test_refunds_never_exceed_what_was_taken(till: Till, other: Till) -> None:
    await till.notify(await paid(till))
    await till.flows.settle()
    half = Money(amount_minor=300_000)
    wishes = [RefundAsked(id=f"R{number}", amount=half, reason="x") for number in range(4)]
    told = await asyncio.gather(
        *[
            each.flows.tell("payment", "BP1", wish)
            for each, wish in zip((till, other, till, other), wishes, strict=True)
        ]
    )
    assert sorted(t.refusal.code if t.refusal else "" for t in told) == ["", *["REFUND_EXCEEDS_CAPTURED"] * 3]
    rest = RefundAsked(id="R9", amount=Money(amount_minor=200_000), reason="x")
    assert (await till.flows.tell("payment", "BP1", rest)).refusal is None
    await till.flows.settle()
    assert (till.bank.accounts["BP1"].net, till.bank.over_refunds, till.desk.books) == (0, 0, 0)


async def test_same_refund_asked_twice_is_one(till: Till) -> None:
    await till.notify(await paid(till))
    wish = RefundAsked(id="R1", amount=Money(amount_minor=100), reason="x")
    await till.flows.tell("payment", "BP1", wish)
    assert not (await till.flows.tell("payment", "BP1", wish)).is_changed
    await till.flows.settle()
    assert till.bank.accounts["BP1"].refunds == {"R1": 100}


async def test_refund_whose_answer_was_lost_is_done_once(till: Till) -> None:
    await till.notify(await paid(till))
    await till.flows.settle()
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=Money(amount_minor=100), reason="x"))
    till.bank.faults.next.append(Fault.AFTER)
    await till.flows.run_due()
    waiting = await till.flows.waiting_of(["BP1"])
    assert [(each.name, each.error) for each in waiting] == [("repay:R1", "OUTCOME_UNKNOWN")]
    till.time.pass_by(minutes=1)
    await till.flows.settle()
    assert till.bank.accounts["BP1"].refunds == {"R1": 100}
    assert (await state_of(till)).refunds[0].status is RefundStatus.SUCCEEDED


async def test_hold_is_taken_when_it_is_earned(till: Till) -> None:
    await till.notify(await paid(till, holds=True))
    await till.flows.settle()
    assert (till.bank.accounts["BP1"].captured, till.desk.books) == (0, PRICE.amount_minor)
    await till.flows.tell("payment", "BP1", CaptureAsked())
    await till.flows.settle()
    assert till.bank.accounts["BP1"].captured == PRICE.amount_minor
    assert (await state_of(till)).status is PaymentStatus.SUCCEEDED


async def test_hold_that_was_not_earned_is_let_go_and_never_taken(till: Till) -> None:
    await till.notify(await paid(till, holds=True))
    await till.flows.settle()
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=None, reason="not activated"))
    await till.flows.settle()
    account = till.bank.accounts["BP1"]
    assert (account.captured, account.held, till.desk.books) == (0, 0, 0)
    assert await rows(till, "SELECT kind FROM bff_ledger") == []


async def test_part_of_a_hold_is_taken_the_rest_let_go(till: Till) -> None:
    await till.notify(await paid(till, holds=True))
    await till.flows.settle()
    part = Money(amount_minor=200_000)
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=part, reason="one of two"))
    await till.flows.tell("payment", "BP1", CaptureAsked())
    await till.flows.settle()
    assert till.bank.accounts["BP1"].captured == till.desk.books == PRICE.amount_minor - part.amount_minor


async def test_charge_that_was_begun_while_it_was_closed_is_closed_again(till: Till) -> None:
    await till.open("BP1")
    await till.flows.tell("payment", "BP1", CloseAsked())
    await till.flows.settle()
    till.time.pass_by(minutes=3)
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.CLOSED
    assert not any(account.is_open for account in till.bank.accounts.values())


async def test_unpaid_payment_is_closed_when_its_time_is_over(till: Till) -> None:
    await till.open("BP1")
    await till.flows.settle()
    till.time.pass_by(hours=3)
    await till.flows.settle()
    assert (await state_of(till)).status is PaymentStatus.CLOSED
    assert not till.bank.accounts["BP1"].is_open
    assert await till.flows.waiting_of(["BP1"]) == []


async def test_who_pays_from_where_is_forgotten_once_the_provider_knows(till: Till) -> None:
    wish = msgspec.structs.replace(till.wish(), payer="oX-somebody", client_ip="203.0.113.9")
    await till.flows.tell("payment", "BP1", wish, reference="MO1")
    assert b"oX-somebody" in b"".join(bytes(row[0]) for row in await rows(till, "SELECT body FROM bff_effect"))
    await till.flows.settle()
    kept = await rows(till, "SELECT state FROM bff_flow") + await rows(till, "SELECT body FROM bff_effect")
    assert not any(secret in bytes(row[0]) for row in kept for secret in (b"oX-somebody", b"203.0.113.9"))


async def test_notifications_are_forgotten_when_no_provider_repeats_them_any_more(till: Till) -> None:
    await till.notify(await paid(till))
    till.time.pass_by(days=29)
    await till.notices.forget_old()
    assert len(await rows(till, "SELECT id FROM bff_notice")) == 1
    till.time.pass_by(days=2)
    await till.notices.forget_old()
    assert await rows(till, "SELECT id FROM bff_notice") == []


@pytest.mark.parametrize("applies", [True, False], ids=["the order had taken it", "another payment was quicker"])
async def test_what_is_wanted_back_while_it_is_being_taken_goes_back_when_it_has_arrived(
    till: Till, applies: bool
) -> None:
    await till.notify(await paid(till, holds=True))
    if applies:
        await till.flows.settle()
    else:
        till.desk.is_cancelled = True
    await till.flows.tell("payment", "BP1", CaptureAsked())
    told = await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=None, reason="cancelled"))
    assert told.refusal is None
    await till.flows.settle()
    account = till.bank.accounts["BP1"]
    assert (account.captured, account.net, till.desk.books) == (PRICE.amount_minor, 0, 0)
    assert await till.flows.waiting_of(["BP1"]) == []


async def test_hold_that_ran_out_while_it_was_being_taken_needs_no_refund(till: Till) -> None:
    await till.notify(await paid(till, holds=True))
    await till.flows.settle()
    await till.flows.tell("payment", "BP1", CaptureAsked())
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=Money(amount_minor=100), reason="x"))
    await till.bank.close("BP1", "")
    await till.flows.settle()
    account = till.bank.accounts["BP1"]
    assert (account.captured, account.refunds, till.desk.books) == (0, {}, 0)
    assert {refund.status for refund in (await state_of(till)).refunds} == {RefundStatus.SUCCEEDED}


async def test_part_of_a_hold_that_was_let_go_before_the_order_heard_of_it_is_in_its_books(till: Till) -> None:
    """Taken before the order has answered: what was let go is told to it once it has."""
    await till.notify(await paid(till, holds=True))
    part = Money(amount_minor=200_000)
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=part, reason="one of two"))
    await till.flows.tell("payment", "BP1", CaptureAsked())
    till.desk.faults.next.append(Fault.BEFORE)
    await till.flows.run_due()
    assert till.bank.accounts["BP1"].captured == PRICE.amount_minor - part.amount_minor
    till.time.pass_by(minutes=1)
    await till.flows.settle()
    assert till.desk.books == PRICE.amount_minor - part.amount_minor
    assert {refund.status for refund in (await state_of(till)).refunds} == {RefundStatus.SUCCEEDED}


async def test_hold_that_was_let_go_and_taken_after_all_goes_back(till: Till) -> None:
    await till.notify(await paid(till, holds=True))
    await till.flows.settle()
    closed = ChargeState(id="BP1", status=ChargeStatus.CLOSED, raw_status="canceled")
    await till.notify(Notice(id="closed", charge=closed))
    await till.flows.settle()
    assert till.desk.books == 0
    await till.bank.capture("BP1", "", PRICE)
    taken = ChargeState(id="BP1", status=ChargeStatus.SUCCEEDED, raw_status="paid", amount=PRICE, captured=PRICE)
    await till.notify(Notice(id="taken", charge=taken))
    await till.flows.settle()
    assert (till.bank.accounts["BP1"].net, till.desk.books) == (0, 0)
