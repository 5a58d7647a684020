"""What is still being done for an order, of a car or from the shop."""

from __future__ import annotations

from datetime import datetime

import strawberry

from bff.domain import order_steps as domain
from resolvers.common import enum, prop

enum(
    domain.OrderStepKind,
    "Something that is done for an order.",
    {
        "PLACING": "The order is being made.",
        "SETTLING": "Money arrived; the order is being told.",
        "CREATING_SALES_ORDER": "The ERP is making the sales order of the car.",
        "ATTACHING_SALES_ORDER": "The order is being told its sales order.",
        "LOCKING": "The order is being locked.",
        "CANCELLING": "The order is being cancelled.",
        "CANCELLING_SALES_ORDER": "The ERP is rejecting the sales order.",
        "ACTIVATING": "Paid; the car has not confirmed the feature yet.",
        "REVOKING": "A feature is being withdrawn.",
        "CAPTURING": "The money that was held is being taken.",
        "REFUNDING": "Money is on its way back.",
        "CLOSING_PAYMENT": "A payment that nobody made is being closed.",
    },
)
enum(
    domain.StepOutcome,
    "What is known of a step that is not done.",
    {
        "PENDING": "It is to be done, or being done.",
        "UNKNOWN": "It may have been done: a system was asked and has not said. It is being found out.",
    },
)


@strawberry.type(
    description="A step that is not done yet; it is tried until it is. Show it, not an outcome that is not certain."
)
class OrderStep:
    step: domain.OrderStepKind = prop("What is being done.")
    outcome: domain.StepOutcome = prop("What is known of it.")
    since: datetime = prop("Since when it has been wanted.")
    attempts: int = prop("How often it was tried and failed.")
    next_try_at: datetime = prop("When it is tried again; in the past: now.")
