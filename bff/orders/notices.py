"""Notifications of providers: verified, told once, answered as the provider wants it.

They come late, twice, at the same time, in any order, or never; and anybody can send what looks like one. What is
believed is put into the payment's flow in the same transaction that remembers the notification, so a crash
between the two cannot lose it, and the same one again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from bff.domain.payment import PaymentProvider
from bff.domain.providers import Notice, NoticeRefused, NoticeReply, ProviderPort
from bff.durability import flow_store as store
from bff.durability.database import Database, Script
from bff.durability.flow import Fact
from bff.durability.flow_store import Told, milliseconds
from bff.durability.flows import Flows
from bff.errors import BffError
from bff.orders.payment_facts import ProviderSaid, RepaymentSaid
from bff.orders.payment_flow import PaymentFlow
from bff.orders.payments import PREFIX
from bff.orders.strays import enter_stray

log = logging.getLogger("bff.orders")

KEPT_DAYS = 30
"""How long a notification is remembered: providers repeat theirs for at most three days."""

PURGE_MOST = 500


class Notices:
    def __init__(
        self, flows: Flows, database: Database, kind: PaymentFlow, providers: Mapping[str, ProviderPort]
    ) -> None:
        """`providers` by the last part of the address that they call: `wechat-pay`, `alipay`, `card`."""
        self._flows = flows
        self._database = database
        self._kind = kind
        self._providers = providers

    def knows(self, name: str) -> bool:
        return name in self._providers

    async def take(self, name: str, headers: Mapping[str, str], body: bytes) -> NoticeReply:
        """What to answer. Nothing is acknowledged that was not written down."""
        provider = self._providers[name]
        try:
            notice = await provider.read_notice(headers, body)
            if notice is not None:
                await self._apply(provider.provider, notice)
        except NoticeRefused as refused:
            log.warning("a notification of %s was refused: %s", name, refused)
            return provider.reply(refused)
        except BffError as error:
            log.warning("a notification of %s cannot be taken now: %s", name, error.code)
            return provider.reply(error)
        return provider.reply(None)

    async def _apply(self, provider: PaymentProvider, notice: Notice) -> None:
        flow, fact = _fact_of(notice)
        told = await self._database.run(partial(self._once, provider.value, notice, flow, fact))
        if told is None:
            log.info("notification %s of %s has been told before", notice.id, provider.value)
        elif told.state is None:
            log.warning("notification %s of %s is about %s, which is not kept here", notice.id, provider.value, flow)
        else:
            self._flows.stir()

    async def forget_old(self) -> None:
        """Delete what was taken longer ago than any provider repeats it; no more at once than is quick."""
        before = milliseconds(self._flows.now - timedelta(days=KEPT_DAYS))
        await self._database.run(partial(purge, before, PURGE_MOST))

    def _once(self, provider: str, notice: Notice, flow: str, fact: Fact) -> Script[Told | None]:
        now = self._flows.now
        fresh = yield (
            "INSERT INTO bff_notice (provider, id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id",
            (provider, notice.id, milliseconds(now)),
        )
        if not fresh:
            return None
        told: Told = yield from store.tell(self._kind, flow, fact, now)
        if told.state is None and flow.startswith(PREFIX) and (yield from enter_stray(notice, now)):
            log.error("money of %s moved, which is not kept here: `bff reconcile` tells of it", flow)
        return told


def _fact_of(notice: Notice) -> tuple[str, Fact]:
    """Which payment it is about, and what it says."""
    if notice.charge is not None:
        return notice.charge.id, ProviderSaid(charge=notice.charge)
    assert notice.repayment is not None, "a notice is about a charge or a repayment"
    return notice.repayment.charge_id, RepaymentSaid(repayment=notice.repayment)


def purge(before: int, most: int) -> Script[int]:
    """Forget notifications older than `before` (milliseconds), a bounded number at once."""
    gone = yield (
        "DELETE FROM bff_notice WHERE (provider, id) IN"
        " (SELECT provider, id FROM bff_notice WHERE at < $1 LIMIT $2) RETURNING id",
        (before, most),
    )
    return len(gone)
