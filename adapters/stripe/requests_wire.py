"""What is asked of Stripe. Nothing of a card is among it: Stripe's page and SDK take that."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from bff.domain.payment import PaymentScene
from bff.domain.providers import Charge, Repayment

from .amounts import to_stripe
from .form import Form
from .stripe_wire import CHARGE_ID, HOLDS, REFUND_ID, SCENE

MOST_REASON = 500
"""Characters of one value of metadata."""


def session_form(charge: Charge, return_url: str, *, bounded: bool = True) -> Form:
    """A visit to Stripe's page. Everything here follows from the charge alone: a repetition under the same key must be
    the same, byte for byte. `bounded` False leaves out when the page closes.
    """
    return {
        "mode": "payment",
        "payment_method_types": ["card"],
        "client_reference_id": charge.id,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": charge.amount.currency.lower(),
                    "unit_amount": to_stripe(charge.amount),
                    "product_data": {"name": charge.description},
                },
            }
        ],
        "success_url": back_to(return_url, charge.id, "returned"),
        "cancel_url": back_to(return_url, charge.id, "cancelled"),
        "expires_at": int(charge.expires_at.timestamp()) if bounded else None,
        "metadata": _metadata(charge),
        "payment_intent_data": {
            "capture_method": _capture_method(charge),
            "description": charge.description,
            "metadata": _metadata(charge),
        },
    }


def intent_form(charge: Charge) -> Form:
    """A payment for the SDK in our app. It stays open until it is cancelled."""
    return {
        "amount": to_stripe(charge.amount),
        "currency": charge.amount.currency.lower(),
        "capture_method": _capture_method(charge),
        "payment_method_types": ["card"],
        "metadata": {**_metadata(charge), "description": charge.description},
    }


def refund_form(wanted: Repayment, intent_id: str) -> Form:
    metadata = {REFUND_ID: wanted.id, CHARGE_ID: wanted.charge_id, "reason": wanted.reason[:MOST_REASON] or None}
    return {"payment_intent": intent_id, "amount": to_stripe(wanted.amount), "metadata": metadata}


def back_to(return_url: str, charge_id: str, outcome: str) -> str:
    """The customer's way back. That they came proves nothing: only Stripe says what was paid."""
    parts = urlsplit(return_url)
    said = urlencode({"charge": charge_id, "outcome": outcome})
    return urlunsplit(parts._replace(query=f"{parts.query}&{said}" if parts.query else said))


def _metadata(charge: Charge) -> dict[str, Form | str | int | None]:
    return {
        CHARGE_ID: charge.id,
        "order_number": charge.order_number,
        SCENE: PaymentScene.H5.value if charge.scene is PaymentScene.H5 else PaymentScene.APP.value,
        HOLDS: "1" if charge.holds else "0",
    }


def _capture_method(charge: Charge) -> str:
    return "manual" if charge.holds else "automatic"
