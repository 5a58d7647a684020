"""Reconciliation: what our books say, what the providers say, what the ERP says; and what is done about a difference.

Nothing is corrected by writing into the books. A provider's word that we missed is told to the payment's flow as a
notification would tell it; an order is looked at again by its flow; what cannot be mended so is left for people,
with both sides beside each other. So it may run at any time, beside everything else, and twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec

from bff.domain.payment import PaymentProvider, PaymentStatus, RefundStatus
from bff.domain.providers import ChargeState, ChargeStatus, ProviderPort, Repayment
from bff.domain.vehicle_order import SalesOrderPort, VehicleOrderPort, VehicleOrderStatus
from bff.durability.database import Database, Script
from bff.durability.flow_store import Waiting, milliseconds, moment
from bff.durability.flows import Flows
from bff.errors import BffError
from bff.orders.findings import Finding, Reconciled, left, shown
from bff.orders.payment_facts import PAYMENT, ProviderSaid, RepaymentSaid
from bff.orders.payment_state import PaymentFlowState, RefundRecord
from bff.orders.strays import Stray, find_left_behind, find_strays
from bff.orders.vehicle_facts import VEHICLE_ORDER, OrderSeen, OrderSnapshot
from bff.orders.vehicle_state import VehicleOrderState

PAGE = 200
AT_ONCE = 8
STALE = timedelta(hours=1)
"""A step that has waited for longer, or failed more than `TRIES` times, is worth telling of."""
TRIES = 8

NOT_ASKED = "not asked"


class Reconciliation:
    """`providers` are those that are configured; `mend` False looks only."""

    def __init__(
        self,
        flows: Flows,
        database: Database,
        providers: Mapping[PaymentProvider, ProviderPort],
        orders: VehicleOrderPort,
        sales_orders: SalesOrderPort,
        *,
        mend: bool = True,
    ) -> None:
        self._flows = flows
        self._database = database
        self._providers = providers
        self._orders = orders
        self._sales_orders = sales_orders
        self._mend = mend

    async def run(self, since: datetime) -> Reconciled:
        """Everything that changed since then. Raises StateUnavailable; a system that is away is a finding."""
        findings: list[Finding] = []
        payments = orders = 0
        async for page in self._pages(PAYMENT, since):
            payments += len(page)
            findings += await _each(page, self._payment)
        async for page in self._pages(VEHICLE_ORDER, since):
            orders += len(page)
            findings += await _each(page, self._vehicle_order)
        if self._mend:
            await self._flows.settle(rounds=100)
        findings += await self._unkept(since) + await self._stuck()
        return Reconciled(payments=payments, orders=orders, findings=findings)

    async def _pages(self, kind: str, since: datetime) -> AsyncIterator[list[tuple[str, object]]]:
        after = ""
        while page := await self._flows.changed_since(kind, since, after, PAGE):
            yield page
            after = page[-1][0]

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _payment(self, flow: str, state: object) -> list[Finding]:
        assert isinstance(state, PaymentFlowState)
        provider = self._providers.get(state.opened.provider)
        number = state.opened.order_number
        if provider is None:
            return [left("charge", flow, number, _ours(state), NOT_ASKED, "the provider is not configured")]
        if state.status is PaymentStatus.CREATED and not state.reference and state.refusals:
            return []
        try:
            said = await provider.query(flow, state.reference)
            refunds = [await self._refund(provider, flow, state, refund) for refund in state.refunds]
        except BffError as error:
            return [left("charge", flow, number, _ours(state), NOT_ASKED, f"{error.code}: run again later")]
        found = [finding for finding in (await self._charge(flow, state, said), *refunds) if finding is not None]
        return found + await self._ledger(flow, state)

    async def _charge(self, flow: str, state: PaymentFlowState, said: ChargeState) -> Finding | None:
        ours, theirs = _ours(state), _theirs(said)
        number = state.opened.order_number
        moved = said.status in (ChargeStatus.SUCCEEDED, ChargeStatus.AUTHORISED)
        if state.captured is None and not state.is_held and moved:
            return await self._tell("charge", flow, number, ours, theirs, ProviderSaid(charge=said))
        if state.captured is None and state.is_held and said.status is ChargeStatus.SUCCEEDED:
            return await self._tell("charge", flow, number, ours, theirs, ProviderSaid(charge=said))
        is_all_back = state.captured is not None and state.left_minor == 0
        if state.captured is not None and said.status is not ChargeStatus.SUCCEEDED and not is_all_back:
            return left("charge", flow, number, ours, theirs, "we hold money that they do not know of")
        took = said.captured or said.amount
        if state.captured is not None and took is not None and took != state.captured:
            return left("charge", flow, number, ours, theirs, "another amount than we entered")
        if state.is_held and said.status in (ChargeStatus.CLOSED, ChargeStatus.ABSENT):
            return await self._tell("charge", flow, number, ours, theirs, ProviderSaid(charge=said))
        return None

    async def _refund(
        self, provider: ProviderPort, flow: str, state: PaymentFlowState, refund: RefundRecord
    ) -> Finding | None:
        if refund.is_release:
            return None
        wanted = Repayment(
            id=refund.id,
            charge_id=flow,
            reference=state.reference,
            amount=refund.amount,
            total=state.captured or state.opened.amount,
            reason=refund.reason,
        )
        said = await provider.query_repayment(wanted, refund.transaction)
        ours = f"{refund.status.value} {shown(refund.amount)}"
        theirs = f"{said.status.value if said.status else 'ABSENT'} {shown(said.amount)}"
        number = state.opened.order_number
        if refund.status is RefundStatus.ABNORMAL or refund.status is RefundStatus.CLOSED:
            return left("refund", refund.id, number, ours, theirs, "give it back by another way")
        if said.amount is not None and said.amount != refund.amount:
            return left("refund", refund.id, number, ours, theirs, "another amount than we asked for")
        if said.status is refund.status or (said.status is None and refund.status is RefundStatus.REQUESTED):
            return None
        if refund.status is RefundStatus.SUCCEEDED:
            return left("refund", refund.id, number, ours, theirs, "we entered what they do not know of")
        return await self._tell("refund", refund.id, number, ours, theirs, RepaymentSaid(repayment=said), flow)

    async def _ledger(self, flow: str, state: PaymentFlowState) -> list[Finding]:
        """The ledger is written with the payment's state: if they differ, somebody has been at the tables."""
        stored, entered = await self._database.run(partial(_books_of, flow))
        state = msgspec.json.decode(stored, type=PaymentFlowState)
        captured = state.captured.amount_minor if state.captured is not None else 0
        back = sum(
            r.amount.amount_minor for r in state.refunds if r.status is RefundStatus.SUCCEEDED and not r.is_release
        )
        if entered == captured - back:
            return []
        return [
            left("ledger", flow, state.opened.order_number, f"payment {captured - back}", f"ledger {entered}", "look")
        ]

    async def _tell(
        self,
        about: str,
        key: str,
        number: str,
        ours: str,
        theirs: str,
        fact: ProviderSaid | RepaymentSaid,
        flow: str | None = None,
    ) -> Finding:
        if not self._mend:
            return left(about, key, number, ours, theirs, "would be taken over")
        await self._flows.tell(PAYMENT, flow or key, fact)
        return Finding(about=about, id=key, order_number=number, ours=ours, theirs=theirs, did="taken over")

    # ── orders of cars ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _vehicle_order(self, flow: str, state: object) -> list[Finding]:
        """Commerce has moved an order on without us; the ERP bills what is cancelled, or does not bill what is paid."""
        assert isinstance(state, VehicleOrderState)
        if state.order is None:
            return []
        number = state.order.number
        try:
            order = (await self._orders.orders([number])).get(number)
            if isinstance(order, BffError):
                raise order
            if order is None:
                ours = state.order.status.value
                return [left("order", flow, number, ours, "ABSENT", "commerce does not know it")]
            found = []
            if order.status is not state.order.status:
                found.append(await self._see(flow, number, state.order.status, OrderSnapshot.of(order)))
            return found + await self._sales_order(number, order.status, order.sales_order)
        except BffError as error:
            return [left("order", flow, number, state.order.status.value, NOT_ASKED, f"{error.code}: run again later")]

    async def _see(self, flow: str, number: str, ours: VehicleOrderStatus, order: OrderSnapshot) -> Finding:
        theirs = order.status.value
        if not self._mend:
            return left("order", flow, number, ours.value, theirs, "would be taken over")
        await self._flows.tell(VEHICLE_ORDER, flow, OrderSeen(order=order))
        return Finding(about="order", id=flow, order_number=number, ours=ours.value, theirs=theirs, did="taken over")

    async def _sales_order(self, number: str, status: VehicleOrderStatus, sales_order: str | None) -> list[Finding]:
        if sales_order is None:
            return []
        found = (await self._sales_orders.sales_orders([sales_order])).get(sales_order)
        if isinstance(found, BffError):
            raise found
        if found is None:
            return [left("sales order", sales_order, number, status.value, "ABSENT", "the ERP does not know it")]
        is_cancelled = status is VehicleOrderStatus.CANCELLED
        if found.rejected == is_cancelled:
            return []
        theirs = "rejected" if found.rejected else "live"
        return [left("sales order", sales_order, number, status.value, theirs, "its flow goes on, or people look")]

    # ── money without a payment ──────────────────────────────────────────────────────────────────────────────────────

    async def _unkept(self, since: datetime) -> list[Finding]:
        """What moved for payments that are not kept (any more)."""
        at = milliseconds(since)
        strays = await self._database.run(partial(find_strays, at), write=False)
        behind = await self._database.run(partial(find_left_behind, at), write=False)
        return [_unkept("moved, and no payment of ours is known", each) for each in strays] + [
            _unkept("the order is cancelled, its payment not known any more", each) for each in behind
        ]

    # ── what hangs ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _stuck(self) -> list[Finding]:
        now = self._flows.now
        waiting = await self._database.run(partial(_overdue, round((now - STALE).timestamp() * 1000)), write=False)
        return [_hanging(each) for each in waiting]


async def _each(
    page: Sequence[tuple[str, object]], look: Callable[[str, object], Awaitable[list[Finding]]]
) -> list[Finding]:
    """Some at a time: systems are asked gently."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(flow: str, state: object) -> list[Finding]:
        async with room:
            return await look(flow, state)

    return [finding for found in await asyncio.gather(*[one(*each) for each in page]) for finding in found]


def _unkept(why: str, stray: Stray) -> Finding:
    net = f"{stray.net_minor} {stray.currency}"
    did = f"{why}: give it back at the provider" if stray.net_minor > 0 else f"{why}: look there"
    return left("money", stray.payment, stray.order_number, "NOT KEPT", net, did)


def _hanging(step: Waiting) -> Finding:
    since, again = (moment(at).isoformat(timespec="minutes") for at in (step.since, step.due_at))
    tried = f"{step.attempts} tries, next {again}"
    return left("step", f"{step.flow}/{step.name}", "", f"wanted since {since}", step.error or "not tried", tried)


def _books_of(payment: str) -> Script[tuple[bytes, int]]:
    """The payment's state and the sum of its entries, as of one moment: its row is held meanwhile."""
    states = yield "SELECT state FROM bff_flow WHERE id = $1 FOR UPDATE", (payment,)
    rows = yield "SELECT kind, amount_minor FROM bff_ledger WHERE payment = $1", (payment,)
    return bytes(states[0][0]), sum(-amount if kind == "REFUND" else amount for kind, amount in rows)


def _overdue(before: int) -> Script[list[Waiting]]:
    """Steps that have been due since before then, or have failed often."""
    rows = yield (
        "SELECT flow, name, body, created_at, due_at, attempts, error FROM bff_effect"
        " WHERE due_at <= $1 OR attempts >= $2 ORDER BY created_at LIMIT 500",
        (before, TRIES),
    )
    return [Waiting(r[0], r[1], bytes(r[2]), r[3], r[4], r[5], r[6], is_held=False) for r in rows]


def _ours(state: PaymentFlowState) -> str:
    status = f"{state.status.value} {shown(state.captured or state.opened.amount)}"
    return f"{status} held" if state.is_held else status


def _theirs(said: ChargeState) -> str:
    return f"{said.status.value} {shown(said.captured or said.amount)}"
