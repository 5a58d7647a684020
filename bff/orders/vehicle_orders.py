"""Orders of cars behind their port: writes go through their flows, reads come from commerce."""

from __future__ import annotations

from collections.abc import Sequence

from bff.context import current
from bff.domain.base import Found, Money, Outcome, Page, PageArgs, Refusal
from bff.domain.order_steps import PendingStep
from bff.domain.payment import refuse_card_number
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderPlacement, VehicleOrderStatus, VehicleOrderSystem
from bff.durability.flow import digits_of
from bff.durability.flow_store import Waiting
from bff.durability.flows import Flows
from bff.errors import BffError, IdempotencyKeyReused, InvalidInput, NotFound, OutcomeUnknown, UpstreamRejected
from bff.orders import vehicle_facts as facts
from bff.orders.payments import OrderView, seconds_left
from bff.orders.vehicle_facts import VEHICLE_ORDER
from bff.orders.vehicle_flow import shown_key
from bff.orders.vehicle_pending import payments_in_motion, steps
from bff.orders.vehicle_state import VehicleOrderState, WishKind, WishOutcome

_SYSTEM = "commerce"


def flow_of_key(idempotency_key: str) -> str:
    """The flow of an order that is placed under this key."""
    return "VF" + digits_of(idempotency_key)


def flow_of_number(number: str) -> str:
    """The flow of an order that was made elsewhere."""
    return "VF" + digits_of(f"adopted:{number}")


class FlowVehicleOrders:
    """`VehicleOrderPort`. A write that is not certain in the request's time raises why; it goes on by itself, and the
    same key asks for what has become of it.
    """

    def __init__(self, flows: Flows, orders: VehicleOrderSystem) -> None:
        self._flows = flows
        self._orders = orders

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[VehicleOrder]:
        return await self._orders.orders_of(customer_id, page)

    async def orders(self, numbers: Sequence[str]) -> Found[str, VehicleOrder]:
        return await self._orders.orders(numbers)

    async def place(
        self, customer_id: str, share_code: str, *, delivery_centre: str, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        wanted = facts.OrderWanted(
            customer_id=customer_id,
            share_code=share_code,
            delivery_centre=delivery_centre,
            terms_version=terms_version,
        )
        flow = flow_of_key(idempotency_key)
        told = await self._flows.tell(VEHICLE_ORDER, flow, wanted, reference=facts.placing(customer_id))
        if told.refusal is not None:
            raise IdempotencyKeyReused()
        state, error = await self._flows.drive(VEHICLE_ORDER, flow, _is_placed, seconds=seconds_left())
        if state.order is not None:
            return Outcome(entity=await self._read(state.order.number))
        if state.refusals:
            return _refused(state.refusals)
        raise await self._uncertain(flow, "place", error)

    async def lock(
        self, number: str, *, configuration_hash: str, total: Money, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        asked = facts.LockAsked(
            id=digits_of(idempotency_key),
            configuration_hash=configuration_hash,
            total=total,
            terms_version=terms_version,
        )
        return await self._wish(number, WishKind.LOCK, asked)

    async def cancel(self, number: str, *, reason: str | None, idempotency_key: str) -> Outcome[VehicleOrder]:
        refuse_card_number(reason, "input.reason")
        asked = facts.CancelAsked(id=digits_of(idempotency_key), reason=reason)
        return await self._wish(number, WishKind.CANCEL, asked)

    async def _wish(
        self, number: str, kind: WishKind, asked: facts.LockAsked | facts.CancelAsked
    ) -> Outcome[VehicleOrder]:
        flow = await self.flow_of(number)
        told = await self._flows.tell(VEHICLE_ORDER, flow, asked)
        if told.refusal is not None:
            raise IdempotencyKeyReused()

        def is_decided(state: VehicleOrderState) -> bool:
            return state.is_decided(asked.id)

        state, error = await self._flows.drive(VEHICLE_ORDER, flow, is_decided, seconds=seconds_left())
        wish = state.wish(asked.id)
        if wish.outcome is WishOutcome.DONE:
            return Outcome(entity=await self._read(number))
        if wish.outcome is WishOutcome.REFUSED:
            return _refused(wish.refusals)
        raise await self._uncertain(flow, f"{'lock' if kind is WishKind.LOCK else 'cancel'}:{wish.id}", error)

    async def _read(self, number: str) -> VehicleOrder:
        shown = current().state.pop(shown_key(number), None)
        if isinstance(shown, VehicleOrder):
            return shown
        found = (await self._orders.orders([number])).get(number)
        if isinstance(found, VehicleOrder):
            return found
        raise found or OutcomeUnknown(_SYSTEM, detail=f"order {number} was made, but is not there")

    async def _uncertain(self, flow: str, effect: str, error: BffError | None) -> BffError:
        """Why this step is not certain: its own last failure, not that of another step of the order."""
        waiting = await self._flows.waiting_of([flow])
        own = next((one.error for one in waiting if one.name == effect), "")
        if error is not None and error.code == own:
            return error
        return OutcomeUnknown(_SYSTEM, detail=f"{effect} of {flow}: {own or 'not tried to its end'}")

    # ── flows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def flow_of(self, number: str) -> str:
        """The order's flow. An order that was made elsewhere gets one here. Raises NotFound."""
        flow = await self._known(number)
        if flow is not None:
            return flow
        found = (await self._orders.orders([number])).get(number)
        if found is None:
            raise NotFound("There is no such order.")
        if isinstance(found, BffError):
            raise found
        if (flow := await self._just_placed(found)) is not None:
            return flow
        flow, seen = flow_of_number(number), facts.OrderSeen(order=facts.OrderSnapshot.of(found))
        await self._flows.tell(VEHICLE_ORDER, flow, seen, reference=number)
        return flow

    async def _known(self, number: str) -> str | None:
        found = (await self._flows.states_of(VEHICLE_ORDER, [number]))[number]
        return found[0][0] if found else None

    async def _just_placed(self, order: VehicleOrder) -> str | None:
        """Commerce may have made it for a flow of ours that has not heard the answer: then it is asked again."""
        if order.status is not VehicleOrderStatus.DRAFT:
            return None
        for flow, state in await self._placing(order.customer_id):
            if not state.is_placed:
                await self._flows.drive(VEHICLE_ORDER, flow, _is_placed, seconds=seconds_left())
        return await self._known(order.number)

    async def _placing(self, customer_id: str) -> list[tuple[str, VehicleOrderState]]:
        reference = facts.placing(customer_id)
        return (await self._flows.states_of(VEHICLE_ORDER, [reference]))[reference]

    # ── what is not done yet ─────────────────────────────────────────────────────────────────────────────────────────

    async def placements(self, customer_id: str) -> list[VehicleOrderPlacement]:
        found = [(flow, state) for flow, state in await self._placing(customer_id) if not state.is_placed]
        waiting = await self._flows.waiting_of([flow for flow, _ in found])
        return [
            VehicleOrderPlacement(
                id=flow,
                share_code=state.wanted.share_code,
                delivery_centre=state.wanted.delivery_centre,
                pending=steps(state, _of(flow, waiting), (), self._flows.now),
            )
            for flow, state in found
            if state.wanted is not None
        ]

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        try:
            found = await self._flows.states_of(VEHICLE_ORDER, numbers)
            flows = [(number, *known[0]) for number, known in found.items() if known]
            moving = [payment.id for _, _, state in flows for payment in payments_in_motion(state)]
            waiting = await self._flows.waiting_of([*(flow for _, flow, _ in flows), *moving])
        except BffError as error:
            return dict.fromkeys(numbers, error)
        now = self._flows.now
        shown = {number: steps(state, _of(flow, waiting), waiting, now) for number, flow, state in flows}
        return {number: shown.get(number, []) for number in numbers}

    async def view(self, number: str) -> OrderView:
        """What a payment must know of the order that it is for."""
        flow = await self.flow_of(number)
        order = (await self._flows.states(VEHICLE_ORDER, [flow]))[flow].order
        return OrderView(
            flow=(VEHICLE_ORDER, flow),
            is_refundable=order.status is VehicleOrderStatus.CANCELLED,
            reserved_until=order.reserved_until,
        )


def _of(flow: str, waiting: Sequence[Waiting]) -> list[Waiting]:
    return [one for one in waiting if one.flow == flow]


def _is_placed(state: VehicleOrderState) -> bool:
    return state.is_placed


def _refused(refusals: Sequence[Refusal]) -> Outcome[VehicleOrder]:
    """Refusals that are errors of ours or of the client are raised as they were."""
    for refusal in refusals:
        if refusal.code == NotFound.code:
            raise NotFound(refusal.message)
        if refusal.code == InvalidInput.code:
            raise InvalidInput(refusal.message)
        if refusal.code == UpstreamRejected.code:
            raise UpstreamRejected(_SYSTEM)
    return Outcome(refusals=list(refusals))
