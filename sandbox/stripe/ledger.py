"""What Stripe keeps: intents, the movements of money under them, sessions, refunds. It moves by Stripe's rules only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.kit.clock import Clock

from .refusals import missing, wrong_state

HOLD_LASTS = 7 * 86400
"""Seconds."""
CARDS: dict[str, str | None] = {
    "pm_card_visa": None,
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
}
"""Test cards by name, and why they are declined."""
_STILL_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(slots=True)
class Charge:
    id: str
    intent: Intent
    amount: int
    created: int
    status: str
    captured: int = 0


@dataclass(slots=True)
class Intent:
    id: str
    amount: int
    currency: str
    created: int
    capture_method: str
    metadata: dict[str, str]
    description: str | None
    client_secret: str
    status: str = "requires_payment_method"
    charges: list[Charge] = field(default_factory=list)
    received: int = 0
    error: dict[str, str] | None = None
    session: Session | None = None

    @property
    def latest(self) -> Charge | None:
        return self.charges[-1] if self.charges else None


@dataclass(slots=True)
class Session:
    id: str
    amount: int
    currency: str
    created: int
    expires_at: int
    metadata: dict[str, str]
    client_reference_id: str | None
    success_url: str
    cancel_url: str | None
    url: str
    name: str
    intent_data: dict[str, Any]
    status: str = "open"
    intent: Intent | None = None


@dataclass(slots=True)
class Refund:
    id: str
    intent: Intent
    charge: Charge
    amount: int
    created: int
    metadata: dict[str, str]
    status: str = "succeeded"


Emit = Callable[[str, Any], None]


class Ledger:
    """`emit` is told what happens: the event's type and what it is about."""

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self.intents: dict[str, Intent] = {}
        self.sessions: dict[str, Session] = {}
        self.refunds: dict[str, Refund] = {}

    def now(self) -> int:
        return int(self._clock().timestamp())

    # What is there; time passes when it is looked at

    def intent(self, name: str) -> Intent:
        if name not in self.intents:
            raise missing("payment_intent", name)
        return self._aged(self.intents[name])

    def session(self, name: str) -> Session:
        if name not in self.sessions:
            raise missing("checkout.session", name)
        session = self.sessions[name]
        if session.status == "open" and session.expires_at <= self.now():
            self._close_page(session)
        if session.intent is not None:
            self._aged(session.intent)
        return session

    def refund(self, name: str) -> Refund:
        if name not in self.refunds:
            raise missing("refund", name)
        return self.refunds[name]

    def refunds_of(self, intent: Intent) -> list[Refund]:
        """Newest first."""
        return [refund for refund in reversed(self.refunds.values()) if refund.intent is intent]

    def given_back(self, charge: Charge) -> int:
        gone = ("failed", "canceled")
        return sum(r.amount for r in self.refunds.values() if r.charge is charge and r.status not in gone)

    def _aged(self, intent: Intent) -> Intent:
        held = intent.latest
        if held is not None and intent.status == "requires_capture" and held.created + HOLD_LASTS <= self.now():
            self._let_go(intent)
        return intent

    # What is done

    def add_intent(self, **said: Any) -> Intent:
        name = new_id("pi")
        secret = f"{name}_secret_{secrets.token_hex(12)}"
        intent = Intent(id=name, created=self.now(), client_secret=secret, **said)
        self.intents[name] = intent
        return intent

    def add_session(self, **said: Any) -> Session:
        session = Session(id=new_id("cs_test"), created=self.now(), **said)
        self.sessions[session.id] = session
        return session

    def confirm(self, intent: Intent, card: str) -> None:
        """The customer's card is asked. Raises Refused as Stripe does where it is declined."""
        if card not in CARDS:
            raise missing("PaymentMethod", card)
        if intent.status not in _STILL_OPEN:
            raise self._unexpected(intent, "confirm")
        reason = CARDS[card]
        charge = Charge(new_id("ch"), intent, intent.amount, self.now(), "succeeded" if reason is None else "failed")
        intent.charges.append(charge)
        if reason is not None:
            intent.error = {"type": "card_error", "code": "card_declined", "decline_code": reason}
            intent.status = "requires_payment_method"
            self._emit("payment_intent.payment_failed", intent)
            return
        intent.error = None
        if intent.capture_method == "manual":
            intent.status = "requires_capture"
            self._emit("payment_intent.amount_capturable_updated", intent)
        else:
            self._take(intent, charge, intent.amount)

    def pay_page(self, session: Session, card: str) -> None:
        """The customer on Stripe's page. A declined card leaves it open."""
        if session.status != "open":
            raise wrong_state(f"This Checkout Session has a status of {session.status}.")
        if session.intent is None:
            session.intent = self.add_intent(amount=session.amount, currency=session.currency, **session.intent_data)
            session.intent.session = session
        self.confirm(session.intent, card)
        if session.intent.status in ("succeeded", "requires_capture"):
            session.status = "complete"
            self._emit("checkout.session.completed", session)

    def capture(self, intent: Intent, amount: int | None) -> None:
        charge = intent.latest
        if intent.status != "requires_capture" or charge is None:
            raise self._unexpected(intent, "capture")
        amount = intent.amount if amount is None else amount
        if amount > intent.amount:
            raise wrong_state("The amount to capture is greater than what is capturable.", code="amount_too_large")
        self._take(intent, charge, amount)
        if amount < intent.amount:  # what is left of a hold goes back, as a refund of its own
            self._add_refund(intent, charge, intent.amount - amount, {})

    def cancel(self, intent: Intent) -> None:
        page = intent.session
        if intent.status not in (*_STILL_OPEN, "requires_capture"):
            raise self._unexpected(intent, "cancel")
        if page is not None and page.status == "open":
            raise wrong_state("You cannot cancel the PaymentIntent for a Checkout Session. Expire the session instead.")
        self._let_go(intent)

    def expire(self, session: Session) -> None:
        if session.status != "open":
            said = 'Only Checkout Sessions with a status in ["open"] can be expired. '
            raise wrong_state(f"{said}This Checkout Session has a status of `{session.status}`.")
        self._close_page(session)

    def give_back(self, intent: Intent, amount: int | None, metadata: dict[str, str]) -> Refund:
        charge = intent.latest
        if intent.status != "succeeded" or charge is None:
            raise wrong_state("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
        left = charge.amount - self.given_back(charge)
        if left <= 0:
            raise wrong_state(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
        amount = left if amount is None else amount
        if amount > left:
            said = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise wrong_state(said, param="amount")
        return self._add_refund(intent, charge, amount, metadata)

    def settle_refund(self, refund: Refund, status: str) -> None:
        """The bank's word: it may come days later, and take back a success."""
        refund.status = status
        self._emit("refund.updated", refund)
        if status == "failed":
            self._emit("refund.failed", refund)

    def _add_refund(self, intent: Intent, charge: Charge, amount: int, metadata: dict[str, str]) -> Refund:
        refund = Refund(new_id("re"), intent, charge, amount, self.now(), metadata)
        self.refunds[refund.id] = refund
        self._emit("refund.created", refund)
        self._emit("charge.refunded", charge)
        self._emit("refund.updated", refund)
        return refund

    def _take(self, intent: Intent, charge: Charge, amount: int) -> None:
        charge.captured = intent.received = amount
        intent.status = "succeeded"
        self._emit("payment_intent.succeeded", intent)

    def _let_go(self, intent: Intent) -> None:
        intent.status = "canceled"
        self._emit("payment_intent.canceled", intent)

    def _close_page(self, session: Session) -> None:
        session.status = "expired"
        self._emit("checkout.session.expired", session)

    def _unexpected(self, intent: Intent, what: str) -> Exception:
        said = f"You cannot {what} this PaymentIntent because it has a status of {intent.status}."
        return wrong_state(said, code="payment_intent_unexpected_state")
