"""Stripe's objects, as far as they are read, and what they mean. Source: docs.stripe.com/api, at `API_VERSION`.

Who reads them passes our id of the charge: an object that carries another's is refused, whatever its own id. All
functions raise ValueError (or msgspec's) for what cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import msgspec

from adapters.transport.records import Codes
from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import ChargeState, ChargeStatus, RepaymentState

from .amounts import from_stripe

API_VERSION = "2026-10-28.endive"
"""Sent with every request, so that answers keep their shape until this line is changed."""

CHARGE_ID, REFUND_ID, SCENE, HOLDS = "charge_id", "refund_id", "scene", "holds"
"""Our metadata on Stripe's objects."""

T = TypeVar("T")
Amount = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]

intent_status = Codes(
    "stripe",
    ChargeStatus,
    {
        # A declined card brings the intent back here: the customer may try another, until it is cancelled.
        "requires_payment_method": ChargeStatus.OPEN,
        "requires_confirmation": ChargeStatus.OPEN,
        "requires_action": ChargeStatus.OPEN,
        "processing": ChargeStatus.PROCESSING,
        "requires_capture": ChargeStatus.AUTHORISED,
        "succeeded": ChargeStatus.SUCCEEDED,
        "canceled": ChargeStatus.CLOSED,
    },
)
session_status = Codes(
    "stripe",
    ChargeStatus,
    {"open": ChargeStatus.OPEN, "complete": ChargeStatus.PROCESSING, "expired": ChargeStatus.CLOSED},
)
refund_status = Codes(
    "stripe",
    RefundStatus,
    {
        "pending": RefundStatus.PROCESSING,
        "requires_action": RefundStatus.PROCESSING,
        "succeeded": RefundStatus.SUCCEEDED,
        # The bank would not have it: the money lies with us again, and a person has to find another way.
        "failed": RefundStatus.ABNORMAL,
        "canceled": RefundStatus.CLOSED,
    },
)
NOT_GIVEN_BACK = frozenset({"failed", "canceled"})
PAID = frozenset({ChargeStatus.PROCESSING, ChargeStatus.AUTHORISED, ChargeStatus.SUCCEEDED})
"""The customer has done their part."""


class WireList(msgspec.Struct, Generic[T]):
    data: list[T]
    has_more: bool = False


class WireRefund(msgspec.Struct, tag_field="object", tag="refund"):
    id: str
    amount: Amount
    currency: str
    status: str | None
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None


class WireCharge(msgspec.Struct, tag_field="object", tag="charge"):
    """One movement of money. An intent has one for each attempt; `latest_charge` is the last."""

    id: str
    amount: Amount
    currency: str
    created: Seconds
    captured: bool
    livemode: bool
    amount_captured: Amount | None = None
    metadata: dict[str, str] | None = None
    refunds: WireList[WireRefund] | None = None


class WirePaymentError(msgspec.Struct):
    code: str | None = None


class WireIntent(msgspec.Struct, tag_field="object", tag="payment_intent"):
    id: str
    status: str
    amount: Amount
    currency: str
    livemode: bool
    metadata: dict[str, str] | None = None
    client_secret: str | None = None
    amount_received: Amount | None = None
    latest_charge: str | WireCharge | None = None
    last_payment_error: WirePaymentError | None = None


class WireSession(msgspec.Struct, tag_field="object", tag="checkout.session"):
    """A visit to Stripe's page. Its intent is made when the customer first tries to pay."""

    id: str
    status: str
    payment_status: str
    livemode: bool
    amount_total: Amount | None = None
    currency: str | None = None
    metadata: dict[str, str] | None = None
    url: str | None = None
    payment_intent: str | WireIntent | None = None


def money(amount: int, currency: str) -> Money:
    return from_stripe(amount, currency)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def check_ours(metadata: Mapping[str, str] | None, charge_id: str, livemode: bool, live: bool) -> None:
    check_mode(livemode, live)
    named = (metadata or {}).get(CHARGE_ID)
    if named != charge_id:
        raise ValueError(f"asked for charge {charge_id}, answered {str(named)[:40]}")


def check_mode(livemode: bool, live: bool) -> None:
    if livemode != live:
        said, ours = ("live", "test") if livemode else ("test", "live")
        raise ValueError(f"a {said} object, but our key is a {ours} key")


def read_intent(intent: WireIntent, reference: str, succeeded_at: datetime | None = None) -> ChargeState:
    """`succeeded_at` is what an event says; an expanded charge says it itself."""
    status, charge = intent_status(intent.status), intent.latest_charge
    error = intent.last_payment_error
    taken = status in (ChargeStatus.SUCCEEDED, ChargeStatus.AUTHORISED)
    if succeeded_at is None and isinstance(charge, WireCharge):
        succeeded_at = moment(charge.created)
    received = intent.amount_received
    return ChargeState(
        id=(intent.metadata or {})[CHARGE_ID],
        status=status,
        raw_status=intent.status,
        amount=money(intent.amount, intent.currency),
        captured=None if received is None else money(received, intent.currency),
        transaction=(charge.id if isinstance(charge, WireCharge) else charge) if taken else None,
        reference=reference,
        failure_code=failure_code(error) if error is not None and not taken else None,
        succeeded_at=succeeded_at if status is ChargeStatus.SUCCEEDED else None,
    )


def failure_code(error: WirePaymentError) -> str:
    """Never the `decline_code`: it may say that a card is stolen, which its bearer must not read."""
    return (error.code or "payment_failed").upper()[:60]


def read_session(session: WireSession) -> ChargeState:
    """With its intent expanded. What the intent says of money counts; whether the page is open, the session says."""
    intent = session.payment_intent
    page = session_status(session.status)
    if isinstance(intent, WireIntent):
        state = read_intent(intent, session.id)
        if page is ChargeStatus.PROCESSING or state.status in PAID:
            return state
        return msgspec.structs.replace(state, status=page, raw_status=session.status)
    return _session_alone(session, page)


def _session_alone(session: WireSession, page: ChargeStatus, succeeded_at: datetime | None = None) -> ChargeState:
    """Without its intent, as in an event, or before there is one."""
    if session.amount_total is None or session.currency is None:
        raise ValueError("a session without an amount")
    total, raw = money(session.amount_total, session.currency), session.status
    metadata = session.metadata or {}
    paid = False
    if page is ChargeStatus.PROCESSING:  # complete: it does not say yet that money has moved
        raw, paid = f"{session.status}/{session.payment_status}", session.payment_status == "paid"
        if paid:
            page = ChargeStatus.SUCCEEDED
        elif session.payment_status != "unpaid":
            page = ChargeStatus.UNKNOWN
        elif metadata.get(HOLDS) == "1":
            page = ChargeStatus.AUTHORISED
    return ChargeState(
        id=metadata[CHARGE_ID],
        status=page,
        raw_status=raw,
        amount=total,
        captured=total if paid else None,
        reference=session.id,
        succeeded_at=succeeded_at if paid else None,
    )


def read_told_session(session: WireSession, told_at: datetime) -> ChargeState:
    """As an event tells it, where the intent is a name only."""
    return _session_alone(session, session_status(session.status), told_at)


def read_refund(refund: WireRefund, refund_id: str, charge_id: str) -> RepaymentState:
    raw = refund.status or "none"
    return RepaymentState(
        id=refund_id,
        charge_id=charge_id,
        status=refund_status(raw),
        raw_status=raw,
        amount=money(refund.amount, refund.currency),
        transaction=refund.id,
    )
