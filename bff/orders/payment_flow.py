"""The flow of a payment: its rules (`payment_rules.py`), and how its effects are performed at provider and order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bff.domain.base import Money
from bff.domain.payment import PaymentProvider, PaymentPurpose
from bff.domain.providers import ProviderPort
from bff.domain.settlement import SettlementPort
from bff.durability.flow import Decision, Fact
from bff.errors import InvalidInput, NotFound, UpstreamRejected
from bff.orders import payment_facts as facts
from bff.orders import payment_rules
from bff.orders.payment_pieces import refusal
from bff.orders.payment_state import (
    Begin,
    Capture,
    Close,
    PaymentEffect,
    PaymentFlowState,
    Query,
    QueryRepay,
    Repay,
    Settle,
    TellOrderOfRefund,
)

log = logging.getLogger("bff.orders")


class PaymentFlow:
    """`FlowKind` of payments. `providers` are those that this service speaks to itself."""

    name = facts.PAYMENT
    state_type = PaymentFlowState
    fact_type: Any = facts.PaymentFact
    effect_type: Any = PaymentEffect

    def __init__(self, providers: Mapping[PaymentProvider, ProviderPort], settlements: SettlementPort) -> None:
        self._providers = providers
        self._settlements = settlements

    def decide(
        self, flow: str, state: PaymentFlowState | None, fact: facts.PaymentFact, now: datetime
    ) -> Decision[PaymentFlowState] | None:
        return payment_rules.decide(flow, state, fact, now)

    async def perform(self, flow: str, effect: Any) -> Fact | None:
        match effect:
            case Begin():
                return await self._begin(effect)
            case Query():
                return facts.ProviderSaid(charge=await self._at(effect.provider).query(flow, effect.reference))
            case Close():
                return facts.ProviderSaid(charge=await self._at(effect.provider).close(flow, effect.reference))
            case Capture():
                taken = await self._at(effect.provider).capture(flow, effect.reference, effect.amount)
                return facts.ProviderSaid(charge=taken)
            case Repay():
                return await self._repay(effect)
            case QueryRepay():
                provider = self._at(effect.provider)
                said = await provider.query_repayment(effect.repayment, effect.transaction)
                return facts.RepaymentSaid(repayment=said)
            case Settle():
                return await self._settle(flow, effect)
            case TellOrderOfRefund():
                return await self._tell_order(flow, effect)
            case _:
                raise TypeError(f"a payment has no effect {type(effect).__name__}")

    def _at(self, provider: PaymentProvider) -> ProviderPort:
        port = self._providers.get(provider)
        if port is None:
            raise LookupError(f"{provider.value} is not configured any more: its open payments wait until it is")
        return port

    async def _begin(self, effect: Begin) -> Fact:
        try:
            outcome = await self._at(effect.provider).begin(effect.charge)
        except (UpstreamRejected, InvalidInput, NotFound) as error:
            log.warning("payment %s was rejected by %s: %s", effect.charge.id, effect.provider.value, error.detail)
            return facts.ChargeRefused(refusals=[refusal("PROVIDER_NOT_SUPPORTED", error.message)])
        if outcome.entity is None:
            return facts.ChargeRefused(refusals=outcome.refusals)
        return facts.ChargeBegun(begun=outcome.entity)

    async def _repay(self, effect: Repay) -> Fact:
        try:
            outcome = await self._at(effect.provider).repay(effect.repayment)
        except UpstreamRejected as error:
            refused = refusal("NOT_REFUNDABLE", error.message)
            return facts.RepaymentRefused(id=effect.repayment.id, refusals=[refused])
        if outcome.entity is None:
            return facts.RepaymentRefused(id=effect.repayment.id, refusals=outcome.refusals)
        return facts.RepaymentSaid(repayment=outcome.entity)

    async def _settle(self, flow: str, effect: Settle) -> Fact:
        """An order that is not there takes nothing; all is given back."""
        nothing = Money(amount_minor=0, currency=effect.amount.currency)
        try:
            outcome = await self._settlements.settle(
                flow, effect.order_number, PaymentPurpose(effect.purpose), effect.amount
            )
        except NotFound:
            return facts.OrderSettled(applied=nothing, give_back=effect.amount)
        if outcome.entity is None:
            return facts.OrderSettled(applied=nothing, give_back=effect.amount)
        return facts.OrderSettled(applied=outcome.entity.applied, give_back=outcome.entity.give_back)

    async def _tell_order(self, flow: str, effect: TellOrderOfRefund) -> Fact:
        try:
            await self._settlements.repaid(flow, effect.id, effect.amount)
        except NotFound:  # it never took this payment: its books need no change
            log.info("refund %s: the order does not know payment %s", effect.id, flow)
        return facts.OrderToldOfRefund(id=effect.id)
