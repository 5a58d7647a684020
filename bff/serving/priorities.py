"""Who goes first when the process is behind: what an operation is for, and through what it is asked.

An operation is as important as the most important of its root fields. A car's screen cannot be put away while driving:
what it asks goes one place up. Fields that are not named here are NORMAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

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


def of_operation(document: DocumentNode, operation: OperationDefinitionNode) -> Priority:
    """Ranked by its root fields, fragments looked through; a subscription can be opened again, and goes last."""
    if operation.operation is OperationType.SUBSCRIPTION:
        return Priority.LAST
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    ranks = {ROOT_FIELDS.get(name, Priority.NORMAL) for name in _root_fields(operation.selection_set, fragments, set())}
    return min(ranks, default=Priority.NORMAL)


def through(channel: Channel, priority: Priority) -> Priority:
    """The operation's priority for one who asks through this channel."""
    return Priority(max(0, priority - 1)) if channel is Channel.IN_CAR else priority


def _root_fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[str]:
    for each in selections.selections:
        if isinstance(each, FieldNode):
            yield each.name.value
        elif isinstance(each, FragmentSpreadNode):
            name = each.name.value
            if name in fragments and name not in seen:
                seen.add(name)
                yield from _root_fields(fragments[name].selection_set, fragments, seen)
        else:
            yield from _root_fields(each.selection_set, fragments, seen)  # type: ignore[attr-defined]  # inline fragment
