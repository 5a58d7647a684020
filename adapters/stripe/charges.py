"""What became of a charge, and putting an end to it: asked first, then told, so that every write fits what is there."""

from __future__ import annotations

import hashlib
import re

import msgspec

from adapters.transport.operation import Effect, Operation
from bff.domain.base import Money
from bff.domain.providers import ChargeState, ChargeStatus
from bff.errors import InvalidInput, UpstreamRejected

from .amounts import to_stripe
from .api import StripeApi
from .replies_wire import UNREADABLE, StripeRefusal, unreadable
from .stripe_wire import (
    CHARGE_ID,
    WireCharge,
    WireIntent,
    WireList,
    WireSession,
    check_ours,
    read_intent,
    read_session,
)

GET_SESSION = Operation(name="GetCheckoutSession")
GET_INTENT = Operation(name="GetPaymentIntent")
SEARCH_INTENTS = Operation(name="SearchPaymentIntents")
SESSIONS_OF_INTENT = Operation(name="ListCheckoutSessions")
EXPIRE_SESSION = Operation(name="ExpireCheckoutSession", effect=Effect.WRITE)
CANCEL_INTENT = Operation(name="CancelPaymentIntent", effect=Effect.WRITE)
CAPTURE_INTENT = Operation(name="CapturePaymentIntent", effect=Effect.WRITE)

_ID = re.compile(r"[0-9A-Za-z]{1,32}")
_LATEST, _OF_PAGE = ("expand[]", "latest_charge"), ("expand[]", "payment_intent.latest_charge")
_FOUND_FIRST = (
    ChargeStatus.SUCCEEDED, ChargeStatus.AUTHORISED, ChargeStatus.PROCESSING, ChargeStatus.UNKNOWN, ChargeStatus.OPEN,
    ChargeStatus.CLOSED,
)  # fmt: skip


def check_id(charge_id: str) -> None:
    if _ID.fullmatch(charge_id) is None:
        raise InvalidInput("The id of a charge is 1 to 32 of 0-9, A-Z, a-z.")


class Charges:
    def __init__(self, api: StripeApi, *, live: bool) -> None:
        self._api = api
        self._live = live

    async def query(self, charge_id: str, reference: str) -> ChargeState:
        return (await self.find(charge_id, reference))[1]

    async def find(self, charge_id: str, reference: str) -> tuple[WireIntent | None, ChargeState]:
        """The intent as well, where there is one; `latest_charge` is expanded in it."""
        check_id(charge_id)
        try:
            if reference.startswith("cs_"):
                session, state = await self.session(charge_id, reference)
                return (session.payment_intent if isinstance(session.payment_intent, WireIntent) else None), state
            if reference.startswith("pi_"):
                return await self.intent(charge_id, reference)
            if reference:
                raise UpstreamRejected(self._api.name, detail=f"{reference[:20]!r} is no reference of Stripe's")
            return await self._search(charge_id)
        except StripeRefusal as refusal:
            if refusal.is_absent:
                return None, _absent(charge_id)
            raise refusal.rejected() from refusal

    async def session(self, charge_id: str, session_id: str) -> tuple[WireSession, ChargeState]:
        """Raises StripeRefusal, or BffError."""
        path = f"checkout/sessions/{_path(session_id)}"
        session = await self._api.get(GET_SESSION, path, WireSession, _OF_PAGE, keys=[charge_id])
        return session, self.read_session(GET_SESSION, session, charge_id)

    async def intent(self, charge_id: str, intent_id: str) -> tuple[WireIntent, ChargeState]:
        """Raises StripeRefusal, or BffError."""
        path = f"payment_intents/{_path(intent_id)}"
        intent = await self._api.get(GET_INTENT, path, WireIntent, _LATEST, keys=[charge_id])
        return intent, self.read_intent(GET_INTENT, intent, charge_id)

    def read_session(self, operation: Operation, session: WireSession, charge_id: str) -> ChargeState:
        try:
            check_ours(session.metadata, charge_id, session.livemode, self._live)
            if isinstance(session.payment_intent, WireIntent):
                intent = session.payment_intent
                check_ours(intent.metadata, charge_id, intent.livemode, self._live)
            return read_session(session)
        except UNREADABLE as error:
            raise unreadable(self._api.name, operation, error) from error

    def read_intent(
        self, operation: Operation, intent: WireIntent, charge_id: str, reference: str | None = None
    ) -> ChargeState:
        try:
            check_ours(intent.metadata, charge_id, intent.livemode, self._live)
            return read_intent(intent, reference or intent.id)
        except UNREADABLE as error:
            raise unreadable(self._api.name, operation, error) from error

    async def _search(self, charge_id: str) -> tuple[WireIntent | None, ChargeState]:
        wanted = ("query", f"metadata['{CHARGE_ID}']:'{charge_id}'")
        expand = ("expand[]", "data.latest_charge")
        found = await self._api.get(
            SEARCH_INTENTS, "payment_intents/search", WireList[WireIntent], wanted, expand, keys=[charge_id]
        )
        states = [(self.read_intent(SEARCH_INTENTS, intent, charge_id), intent) for intent in found.data]
        if not states:
            return None, _absent(charge_id)
        state, intent = min(states, key=lambda each: _FOUND_FIRST.index(each[0].status))
        pages = await self._api.get(
            SESSIONS_OF_INTENT, "checkout/sessions", WireList[WireSession], ("payment_intent", intent.id)
        )
        if not pages.data:
            return intent, state
        session = msgspec.structs.replace(pages.data[0], payment_intent=intent)
        return intent, self.read_session(SESSIONS_OF_INTENT, session, charge_id)

    # Writes

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        intent, state = await self.find(charge_id, reference)
        try:
            if state.status is ChargeStatus.OPEN and state.reference.startswith("cs_"):
                return await self._expire(charge_id, state.reference)
            if intent is not None and state.status in (ChargeStatus.OPEN, ChargeStatus.AUTHORISED):
                return await self._cancel(charge_id, intent, state)
        except StripeRefusal as refusal:
            # Somebody was quicker: paid, closed, or let it lapse. Whether that is so, Stripe says when asked again.
            _, now = await self.find(charge_id, reference)
            if now.status is state.status:
                raise refusal.rejected() from refusal
            return now
        return state

    async def _expire(self, charge_id: str, session_id: str) -> ChargeState:
        path = f"checkout/sessions/{_path(session_id)}/expire"
        session, _ = await self._api.post(
            EXPIRE_SESSION, path, {"expand": [_OF_PAGE[1]]}, WireSession, key=f"expire-{charge_id}", keys=[charge_id]
        )
        return self.read_session(EXPIRE_SESSION, session, charge_id)

    async def _cancel(self, charge_id: str, intent: WireIntent, state: ChargeState) -> ChargeState:
        """The key tells what was seen: a refusal that Stripe keeps must not outlive the reason for it."""
        latest = intent.latest_charge.id if isinstance(intent.latest_charge, WireCharge) else intent.latest_charge
        seen = hashlib.sha256(f"{intent.status} {latest}".encode()).hexdigest()[:16]
        path = f"payment_intents/{_path(intent.id)}/cancel"
        cancelled, _ = await self._api.post(
            CANCEL_INTENT, path, {}, WireIntent, key=f"cancel-{charge_id}-{seen}", keys=[charge_id]
        )
        return self.read_intent(CANCEL_INTENT, cancelled, charge_id, state.reference)

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        intent, state = await self.find(charge_id, reference)
        if intent is None or state.status is not ChargeStatus.AUTHORISED:
            return state
        held = state.amount
        if held is None or held.currency != amount.currency or amount.amount_minor > held.amount_minor:
            raise InvalidInput("No more than what is held can be taken, in its currency.", field="amount")
        path, form = f"payment_intents/{_path(intent.id)}/capture", {"amount_to_capture": to_stripe(amount)}
        try:
            taken, _ = await self._api.post(
                CAPTURE_INTENT, path, form, WireIntent, key=f"capture-{charge_id}", keys=[charge_id]
            )
        except StripeRefusal as refusal:
            _, now = await self.find(charge_id, reference)
            if now.status is ChargeStatus.AUTHORISED:
                raise refusal.rejected() from refusal
            return now
        return self.read_intent(CAPTURE_INTENT, taken, charge_id, state.reference)


def _absent(charge_id: str) -> ChargeState:
    return ChargeState(id=charge_id, status=ChargeStatus.ABSENT, raw_status="")


def _path(reference: str) -> str:
    if re.fullmatch(r"\w{4,255}", reference, re.ASCII) is None:
        raise InvalidInput("This is no reference of Stripe's.")
    return reference
