"""Following a car order and a workshop booking: as subscriptions, and by polling with the same ids.

Rights are checked when a stream begins and again before every event: a car that was sold, or a booking that was handed
over, is not followed further. Each event has a budget and a call log of its own, as if it were a request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple, cast

import strawberry

from bff.context import EVENT_ID, LAST_EVENT_ID, RequestContext
from bff.domain import service, vehicle_order
from bff.domain.events import Event
from bff.errors import InvalidInput, NotFound
from bff.settings import BUDGETS
from resolvers import loads
from resolvers.common import Request, customer_id_of, field, prop
from resolvers.fields import batch_field
from resolvers.fulfilment import DeliveryProgress, MilestoneEvent
from resolvers.relay import LONGEST_PAGE, decode_id, encode_id, page_args, split_id
from resolvers.rights import scopes
from resolvers.service import ServiceBooking, booking_by_key
from resolvers.vehicle_order import VehicleOrder, order_by_number

ORDER_EVENT, BOOKING_EVENT = "VehicleOrderEvent", "ServiceBookingEvent"
SEPARATOR = "~"
EVENT_ID_SAYS = (
    "Names the event, the same in a subscription and in polling. Send the last one that you have seen as `after` "
    "(over server-sent events also as Last-Event-ID) to go on from there."
)
CURSOR_SAYS = "The `id` of the last event that you have seen by now: keep it, and send it as `after` the next time."
SNAPSHOT_SAYS = (
    "True where this tells how things stand, not what happened: at the beginning without `after`, and where `after` is "
    "too old for every event since to be told. Replace what you show, do not add to it."
)


class OrderEventView(NamedTuple):
    id: str
    is_snapshot: bool
    observed_at: datetime
    report: vehicle_order.MilestoneEvent | None
    progress: vehicle_order.DeliveryProgress
    number: str


class BookingEventView(NamedTuple):
    id: str
    is_snapshot: bool
    observed_at: datetime
    status: service.BookingStatus
    booking: service.Booking


@strawberry.type(description="Something that was reported about a car on order.")
class VehicleOrderEvent:
    id: strawberry.ID = prop(EVENT_ID_SAYS)
    is_snapshot: bool = prop(SNAPSHOT_SAYS)
    observed_at: datetime = prop("When we learned of it.")
    report: MilestoneEvent | None = prop("What was reported; null in a snapshot before the first report.")
    progress: DeliveryProgress = prop("Where the car is as of this event.")
    order: VehicleOrder | None = batch_field(loads.vehicle_orders, key="number", description="The order, as it is now.")


@strawberry.type(description="A change of a booking at the workshop.")
class ServiceBookingEvent:
    id: strawberry.ID = prop(EVENT_ID_SAYS)
    is_snapshot: bool = prop(SNAPSHOT_SAYS)
    observed_at: datetime = prop("When we learned of it.")
    status: service.BookingStatus = prop("Where the booking stood then.")
    booking: ServiceBooking = prop("The booking as it was then.")


class _Followed(NamedTuple):
    """What both subscriptions need to know: how the thing is checked, followed and shown."""

    kind: str
    name: str
    check: Callable[[], Awaitable[Any]]
    view: Callable[[str, Event[Any]], Any]

    def public_id(self, event: Event[Any]) -> str:
        return encode_id(self.kind, f"{self.name}{SEPARATOR}{event.id}")

    def after(self, text: str | None) -> str | None:
        """The source's own id of an event of ours. Raises InvalidInput for one that is not of this thing."""
        if text is None:
            return None
        kind, key = split_id(text) or ("", "")
        name, _, event = key.rpartition(SEPARATOR)
        if kind != self.kind or name != self.name:
            raise InvalidInput("`after` is the `id` of an event of this very thing.", field="after")
        return event


async def _order(info: Request, order_id: str) -> tuple[_Followed, str]:
    customer_id_of(info)
    number, context = decode_id(order_id, "VehicleOrder", "orderId"), info.context
    order = await order_by_number(context, number)
    if order is None:
        raise NotFound("There is no such order of yours.")
    if order.otd_number is None:
        raise NotFound("The order is not on its way yet: it can be followed as soon as its `progress` is not null.")

    def view(public: str, event: Event[vehicle_order.DeliveryProgress]) -> OrderEventView:
        report = next((each for each in event.value.events if each.id == event.id), None)
        return OrderEventView(public, event.is_snapshot, event.at, report, event.value, number)

    return _Followed(ORDER_EVENT, number, lambda: order_by_number(context, number), view), order.otd_number


async def _booking(info: Request, booking_id: str) -> tuple[_Followed, service.BookingId]:
    customer_id_of(info)
    key, context = decode_id(booking_id, "ServiceBooking", "bookingId"), info.context
    booking = await booking_by_key(context, key)
    if booking is None:
        raise NotFound("There is no such booking of yours.")

    def view(public: str, event: Event[service.Booking]) -> BookingEventView:
        return BookingEventView(public, event.is_snapshot, event.at, event.value.status, event.value)

    followed = _Followed(BOOKING_EVENT, booking.id.key, lambda: booking_by_key(context, key), view)
    return followed, booking.id


async def _told(
    context: RequestContext, followed: _Followed, events: AsyncGenerator[Event[Any], None]
) -> AsyncIterator[Any]:
    """Each event while the caller may see it. The stream ends with NotFound where that is no longer so."""
    try:
        async for event in events:
            _begin_event(context)
            if await followed.check() is None:
                raise NotFound("This is no longer yours to follow.")
            public = context.state[EVENT_ID] = followed.public_id(event)
            yield followed.view(public, event)
    finally:
        await events.aclose()


def _begin_event(context: RequestContext) -> None:
    context.deadline = monotonic() + BUDGETS[context.channel.value]
    context.calls.records.clear()  # the log is of the event at hand; its trace is the stream's
    context.loads.clear()


class EventPageValue(NamedTuple):
    events: list[Any]
    cursor: str | None
    has_more: bool


@strawberry.type(description="What was reported about an order since an event.")
class VehicleOrderEventPage:
    events: list[VehicleOrderEvent] = prop("Events, oldest first. Empty where nothing has happened since.")
    cursor: str | None = prop(CURSOR_SAYS)
    has_more: bool = prop("Whether there are more events already: ask again at once.")


@strawberry.type(description="What has changed about a booking since an event.")
class ServiceBookingEventPage:
    events: list[ServiceBookingEvent] = prop("Events, oldest first. Empty where nothing has happened since.")
    cursor: str | None = prop(CURSOR_SAYS)
    has_more: bool = prop("Whether there are more events already: ask again at once.")


def _page(followed: _Followed, events: list[Event[Any]], after: str | None, most: int) -> EventPageValue:
    shown = [(followed.public_id(event), event) for event in events[:most]]
    views = [followed.view(public, event) for public, event in shown]
    return EventPageValue(views, shown[-1][0] if shown else after, len(events) > most)


def _bounded(first: int | None) -> int:
    return page_args(first, None, None, None, default=LONGEST_PAGE).first or 0


@strawberry.type
class EventQuery:
    @field(
        "What was reported about an order since the event `after`, for clients without subscriptions.",
        returns=VehicleOrderEventPage | None,
        directives=[scopes("order:read")],
    )
    @staticmethod
    async def vehicle_order_events(
        info: Request, order_id: strawberry.ID, after: str | None = None, first: int | None = None
    ) -> EventPageValue:
        most = _bounded(first)
        followed, key = await _order(info, order_id)
        return _page(followed, await info.context.ports.order_events.since(key, followed.after(after)), after, most)

    @field(
        "What has changed about a booking since the event `after`, for clients without subscriptions.",
        returns=ServiceBookingEventPage | None,
        directives=[scopes("service:read")],
    )
    @staticmethod
    async def service_booking_events(
        info: Request, booking_id: strawberry.ID, after: str | None = None, first: int | None = None
    ) -> EventPageValue:
        most = _bounded(first)
        followed, key = await _booking(info, booking_id)
        return _page(followed, await info.context.ports.booking_events.since(key, followed.after(after)), after, most)


def _subscription(description: str, *scope: str) -> Callable[[Any], Any]:
    return cast("Callable[[Any], Any]", strawberry.subscription(description=description, directives=[scopes(*scope)]))


@strawberry.type(description="What can be followed. A stream begins with how things stand, or after the event named.")
class Subscription:
    @_subscription(
        "Follow a car from order to delivery. The stream completes when it is delivered or cancelled.", "order:read"
    )
    async def vehicle_order_progress(
        self, info: Request, order_id: strawberry.ID, after: str | None = None
    ) -> AsyncIterator[VehicleOrderEvent]:
        followed, key = await _order(info, order_id)
        last = followed.after(after if after is not None else info.context.state.get(LAST_EVENT_ID))
        events = info.context.ports.order_events.listen(key, last)
        async for event in _told(info.context, followed, events):
            yield event

    @_subscription(
        "Follow a booking at the workshop. The stream completes when it is closed or cancelled.", "service:read"
    )
    async def service_booking_progress(
        self, info: Request, booking_id: strawberry.ID, after: str | None = None
    ) -> AsyncIterator[ServiceBookingEvent]:
        followed, key = await _booking(info, booking_id)
        last = followed.after(after if after is not None else info.context.state.get(LAST_EVENT_ID))
        events = info.context.ports.booking_events.listen(key, last)
        async for event in _told(info.context, followed, events):
            yield event
