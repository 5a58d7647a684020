"""Reconciliation finds what was missed, mends what can be mended, and does nothing the second time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from bff.domain.base import Found, Money
from bff.domain.payment import PaymentProvider, PaymentStatus, RefundStatus
from bff.domain.vehicle_order import SalesOrderPort, VehicleOrderPort
from bff.durability.database import Database
from bff.orders.findings import Reconciled
from bff.orders.payment_facts import RefundAsked
from bff.orders.reconciliation import Reconciliation
from tests.orders.bank import PRICE, Bank, Desk, Fault, Till, Time

pytestmark = pytest.mark.anyio


class Nothing:
    """Commerce and an ERP without orders of cars."""

    async def orders(self, numbers: Sequence[str]) -> Found[str, Any]:
        return {}

    async def sales_orders(self, numbers: Sequence[str]) -> Found[str, Any]:
        return {}


@pytest.fixture
def till(database: Database) -> Till:
    return Till(database, Bank(), Desk(), Time())


async def reconcile(till: Till, *, mend: bool = True) -> Reconciled:
    orders, sales_orders = cast(VehicleOrderPort, Nothing()), cast(SalesOrderPort, Nothing())
    providers = {PaymentProvider.CARD: till.bank}
    work = Reconciliation(till.flows, till.database, providers, orders, sales_orders, mend=mend)
    return await work.run(till.time() - timedelta(days=8))


async def begun(till: Till, payment: str = "BP1") -> None:
    await till.open(payment)
    await till.flows.settle()


async def test_nothing_differs_where_all_is_well(till: Till) -> None:
    await begun(till)
    till.bank.pay("BP1")
    await till.notify(till.bank.notices[0])
    await till.flows.settle()
    assert await reconcile(till) == Reconciled(payments=1, orders=0, findings=[])


async def test_payment_that_nobody_told_of_is_taken_over_and_settled_once(till: Till) -> None:
    await begun(till)
    till.time.pass_by(seconds=1)
    till.bank.pay("BP1")
    first, second = await reconcile(till), await reconcile(till)
    assert [(each.about, each.did, each.is_left) for each in first.findings] == [("charge", "taken over", False)]
    assert first.findings[0].theirs == f"SUCCEEDED {PRICE.amount_minor} CNY"
    assert second.findings == []
    assert till.desk.books == PRICE.amount_minor


async def test_looking_only_changes_nothing(till: Till) -> None:
    await begun(till)
    till.bank.pay("BP1")
    done = await reconcile(till, mend=False)
    assert (done.is_clear, [each.did for each in done.findings]) == (False, ["would be taken over"])
    state = (await till.flows.states("payment", ["BP1"]))["BP1"]
    assert state.status is PaymentStatus.REQUIRES_ACTION


async def test_success_after_the_order_was_cancelled_is_found_and_given_back(till: Till) -> None:
    await begun(till)
    till.desk.is_cancelled = True
    till.bank.pay("BP1")
    assert (await reconcile(till)).is_clear
    assert till.bank.accounts["BP1"].net == 0
    assert (await reconcile(till)).findings == []


async def test_refund_that_we_never_heard_the_end_of_is_taken_over(till: Till) -> None:
    await begun(till)
    till.bank.pay("BP1")
    await till.notify(till.bank.notices[0])
    await till.flows.settle()
    await till.flows.tell("payment", "BP1", RefundAsked(id="R1", amount=Money(amount_minor=5), reason="x"))
    till.bank.faults.next.append(Fault.AFTER)
    await till.flows.run_due()
    done = await reconcile(till)
    assert [(each.about, each.id, each.did) for each in done.findings] == [("refund", "R1", "taken over")]
    state = (await till.flows.states("payment", ["BP1"]))["BP1"]
    assert state.refunds[0].status is RefundStatus.SUCCEEDED
    assert (await reconcile(till)).findings == []


async def test_books_that_somebody_changed_are_left_for_people(till: Till) -> None:
    await begun(till)
    till.bank.pay("BP1")
    await till.notify(till.bank.notices[0])
    await till.flows.settle()

    def tamper() -> Any:
        yield "UPDATE bff_ledger SET amount_minor = amount_minor - 1", ()

    await till.database.run(tamper)
    done = await reconcile(till)
    assert [(each.about, each.is_left) for each in done.findings] == [("ledger", True)]


async def test_provider_that_is_away_is_a_finding_and_not_an_end(till: Till) -> None:
    await begun(till)
    await begun(till, "BP2")
    till.bank.faults.next.append(Fault.BEFORE)
    done = await reconcile(till, mend=False)
    assert [each.theirs for each in done.findings] == ["not asked"]
    assert "run again" in done.findings[0].did


async def test_step_that_hangs_is_told_with_its_reason(till: Till) -> None:
    await till.open("BP1")
    till.bank.faults.next.extend([Fault.BEFORE] * 9)
    for _ in range(8):
        await till.flows.run_due()
        till.time.pass_by(minutes=10)
    till.bank.faults.next.appendleft(None)  # the query of the charge passes
    done = await reconcile(till, mend=False)
    assert ("step", "BP1/begin", "UPSTREAM_UNAVAILABLE") in [(e.about, e.id, e.theirs) for e in done.findings]
