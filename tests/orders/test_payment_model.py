"""Payments against a model: whatever is lost, repeated, late or out of order, the money is where the books say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bff.domain.base import Money
from bff.durability.sqlite import SqliteDatabase
from bff.orders.payment_facts import CaptureAsked, CloseAsked, RefundAsked
from tests.orders.bank import PRICE, Bank, Desk, Fault, Till, Time

PAYMENTS = ("BP1", "BP2")
faults = st.lists(st.sampled_from([None, Fault.BEFORE, Fault.AFTER]), max_size=3)


class PaymentMachine(RuleBasedStateMachine):
    """One order, up to three tries to pay it, two processes, a bank and a desk that lose answers."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = SqliteDatabase(None)
        self.bank, self.desk, self.time = Bank(), Desk(), Time()
        self.tills = [Till(self.database, self.bank, self.desk, self.time) for _ in range(2)]
        self.opened: set[str] = set()
        self.asked = 0

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(holds=st.booleans(), both=st.booleans())
    def begin(self, holds: bool, both: bool) -> None:
        self.open("BP1", 0, holds)
        if both:
            self.open("BP2", 0, not holds)
        self.work(0, [], [])

    @rule(payment=st.sampled_from(PAYMENTS), till=st.integers(0, 1), holds=st.booleans())
    def open(self, payment: str, till: int, holds: bool) -> None:
        self.do(self.tills[till].open(payment, holds=holds))
        self.opened.add(payment)

    @rule(till=st.integers(0, 1), bank=faults, desk=faults)
    def work(self, till: int, bank: list[Fault | None], desk: list[Fault | None]) -> None:
        self.bank.faults.next.extend(bank)
        self.desk.faults.next.extend(desk)
        self.do(self.tills[till].flows.run_due())
        self.bank.faults.next.clear()
        self.desk.faults.next.clear()

    @rule(payment=st.sampled_from(PAYMENTS), amount=st.sampled_from([None, None, None, 1, 499_999]))
    def pay(self, payment: str, amount: int | None) -> None:
        self.bank.pay(payment, amount)

    @rule(payment=st.sampled_from(PAYMENTS), bank=faults, desk=faults)
    def pay_well(self, payment: str, bank: list[Fault | None], desk: list[Fault | None]) -> None:
        if self.bank.pay(payment):
            self.do(self.tills[0].notify(self.bank.notices[-1]))
            self.work(1, bank, desk)

    @precondition(lambda self: self.bank.notices)
    @rule(till=st.integers(0, 1), which=st.integers(0, 20), times=st.integers(1, 3))
    def notify(self, till: int, which: int, times: int) -> None:
        notice = self.bank.notices[which % len(self.bank.notices)]
        for _ in range(times):
            assert self.do(self.tills[till].notify(notice)) == 204

    @rule(seconds=st.sampled_from([1, 1, 1, 15, 15, 60, 600, 7200, 90_000]))
    def wait(self, seconds: int) -> None:
        self.time.pass_by(seconds=seconds)

    @precondition(lambda self: self.opened)
    @rule(payment=st.sampled_from(PAYMENTS), amount=st.sampled_from([None, 1, 250_000, 500_000, 500_001]))
    def ask_refund(self, payment: str, amount: int | None) -> None:
        self.asked += 1
        wanted = None if amount is None else Money(amount_minor=amount)
        fact = RefundAsked(id=f"R{self.asked}", amount=wanted, reason="asked")
        told = self.do(self.tills[0].flows.tell("payment", payment, fact))
        if amount == PRICE.amount_minor + 1 and payment in self.opened:
            assert told.refusal is not None or not told.is_changed

    @rule(payment=st.sampled_from(PAYMENTS))
    def ask_close(self, payment: str) -> None:
        self.do(self.tills[1].flows.tell("payment", payment, CloseAsked()))

    @rule(payment=st.sampled_from(PAYMENTS))
    def ask_capture(self, payment: str) -> None:
        self.do(self.tills[1].flows.tell("payment", payment, CaptureAsked()))

    @rule()
    def cancel(self) -> None:
        """As an order's flow does it: first the order, then all that was paid for it goes back."""
        self.desk.is_cancelled = True
        for payment in self.opened:
            fact = RefundAsked(id=f"X{payment}", amount=None, reason="cancelled")
            self.do(self.tills[0].flows.tell("payment", payment, fact))

    @invariant()
    def bank_never_had_to_refuse_a_refund(self) -> None:
        assert self.bank.over_refunds == 0

    @invariant()
    def nothing_is_given_back_that_was_not_taken(self) -> None:
        assert all(account.net >= 0 for account in self.bank.accounts.values())

    @invariant()
    def what_is_over_holds_nobodys_money(self) -> None:
        """So that it may be forgotten: the bank has of it what the order has taken, and nobody can pay it any more."""
        states = self.do(self.tills[0].flows.states("payment", sorted(self.opened)))
        moving = {each.flow for each in self.do(self.tills[0].flows.waiting_of(sorted(self.opened)))}
        for payment, state in states.items():
            account = self.bank.accounts.get(payment)
            if state.is_over and payment not in moving and account is not None:
                assert (account.held, account.is_open) == (0, False)
                assert account.net == self.desk.applied.get(payment, 0)

    def teardown(self) -> None:
        try:
            self._come_to_rest()
            self._check_at_rest()
        finally:
            self.do(self.database.aclose())
            self.loop.close()

    def _come_to_rest(self) -> None:
        """Nothing is lost any more; time goes by until nothing is waited for. Holds that nobody wanted are let go."""
        for _ in range(60):
            self.do(self.tills[0].flows.settle())
            self.time.pass_by(hours=1)
        if self.desk.is_cancelled:
            self.cancel()
        for _ in range(12):
            self.do(self.tills[1].flows.settle())
            self.time.pass_by(hours=1)

    def _check_at_rest(self) -> None:
        states = self.do(self.tills[0].flows.states("payment", sorted(self.opened)))
        held = {payment: account.held for payment, account in self.bank.accounts.items() if account.held}
        for payment, account in self.bank.accounts.items():
            state = states[payment]
            assert (state.captured.amount_minor if state.captured else 0) == account.captured
            refunded = sum(r.amount.amount_minor for r in state.refunds if not r.is_release)
            assert account.captured - refunded == account.net
            assert self.desk.applied.get(payment, 0) == account.net + held.get(payment, 0)
            assert not account.is_open or account.held, "nobody may still be able to pay"
            assert state.is_over == (payment not in held)
        if self.desk.is_cancelled:
            assert sum(account.net + account.held for account in self.bank.accounts.values()) == 0
        assert self.desk.books <= PRICE.amount_minor
        assert self._ledger() == {p: a.net for p, a in self.bank.accounts.items() if a.captured}
        waiting = self.do(self.tills[0].flows.waiting_of(sorted(self.opened)))
        assert [each.name for each in waiting] == []

    def _ledger(self) -> dict[str, int]:
        def script() -> Any:
            rows = yield "SELECT payment, kind, amount_minor FROM bff_ledger", ()
            return rows

        sums: dict[str, int] = {}
        for payment, kind, amount in self.do(self.database.run(script)):
            sums[payment] = sums.get(payment, 0) + (amount if kind == "CAPTURE" else -amount)
        return sums


TestPayments = PaymentMachine.TestCase
TestPayments.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
