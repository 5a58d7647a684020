"""Shop orders behind commerce's own port: writes go through the order's flow, reads say what is still being done.

Commerce stays the system of record: every value that is shown is its answer. Carts are passed on as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NoReturn

from bff.domain.base import Found, Money, Outcome, Page, PageArgs
from bff.domain.catalogue import CataloguePort
from bff.domain.commerce import (
    Address,
    Cart,
    CommercePort,
    MerchandiseOrder,
    OrderState,
    PaymentState,
    refuse_card_in_address,
)
from bff.domain.order_steps import PendingStep
from bff.domain.payment import refuse_card_number
from bff.durability.flow import digits_of
from bff.durability.flow_store import Waiting
from bff.durability.flows import Flows
from bff.errors import (
    BffError,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    StateUnavailable,
    UpstreamRejected,
    UpstreamUnavailable,
)
from bff.orders import shop_facts as facts
from bff.orders.payments import OrderView, seconds_left
from bff.orders.shop_flow import ShopOrders, found
from bff.orders.shop_state import SHOP_ORDER, Ordered, ShopOrderState, ShopPhase, holds_for
from bff.orders.shop_steps import pending

_HEX = re.compile(r"[0-9a-f]{30}")
_LIVING = (ShopPhase.RESERVED, ShopPhase.CONFIRMED, ShopPhase.CANCELLING)
_PAID = (PaymentState.PAID, PaymentState.PARTIALLY_REFUNDED)


class FlowCommerce:
    """`CommercePort` over flows, commerce's own port and the catalogue. Makes the kind of its flows known."""

    def __init__(self, flows: Flows, commerce: CommercePort, catalogue: CataloguePort) -> None:
        self._flows = flows
        self._commerce = commerce
        self._kind = ShopOrders(flows, commerce, catalogue)
        flows.add(self._kind)

    # ── carts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def carts(self, customer_ids: Sequence[str]) -> Found[str, Cart]:
        return await self._commerce.carts(customer_ids)

    async def add_line(
        self, customer_id: str, product_id: str, quantity: int, *, vin: str | None, version: int | None
    ) -> Outcome[Cart]:
        return await self._commerce.add_line(customer_id, product_id, quantity, vin=vin, version=version)

    async def set_quantity(
        self, customer_id: str, line_id: str, quantity: int, *, version: int | None
    ) -> Outcome[Cart]:
        return await self._commerce.set_quantity(customer_id, line_id, quantity, version=version)

    # ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[MerchandiseOrder]:
        answered = await self._commerce.orders_of(customer_id, page)
        await self._adopt_cancelled(answered.items)
        return answered

    async def orders(self, numbers: Sequence[str]) -> Found[str, MerchandiseOrder]:
        answered = await self._commerce.orders(numbers)
        await self._adopt_cancelled([order for order in answered.values() if isinstance(order, MerchandiseOrder)])
        return answered

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        states = await self._flows.states_of(SHOP_ORDER, numbers)
        first = {number: known[0] for number in numbers if (known := _standing(states[number]))}
        waiting: dict[str, list[Waiting]] = {flow: [] for flow, _ in first.values()}
        for effect in await self._flows.waiting_of(list(waiting)):
            waiting[effect.flow].append(effect)
        steps = {number: pending(state, waiting[flow]) for number, (flow, state) in first.items()}
        return {number: steps.get(number, []) for number in numbers}

    async def place_order(
        self,
        customer_id: str,
        *,
        cart_version: int,
        address: Address | None,
        expected_total: Money,
        idempotency_key: str,
    ) -> Outcome[MerchandiseOrder]:
        refuse_card_in_address(address)
        flow = flow_id(idempotency_key)
        wish = facts.PlaceAsked(
            customer_id=customer_id, cart_version=cart_version, address=address, expected_total=expected_total
        )
        await self._flows.tell(SHOP_ORDER, flow, wish, reference=flow)
        with self._kind.listening(flow) as heard:
            state, error = await self._drive(flow, ShopPhase.PLACING)
        if state.phase is ShopPhase.REFUSED:
            if state.failure:
                _fail(state.failure)
            return Outcome(refusals=list(state.refusals))
        if state.phase is ShopPhase.PLACING:
            raise error or DeadlineExceeded(began_write=True, detail=f"shop order {flow}")
        if state.phase is ShopPhase.MERGED:
            state = (await self._flows.states(SHOP_ORDER, [state.merged_into]))[state.merged_into]
        return Outcome(entity=await self._answer(state, heard))

    async def cancel_order(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[MerchandiseOrder]:
        refuse_card_number(reason, "input.reason")
        flow = await self.flow_of(number)
        if flow is None:
            raise NotFound("There is no such order.")
        told = await self._flows.tell(SHOP_ORDER, flow, facts.CancelAsked(key=idempotency_key, reason=reason))
        if told.refusal is not None:
            return Outcome(refusals=[told.refusal])
        with self._kind.listening(flow) as heard:
            state, error = await self._drive(flow, ShopPhase.CANCELLING)
        if state.phase is ShopPhase.CANCELLING:
            raise error or DeadlineExceeded(began_write=True, detail=f"shop order {flow}")
        if state.phase is not ShopPhase.CANCELLED:
            return Outcome(refusals=list(state.cancel_refusals))
        return Outcome(entity=await self._answer(state, heard))

    async def _drive(self, flow: str, through: ShopPhase) -> tuple[ShopOrderState, BffError | None]:
        state, error = await self._flows.drive(
            SHOP_ORDER, flow, lambda state: state.phase is not through, seconds=seconds_left()
        )
        return state, error

    async def _answer(self, state: ShopOrderState, heard: list[MerchandiseOrder]) -> MerchandiseOrder:
        """The order as commerce answered while it was driven here; asked for where somebody else drove it."""
        return heard[-1] if heard else found(await self._commerce.orders([state.number]), state.number)

    # ── flows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def flow_of(self, number: str) -> str | None:
        """The flow of an order; one that has none yet is adopted as it stands. None: there is no such order."""
        known = _standing((await self._flows.states_of(SHOP_ORDER, [number]))[number])
        if known:
            return known[0][0]
        order = (await self._commerce.orders([number])).get(number)
        if isinstance(order, BffError):
            raise order
        return None if order is None else await self._adopt(order)

    async def view(self, number: str) -> OrderView | None:
        """What a payment must know of the order; None where there is no such order."""
        answered = (await self._commerce.orders([number])).get(number)
        if isinstance(answered, BffError):
            raise answered
        if answered is None:
            return None
        known = _standing((await self._flows.states_of(SHOP_ORDER, [number]))[number])
        flow = known[0][0] if known else await self._adopt(answered)
        return OrderView(flow=(SHOP_ORDER, flow), holds=holds_for(answered), reserved_until=answered.reserved_until)

    async def _adopt(self, order: MerchandiseOrder) -> str:
        flow = flow_id(hashlib.sha256(f"order:{order.number}".encode()).hexdigest())
        await self._flows.tell(SHOP_ORDER, flow, facts.Adopted(order=Ordered.of(order)), reference=order.number)
        return flow

    async def _adopt_cancelled(self, orders: Sequence[MerchandiseOrder]) -> None:
        """Staff cancelled it in commerce, and its money is still here: whoever reads that sets its return going."""
        paid = [order for order in orders if order.order_state is OrderState.CANCELLED and order.payment_state in _PAID]
        if not paid:
            return
        try:
            states = await self._flows.states_of(SHOP_ORDER, [order.number for order in paid])
            for order in paid:
                seen = facts.Seen(order_state=order.order_state, payment_state=order.payment_state)
                for flow, state in states[order.number]:
                    if state.phase in _LIVING:
                        await self._flows.tell(SHOP_ORDER, flow, seen)
        except StateUnavailable:
            return  # the next reader does it


def flow_id(idempotency_key: str) -> str:
    """Derived from the key, so that asking again finds the same flow: the key is hexadecimal, as mutations make it."""
    known = _HEX.match(idempotency_key)
    digits = known.group() if known else digits_of(idempotency_key)
    return f"SF{digits}"


def _standing(flows: list[tuple[str, ShopOrderState]]) -> list[tuple[str, ShopOrderState]]:
    return [(flow, state) for flow, state in flows if state.phase is not ShopPhase.MERGED]


def _fail(code: str) -> NoReturn:
    if code == NotFound.code:
        raise NotFound("There is no such customer.")
    if code == InvalidInput.code:
        raise InvalidInput("The shop cannot read this order.")
    raise UpstreamRejected("commerce") if code == UpstreamRejected.code else UpstreamUnavailable("commerce")
