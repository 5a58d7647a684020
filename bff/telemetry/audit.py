"""Who looked at whose data: one line for each customer or car that an adviser's operation reaches, and never its data.

The line names the customer by number, which says nothing to anybody outside; a car by its masked VIN.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bff.telemetry.masking import mask_vin, scrub

if TYPE_CHECKING:
    from bff.context import RequestContext

log = logging.getLogger("bff.audit")

OPERATION = "audit.operation"
_SEEN = "audit.seen"
MOST_CHARACTERS = 64


def record(context: RequestContext, *, customer: str | None = None, vin: str | None = None) -> None:
    """Once an operation for each customer and car."""
    seen: set[tuple[str | None, str | None]] = context.state.setdefault(_SEEN, set())
    if (customer, vin) in seen:
        return
    seen.add((customer, vin))
    caller = context.caller
    operation = scrub(context.state.get(OPERATION) or "anonymous")[:MOST_CHARACTERS]
    car = mask_vin(vin) if vin is not None else None
    log.info(
        "adviser %s of store %s: customer %s, car %s, operation %s",
        caller.subject, caller.store, customer, car, operation,
        extra={
            "adviser": caller.subject, "store": caller.store, "customer": customer, "car": car, "operation": operation,
        },
    )  # fmt: skip
