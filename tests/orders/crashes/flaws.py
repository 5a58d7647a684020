"""Faults put into the service on purpose: if the lab does not find them, it would find nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from adapters.wechatpay.client import WechatPay
from bff.domain.payment import RefundStatus
from bff.durability import flow_store
from bff.durability.database import Script
from bff.durability.flow import Fact, FlowKind
from bff.durability.flow_store import Claimed, Told


def _new_key_for_every_try() -> None:
    """Commerce cannot know that it is the same order."""
    place = CommerceVehicleOrders.place

    async def flawed(self: Any, *given: Any, idempotency_key: str, **named: Any) -> Any:
        return await place(self, *given, idempotency_key=uuid4().hex, **named)

    CommerceVehicleOrders.place = flawed  # type: ignore[method-assign]


def _new_refund_for_every_try() -> None:
    repay = WechatPay.repay

    async def flawed(self: Any, repayment: Any) -> Any:
        outcome = await repay(self, replace(repayment, id=uuid4().hex))
        assert outcome.entity is not None
        said = replace(outcome.entity, id=repayment.id, status=RefundStatus.SUCCEEDED)
        return replace(outcome, entity=said)

    WechatPay.repay = flawed  # type: ignore[method-assign, assignment]


def _at_most_once() -> None:
    """Whoever takes an effect strikes it out before it is done."""
    claim = flow_store.claim

    def flawed_claim(flow: str, name: str, owner: str, now: int, lease_until: int) -> Script[Claimed | None]:
        claimed = yield from claim(flow, name, owner, now, lease_until)
        if claimed is not None:
            yield "DELETE FROM bff_effect WHERE flow = $1 AND name = $2", (flow, name)
        return claimed

    def flawed_finish(kind: FlowKind[Any], done: Claimed, fact: Fact | None, now: datetime) -> Script[Told | None]:
        return Told(None) if fact is None else (yield from flow_store.tell(kind, done.flow, fact, now))

    flow_store.claim = flawed_claim
    flow_store.finish = flawed_finish


FLAWS: dict[str, Callable[[], None]] = {
    "new key for every try": _new_key_for_every_try,
    "new refund for every try": _new_refund_for_every_try,
    "effects at most once": _at_most_once,
}
