"""What the booking service refuses, in our words: business outcomes, and mistakes of the caller."""

from __future__ import annotations

from adapters.transport.records import Refusals
from bff.domain.base import Refusal

SLOT_UNKNOWN = Refusal(
    code="SLOT_UNKNOWN", message="There is no such slot any more. Ask for slots again.", field=["slotId"]
)
REFUSALS = Refusals(
    {
        "SLOT_TAKEN": ("Somebody else has just taken this slot. Choose another one.", ["slotId"]),
        SLOT_UNKNOWN.code: (SLOT_UNKNOWN.message, SLOT_UNKNOWN.field),
        "CENTRE_UNKNOWN": ("There is no such centre.", ["centreCode"]),
        "VEHICLE_UNKNOWN": ("The workshop does not know this vehicle.", ["vin"]),
        "NOT_CANCELLABLE": ("The booking can no longer be cancelled: call the centre.", None),
        "NOT_CHANGEABLE": ("The booking can no longer be moved: call the centre.", None),
        "ESTIMATE_OUTDATED": ("There is a newer estimate. Show it before approval.", ["version"]),
        "ALREADY_APPROVED": ("This estimate is approved already.", ["version"]),
    }
)

INVALID = {
    "IDEMPOTENCY_KEY_REUSED": ("This idempotencyKey was used for another request.", "input.idempotencyKey"),
    "OPERATION_UNKNOWN": ("One of the operation codes does not exist.", "input.opCodes"),
    "PICKUP_NOT_OFFERED": ("This centre does not pick cars up.", "input.pickup"),
}
"""Problem codes that mean a mistake of the caller: the message, and the argument it is about."""
