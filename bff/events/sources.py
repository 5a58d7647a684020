"""The sources of this service's subscriptions, over the ports that tell how things stand."""

from __future__ import annotations

from collections.abc import Callable

from bff.context import Caller, CallerKind, RequestContext
from bff.domain.service import Booking, BookingId, ServicePort
from bff.domain.vehicle_order import DeliveryProgress, DeliveryProgressPort
from bff.events.polled import PolledSource
from bff.events.stories import BookingStory, ProgressStory
from bff.ports import Ports

POLLER = Caller(kind=CallerKind.SERVICE, subject="events")
ROUND_SECONDS = 15.0
BOOKING_SECONDS = 20.0


def poller_context(ports: Callable[[], Ports]) -> Callable[[], RequestContext]:
    """What a round runs in: on nobody's behalf, so that nothing personal is shared with a caller's partition."""
    return lambda: RequestContext(ports=ports(), caller=POLLER, budget_seconds=ROUND_SECONDS)


def order_events(
    progress: DeliveryProgressPort, context: Callable[[], RequestContext]
) -> PolledSource[str, DeliveryProgress]:
    """As often as the projection of the feed is brought up to date."""
    return PolledSource(progress.progress, ProgressStory(), context, interval=ROUND_SECONDS)


def booking_events(service: ServicePort, context: Callable[[], RequestContext]) -> PolledSource[BookingId, Booking]:
    return PolledSource(service.bookings, BookingStory(), context, interval=BOOKING_SECONDS)
