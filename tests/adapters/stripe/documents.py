"""Objects as Stripe shows them (docs.stripe.com/api): a payment that was made, its page, a refund of a part."""

from __future__ import annotations

from typing import Any

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 166300,
    "amount_received": 166300,
    "client_secret": "pi_1_secret_x",
    "currency": "cny",
    "last_payment_error": None,
    "latest_charge": {
        "id": "ch_1",
        "object": "charge",
        "amount": 166300,
        "amount_captured": 166300,
        "captured": True,
        "created": 1773028800,
        "currency": "cny",
        "livemode": False,
        "metadata": {"charge_id": "CH1"},
    },
    "livemode": False,
    "metadata": {"charge_id": "CH1", "scene": "APP", "holds": "0"},
    "status": "succeeded",
}
SESSION: dict[str, Any] = {
    "id": "cs_1",
    "object": "checkout.session",
    "amount_total": 166300,
    "currency": "cny",
    "livemode": False,
    "metadata": {"charge_id": "CH1", "scene": "H5", "holds": "0"},
    "payment_intent": INTENT,
    "payment_status": "paid",
    "status": "complete",
    "url": None,
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 100,
    "currency": "cny",
    "metadata": {"refund_id": "RF1", "charge_id": "CH1"},
    "payment_intent": "pi_1",
    "status": "pending",
}
