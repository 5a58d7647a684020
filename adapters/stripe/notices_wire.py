"""Stripe's notifications: whose they are, how old, and what they say.

`Stripe-Signature: t=<seconds>,v1=<hex>[,v1=…][,v0=…]`, where v1 is HMAC-SHA256 over `t.body` under the endpoint's
signing secret. Source: docs.stripe.com/webhooks/signature, docs.stripe.com/api/events/types.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from bff.domain.payment import PaymentScene
from bff.domain.providers import ChargeState, ChargeStatus, Notice, NoticeRefused

from .settings import StripeSettings
from .stripe_wire import (
    CHARGE_ID,
    REFUND_ID,
    SCENE,
    Seconds,
    WireCharge,
    WireIntent,
    WireRefund,
    WireSession,
    check_mode,
    moment,
    money,
    read_intent,
    read_refund,
    read_told_session,
)

logger = logging.getLogger(__name__)

TOLERANCE = 300
"""Seconds between the signature's time and ours, either way. A repeated delivery is signed anew."""
_MOST_SIGNATURES = 16
_MOST_DIGITS = 12

INTENT_EVENTS = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.amount_capturable_updated",
    }
)
SESSION_EVENTS = frozenset({"checkout.session.completed", "checkout.session.expired"})
REFUND_EVENTS = frozenset({"refund.updated", "refund.failed"})
CHARGE_EVENTS = frozenset({"charge.refunded"})
_CONCERN_US = INTENT_EVENTS | SESSION_EVENTS | REFUND_EVENTS | CHARGE_EVENTS


class _Data(msgspec.Struct):
    object: msgspec.Raw


class WireEvent(msgspec.Struct, tag_field="object", tag="event"):
    id: str
    type: str
    created: Seconds
    livemode: bool
    data: _Data
    api_version: str | None = None
    account: str | None = None


def check_signature(header: str | None, body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Raises NoticeRefused. Every secret is tried with every signature, so that the time taken tells nothing."""
    if header is None:
        raise NoticeRefused("it has no Stripe-Signature")
    stamp, signatures = _parts(header)
    signed = stamp.encode() + b"." + body
    holds = False
    for secret in secrets:
        right = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            holds |= hmac.compare_digest(right, signature)
    if not holds:
        raise NoticeRefused("no signature holds: it was changed, or signed with a secret that is not ours")
    off = now.timestamp() - int(stamp)
    if abs(off) > TOLERANCE:
        raise NoticeRefused(
            f"it was signed {abs(off):.0f} s {'ago' if off > 0 else 'ahead'}; {TOLERANCE} s are allowed"
        )


def _parts(header: str) -> tuple[str, list[bytes]]:
    stamps: list[str] = []
    signatures: list[bytes] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            stamps.append(value)
        elif name == "v1":
            signatures.append(value.encode())
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdigit() and len(stamps[0]) <= _MOST_DIGITS):
        raise NoticeRefused("its Stripe-Signature has no time, or several")
    if not 0 < len(signatures) <= _MOST_SIGNATURES:
        raise NoticeRefused("its Stripe-Signature has no v1, or too many")
    return stamps[0], signatures


def read_event(body: bytes, settings: StripeSettings) -> Notice | None:
    """What a notification says whose signature holds; None: nothing about a charge of ours.

    Raises NoticeRefused for one that is not meant for us, ValueError (or msgspec's) for one that cannot be read.
    """
    event = msgspec.json.decode(body, type=WireEvent)
    try:
        check_mode(event.livemode, settings.live)
    except ValueError as error:
        raise NoticeRefused(str(error)) from error
    if event.account != settings.account and event.account is not None:
        raise NoticeRefused("it is about another account's money")
    if event.type not in _CONCERN_US:
        return None
    if event.api_version != settings.api_version:
        _tell_version(event.api_version, settings.api_version)
    if event.type in INTENT_EVENTS:
        return _of_intent(event, msgspec.json.decode(event.data.object, type=WireIntent))
    if event.type in SESSION_EVENTS:
        return _of_session(event, msgspec.json.decode(event.data.object, type=WireSession))
    if event.type in REFUND_EVENTS:
        return _of_refund(event, msgspec.json.decode(event.data.object, type=WireRefund))
    return _of_charge(event, msgspec.json.decode(event.data.object, type=WireCharge))


def _once(tell: Callable[[str | None, str], None]) -> Callable[[str | None, str], None]:
    told: set[str | None] = set()

    def once(said: str | None, ours: str) -> None:
        if said not in told and len(told) < 100:
            told.add(said)
            tell(said, ours)

    return once


@_once
def _tell_version(said: str | None, ours: str) -> None:
    logger.warning(
        "Stripe's webhook endpoint sends API version %r, we read %s: make the endpoint anew with that version",
        (said or "none")[:40],
        ours,
    )


def _of_intent(event: WireEvent, intent: WireIntent) -> Notice | None:
    metadata = intent.metadata or {}
    if CHARGE_ID not in metadata:
        return None
    # What was begun on Stripe's page is asked about, and closed, by the page's name, which an intent does not know.
    reference = "" if metadata.get(SCENE) == PaymentScene.H5.value else intent.id
    return Notice(id=event.id, charge=read_intent(intent, reference, moment(event.created)))


def _of_session(event: WireEvent, session: WireSession) -> Notice | None:
    if CHARGE_ID not in (session.metadata or {}):
        return None
    return Notice(id=event.id, charge=read_told_session(session, moment(event.created)))


def _of_refund(event: WireEvent, refund: WireRefund) -> Notice | None:
    metadata = refund.metadata or {}
    if REFUND_ID not in metadata or CHARGE_ID not in metadata:
        return None
    return Notice(id=event.id, repayment=read_refund(refund, metadata[REFUND_ID], metadata[CHARGE_ID]))


def _of_charge(event: WireEvent, charge: WireCharge) -> Notice | None:
    """Something was given back. Which, it tells only where the endpoint's version is before 2022-11-15."""
    charge_id = (charge.metadata or {}).get(CHARGE_ID)
    if charge.refunds is not None and charge.refunds.data:
        return _of_refund(event, charge.refunds.data[0])
    if charge_id is None or not charge.captured:  # not captured: a hold was let go
        return None
    taken = charge.amount if charge.amount_captured is None else charge.amount_captured
    state = ChargeState(
        id=charge_id,
        status=ChargeStatus.SUCCEEDED,
        raw_status="succeeded",
        amount=money(charge.amount, charge.currency),
        captured=money(taken, charge.currency),
        transaction=charge.id,
    )
    return Notice(id=event.id, charge=state)
