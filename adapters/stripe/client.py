"""Card payments over Stripe: its page for a browser (Checkout Session), its SDK in our app (PaymentIntent).

A charge's `reference` is the session's or the intent's id. It must be kept before the customer is given anything to pay
with: Stripe finds a charge by our id only in its search, which lags by a minute, and never a page that nobody has used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters.transport.operation import Effect, Operation
from adapters.transport.upstream import Upstream
from bff.domain.base import Money, Outcome, Refusal
from bff.domain.payment import (
    AppAction,
    PaymentProvider,
    PaymentScene,
    RedirectAction,
    refuse_card_number,
)
from bff.domain.providers import (
    Begun,
    Charge,
    ChargeState,
    ChargeStatus,
    Notice,
    NoticeRefused,
    NoticeReply,
    Repayment,
    RepaymentState,
)
from bff.errors import BffError, UpstreamContractBroken, UpstreamRejected

from .api import StripeApi
from .charges import Charges, check_id
from .form import Form
from .notices_wire import check_signature, read_event
from .refunds import Refunds
from .replies_wire import UNREADABLE, StripeRefusal, unreadable
from .requests_wire import intent_form, session_form
from .settings import StripeSettings
from .stripe_wire import PAID, WireIntent, WireSession

CREATE_SESSION = Operation(name="CreateCheckoutSession", effect=Effect.WRITE)
CREATE_INTENT = Operation(name="CreatePaymentIntent", effect=Effect.WRITE)

SHORTEST_PAGE = 1800
"""Seconds: Stripe refuses to close its page sooner after it is made (docs.stripe.com/api/checkout/sessions/create)."""
_DOUBT = 60
LONGEST_LIFE = 86400
"""Seconds that a charge may live: Stripe's page lives no longer, and neither does an idempotency key."""

NOT_SUPPORTED = Refusal(
    code="PROVIDER_NOT_SUPPORTED",
    message="Cards are taken in a browser and in the app only. Choose another way to pay.",
    field=["input", "scene"],
)
DECLINED = Refusal(
    code="CARD_DECLINED", message="The card was declined. Choose another way to pay.", field=["input", "provider"]
)
ALREADY_PAID = Refusal(code="ALREADY_PAID", message="This has been paid already.", field=["input", "orderId"])


class StripePayments:
    """Implements `ProviderPort`. `clock` tells UTC."""

    provider = PaymentProvider.CARD
    scenes = frozenset({PaymentScene.H5, PaymentScene.APP})
    can_hold = True

    def __init__(self, upstream: Upstream, settings: StripeSettings, clock: Callable[[], datetime]) -> None:
        self._api = StripeApi(upstream, settings)
        self._charges = Charges(self._api, live=settings.live)
        self._refunds = Refunds(self._api, self._charges)
        self._settings = settings
        self._clock = clock
        self._name = upstream.name

    async def begin(self, charge: Charge) -> Outcome[Begun]:
        """The id is Stripe's idempotency key, which it keeps for 24 hours. A charge lives no longer than that, so that
        what is begun again is never a second payment.
        """
        if charge.scene not in self.scenes:
            return Outcome(refusals=[NOT_SUPPORTED])
        check_id(charge.id)
        refuse_card_number(charge.description, "input.description")
        left = (charge.expires_at - self._clock()).total_seconds()
        if left <= 0:
            raise UpstreamRejected(self._name, detail=f"charge {charge.id} has expired: begin another")
        if left > LONGEST_LIFE:
            raise UpstreamRejected(self._name, detail=f"charge {charge.id} would live longer than its idempotency key")
        try:
            if charge.scene is PaymentScene.H5:
                return await self._page(charge)
            return await self._sdk(charge)
        except StripeRefusal as refusal:
            if refusal.is_declined:
                return Outcome(refusals=[DECLINED])
            raise refusal.rejected() from refusal

    async def query(self, charge_id: str, reference: str) -> ChargeState:
        """ABSENT without a reference: nobody was given anything to pay with, and what may lie there lapses."""
        return await self._charges.query(charge_id, reference)

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        return await self._charges.close(charge_id, reference)

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        """Less than what is held gives the rest back to the customer; there is one capture of a charge."""
        return await self._charges.capture(charge_id, reference, amount)

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        refuse_card_number(wanted.reason, "input.reason")
        return await self._refunds.repay(wanted)

    async def query_repayment(self, wanted: Repayment, transaction: str | None) -> RepaymentState:
        return await self._refunds.query(wanted, transaction)

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        """Stateless: that an event comes twice shows in its id."""
        header = headers.get("stripe-signature")
        check_signature(header, body, self._settings.signing_secrets, self._clock())
        try:
            return read_event(body, self._settings)
        except UNREADABLE as error:
            raise UpstreamContractBroken(self._name, detail=f"a genuine event: {str(error)[:200]}") from error

    def reply(self, refused: NoticeRefused | BffError | None) -> NoticeReply:
        """Stripe reads the status only, and comes again for three days."""
        if refused is None:
            return NoticeReply(status=200)
        return NoticeReply(status=400 if isinstance(refused, NoticeRefused) else 503)

    # Two ways to pay

    async def _page(self, charge: Charge) -> Outcome[Begun]:
        session, replayed = await self._create_session(charge)
        if replayed:  # the answer of then: the customer may have paid meanwhile
            session, state = await self._charges.session(charge.id, session.id)
        else:
            state = self._charges.read_session(CREATE_SESSION, session, charge.id)
        if refused := self._over(state):
            return refused
        if not session.url:
            raise unreadable(self._name, CREATE_SESSION, "an open session without a page")
        return Outcome(entity=Begun(client_action=RedirectAction(url=session.url), reference=session.id))

    async def _create_session(self, charge: Charge) -> tuple[WireSession, bool]:
        """A charge that lives shorter than Stripe's page may is closed by whoever keeps it, not by the page.

        That is tried second, always: the first key finds again what an earlier attempt made when there was more time.
        """
        key, return_url = f"charge-{charge.id}", self._settings.return_url

        async def create(form: Form, key: str) -> tuple[WireSession, bool]:
            path = "checkout/sessions"
            return await self._api.post(CREATE_SESSION, path, form, WireSession, key=key, keys=[charge.id])

        try:
            return await create(session_form(charge, return_url), key)
        except StripeRefusal as refusal:
            left = (charge.expires_at - self._clock()).total_seconds()
            if refusal.error.param != "expires_at" or left > SHORTEST_PAGE + _DOUBT:
                raise
        return await create(session_form(charge, return_url, bounded=False), f"{key}-unbounded")

    async def _sdk(self, charge: Charge) -> Outcome[Begun]:
        intent, replayed = await self._api.post(
            CREATE_INTENT,
            "payment_intents",
            intent_form(charge),
            WireIntent,
            key=f"charge-{charge.id}",
            keys=[charge.id],
        )
        if replayed:
            intent, state = await self._charges.intent(charge.id, intent.id)
        else:
            state = self._charges.read_intent(CREATE_INTENT, intent, charge.id)
        if refused := self._over(state):
            return refused
        if not intent.client_secret:
            raise unreadable(self._name, CREATE_INTENT, "an intent without a client secret")
        return Outcome(entity=Begun(client_action=AppAction(order_string=intent.client_secret), reference=intent.id))

    def _over(self, state: ChargeState) -> Outcome[Begun] | None:
        if state.status in PAID:
            return Outcome(refusals=[ALREADY_PAID])
        if state.status is ChargeStatus.CLOSED:
            raise UpstreamRejected(
                self._name, detail=f"charge {state.id} is closed ({state.raw_status}): begin another"
            )
        return None
