"""Shop orders against a model: whatever is lost, repeated, late or out of order, goods, features and money add up.

Customers with two devices, a commerce and a bank that lose answers, a car that is silent for days, staff who cancel,
two processes, and every fact told again at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bff.domain.base import Outcome
from bff.domain.commerce import MerchandiseOrder
from bff.durability.sqlite import SqliteDatabase
from bff.errors import BffError
from bff.orders import shop_rules
from bff.orders.shop_state import SHOP_ORDER, ShopOrderState, ShopPhase
from sandbox.payment.ledger import paid_for
from tests.orders.bank import Account, Fault
from tests.orders.shop_kit import AMPLIFIER, CAR, CUP, HEATED, OWNER, Floor, payment_request
from tests.support import entered_context

GUEST = "C0191"
CUPS = 3
CARTS: tuple[tuple[tuple[str, str | None], ...], ...] = (
    ((CUP, None),),
    ((CUP, None), (CUP, None)),
    ((HEATED, CAR),),
    ((HEATED, CAR), (AMPLIFIER, CAR)),
    ((CUP, None), (HEATED, CAR)),
)
faults: st.SearchStrategy[list[Fault | None]] = st.just([]) | st.lists(
    st.sampled_from([None, Fault.BEFORE, Fault.AFTER]), max_size=3
)
either = st.integers(0, 1)
anyone = st.integers(0, 30)


class ShopMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = SqliteDatabase(None)
        self.floor = Floor(self.database, processes=2)
        self.floor.world.products[CUP].stock = CUPS
        self.heard: list[tuple[str, Any]] = []
        self.wishes: list[tuple[str, Any]] = []
        self.orders: dict[str, MerchandiseOrder] = {}
        for process in self.floor.processes:
            self._listen(process.commerce._kind)

    def _listen(self, kind: Any) -> None:
        def decide(flow: str, state: Any, fact: Any, now: Any) -> Any:
            self.heard.append((flow, fact))
            return shop_rules.decide(flow, state, fact, now)

        kind.decide = decide

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def tried(self, work: Coroutine[Any, Any, Any], commerce: list[Fault | None], bank: list[Fault | None]) -> Any:
        """What came of it, or None where it is not known."""
        self.floor.faults.next.extend(commerce)
        self.floor.bank.faults.next.extend(bank)
        try:
            return self.do(work)
        except BffError:
            return None
        finally:
            self.floor.faults.next.clear()
            self.floor.bank.faults.next.clear()

    # ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────

    @initialize(wanted=st.sampled_from(CARTS), reachable=st.booleans())
    def begin(self, wanted: tuple[tuple[str, str | None], ...], reachable: bool) -> None:
        self.do(self.floor.reach(reachable=reachable))
        self.buy(wanted, 0)

    @rule(wanted=st.sampled_from(CARTS), process=either, lost=faults)
    def shop(self, wanted: tuple[tuple[str, str | None], ...], process: int, lost: list[Fault | None]) -> None:
        customer = GUEST if wanted[0] == (CUP, None) and len(wanted) == 1 else OWNER

        async def fill() -> Any:
            for product, vin in wanted:
                await self.floor.commerce.add_line(customer, product, 1, vin=vin, version=None)
            return await self.floor.cart(customer)

        cart = self.do(fill())
        if cart.lines:
            self.wishes.append((customer, cart))
            self._place(len(self.wishes) - 1, process, lost)

    @rule(wanted=st.sampled_from(CARTS), process=either)
    def buy(self, wanted: tuple[tuple[str, str | None], ...], process: int) -> None:
        """Everything goes well up to the payment, which everybody has heard of."""
        before = len(self.orders)
        self.shop(wanted, process, [])
        if len(self.orders) > before:
            self.pay(before, process, [], [], True)
            self.do(self.floor.settle(process))

    @rule(second=st.sampled_from(CARTS[2:]))
    def buy_twice(self, second: tuple[tuple[str, str | None], ...]) -> None:
        """Two orders for one feature and car, both placed before one is paid."""
        before = len(self.orders)
        self.shop(CARTS[2], 0, [])
        self.shop(second, 1, [])
        for which in range(before, len(self.orders)):
            self.pay(which, which % 2, [], [], True)
        self.do(self.floor.settle())

    @precondition(lambda self: self.orders)
    @rule(which=anyone, process=either, then=st.sampled_from(["wait", "cancel", "work"]))
    def pay_unheard(self, which: int, process: int, then: str) -> None:
        """Commerce has taken the money, and we have not heard that it has."""
        self.pay(which, process, [], [], True)
        self.work(process, [Fault.AFTER], [])
        if then == "cancel":
            self.cancel(which, "one", process, [])
        elif then == "wait":
            self.wait(900)
            self.work(1 - process, [], [])

    @precondition(lambda self: self.wishes)
    @rule(which=anyone, process=either, lost=faults)
    def place_again(self, which: int, process: int, lost: list[Fault | None]) -> None:
        self._place(which % len(self.wishes), process, lost)

    def _place(self, wish: int, process: int, lost: list[Fault | None]) -> None:
        customer, cart = self.wishes[wish]
        placed: Outcome[MerchandiseOrder] | None = self.tried(
            self.floor.place(cart, f"wish-{wish}", customer=customer, process=process), lost, []
        )
        if placed is not None and placed.entity is not None:
            self.orders[placed.entity.number] = placed.entity

    @precondition(lambda self: self.orders)
    @rule(which=anyone, process=either, lost=faults, bank=faults, is_paid=st.sampled_from([True, True, False]))
    def pay(self, which: int, process: int, lost: list[Fault | None], bank: list[Fault | None], is_paid: bool) -> None:
        order = self._order(which)

        async def create() -> Any:
            entered_context()
            self.floor.keys += 1
            request = payment_request(order, f"pay-{self.floor.keys}")
            return await self.floor.processes[process].payments.create(request)

        begun = self.tried(create(), lost, bank)
        if is_paid and begun is not None and begun.entity is not None and self.floor.bank.pay(begun.entity.id):
            self.tried(self.floor.notify(process), lost, bank)

    @precondition(lambda self: self.floor.bank.accounts)
    @rule(which=anyone, process=either, lost=faults)
    def pay_late(self, which: int, process: int, lost: list[Fault | None]) -> None:
        accounts = list(self.floor.bank.accounts)
        if self.floor.bank.pay(accounts[which % len(accounts)]):
            self.tried(self.floor.notify(process), lost, [])

    @precondition(lambda self: self.orders)
    @rule(which=anyone, key=st.sampled_from(["one", "two"]), process=either, lost=faults)
    def cancel(self, which: int, key: str, process: int, lost: list[Fault | None]) -> None:
        number = self._order(which).number
        self.tried(self.floor.cancel(number, f"{number}-{key}", process=process), lost, [])

    def _order(self, which: int) -> MerchandiseOrder:
        return list(self.orders.values())[which % len(self.orders)]

    # ── everybody else ───────────────────────────────────────────────────────────────────────────────────────────────

    @rule(process=either, lost=faults, bank=faults)
    def work(self, process: int, lost: list[Fault | None], bank: list[Fault | None]) -> None:
        self.tried(self.floor.processes[process].flows.run_due(), lost, bank)

    @rule(seconds=st.sampled_from([1, 1, 2, 2, 5, 5, 10, 30, 60, 300, 600, 900, 90_000]))
    def wait(self, seconds: int) -> None:
        self.floor.time.pass_by(seconds=seconds)

    @rule(reachable=st.booleans())
    def reach(self, reachable: bool) -> None:
        self.do(self.floor.reach(reachable=reachable))

    @precondition(lambda self: self._activating())
    @rule(which=anyone, result=st.sampled_from(["ACTIVE", "FAILED"]))
    def car_answers(self, which: int, result: str) -> None:
        waiting = self._activating()
        self.do(self.floor.answer(waiting[which % len(waiting)], result))

    @precondition(lambda self: self._activating())
    @rule(results=st.lists(st.sampled_from(["ACTIVE", "FAILED"]), min_size=2, max_size=2), process=either)
    def all_cars_answer(self, results: list[str], process: int) -> None:
        for turn, entitlement in enumerate(self._activating()):
            self.do(self.floor.answer(entitlement, results[turn % 2]))
        self.wait(600)
        self.work(process, [], [])

    @precondition(lambda self: self._activating())
    @rule(is_car_first=st.booleans(), process=either, lost=faults)
    def time_is_over(self, is_car_first: bool, process: int, lost: list[Fault | None]) -> None:
        """Cars were silent all day, and answer in the moment in which they are given up."""
        self.reach(False)
        self.wait(60)
        self.work(process, [], [])
        self.wait(86_400)
        if not is_car_first:
            self.work(process, lost, [])
        for entitlement in self._activating():
            self.do(self.floor.answer(entitlement, "ACTIVE"))
        self.work(process, lost, [])

    def _activating(self) -> list[str]:
        return [e.id for e in self.floor.world.entitlements.values() if e.order_number and e.state == "ACTIVATING"]

    @precondition(lambda self: self.orders)
    @rule(which=anyone)
    def staff_cancel(self, which: int) -> None:
        number = self._order(which).number
        plain = self.floor.processes[0].plain
        self.do(plain.cancel_order(number, reason="staff", idempotency_key=f"staff-{number}"))
        self.do(self.floor.look(number))

    @precondition(lambda self: self.heard)
    @rule(which=st.integers(0, 1000), times=st.integers(1, 2))
    def tell_again(self, which: int, times: int) -> None:
        """A fact from any time before, as when an effect was performed twice."""
        flow, fact = self.heard[which % len(self.heard)]
        for _ in range(times):
            self.do(self.floor.processes[0].flows.tell(SHOP_ORDER, flow, fact))

    # ── what always holds ────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def goods_add_up(self) -> None:
        stock = self.floor.world.products[CUP].stock
        kept = sum(
            line.quantity
            for order in self.floor.world.merchandise_orders.values()
            for line in order.lines
            if order.order_state != "CANCELLED" and line.product_id == CUP
        )
        assert stock is not None
        assert stock >= 0
        assert stock + kept == CUPS

    @invariant()
    def a_car_has_a_feature_once(self) -> None:
        live = [
            (e.vin, e.product_id)
            for e in self.floor.world.entitlements.values()
            if e.state in ("ACTIVE", "ACTIVATING") and e.vin == CAR
        ]
        assert len(live) == len(set(live))

    @invariant()
    def money_is_taken_only_for_what_works(self) -> None:
        assert self.floor.bank.over_refunds == 0
        for payment, account in self.floor.bank.accounts.items():
            assert account.net >= 0
            if account.holds and account.captured:
                assert account.captured <= self._earned(payment)

    def _earned(self, payment: str) -> int:
        """What cars have confirmed of the order that a payment is for."""
        settled = self.floor.world.direct_payments[payment]
        order = self.floor.world.merchandise_orders[settled.order_number]
        active = {e.product_id for e in self.floor.features(order.number) if e.state == "ACTIVE"}
        return sum(line.unit_price_fen for line in order.lines if line.product_id in active)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        try:
            self._come_to_rest()
            self._check_at_rest()
        finally:
            self.do(self.database.aclose())
            self.loop.close()

    def _come_to_rest(self) -> None:
        """Nothing is lost any more; everybody has the time that they need."""
        for turn in range(24):
            self.do(self.floor.settle(turn % 2))
            self.floor.time.pass_by(hours=2)
        for number in self.floor.world.merchandise_orders:  # commerce ends reservations when somebody looks
            self.do(self.floor.look(number))

    def _check_at_rest(self) -> None:
        world = self.floor.world
        assert len(world.merchandise_orders) <= len(self.wishes)
        for order in world.merchandise_orders.values():
            states = [e.state for e in self.floor.features(order.number)]
            assert order.order_state in ("CONFIRMED", "CANCELLED"), "a reservation is left"
            assert not {"PENDING_PAYMENT", "ACTIVATING"} & set(states)
            failed = {e.product_id for e in self.floor.features(order.number) if e.state != "ACTIVE"}
            earned = sum(line.quantity * line.unit_price_fen for line in order.lines if line.product_id not in failed)
            due = earned + order.shipping_fen if order.order_state == "CONFIRMED" and earned else 0
            accounts = self._accounts(order.number)
            assert sum(account.net for account in accounts) == due
            assert sum(account.held for account in accounts) == 0
            assert paid_for(world, order.number) == due
            self._check_flow(order.number, order.order_state, due)
        assert self._waiting() == []
        self._check_that_all_is_over()

    def _check_that_all_is_over(self) -> None:
        """What is at rest may be forgotten one day, whatever it went through."""
        for kind in (SHOP_ORDER, "payment"):
            flows = self.do(
                self.floor.processes[0].flows.changed_since(kind, self.floor.time.now.replace(2000), "", 1000)
            )
            assert [state for _, state in flows if not state.is_over] == []

    def _check_flow(self, number: str, order_state: str, due: int) -> None:
        flows = self.do(self.floor.processes[0].flows.states_of(SHOP_ORDER, [number]))[number]
        living = [state for _, state in flows if state.phase is not ShopPhase.MERGED]
        if not living:  # made by a try whose answer was lost, given up, and never found by anybody
            assert order_state == "CANCELLED"
            assert due == 0
        for state in living:
            assert isinstance(state, ShopOrderState)
            # Staff cancelled what had all been given back: nothing is left to do, so nothing has to be heard.
            is_settled = state.phase is ShopPhase.CONFIRMED and all(payment.is_returned for payment in state.payments)
            assert state.phase.value == order_state or (order_state == "CANCELLED" and is_settled and due == 0)
        assert self.do(self.floor.pending(number)) == []
        taken = sum(p.applied.amount_minor for state in living for p in state.payments if not p.is_returned)
        back = sum(g.amount.amount_minor for state in living for g in state.given_back if g.amount is not None)
        assert due == 0 or taken - back == due

    def _accounts(self, number: str) -> list[Account]:
        payments = self.do(self.floor.processes[0].flows.states_of("payment", [number]))[number]
        return [self.floor.bank.accounts[payment] for payment, _ in payments if payment in self.floor.bank.accounts]

    def _waiting(self) -> list[Any]:
        def script() -> Any:
            return (yield "SELECT flow, name, error FROM bff_effect", ())

        found: list[Any] = self.do(self.database.run(script, write=False))
        return found


TestShopOrders = ShopMachine.TestCase
TestShopOrders.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
