"""Loyalty points, and their ledger."""

from __future__ import annotations

from datetime import datetime

import strawberry

from bff.context import RequestContext
from bff.domain import customer as domain
from bff.domain.base import PageArgs
from resolvers.common import enum, prop
from resolvers.relay import Node, global_id, node_of
from resolvers.rights import Owner, owned, scopes

enum(
    domain.PointsKind,
    "What a line of the points ledger did.",
    {
        "HOLD": "Set aside for an order.",
        "CAPTURE": "The order went through.",
        "RELEASE": "The order did not; given back.",
    },
)


LEDGER_PAGES = 10


async def _points_entry_by_key(context: RequestContext, key: str) -> domain.PointsEntry | None:
    """A line of the caller's own ledger. The service gives pages only: at most a thousand lines are looked through."""
    customer_id, after = context.caller.customer_id, None
    for _ in range(LEDGER_PAGES if customer_id else 0):
        page = await context.ports.customers.points_entries(customer_id or "", PageArgs(first=100, after=after))
        found = next((entry for entry in page.items if entry.id == key), None)
        if found is not None or not page.has_next:
            return found
        after = page.cursors[-1]
    return None


@strawberry.type(
    description="A line of the points ledger, which only ever grows.",
    directives=[scopes("customer:read"), owned(Owner.CUSTOMER)],
)
@node_of(domain.PointsEntry, _points_entry_by_key)
class PointsEntry(Node):
    id: strawberry.ID = global_id("PointsEntry", lambda entry: entry.id)
    kind: domain.PointsKind = prop("What this line did.")
    delta: int = prop("By how many points the balance changed; negative when points left it.")
    balance_after: int = prop("The balance after this line.")
    reason: str = prop("Why, in words for the customer.")
    at: datetime = prop("When.")


@strawberry.type(description="Loyalty points.")
class Points:
    balance: int = prop("Points that can be spent now.")
    held: int = prop("Points set aside for orders under way.")
