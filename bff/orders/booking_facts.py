"""What happens to a visit to the workshop, what is to be done for it, and what is remembered of it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from bff.domain.base import Refusal, Value
from bff.domain.service import Booking, BookingId, BookingOrigin, BookingRequest, BookingStatus
from bff.durability.flow import Effect, Fact

BOOKING = "booking"
"""The kind of flow. Its reference is `reference_of` the booking; before there is one, `asking(customer)`."""

TRYING = timedelta(seconds=60)
"""For so long what a customer asked for is tried. After that it is only found out whether it was done."""

SETTLED = timedelta(seconds=10)
"""After this a system has done what it was asked and did not confirm, or never will: it answers within 6 seconds."""


def asking(customer_id: str) -> str:
    return f"customer:{customer_id}"


def reference_of(booking: BookingId) -> str:
    return f"{booking.origin.value}:{booking.centre}:{booking.number}"


def digest(asked: Value) -> str:
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


class Visit(Value, frozen=True, kw_only=True):
    """A booking as its system showed it last. `id.origin` is the system that it began on, and stays on."""

    id: BookingId
    customer_id: str | None
    start: datetime
    status: BookingStatus

    @classmethod
    def of(cls, booking: Booking) -> Visit:
        return cls(id=booking.id, customer_id=booking.customer_id, start=booking.start, status=booking.status)


class ChangeKind(Enum):
    CANCEL = "CANCEL"
    MOVE = "MOVE"


class Change(Value, frozen=True, kw_only=True):
    """To cancel a booking (`reason`), or to move it to `slot_id` at `start`. `key` is the system's idempotency key."""

    kind: ChangeKind
    booking: BookingId
    key: str
    reason: str | None = None
    slot_id: str = ""
    start: datetime | None = None


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class BookAsked(Fact, frozen=True, kw_only=True, tag="book-asked"):
    request: BookingRequest


class BookUncertain(Fact, frozen=True, kw_only=True, tag="book-uncertain"):
    """The system did not confirm: whether it was booked must be looked up before it is asked again."""


class Booked(Fact, frozen=True, kw_only=True, tag="booked"):
    visit: Visit


class BookRefused(Fact, frozen=True, kw_only=True, tag="book-refused"):
    refusals: list[Refusal]


class BookFailed(Fact, frozen=True, kw_only=True, tag="book-failed"):
    """It could not be done in time, and certainly was not."""


class Adopted(Fact, frozen=True, kw_only=True, tag="adopted"):
    """A booking that was made without a flow: earlier, or by somebody else."""

    booking: BookingId
    customer_id: str


class ChangeAsked(Fact, frozen=True, kw_only=True, tag="change-asked"):
    id: str
    change: Change


class ChangeDone(Fact, frozen=True, kw_only=True, tag="change-done"):
    id: str
    visit: Visit


class ChangeRefused(Fact, frozen=True, kw_only=True, tag="change-refused"):
    id: str
    refusals: list[Refusal]


class ChangeFailed(Fact, frozen=True, kw_only=True, tag="change-failed"):
    """It could not be done in time, and certainly was not."""

    id: str


BookingFact = (
    BookAsked | BookUncertain | Booked | BookRefused | BookFailed
    | Adopted | ChangeAsked | ChangeDone | ChangeRefused | ChangeFailed
)  # fmt: skip


# ── effects ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Book(Effect, frozen=True, kw_only=True, tag="book"):
    """Tried until `until`. `is_repeated`: somebody may have tried: look first. With `again_after` somebody has, and was
    not answered: ask again only from then on.
    """

    request: BookingRequest
    until: datetime
    is_repeated: bool = False
    again_after: datetime | None = None


class MakeChange(Effect, frozen=True, kw_only=True, tag="change"):
    id: str
    change: Change
    until: datetime

    @property
    def name(self) -> str:
        return f"change:{self.id}"


BookingEffect = Book | MakeChange


# ── state ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Step(Enum):
    ASKED = "ASKED"
    BOOKED = "BOOKED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


class WishOutcome(Enum):
    PENDING = "PENDING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


class Wish(Value, frozen=True, kw_only=True):
    """A change that was asked for; `asked` is the digest of what it was."""

    id: str
    kind: ChangeKind
    asked: str
    outcome: WishOutcome = WishOutcome.PENDING
    refusals: list[Refusal] = msgspec.field(default_factory=list)


class BookingState(Value, frozen=True, kw_only=True):
    """`origin` is the system that was asked first, which no pilot changes. What was asked for is kept while it is
    wanted (`wanted`); after that only its digest (`asked`), since it holds what the customer wrote.

    `again_after` is set while it is uncertain whether it was booked.
    """

    customer_id: str
    step: Step
    origin: BookingOrigin | None = None
    asked: str = ""
    wanted: BookingRequest | None = None
    again_after: datetime | None = None
    visit: Visit | None = None
    booking: BookingId | None = None
    refusals: list[Refusal] = msgspec.field(default_factory=list)
    wishes: list[Wish] = msgspec.field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it: it is booked or not, and every change of it was answered."""
        return self.step is not Step.ASKED and all(wish.outcome is not WishOutcome.PENDING for wish in self.wishes)

    def wish(self, id: str) -> Wish | None:
        return next((wish for wish in self.wishes if wish.id == id), None)
