"""What is still being done for an order: shown, so that an app says "being cancelled", and not "cancelled"."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from bff.domain.base import Value


class OrderStepKind(Enum):
    PLACING = "PLACING"
    SETTLING = "SETTLING"
    CREATING_SALES_ORDER = "CREATING_SALES_ORDER"
    ATTACHING_SALES_ORDER = "ATTACHING_SALES_ORDER"
    LOCKING = "LOCKING"
    CANCELLING = "CANCELLING"
    CANCELLING_SALES_ORDER = "CANCELLING_SALES_ORDER"
    ACTIVATING = "ACTIVATING"
    REVOKING = "REVOKING"
    CAPTURING = "CAPTURING"
    REFUNDING = "REFUNDING"
    CLOSING_PAYMENT = "CLOSING_PAYMENT"


class StepOutcome(Enum):
    """What is known of a step. UNKNOWN: a system was asked and did not say whether it did it."""

    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"


_UNCERTAIN = frozenset({"OUTCOME_UNKNOWN", "UPSTREAM_TIMEOUT", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL"})
"""Error codes of tries that may have been done all the same; the other codes say that nothing was."""


class PendingStep(Value, frozen=True, kw_only=True):
    """Something that is not done yet. `error` is the code of its last failure, `next_try_at` when it is due (again)."""

    step: OrderStepKind
    since: datetime
    attempts: int
    error: str | None
    next_try_at: datetime

    @property
    def outcome(self) -> StepOutcome:
        return StepOutcome.UNKNOWN if self.error in _UNCERTAIN else StepOutcome.PENDING
