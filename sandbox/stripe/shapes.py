"""What Stripe keeps, as JSON; `expand` puts an object where otherwise its name stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .ledger import Charge, Intent, Ledger, Refund, Session
from .refusals import bad_parameter

_EXPANDS: dict[type, tuple[str, ...]] = {
    Intent: ("latest_charge",),
    Session: ("payment_intent", "payment_intent.latest_charge"),
    Refund: ("payment_intent", "charge", "payment_intent.latest_charge"),
    Charge: ("payment_intent", "refunds"),
}


def show(ledger: Ledger, thing: Any, expand: Sequence[str] = ()) -> dict[str, Any]:
    for path in expand:
        if path not in _EXPANDS[type(thing)]:
            raise bad_parameter("expand", f"This property cannot be expanded ({path}).")
    return _shown(ledger, thing, set(expand))


def listed(ledger: Ledger, url: str, things: Iterable[Any], more: bool, expand: Sequence[str]) -> dict[str, Any]:
    for path in expand:
        if not path.startswith("data."):
            raise bad_parameter("expand", f"This property cannot be expanded ({path}).")
    wanted = [path.removeprefix("data.") for path in expand]
    return {"object": "list", "url": url, "has_more": more, "data": [show(ledger, each, wanted) for each in things]}


def _shown(ledger: Ledger, thing: Any, expand: set[str]) -> dict[str, Any]:
    if isinstance(thing, Intent):
        return _intent(ledger, thing, expand)
    if isinstance(thing, Session):
        return _session(ledger, thing, expand)
    if isinstance(thing, Refund):
        return _refund(ledger, thing, expand)
    return _charge(ledger, thing, expand)


def _or_name(ledger: Ledger, thing: Any, name: str, expand: set[str]) -> Any:
    if thing is None:
        return None
    inner = {path.partition(".")[2] for path in expand if path.startswith(f"{name}.")}
    return _shown(ledger, thing, inner) if inner or name in expand else thing.id


def _intent(ledger: Ledger, intent: Intent, expand: set[str]) -> dict[str, Any]:
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount if intent.status == "requires_capture" else 0,
        "amount_received": intent.received,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "created": intent.created,
        "currency": intent.currency,
        "description": intent.description,
        "last_payment_error": intent.error,
        "latest_charge": _or_name(ledger, intent.latest, "latest_charge", expand),
        "livemode": False,
        "metadata": dict(intent.metadata),
        "next_action": None,
        "payment_method_types": ["card"],
        "status": intent.status,
    }


def _session(ledger: Ledger, session: Session, expand: set[str]) -> dict[str, Any]:
    intent = session.intent
    return {
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "created": session.created,
        "currency": session.currency,
        "expires_at": session.expires_at,
        "livemode": False,
        "metadata": dict(session.metadata),
        "mode": "payment",
        "payment_intent": _or_name(ledger, intent, "payment_intent", expand),
        "payment_method_types": ["card"],
        "payment_status": "paid" if intent is not None and intent.status == "succeeded" else "unpaid",
        "status": session.status,
        "success_url": session.success_url,
        "ui_mode": "hosted_page",
        "url": session.url if session.status == "open" else None,
    }


def _refund(ledger: Ledger, refund: Refund, expand: set[str]) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": _or_name(ledger, refund.charge, "charge", expand),
        "created": refund.created,
        "currency": refund.intent.currency,
        "metadata": dict(refund.metadata),
        "payment_intent": _or_name(ledger, refund.intent, "payment_intent", expand),
        "reason": None,
        "status": refund.status,
    }


def _charge(ledger: Ledger, charge: Charge, expand: set[str]) -> dict[str, Any]:
    given, intent = ledger.given_back(charge), charge.intent
    shown = {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.captured,
        "amount_refunded": given,
        "captured": charge.captured > 0,
        "created": charge.created,
        "currency": intent.currency,
        "livemode": False,
        "metadata": dict(intent.metadata),
        "paid": charge.status == "succeeded",
        "payment_intent": _or_name(ledger, intent, "payment_intent", expand),
        "refunded": given >= charge.amount,
        "status": charge.status,
    }
    if "refunds" in expand:
        refunds = [_refund(ledger, refund, set()) for refund in ledger.refunds_of(intent) if refund.charge is charge]
        shown["refunds"] = {"object": "list", "data": refunds, "has_more": False}
    return shown
