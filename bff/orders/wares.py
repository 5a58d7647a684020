"""What an order asks for, found out for those who wait while something is sold out: many in one call, and once each.

A cart at a version and a saved configuration never change, so what is known of them stays true.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from bff.context import Caller, CallerKind, RequestContext, enter
from bff.domain.base import Found
from bff.domain.commerce import Cart
from bff.domain.configurator import LoadedConfiguration
from bff.errors import BffError, InvalidInput
from bff.ports import Ports
from resolvers.configuration import share_code_of

V = TypeVar("V")

log = logging.getLogger("bff.orders")

Wanted = Mapping[str, int]
"""Quantity by item."""

ASKER = Caller(kind=CallerKind.SERVICE, subject="admission")
"""Asks on nobody's behalf: one call is for many callers."""

SECONDS = 1.0
"""How long a call may take; without its answer people wait for their turn as they would have."""

GATHER_SECONDS = 0.1
"""How long is waited for more to ask about: nobody who is told that something is sold out was in a hurry."""

AT_ONCE = 100
KEPT = 20_000


class Lookup(Generic[V]):
    """Values by key, asked for together: one call at a time, for up to a hundred keys."""

    def __init__(self, load: Callable[[Ports, Sequence[str]], Awaitable[Found[str, V]]]) -> None:
        self._load = load
        self._asked: dict[str, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, ports: Ports, key: str) -> V | None:
        """None: there is none, or it could not be found out in time."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(ports), name="wares")
        return await asyncio.shield(future)

    async def _run(self, ports: Ports) -> None:
        while self._asked:
            await asyncio.sleep(GATHER_SECONDS)
            keys = list(self._asked)[:AT_ONCE]
            found = await self._ask(ports, keys)
            for key in keys:
                value = found.get(key)
                self._asked.pop(key).set_result(None if isinstance(value, BffError) else value)

    async def _ask(self, ports: Ports, keys: Sequence[str]) -> Found[str, V]:
        enter(RequestContext(ports=ports, caller=ASKER, budget_seconds=SECONDS))
        try:
            return await self._load(ports, keys)
        except BffError as error:
            log.warning("what %d orders ask for could not be found out: %s", len(keys), error.code)
        except Exception:
            log.exception("what %d orders ask for could not be found out", len(keys))
        return {}


class Wares:
    """What the two kinds of orders ask for. None: it is not known, and only the order's system can tell."""

    def __init__(self) -> None:
        self._carts: Lookup[Cart] = Lookup(lambda ports, ids: ports.commerce.carts(ids))
        self._saved: Lookup[LoadedConfiguration] = Lookup(lambda ports, codes: ports.configurator.load(codes))
        self._known: OrderedDict[tuple[str, ...], Wanted] = OrderedDict()

    async def of_cart(self, context: RequestContext, given: Mapping[str, object]) -> Wanted | None:
        """The products of the caller's cart, if it is still at the version that the order names."""
        customer, version = context.caller.customer_id, given.get("cartVersion")
        if customer is None or not isinstance(version, int):
            return None
        name = ("cart", customer, str(version))
        if name in self._known:
            return self._keep(name, self._known[name])
        cart = await self._carts.find(context.ports, customer)
        if cart is None or cart.version != version:
            return None
        wanted: dict[str, int] = {}
        for line in cart.lines:
            wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
        return self._keep(name, wanted)

    async def of_configuration(self, context: RequestContext, given: Mapping[str, object]) -> Wanted | None:
        """One car of the trim that was saved under the share code."""
        try:
            code = share_code_of(str(given.get("shareCode")))
        except InvalidInput:
            return None
        name = ("saved", code)
        if name in self._known:
            return self._keep(name, self._known[name])
        loaded = await self._saved.find(context.ports, code)
        return None if loaded is None else self._keep(name, {loaded.saved.selection.trim_code: 1})

    def _keep(self, name: tuple[str, ...], wanted: Wanted) -> Wanted:
        self._known[name] = wanted
        self._known.move_to_end(name)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return wanted
