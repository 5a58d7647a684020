"""Who goes first when the process is behind: what an operation is for, and through what it is asked.

An operation is as important as the most important of its root fields. A car's screen cannot be put away while driving:
what it asks goes one place up. Fields that are not named here are NORMAL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphql import OperationType

from bff.context import Channel
from bff.policy import Priority

ROOT_FIELDS: Mapping[str, Priority] = {
    # Somebody pays, or is bound by what was ordered.
    "createPayment": Priority.FIRST,
    "closePayment": Priority.FIRST,
    "refundPayment": Priority.FIRST,
    "placeMerchandiseOrder": Priority.FIRST,
    "cancelMerchandiseOrder": Priority.FIRST,
    "placeVehicleOrder": Priority.FIRST,
    "lockVehicleOrder": Priority.FIRST,
    "cancelVehicleOrder": Priority.FIRST,
    "bookService": Priority.FIRST,
    "rescheduleServiceBooking": Priority.FIRST,
    "cancelServiceBooking": Priority.FIRST,
    "approveEstimate": Priority.FIRST,
    # Nice to have.
    "communityFeed": Priority.LAST,
    "communityTopics": Priority.LAST,
    "publishPost": Priority.LAST,
    "commentOnPost": Priority.LAST,
    "likePost": Priority.LAST,
}


def of_operation(kind: OperationType, root_fields: Iterable[str]) -> Priority:
    """Ranked by its root fields; a subscription can be opened again, and goes last."""
    if kind is OperationType.SUBSCRIPTION:
        return Priority.LAST
    return min([ROOT_FIELDS.get(name, Priority.NORMAL) for name in root_fields], default=Priority.NORMAL)


def through(channel: Channel, priority: Priority) -> Priority:
    """The operation's priority for one who asks through this channel."""
    return Priority(max(0, priority - 1)) if channel is Channel.IN_CAR else priority
