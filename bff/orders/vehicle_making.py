"""A decision about a car's order while it is being made: each method is one thing that has become so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from bff.domain.base import Refusal
from bff.domain.vehicle_order import VehicleOrderStatus
from bff.durability.flow import Decision, DomainEvent, Effect, Planned, Tell, Wake
from bff.orders.payment_facts import PAYMENT, CloseAsked, PaymentSettled, RefundAsked
from bff.orders.vehicle_facts import OrderSnapshot, PaymentFound
from bff.orders.vehicle_ranks import ENDED, PASSED, RANK, deadline, impossible
from bff.orders.vehicle_state import (
    OPEN,
    AttachSalesOrder,
    Cancel,
    CancelSalesOrder,
    CreateSalesOrder,
    FindPayments,
    Lock,
    PaymentRecord,
    Refresh,
    Sales,
    SalesStep,
    Search,
    VehicleOrderState,
    Wish,
    WishKind,
    WishOutcome,
)

REFRESH = "refresh"

REFRESH_EVERY = timedelta(days=1)
"""How often commerce is asked what has become of an order of which nothing is heard."""

LATE_CREATE = timedelta(minutes=2)
"""A create whose answer nobody waits for any more has arrived in the ERP by then, or never will."""

LOOKS = 2
MENDED = timedelta(hours=1)
"""How long the ERP's master data is left alone after it refused a sales order."""

WISHES_KEPT = 16


class Making:
    """`decision` adds what follows from all that was changed."""

    def __init__(self, flow: str, state: VehicleOrderState, now: datetime) -> None:
        self.flow, self.state, self.now = flow, state, now
        self._before = state
        self._effects: dict[str, Planned] = {}
        self._dropped: list[str] = []
        self._events: list[DomainEvent] = []
        self._reference: str | None = None

    def decision(self, refusal: Refusal | None = None) -> Decision[VehicleOrderState] | None:
        """None where nothing changed."""
        self._next_wish()
        self._sell()
        self._compensate()
        effects = list(self._effects.values())
        if self.state == self._before and not effects and not self._dropped and refusal is None:
            return None
        return Decision(
            state=self.state,
            effects=effects,
            dropped=self._dropped,
            events=self._events,
            refusal=refusal,
            reference=self._reference,
        )

    def change(self, **fields: Any) -> None:
        self.state = replace(self.state, **fields)

    def plan(self, effect: Effect, at: datetime | None = None) -> None:
        self._effects[effect.name] = Planned(effect, at)

    def wake(self, reason: str, at: datetime) -> None:
        self.plan(Wake(reason=reason), at)

    def _drop(self, *names: str) -> None:
        """No longer wanted, whether it waits since long or was planned just now."""
        for name in names:
            self._effects.pop(name, None)
        self._dropped += [name for name in names if name not in self._dropped]

    # ── how the order stands ─────────────────────────────────────────────────────────────────────────────────────────

    def see(self, order: OrderSnapshot) -> None:
        """Commerce shows it. An older look than the last changes nothing."""
        known = self.state.order
        if known is not None:
            if order.number != known.number or RANK[order.status] < RANK[known.status]:
                return
            order = replace(order, sales_order=order.sales_order or known.sales_order)
        else:
            self._reference = order.number
        self.change(order=order)
        if known is None and self.state.wanted is not None:
            self._tell_others(order, "placed")
        if known is not None or self.state.wanted is not None:
            self._tell_steps(VehicleOrderStatus.DRAFT if known is None else known.status, order)
        self._watch(known, order)
        sales = self.state.sales
        if sales.step is SalesStep.NONE and order.sales_order is not None:
            self.change(sales=Sales(step=SalesStep.ATTACHED, number=order.sales_order))
        elif sales.step is SalesStep.ATTACHING and order.sales_order == sales.number:
            self.change(sales=replace(sales, step=SalesStep.ATTACHED))

    def _watch(self, known: OrderSnapshot | None, order: OrderSnapshot) -> None:
        """Deadlines as they are now; and a look now and then, as long as it is under way."""
        before = (None, None) if known is None else deadline(known)
        reason, at = deadline(order)
        if (reason, at) != before:
            if before[0] is not None:
                self._drop(f"wake:{before[0]}")
            if reason is not None and at is not None:
                self.wake(reason, at)
        if order.status in ENDED:
            self._drop("refresh", f"wake:{REFRESH}")
        else:
            self.wake(REFRESH, self.now + REFRESH_EVERY)

    def _tell_steps(self, before: VehicleOrderStatus, order: OrderSnapshot) -> None:
        if order.status is not VehicleOrderStatus.CANCELLED:
            passed = [step for step in PASSED if RANK[before] < RANK[step] < RANK[order.status]]
            for step in passed:
                self._tell_others(order, step.value.lower())
        if RANK[order.status] > RANK[before] and order.status is not VehicleOrderStatus.DRAFT:
            self._tell_others(order, order.status.value.lower())

    def _tell_others(self, order: OrderSnapshot, what: str) -> None:
        data = {
            "orderNumber": order.number,
            "kind": "VEHICLE",
            "status": order.status.value,
            "configurationHash": order.configuration_hash,
            "totalMinor": order.total.amount_minor,
            "currency": order.total.currency,
        }
        event = DomainEvent(
            id=f"{self.flow}:{what}",
            type=f"order.{what}.v1",
            order_number=order.number,
            customer_id=order.customer_id,
            data=data,
        )
        self._events.append(event)

    # ── locking and cancelling ───────────────────────────────────────────────────────────────────────────────────────

    def wish(self, wish: Wish) -> None:
        if self.state.order is None:
            return
        decided = [known for known in self.state.wishes if known.outcome not in OPEN]
        forgotten = {known.id for known in decided[: max(0, len(decided) - WISHES_KEPT)]}
        kept = [known for known in self.state.wishes if known.id not in forgotten]
        self.change(wishes=(*kept, wish))

    def answer(self, wish: Wish, outcome: WishOutcome, refusals: tuple[Refusal, ...] = ()) -> None:
        answered = replace(wish, outcome=outcome, refusals=refusals)
        self.change(wishes=tuple(answered if known.id == wish.id else known for known in self.state.wishes))

    def _next_wish(self) -> None:
        """What cannot come true any more is refused; of the others one is sent, if none is under way."""
        order = self.state.order
        if order is None:
            return
        for wish in self.state.wishes:
            refusal = impossible(order.status, wish.kind)
            if wish.outcome is WishOutcome.WAITING and refusal is not None:
                self.answer(wish, WishOutcome.REFUSED, (refusal,))
        if any(wish.outcome is WishOutcome.SENT for wish in self.state.wishes):
            return
        turn = next((wish for wish in self.state.wishes if wish.outcome is WishOutcome.WAITING), None)
        if turn is not None:
            self.answer(turn, WishOutcome.SENT)
            effect = Lock if turn.kind is WishKind.LOCK else Cancel
            self.plan(effect(wish=turn, number=order.number))

    # ── the sales order ──────────────────────────────────────────────────────────────────────────────────────────────

    def _sell(self) -> None:
        """The first money makes it; not while the order may be about to end."""
        order, sales = self.state.order, self.state.sales
        if order is None or self.state.is_cancelled or sales.step is not SalesStep.NONE:
            return
        is_paid = any(_minor(payment) > 0 and not payment.is_returned for payment in self.state.payments)
        may_end = any(wish.kind is not WishKind.LOCK and wish.outcome in OPEN for wish in self.state.wishes)
        if is_paid and not may_end:
            self.change(sales=Sales(step=SalesStep.CREATING))
            self.plan(CreateSalesOrder(draft=order.sales_draft()))

    def made(self, number: str) -> None:
        order, sales = self.state.order, self.state.sales
        if order is None:
            return
        if sales.step in (SalesStep.REJECTING, SalesStep.GONE):  # it comes too late
            self.change(sales=Sales(step=SalesStep.REJECTING, number=number, looks=sales.looks))
            self.plan(CancelSalesOrder(reference=order.number, sales_order=number))
        elif sales.step in (SalesStep.NONE, SalesStep.CREATING):
            self.change(sales=Sales(step=SalesStep.ATTACHING, number=number))
            self.plan(AttachSalesOrder(number=order.number, sales_order=number))

    def not_made(self, refusals: Sequence[Refusal]) -> None:
        order, sales = self.state.order, self.state.sales
        if order is not None and sales.step is SalesStep.CREATING:
            self.change(sales=replace(sales, refusals=tuple(refusals)))
            self.plan(CreateSalesOrder(draft=order.sales_draft()), self.now + MENDED)

    def rejected(self, number: str | None) -> None:
        """Rejected, or unknown to the ERP: then it is looked for once more, in case that a create was under way."""
        order, sales = self.state.order, self.state.sales
        if order is None or sales.step is not SalesStep.REJECTING:
            return
        if number is not None or sales.looks + 1 >= LOOKS:
            self.change(sales=replace(sales, step=SalesStep.GONE, number=number or sales.number))
            return
        self.change(sales=replace(sales, looks=sales.looks + 1))
        self.plan(CancelSalesOrder(reference=order.number, sales_order=sales.number), self.now + LATE_CREATE)

    # ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def settled(self, fact: PaymentSettled) -> None:
        known = self._payment(fact.payment_id)
        self._record(replace(known, purpose=fact.purpose, applied=fact.applied))
        if self.state.order is not None and not self.state.is_cancelled and known.applied is None:
            self.plan(Refresh(number=self.state.order.number))

    def returned(self, payment_id: str) -> None:
        self._record(replace(self._payment(payment_id), is_returned=True))

    def found(self, payments: Sequence[PaymentFound]) -> None:
        if not self.state.is_cancelled:
            return
        for one in payments:
            known = self._payment(one.id)
            is_returned = known.is_returned or one.is_returned
            applied = known.applied if one.applied is None else one.applied
            told = replace(known, purpose=one.purpose, applied=applied, is_returned=is_returned, tells_us=one.tells_us)
            self._record(told)
        self.change(search=Search.DONE)

    def _payment(self, payment_id: str) -> PaymentRecord:
        known = (payment for payment in self.state.payments if payment.id == payment_id)
        return next(known, PaymentRecord(id=payment_id))

    def _record(self, record: PaymentRecord) -> None:
        others = [payment for payment in self.state.payments if payment.id != record.id]
        if record not in self.state.payments:
            self.change(payments=(*others, record))

    # ── compensation ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _compensate(self) -> None:
        """Commerce has cancelled the order, for good: its sales order goes, and its money. Neither waits for the other,
        since a customer's money is not to wait for an ERP that sleeps.
        """
        order = self.state.order
        if order is None or not self.state.is_cancelled:
            return
        sales = self.state.sales
        if sales.step in (SalesStep.CREATING, SalesStep.ATTACHING, SalesStep.ATTACHED):
            self._drop("create-sales-order", "attach-sales-order")
            self.change(sales=replace(sales, step=SalesStep.REJECTING))
            self.plan(CancelSalesOrder(reference=order.number, sales_order=sales.number))
        if self.state.search is Search.NONE:
            self.change(search=Search.ASKED)
            self.plan(FindPayments(number=order.number))
        elif self.state.search is Search.DONE:
            for payment in self.state.payments:
                self._end(payment)

    def _end(self, payment: PaymentRecord) -> None:
        """Close what is open; give back what was settled. A payment may be both, one after the other."""
        if payment.is_returned:
            return
        if payment.applied is None and payment.close_asked_at is None:
            self._record(replace(payment, close_asked_at=self.now))
            self.plan(Tell.of(PAYMENT, payment.id, CloseAsked(), "close"))
        elif _minor(payment) > 0 and payment.refund_asked_at is None:
            asked = RefundAsked(id=f"{payment.id}C1"[:32], amount=None, reason="order cancelled")
            self._record(replace(payment, refund_asked_at=self.now))
            self.plan(Tell.of(PAYMENT, payment.id, asked, "refund"))


def _minor(payment: PaymentRecord) -> int:
    return 0 if payment.applied is None else payment.applied.amount_minor
