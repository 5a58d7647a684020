"""Payments that this service takes itself, behind the port that the payment service stands behind as well.

Which of the two takes a payment is decided by its provider when it is begun, and is part of its id from then on: so
providers are moved over one by one, and what is open stays where it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from bff.context import CLIENT_ADDRESS, RequestContext, current
from bff.domain.base import Found, Money, Outcome, PartialList, Refusal, Value
from bff.domain.payment import (
    PaymentIntent,
    PaymentPort,
    PaymentProvider,
    PaymentPurpose,
    PaymentRequest,
    PaymentScene,
    PaymentStatus,
    Refund,
    refuse_card_number,
)
from bff.domain.providers import ProviderPort
from bff.domain.settlement import Due, SettlementPort
from bff.durability.flows import Flows
from bff.errors import BffError, NotFound, OutcomeUnknown
from bff.orders import payment_facts as facts
from bff.orders.payment_facts import PAYMENT
from bff.orders.payment_state import PaymentFlowState

PREFIX = "BP"
"""How ids of payments begin that this service took; the payment service's begin otherwise."""

OPEN_FOR = timedelta(hours=2)
"""How long a customer may take to pay: as long as WeChat Pay's `prepay_id` lives."""

MARGIN_SECONDS = 0.3
"""What is left of a request's time for its answer."""


Payer = Callable[[str], Awaitable[str | None]]
"""Customer id → their openid with the app that they pay in, where WeChat knows them."""


class OrderView(Value, frozen=True, kw_only=True):
    """What a payment must know of the order that it is for.

    `flow` is the kind and id of its flow, which is told of its payments; None where it has none. `holds`: money is only
    held until what was bought works. `is_refundable`: a customer may ask for money back, which is not so while a car is
    on order. `reserved_until`: until when what is ordered is kept for the customer; None where nothing runs out.
    """

    flow: tuple[str, str] | None = None
    holds: bool = False
    is_refundable: bool = True
    reserved_until: datetime | None = None


OrderDesk = Callable[[str, PaymentPurpose], Awaitable[OrderView]]
"""Order number and purpose → what is to be known of the order."""


def payment_id(idempotency_key: str) -> str:
    return PREFIX + hashlib.sha256(f"payment:{idempotency_key}".encode()).hexdigest()[:28]


def refund_id(idempotency_key: str) -> str:
    return "BR" + hashlib.sha256(f"refund:{idempotency_key}".encode()).hexdigest()[:28]


def seconds_left(context: RequestContext | None = None) -> float:
    """How long the request may still drive a flow."""
    return max(0.0, (context or current()).remaining_seconds - MARGIN_SECONDS)


class FlowPayments:
    """`PaymentPort` over the flows of payments. `providers` are those that this service speaks to itself."""

    def __init__(
        self,
        flows: Flows,
        providers: Mapping[PaymentProvider, ProviderPort],
        settlements: SettlementPort,
        payer: Payer,
        desk: OrderDesk,
    ) -> None:
        self._flows = flows
        self._providers = providers
        self._settlements = settlements
        self._payer = payer
        self._desk = desk

    def takes(self, provider: PaymentProvider) -> bool:
        return provider in self._providers

    async def intents(self, ids: Sequence[str]) -> Found[str, PaymentIntent]:
        try:
            states = await self._flows.states(PAYMENT, ids)
        except BffError as error:
            return dict.fromkeys(ids, error)
        return {flow: state.intent(flow) for flow, state in states.items()}

    async def intents_of(self, order_numbers: Sequence[str]) -> Found[str, list[PaymentIntent]]:
        try:
            found = await self._flows.states_of(PAYMENT, order_numbers)
        except BffError as error:
            return dict.fromkeys(order_numbers, error)
        return {
            number: [state.intent(flow) for flow, state in reversed(payments)] for number, payments in found.items()
        }

    async def create(self, request: PaymentRequest) -> Outcome[PaymentIntent]:
        flow = payment_id(request.idempotency_key)
        state = (await self._flows.states(PAYMENT, [flow])).get(flow)
        if state is None:
            opened = await self._wish(request)
            if isinstance(opened, Refusal):
                return Outcome(refusals=[opened])
            await self._close_others(opened, flow)
            await self._flows.tell(PAYMENT, flow, opened, reference=opened.order_number)
        state, error = await self._flows.drive(PAYMENT, flow, _has_begun, seconds=seconds_left())
        if state.refusals:
            return Outcome(refusals=list(state.refusals))
        warnings = [] if _has_begun(state) else [_not_yet(error)]
        return Outcome(entity=state.intent(flow), warnings=warnings)

    async def _wish(self, request: PaymentRequest) -> facts.Opened | Refusal:
        port, scene, number = self._providers[request.provider], request.scene, request.order_number
        if scene not in port.scenes:
            message = f"{request.provider.value} cannot be used in {scene.value}."
            return Refusal(code="PROVIDER_NOT_SUPPORTED", message=message)
        payer = await self._payer(request.customer_id) if scene is PaymentScene.JSAPI else None
        if scene is PaymentScene.JSAPI and payer is None:
            message = "Inside WeChat only a customer who is known to WeChat can pay: log in with WeChat first."
            return Refusal(code="PROVIDER_NOT_SUPPORTED", message=message)
        due = await self._settlements.due(number, request.purpose)
        if due.entity is None:
            return due.refusals[0]
        if (refused := _check(due.entity, request)) is not None:
            return refused
        now, order = self._flows.now, await self._desk(number, request.purpose)
        closes = now + OPEN_FOR
        return facts.Opened(
            order_number=number,
            customer_id=request.customer_id,
            purpose=request.purpose,
            provider=request.provider,
            scene=scene,
            amount=request.amount,
            description=f"订单 {number}",
            expires_at=closes if order.reserved_until is None else min(closes, order.reserved_until),
            payer=payer,
            client_ip=current().state.get(CLIENT_ADDRESS),
            holds=port.can_hold and order.holds,
            order_flow=order.flow,
        )

    async def _close_others(self, opened: facts.Opened, but: str) -> None:
        """A customer who begins to pay anew gives the other try up. If both were paid, the order takes one of them."""
        found = await self._flows.states_of(PAYMENT, [opened.order_number])
        for flow, state in found[opened.order_number]:
            if flow != but and state.opened.purpose is opened.purpose and not state.is_final:
                await self._flows.tell(PAYMENT, flow, facts.CloseAsked())

    async def close(self, intent_id: str, *, idempotency_key: str) -> Outcome[PaymentIntent]:
        told = await self._flows.tell(PAYMENT, intent_id, facts.CloseAsked())
        if told.state is None:
            raise NotFound("There is no such payment.")
        state, error = await self._flows.drive(PAYMENT, intent_id, _is_closed, seconds=seconds_left())
        if state.captured is not None:
            return Outcome(refusals=[Refusal(code="NOT_CLOSABLE", message="It has been paid.")])
        if not _is_closed(state):
            raise OutcomeUnknown(state.opened.provider.value.lower(), detail=f"close: {error}")
        return Outcome(entity=state.intent(intent_id))

    async def refund(self, intent_id: str, amount: Money, *, reason: str, idempotency_key: str) -> Outcome[Refund]:
        refuse_card_number(reason, "input.reason")
        state = (await self._flows.states(PAYMENT, [intent_id])).get(intent_id)
        if state is None:
            raise NotFound("There is no such payment.")
        wanted = refund_id(idempotency_key)
        if not (await self._desk(state.opened.order_number, state.opened.purpose)).is_refundable:
            message = "The car is still on order: cancel the order, then all of it comes back by itself."
            return Outcome(refusals=[Refusal(code="NOT_REFUNDABLE", message=message)])
        told = await self._flows.tell(PAYMENT, intent_id, facts.RefundAsked(id=wanted, amount=amount, reason=reason))
        if told.refusal is not None:
            return Outcome(refusals=[told.refusal])
        state, _ = await self._flows.drive(PAYMENT, intent_id, _is_repaid(wanted), seconds=seconds_left())
        refund = next(refund for refund in state.intent(intent_id).refunds if refund.id == wanted)
        return Outcome(entity=refund)


class RoutedPayments:
    """`PaymentPort` over two: this service's own payments, and the payment service's."""

    def __init__(self, own: FlowPayments, service: PaymentPort) -> None:
        self._own = own
        self._service = service

    async def intents(self, ids: Sequence[str]) -> Found[str, PaymentIntent]:
        own = [key for key in ids if key.startswith(PREFIX)]
        others = [key for key in ids if not key.startswith(PREFIX)]
        found = dict(await self._own.intents(own)) if own else {}
        return found | dict(await self._service.intents(others)) if others else found

    async def intents_of(self, order_numbers: Sequence[str]) -> Found[str, list[PaymentIntent]]:
        own = await self._own.intents_of(order_numbers)
        service = await self._service.intents_of(order_numbers)
        return {number: _merged(own.get(number, []), service.get(number, [])) for number in order_numbers}

    async def create(self, request: PaymentRequest) -> Outcome[PaymentIntent]:
        port: PaymentPort = self._own if self._own.takes(request.provider) else self._service
        return await port.create(request)

    async def close(self, intent_id: str, *, idempotency_key: str) -> Outcome[PaymentIntent]:
        return await self._of(intent_id).close(intent_id, idempotency_key=idempotency_key)

    async def refund(self, intent_id: str, amount: Money, *, reason: str, idempotency_key: str) -> Outcome[Refund]:
        return await self._of(intent_id).refund(intent_id, amount, reason=reason, idempotency_key=idempotency_key)

    def _of(self, intent_id: str) -> PaymentPort:
        return self._own if intent_id.startswith(PREFIX) else self._service


def _merged(
    own: list[PaymentIntent] | BffError, service: list[PaymentIntent] | BffError
) -> list[PaymentIntent] | BffError:
    """Newest first. Where one side could not tell, the other's are shown, and the list says that some may miss."""
    if isinstance(own, BffError):
        return PartialList(service, missing=own) if isinstance(service, list) and service else own
    if isinstance(service, BffError):
        return PartialList(own, missing=service) if own else service
    if not own or not service:
        return own or service
    return sorted([*own, *service], key=lambda intent: intent.created_at, reverse=True)


def _check(due: Due, request: PaymentRequest) -> Refusal | None:
    if due.customer_id != request.customer_id:
        raise NotFound("There is no such order of yours.")
    if due.amount == request.amount:
        return None
    message = f"The order asks for {due.amount.amount_minor} {due.amount.currency} in minor units: read it again."
    return Refusal(code="AMOUNT_MISMATCH", message=message)


def _has_begun(state: PaymentFlowState | None) -> bool:
    return state is not None and state.status is not PaymentStatus.CREATED


def _is_closed(state: PaymentFlowState | None) -> bool:
    return state is None or state.captured is not None or state.status is PaymentStatus.CLOSED


def _is_repaid(refund: str) -> Callable[[PaymentFlowState], bool]:
    """Whether the provider has taken the refund on; that it has reached the customer may take days."""

    def done(state: PaymentFlowState) -> bool:
        return any(r.id == refund and r.raw_status for r in state.refunds)

    return done


def _not_yet(error: BffError | None) -> Refusal:
    why = error.message if error is not None else "The provider has not answered yet."
    return Refusal(code="PENDING", message=f"{why} Poll the payment: it goes on by itself.")
