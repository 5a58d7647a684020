"""The flow of a car's order: its rules (`vehicle_rules.py`), and how its effects are performed at commerce and ERP."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from bff.context import current_or_none
from bff.domain.base import Outcome, Refusal
from bff.domain.payment import PaymentStatus
from bff.domain.vehicle_order import (
    RejectionReason,
    SalesOrder,
    SalesOrderPort,
    VehicleOrder,
    VehicleOrderStatus,
    VehicleOrderSystem,
)
from bff.durability.flow import Decision, Fact
from bff.durability.flows import Flows
from bff.errors import BffError, InvalidInput, NotFound, UpstreamBusy, UpstreamContractBroken, UpstreamRejected
from bff.orders import vehicle_facts as facts
from bff.orders import vehicle_rules
from bff.orders.payment_facts import PAYMENT
from bff.orders.payment_state import PaymentFlowState
from bff.orders.vehicle_state import (
    AttachSalesOrder,
    Cancel,
    CancelSalesOrder,
    CreateSalesOrder,
    FindPayments,
    Lock,
    Place,
    Refresh,
    VehicleOrderEffect,
    VehicleOrderState,
    WishKind,
)

log = logging.getLogger("bff.orders")

_FOR_GOOD = (NotFound, InvalidInput, UpstreamRejected)
"""What a system says of a request that is as wrong tomorrow: nothing was done."""


class VehicleOrderFlow:
    """`FlowKind` of the orders of cars. Keys for commerce are made of the flow and the effect: trying again is safe."""

    name = facts.VEHICLE_ORDER
    state_type = VehicleOrderState
    fact_type: Any = facts.VehicleOrderFact
    effect_type: Any = VehicleOrderEffect

    def __init__(self, flows: Flows, orders: VehicleOrderSystem, sales_orders: SalesOrderPort) -> None:
        self._flows = flows
        self._orders = orders
        self._sales_orders = sales_orders

    def decide(
        self, flow: str, state: VehicleOrderState | None, fact: facts.VehicleOrderFact, now: datetime
    ) -> Decision[VehicleOrderState] | None:
        return vehicle_rules.decide(flow, state, fact, now)

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        match effect:
            case Place():
                return await self._place(flow, effect.wanted)
            case Lock() | Cancel():
                return await self._answer(flow, effect)
            case Refresh():
                return facts.OrderSeen(order=await self._look(effect.number))
            case CreateSalesOrder():
                return await self._create(effect)
            case AttachSalesOrder():
                return await self._attach(effect)
            case CancelSalesOrder():
                return await self._reject(effect)
            case FindPayments():
                return await self._payments(flow, effect.number)
            case _:
                raise TypeError(f"the order of a car has no effect {type(effect).__name__}")

    async def _look(self, number: str) -> facts.OrderSnapshot:
        found = (await self._orders.orders([number])).get(number)
        if found is None:
            raise UpstreamContractBroken("commerce", detail=f"order {number} is not there any more")
        if isinstance(found, BffError):
            raise found
        return facts.OrderSnapshot.of(found)

    async def _place(self, flow: str, wanted: facts.OrderWanted) -> Fact:
        try:
            outcome = await self._orders.place(
                wanted.customer_id,
                wanted.share_code,
                delivery_centre=wanted.delivery_centre,
                terms_version=wanted.terms_version,
                idempotency_key=f"{flow}-place",
            )
        except _FOR_GOOD as error:
            return facts.PlaceRefused(refusals=[_refusal(error)])
        if outcome.entity is None:
            return facts.PlaceRefused(refusals=outcome.refusals)
        _show(outcome.entity)
        return facts.OrderSeen(order=facts.OrderSnapshot.of(outcome.entity))

    async def _answer(self, flow: str, effect: Lock | Cancel) -> Fact:
        """Of a refusal the order tells the reason, so it is looked at before anything follows from it."""
        try:
            outcome = await self._ask(flow, effect)
        except _FOR_GOOD as error:
            outcome = Outcome(refusals=[_refusal(error)])
        if outcome.entity is not None:
            _show(outcome.entity)
            order = facts.OrderSnapshot.of(outcome.entity)
            return facts.WishAnswered(id=effect.wish.id, refusals=[], order=order)
        return facts.WishAnswered(id=effect.wish.id, refusals=outcome.refusals, order=await self._look(effect.number))

    async def _ask(self, flow: str, effect: Lock | Cancel) -> Outcome[VehicleOrder]:
        wish, key = effect.wish, f"{flow}-{effect.wish.id}"
        if wish.kind is not WishKind.LOCK:
            return await self._orders.cancel(
                effect.number, reason=wish.reason, idempotency_key=key, only_unpaid=wish.kind is WishKind.EXPIRE
            )
        assert wish.total is not None, "a lock names the price"
        return await self._orders.lock(
            effect.number,
            configuration_hash=wish.configuration_hash,
            total=wish.total,
            terms_version=wish.terms_version,
            idempotency_key=key,
        )

    async def _create(self, effect: CreateSalesOrder) -> Fact:
        """At most one for an order, whatever was answered: the ERP is asked for the reference first."""
        outcome = await self._sales_orders.create(effect.draft)
        if outcome.entity is None:
            codes = ", ".join(refusal.code for refusal in outcome.refusals)
            log.error("the ERP refuses the sales order of %s: %s", effect.draft.reference, codes)
            return facts.SalesOrderRefused(refusals=outcome.refusals)
        return facts.SalesOrderMade(number=outcome.entity.number)

    async def _attach(self, effect: AttachSalesOrder) -> Fact:
        outcome = await self._orders.attach_sales_order(effect.number, effect.sales_order)
        if outcome.entity is not None:
            return facts.OrderSeen(order=facts.OrderSnapshot.of(outcome.entity))
        order = await self._look(effect.number)
        if order.status is not VehicleOrderStatus.CANCELLED:
            raise UpstreamRejected("commerce", detail=f"{effect.number} does not take {effect.sales_order}")
        return facts.OrderSeen(order=order)

    async def _reject(self, effect: CancelSalesOrder) -> Fact:
        found = await self._sales_order(effect)
        if found is None:
            return facts.SalesOrderRejected(number=None)
        outcome = await self._sales_orders.cancel(found, RejectionReason.CUSTOMER_CANCELLED)
        if outcome.entity is not None:
            return facts.SalesOrderRejected(number=found.number)
        codes = [refusal.code for refusal in outcome.refusals]
        if "CHANGED_MEANWHILE" in codes:
            raise UpstreamBusy("erp", detail=f"sales order {found.number} was changed meanwhile")
        raise UpstreamRejected("erp", detail=f"sales order {found.number} is not rejected: {codes}")

    async def _sales_order(self, effect: CancelSalesOrder) -> SalesOrder | None:
        if effect.sales_order is None:
            return await self._sales_orders.find(effect.reference)
        found = (await self._sales_orders.sales_orders([effect.sales_order])).get(effect.sales_order)
        if isinstance(found, BffError):
            raise found
        return found

    async def _payments(self, flow: str, number: str) -> Fact:
        """Those that this service took; what the payment service took is given back by commerce."""
        found = await self._flows.states_of(PAYMENT, [number])
        payments = [_payment(flow, payment, state) for payment, state in found[number] if state is not None]
        return facts.PaymentsFound(payments=payments)


def _show(order: VehicleOrder) -> None:
    """To the request that drives the flow, if one does: it need not ask again for what commerce has just answered."""
    context = current_or_none()
    if context is not None:
        context.state[shown_key(order.number)] = order


def shown_key(number: str) -> str:
    """Key of `RequestContext.state`: the order as commerce answered this request's write."""
    return f"vehicle-order:{number}"


def _payment(flow: str, payment: str, state: PaymentFlowState) -> facts.PaymentFound:
    taken = state.captured is not None
    is_closed = not taken and state.status is PaymentStatus.CLOSED
    return facts.PaymentFound(
        id=payment,
        purpose=state.opened.purpose,
        applied=state.applied if taken or state.is_held else None,
        is_returned=is_closed,
        tells_us=state.opened.order_flow == (facts.VEHICLE_ORDER, flow),
    )


def _refusal(error: BffError) -> Refusal:
    return Refusal(code=error.code, message=error.message)
