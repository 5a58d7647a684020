"""How long ended flows are kept: an order goes with its payments, when nothing of it has changed for long.

Only what is over may go (`is_over` of each state): no money held, owed or on its way, no step and no event that waits.
What providers say afterwards all the same, `bff/orders/strays.py` sees to.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from bff.durability import purging
from bff.durability.database import Database
from bff.durability.flow_store import Stored, milliseconds, moment
from bff.durability.flows import Flows
from bff.durability.purging import START, Matter
from bff.orders.booking_facts import BOOKING, BookingState
from bff.orders.payment_facts import PAYMENT
from bff.orders.payment_state import PaymentFlowState
from bff.orders.shop_state import SHOP_ORDER, ShopOrderState
from bff.orders.vehicle_facts import VEHICLE_ORDER
from bff.orders.vehicle_state import VehicleOrderState

STATES: dict[str, Any] = {
    PAYMENT: PaymentFlowState,
    SHOP_ORDER: ShopOrderState,
    VEHICLE_ORDER: VehicleOrderState,
    BOOKING: BookingState,
}
KINDS = tuple(STATES)

PAGE, PAGES = 50, 20
"""Flows that one transaction looks at, and how many such looks a round has."""

AGAIN = timedelta(hours=1)
"""When all were looked at, this long nothing new will have become old enough to hurry for."""


class Retention:
    """`days` since anything of a flow's order changed; 0 keeps all for ever. `purged` counts flows since the process
    began, by kind.
    """

    def __init__(self, flows: Flows, database: Database, *, days: int) -> None:
        self._flows = flows
        self._database = database
        self._days = days
        self._turn, self._after = 0, START
        self._again_at = flows.now
        self.purged = Counter(dict.fromkeys(KINDS, 0))

    async def purge(self) -> None:
        """One round, in short transactions; the next goes on where it ended. Raises StateUnavailable."""
        if not self._days or self._flows.now < self._again_at:
            return
        before = milliseconds(self._flows.now - timedelta(days=self._days))
        for _ in range(PAGES):
            script = partial(purging.unchanged, KINDS[self._turn], before, self._after, PAGE)
            page = await self._database.run(script, write=False)
            await self._purge(page, before)
            if len(page) == PAGE:
                self._after = (page[-1].changed_at, page[-1].id)
                continue
            self._turn, self._after = (self._turn + 1) % len(KINDS), START
            if self._turn == 0:
                self._again_at = self._flows.now + AGAIN
                return

    async def _purge(self, page: list[Stored], before: int) -> None:
        over = [stored for stored in page if _is_over(stored, before)]
        if not over:
            return
        # An event is as old as the change that it tells of, so for flows that rest this cannot become more.
        unsent = await self._database.run(partial(purging.unsent, before), write=False)
        matters = [_matter(stored) for stored in over if _told_of(stored) not in unsent]
        may_go = partial(_is_over, before=before)
        self.purged.update(await self._database.run(partial(purging.purge, matters, may_go)))


def _is_over(stored: Stored, before: int) -> bool:
    """Nothing of it has changed since `before`, and nothing more is to be done."""
    state = _state(stored)
    if state is None or stored.changed_at >= before or not state.is_over:
        return False
    is_ahead = isinstance(state, BookingState) and state.visit is not None and state.visit.start >= moment(before)
    return not is_ahead


def _matter(stored: Stored) -> Matter:
    """The flows of an order's number; what never came to be an order, and a visit, stand by themselves."""
    state = _state(stored)
    is_order = (
        isinstance(state, PaymentFlowState)
        or (isinstance(state, ShopOrderState) and bool(state.number))
        or (isinstance(state, VehicleOrderState) and state.order is not None)
    )
    return Matter(stored.id, stored.reference if is_order else None)


def _told_of(stored: Stored) -> str:
    """By which number others are told of it."""
    state = _state(stored)
    is_visit = isinstance(state, BookingState) and state.visit is not None
    return state.visit.id.number if is_visit else stored.reference


def _state(stored: Stored) -> Any:
    kind = STATES.get(stored.kind)
    return msgspec.json.decode(stored.state, type=kind) if kind is not None and stored.state else None
