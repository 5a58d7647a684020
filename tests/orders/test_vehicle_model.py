"""Orders of cars against a model: whatever is lost, slow, repeated or out of order, all of it comes to the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bff.domain.base import Money
from bff.domain.payment import PaymentPurpose
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.durability.flow import Fact
from bff.durability.sqlite import SqliteDatabase
from bff.orders.payment_facts import PAYMENT, PaymentSettled, ProviderSaid
from bff.orders.vehicle_facts import (
    VEHICLE_ORDER,
    CancelAsked,
    LockAsked,
    OrderSeen,
    OrderSnapshot,
    OrderWanted,
    placing,
)
from bff.orders.vehicle_state import OPEN, VehicleOrderState, WishOutcome
from tests.orders.bank import Bank, Fault, Time
from tests.orders.showroom import DEPOSIT, INTENT, PRICE, Desk, Erp, Showroom

CUSTOMER, PLACES = "C1", 2
FLOWS = ("VFa", "VFb", "VFc")
MONEY = ((PaymentPurpose.INTENT, INTENT), (PaymentPurpose.DEPOSIT, DEPOSIT), (PaymentPurpose.DEPOSIT, DEPOSIT - INTENT))

flows, desks = st.sampled_from(FLOWS), st.integers(0, 1)
faults = st.lists(st.sampled_from([None, None, Fault.BEFORE, Fault.AFTER]), max_size=3)


class VehicleMachine(RuleBasedStateMachine):
    """Three wishes for two cars, two processes, and a commerce, an ERP and a bank that lose answers."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = SqliteDatabase(None)
        self.time, self.bank = Time(), Bank()
        self.showroom, self.erp = Showroom(self.time, PLACES), Erp(self.time)
        self.desks = [Desk(self.database, self.showroom, self.erp, self.bank) for _ in range(2)]
        self.payments: list[str] = []
        self.told: list[tuple[str, Fact]] = []

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def tell(self, desk: int, flow: str, fact: Fact) -> None:
        self.told.append((flow, fact))
        reference = placing(CUSTOMER) if isinstance(fact, OrderWanted) else None
        self.do(self.desks[desk].flows.tell(VEHICLE_ORDER, flow, fact, reference=reference))

    def state(self, flow: str) -> VehicleOrderState | None:
        return self.do(self.desks[0].flows.states(VEHICLE_ORDER, [flow])).get(flow)  # type: ignore[no-any-return]

    def number(self, flow: str) -> str | None:
        state = self.state(flow)
        return state.order.number if state is not None and state.order is not None else None

    # ── what may happen ──────────────────────────────────────────────────────────────────────────────────────────────

    @initialize()
    def begin(self) -> None:
        self.place("VFa", 0)
        self.work(0, [], [], [])

    @rule(flow=flows, desk=desks)
    def place(self, flow: str, desk: int) -> None:
        wanted = OrderWanted(customer_id=CUSTOMER, share_code=flow, delivery_centre="SH", terms_version="t")
        self.tell(desk, flow, wanted)

    @rule(desk=desks, commerce=faults, erp=faults, bank=faults)
    def work(self, desk: int, commerce: list[Fault | None], erp: list[Fault | None], bank: list[Fault | None]) -> None:
        self.do(self.desks[desk].work(commerce, erp, bank))

    @rule(flow=flows, what=st.sampled_from(MONEY), is_paid=st.booleans())
    def open(self, flow: str, what: tuple[PaymentPurpose, int], is_paid: bool) -> None:
        number = self.number(flow)
        if number is None or len(self.payments) >= 4:
            return
        self.payments.append(f"BP{len(self.payments)}")
        self.do(self.desks[0].open(self.payments[-1], flow, number, *what))
        if is_paid:
            self.work(0, [], [], [])
            self.pay(len(self.payments) - 1)
            self.work(1, [], [], [])

    @precondition(lambda self: self.payments)
    @rule(which=st.integers(0, 3))
    def pay(self, which: int) -> None:
        """The customer pays, and the bank says so."""
        payment = self.payments[which % len(self.payments)]
        if self.bank.pay(payment):
            charge = self.bank.notices[-1].charge
            assert charge is not None
            self.do(self.desks[1].flows.tell(PAYMENT, payment, ProviderSaid(charge=charge)))

    @rule(flow=flows, desk=desks, wish=st.integers(0, 2), total=st.sampled_from([PRICE, PRICE, 1]))
    def lock(self, flow: str, desk: int, wish: int, total: int) -> None:
        said = {"configuration_hash": "hash", "total": Money(amount_minor=total), "terms_version": "t"}
        self.tell(desk, flow, LockAsked(id=f"l{wish}{total}", **said))  # type: ignore[arg-type]  # a table of arguments

    @rule(flow=flows, desk=desks, wish=st.integers(0, 1))
    def cancel(self, flow: str, desk: int, wish: int) -> None:
        self.tell(desk, flow, CancelAsked(id=f"c{wish}"))

    @rule(flow=flows, erp=faults, is_slow=st.booleans())
    def cancel_while_it_is_sold(self, flow: str, erp: list[Fault | None], is_slow: bool) -> None:
        """The first money arrives, the ERP is asked for the sales order, and the customer thinks better of it."""
        self.erp.is_slow = is_slow
        self.open(flow, MONEY[0], True)
        self.work(0, [], [], [])
        self.work(1, [], erp, [])
        self.cancel(flow, 0, 0)
        self.work(1, [], [], [])
        self.work(0, [], [], [])

    @rule(flow=flows)
    def pay_in_the_last_second(self, flow: str) -> None:
        """Commerce has the money, and the order's flow has not heard of it, when the draft's hour comes."""
        number = self.number(flow)
        ends = None if number is None else self.showroom.car(number).reserved_until
        if ends is None or len(self.payments) >= 4:
            return
        self.time.now = max(self.time.now, ends - timedelta(seconds=1))
        self.open(flow, MONEY[0], False)
        self.work(0, [], [], [])
        self.pay(len(self.payments) - 1)
        self.work(0, [], [], [])
        self.time.pass_by(seconds=1)
        self.work(1, [], [], [])

    @rule(seconds=st.sampled_from([1, 1, 10, 60, 600, 3600, 86_399, 86_400, 604_799, 604_800, 2_000_000]))
    def wait(self, seconds: int) -> None:
        self.time.pass_by(seconds=seconds)

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0, 50), desk=desks)
    def tell_again(self, which: int, desk: int) -> None:
        self.tell(desk, *self.told[which % len(self.told)])

    @precondition(lambda self: self.showroom.looks)
    @rule(which=st.integers(0, 50), desk=desks)
    def show_late(self, which: int, desk: int) -> None:
        """An answer that was long on its way shows the order as it was."""
        look = self.showroom.looks[which % len(self.showroom.looks)]
        for flow in FLOWS:
            if self.number(flow) == look.number:
                self.tell(desk, flow, OrderSeen(order=OrderSnapshot.of(look)))

    @rule(which=st.integers(0, 3), desk=desks)
    def settle_again(self, which: int, desk: int) -> None:
        """A payment tells its order twice."""
        payment = f"BP{which}"
        settled = self.showroom.settled.get(payment)
        if settled is None or not settled.applied.amount_minor:
            return
        for flow in FLOWS:
            if self.number(flow) == settled.order_number:
                fact = PaymentSettled(payment_id=payment, purpose=PaymentPurpose.INTENT, applied=settled.applied)
                self.tell(desk, flow, fact)

    # ── what always holds ────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def no_order_was_ever_both_locked_and_cancelled(self) -> None:
        ends = {VehicleOrderStatus.LOCKED, VehicleOrderStatus.CANCELLED}
        for number in self.showroom.cars:
            seen = {look.status for look in self.showroom.looks if look.number == number}
            assert len(seen & ends) <= 1

    @invariant()
    def build_places_are_neither_lost_nor_sold_twice(self) -> None:
        standing = [car for car in self.showroom.cars.values() if car.status is not VehicleOrderStatus.CANCELLED]
        assert self.showroom.places + len(standing) == PLACES

    @invariant()
    def the_flow_never_shows_more_than_has_happened(self) -> None:
        for flow in FLOWS:
            state = self.state(flow)
            if state is not None and state.order is not None:
                shown = {look.status for look in self.showroom.looks if look.number == state.order.number}
                assert state.order.status in shown

    @invariant()
    def one_wish_is_with_commerce(self) -> None:
        for flow in FLOWS:
            waiting = self.do(self.desks[0].flows.waiting_of([flow]))
            assert sum(one.name.startswith(("lock:", "cancel:")) for one in waiting) <= 1

    # ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        try:
            self._come_to_rest()
            for flow in FLOWS:
                self._check(flow)
            assert self.bank.over_refunds == 0
            self._check_events()
        finally:
            self.do(self.database.aclose())
            self.loop.close()

    def _come_to_rest(self) -> None:
        """Nothing is lost any more; drafts expire, cooling-off ends, refunds arrive."""
        self.erp.is_slow = False
        for turn in range(40):
            self.do(self.desks[turn % 2].flows.settle())
            self.time.pass_by(minutes=10)
        for turn in range(30):
            self.do(self.desks[turn % 2].flows.settle())
            self.time.pass_by(hours=12)
        self.do(self.desks[0].flows.settle())

    def _check(self, flow: str) -> None:
        state = self.state(flow)
        if state is None:
            return
        assert state.is_placed
        if state.order is None:
            assert [refusal.code for refusal in state.refusals] == ["SOLD_OUT"]
            return
        car = self.showroom.car(state.order.number)
        assert (state.order.status, state.order.sales_order) == (car.status, car.sales_order)
        assert all(wish.outcome not in OPEN for wish in state.wishes)
        assert car.status not in (VehicleOrderStatus.DRAFT, VehicleOrderStatus.DEPOSIT_PAID), "its hour has come"
        self._check_money(state, car.number)
        live = self.erp.live(car.number)
        if car.status is VehicleOrderStatus.CANCELLED:
            assert live == []
            assert state.is_over
            assert [one.name for one in self.do(self.desks[0].flows.waiting_of([flow]))] == []
        else:
            assert [car.sales_order] == live

    def _check_money(self, state: VehicleOrderState, number: str) -> None:
        """What the bank holds is what the order shows."""
        mine = [payment for payment, one in self.showroom.settled.items() if one.order_number == number]
        for payment in mine:
            assert self.bank.accounts[payment].net == self.showroom.kept(payment)
        if state.is_cancelled:
            assert self.showroom.books(number) == 0
        else:
            assert self.showroom.books(number) in (INTENT, DEPOSIT)
        if any(wish.is_ours and wish.outcome is WishOutcome.DONE for wish in state.wishes) and state.is_cancelled:
            assert not any(self.showroom.settled[payment].applied.amount_minor for payment in mine), "it was paid"

    def _check_events(self) -> None:
        """Each thing once; never both ends of one order."""

        def script() -> Any:
            rows = yield "SELECT subject, type FROM bff_outbox WHERE type LIKE 'order.%'", ()
            return rows

        told: list[tuple[str, str]] = self.do(self.database.run(script))
        assert len(told) == len(set(told))
        for number, car in self.showroom.cars.items():
            types = {kind for subject, kind in told if subject == number}
            assert "order.placed.v1" in types
            assert f"order.{car.status.value.lower()}.v1" in types
            assert not {"order.locked.v1", "order.cancelled.v1"} <= types


TestVehicleOrders = VehicleMachine.TestCase
TestVehicleOrders.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
