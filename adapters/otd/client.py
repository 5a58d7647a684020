"""Delivery progress from the OTD feed, kept as a projection in memory and brought up to date by what is new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from adapters.otd.otd_wire import FeedPage, read_page
from adapters.otd.projection import OrderProjection
from adapters.transport.flight import SingleFlight
from adapters.transport.rest import query
from adapters.transport.statuses import failure
from adapters.transport.upstream import Audience, Operation, Upstream
from bff.domain.base import Found
from bff.domain.vehicle_order import DeliveryProgress
from bff.errors import BffError, UpstreamContractBroken, UpstreamError

logger = logging.getLogger(__name__)

FEED = Operation(name="GetFeed", audience=Audience.PUBLIC)
PAGE_RECORDS = 5000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class OtdFeed:
    """Implements DeliveryProgressPort. Reads nothing until it is asked.

    When the projection is older than `max_age` seconds, what is new is pulled, once for all who ask meanwhile. If the
    pull fails, the projection as it was is the answer (its `as_of` tells), and the next pull waits `max_age`.
    """

    def __init__(self, upstream: Upstream, *, max_age: float = 15.0, now: Callable[[], datetime] = _utc_now) -> None:
        self._upstream = upstream
        self._max_age = timedelta(seconds=max_age)
        self._now = now
        self._orders: dict[str, OrderProjection] = {}
        self._damaged: dict[str, str] = {}
        self._after = 0
        self._as_of: datetime | None = None
        self._tried_at: datetime | None = None
        self._pull_once: SingleFlight[None] = SingleFlight(upstream.name, self._pull)

    async def progress(self, orders: Sequence[str]) -> Found[str, DeliveryProgress]:
        if orders and self._stale():
            await self._refresh()
        return {order: found for order in orders if (found := self._find(order)) is not None}

    def _stale(self) -> bool:
        return self._as_of is None or self._tried_at is None or self._now() - self._tried_at > self._max_age

    async def _refresh(self) -> None:
        try:
            await self._pull_once()
        except UpstreamError as error:
            if self._as_of is None:
                raise
            logger.warning("the OTD feed is answered as of %s: %r %s", self._as_of, error, error.detail)

    async def _pull(self) -> None:
        """All pages after the last sequence; each is applied as it comes, so that nothing is pulled twice."""
        try:
            more = True
            while more:
                page = await self._page(self._after)
                if page.last < self._after:
                    self._forget(page)
                    continue
                self._apply(page)
                more = page.more
            self._as_of = self._now()
        finally:
            self._tried_at = self._now()

    async def _page(self, after: int) -> FeedPage:
        path = "/feed" + query([("after", after), ("limit", PAGE_RECORDS)])
        reply = await self._upstream.call(FEED, "GET", path, keys=[str(after)], headers={"accept": "text/plain"})
        name = self._upstream.name
        if reply.status != 200:
            raise failure(name, FEED, reply)
        try:
            page = read_page(reply.headers, reply.body)
        except ValueError as error:
            raise UpstreamContractBroken(name, detail=str(error)) from error
        if page.more and page.last <= after:
            raise UpstreamContractBroken(name, detail=f"the feed promises more after {after} but does not go on")
        return page

    def _forget(self, page: FeedPage) -> None:
        logger.warning("the OTD feed began anew: at %d after %d; read again from its start", page.last, self._after)
        self._after = 0
        self._orders, self._damaged = {}, {}

    def _apply(self, page: FeedPage) -> None:
        observed_at = self._now()
        for record in page.records:
            projection = self._orders.get(record.order)
            if projection is None:
                projection = self._orders[record.order] = OrderProjection(record.order)
                self._damaged.pop(record.order, None)
            projection.apply(record, observed_at)
        for damaged in page.damaged:
            logger.warning("a record of the OTD feed cannot be read: %s", damaged.detail)
            if damaged.order is not None and damaged.order not in self._orders:
                self._damaged[damaged.order] = damaged.detail
        self._after = page.last

    def _find(self, order: str) -> DeliveryProgress | BffError | None:
        projection = self._orders.get(order)
        if projection is not None and self._as_of is not None:
            return projection.progress(self._as_of)
        if order in self._damaged:
            return UpstreamContractBroken(self._upstream.name, detail=self._damaged[order])
        return None
