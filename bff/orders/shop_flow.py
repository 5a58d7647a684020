"""The flow of a shop order: its rules (`shop_rules.py`), and how its effects are performed at commerce and payments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from bff.domain.base import Found, Refusal
from bff.domain.catalogue import CataloguePort, Entitlement, EntitlementState
from bff.domain.commerce import CommercePort, MerchandiseOrder, OrderState
from bff.durability.flow import Decision, Fact
from bff.durability.flows import Flows
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from bff.orders import shop_facts as facts
from bff.orders import shop_rules
from bff.orders.payment_facts import PAYMENT, CaptureAsked, CloseAsked, RefundAsked
from bff.orders.shop_state import (
    SHOP_ORDER,
    Cancel,
    ClosePayments,
    GiveBack,
    Look,
    Ordered,
    Place,
    Revoke,
    SeenFeature,
    ShopEffect,
    ShopOrderState,
    Take,
)

log = logging.getLogger("bff.orders")

V = TypeVar("V")

FOR_GOOD = (NotFound, UpstreamRejected, InvalidInput)
"""Errors that another try would meet again: nothing was done, and nothing will be."""

_NOT_DONE = Refusal(code="OTHER", message="The shop did not cancel this order.", field=["input", "orderId"])


class ShopOrders:
    """`FlowKind` of shop orders, over commerce's own ports and the flows of payments."""

    name = SHOP_ORDER
    state_type = ShopOrderState
    fact_type: Any = facts.ShopFact
    effect_type: Any = ShopEffect

    def __init__(self, flows: Flows, commerce: CommercePort, catalogue: CataloguePort) -> None:
        self._flows = flows
        self._commerce = commerce
        self._catalogue = catalogue
        self._listeners: dict[str, list[MerchandiseOrder]] = {}

    def decide(
        self, flow: str, state: ShopOrderState | None, fact: facts.ShopFact, now: datetime
    ) -> Decision[ShopOrderState] | None:
        return shop_rules.decide(flow, state, fact, now)

    @contextmanager
    def listening(self, flow: str) -> Iterator[list[MerchandiseOrder]]:
        """What commerce answers while this flow is driven here: spares asking for the order a second time."""
        heard = self._listeners.setdefault(flow, [])
        try:
            yield heard
        finally:
            self._listeners.pop(flow, None)

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        match effect:
            case Place():
                return await self._place(flow, effect)
            case Cancel():
                return await self._cancel(flow, effect)
            case Look():
                return await self._look(effect)
            case Revoke():
                return await self._revoke(flow, effect)
            case ClosePayments():
                return await self._close_payments(effect)
            case GiveBack():
                return await self._give_back(effect)
            case Take():
                await self._flows.tell(PAYMENT, effect.payment, CaptureAsked())
                return None
            case _:
                raise TypeError(f"a shop order has no effect {type(effect).__name__}")

    async def _place(self, flow: str, effect: Place) -> Fact:
        if self._flows.now >= effect.until:
            return facts.PlaceRefused(refusals=[], failure=UpstreamUnavailable.code)
        try:
            outcome = await self._commerce.place_order(
                effect.customer_id,
                cart_version=effect.cart_version,
                address=effect.address,
                expected_total=effect.expected_total,
                idempotency_key=f"{flow}:place",
            )
        except FOR_GOOD as error:
            log.warning("shop order %s was not placed: %s", flow, error.detail or error.code)
            return facts.PlaceRefused(refusals=[], failure=error.code)
        order = outcome.entity
        if order is None:
            return facts.PlaceRefused(refusals=outcome.refusals)
        self._heard(flow, order)
        known = (await self._flows.states_of(SHOP_ORDER, [order.number]))[order.number]
        others = [other for other, _ in known if other != flow]
        return facts.Placed(order=Ordered.of(order), known_by=others[0] if others else "")

    async def _cancel(self, flow: str, effect: Cancel) -> Fact:
        """A refusal may be the echo of our own wish, or of commerce's: what counts is how the order stands now."""
        try:
            outcome = await self._commerce.cancel_order(
                effect.number,
                reason=effect.reason,
                idempotency_key=f"{flow}:cancel:{effect.turn}",
                only_unpaid=effect.only_unpaid,
            )
            refusals = outcome.refusals
        except FOR_GOOD as error:
            log.warning("shop order %s was not cancelled: %s", flow, error.detail or error.code)
            outcome, refusals = None, [_NOT_DONE]
        order = outcome.entity if outcome is not None else None
        if order is None:
            order = found(await self._commerce.orders([effect.number]), effect.number)
        self._heard(flow, order)
        if order.order_state is OrderState.CANCELLED:
            return facts.Cancelled()
        return facts.CancelRefused(turn=effect.turn, refusals=refusals, payment_state=order.payment_state)

    def _heard(self, flow: str, order: MerchandiseOrder) -> None:
        if (listener := self._listeners.get(flow)) is not None:
            listener.append(order)

    async def _look(self, effect: Look) -> Fact:
        answered, features = await asyncio.gather(
            self._commerce.orders([effect.number]), self._features(effect.number, effect.vins), return_exceptions=True
        )
        if isinstance(answered, BaseException):
            raise answered
        if isinstance(features, BaseException):
            raise features
        order = found(answered, effect.number)
        return facts.Seen(order_state=order.order_state, payment_state=order.payment_state, features=features)

    async def _features(self, number: str, vins: Sequence[str]) -> tuple[SeenFeature, ...]:
        if not vins:
            return ()
        answered = await self._catalogue.entitlements(vins)
        by_car: list[list[Entitlement]] = []
        for vin in vins:
            entry = answered.get(vin, [])
            if isinstance(entry, BffError):
                raise entry
            by_car.append(entry)
        return tuple(
            SeenFeature(
                entitlement=entitlement.id,
                product=entitlement.product_id,
                vin=entitlement.vin,
                state=entitlement.state,
                deadline=entitlement.activation_deadline,
            )
            for entitlements in by_car
            for entitlement in entitlements
            if entitlement.order_number == number
        )

    async def _revoke(self, flow: str, effect: Revoke) -> Fact:
        try:
            outcome = await self._catalogue.revoke(effect.entitlement, idempotency_key=f"{flow}:{effect.name}")
        except NotFound:
            return facts.Revoked(line=effect.line, state=None)
        if outcome.entity is not None:
            return facts.Revoked(line=effect.line, state=outcome.entity.state)
        return facts.Revoked(line=effect.line, state=EntitlementState.ACTIVE)

    async def _close_payments(self, effect: ClosePayments) -> Fact | None:
        payments = (await self._flows.states_of(PAYMENT, [effect.number]))[effect.number]
        for payment, _ in payments:
            await self._flows.tell(PAYMENT, payment, CloseAsked())
        return None

    async def _give_back(self, effect: GiveBack) -> Fact:
        """A payment that is just being taken says so: it is told again. More than is left: what is left."""
        asked = RefundAsked(id=effect.id, amount=effect.amount, reason=effect.reason)
        told = await self._flows.tell(PAYMENT, effect.payment, asked)
        if told.refusal is not None and told.refusal.code == "REFUND_EXCEEDS_CAPTURED":
            asked = RefundAsked(id=effect.id, amount=None, reason=effect.reason)
            told = await self._flows.tell(PAYMENT, effect.payment, asked)
        if told.refusal is not None and told.state.is_held:
            raise UpstreamBusy("payment", detail=f"{effect.payment}: {told.refusal.message}")
        if told.refusal is not None:  # a hold that has run out: nothing is there to give back
            log.warning("payment %s gives nothing back: %s", effect.payment, told.refusal.message)
        if told.state is None:
            log.error("payment %s is not known here: staff has to give back %s", effect.payment, effect.amount)
        return facts.GiveBackTold(id=effect.id)


def found(answered: Found[str, V], key: str) -> V:
    """The one value that was asked for. Raises its error; one that should exist and does not is a broken promise."""
    value = answered.get(key)
    if isinstance(value, BffError):
        raise value
    if value is None:
        raise UpstreamContractBroken("commerce", detail=f"{key} is not there any more")
    return value
