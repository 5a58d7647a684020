"""Stripe as a system of the estate: `/v1` speaks its API, `/_…` is the hand that plays customer, bank and network.

POST /_pay/{charge id}     {"result": "SUCCEEDED", "FAILED"; "notify": "once", "never", "twice", "parallel", "late"}
POST /_notify/{charge id}  {"reverse": false; "spoilt": "no", "forged", "changed", "stale", "unsigned"}: all again
POST /_refund/{refund id}  {"status": "failed", "pending", "succeeded", "canceled"}: the bank's later word
PUT  /_webhook             {"url": …}: where to notify, signed with the development secret, instead of our own service
GET  /_notifications       every attempt and what was answered, how many events are on their way
GET  /cashier/{charge id}  the page to which a customer is sent
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.kit.clock import Clock
from sandbox.kit.server import System
from sandbox.world import World

from .api import Api
from .ledger import Charge, Intent, Ledger, Refund, Session
from .page import page
from .refusals import Refused, answer, missing, told
from .shapes import show
from .webhooks import MODES, SCHEDULE, SPOILT, Mode, Spoilt, Webhooks

NAME = "stripe"
RESULTS = {"SUCCEEDED": "pm_card_visa", "FAILED": "pm_card_visa_chargeDeclined"}


def real_time() -> datetime:
    """Signatures are dated, and who reads them has a clock of their own: the world's time would be no use."""
    return datetime.now(UTC)


def create(
    world: World,
    clock: Clock | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    schedule: Sequence[float] = SCHEDULE,
) -> System:
    """`transport` is how notifications travel (tests), `schedule` the seconds before each attempt."""
    clock = clock or real_time
    webhooks = Webhooks(clock, transport, schedule)

    def emit(kind: str, thing: Any) -> None:
        webhooks.emit(kind, _charge_id(thing), show(ledger, thing))

    ledger = Ledger(clock, emit)
    api, hand = Api(ledger, webhooks, clock), _Hand(ledger, webhooks)
    handlers: dict[Any, Any] = {Refused: _refused, HTTPException: _unknown_path}
    return System(NAME, Starlette(routes=[*api.routes(), *hand.routes()], exception_handlers=handlers))


def _charge_id(thing: Any) -> str:
    if isinstance(thing, Charge):
        thing = thing.intent
    assert isinstance(thing, (Intent, Session, Refund))
    of = thing.intent.metadata if isinstance(thing, Refund) else thing.metadata
    return of.get("charge_id", "")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return told(error)


async def _unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return told(Refused(error.status_code, "invalid_request_error", said))


class _Hand:
    """What does not exist at the real Stripe."""

    def __init__(self, ledger: Ledger, webhooks: Webhooks) -> None:
        self._ledger = ledger
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        return [
            Route("/_ping", self.ping, methods=["GET"]),
            Route("/_pay/{charge}", self.pay, methods=["POST"]),
            Route("/_notify/{charge}", self.notify, methods=["POST"]),
            Route("/_refund/{refund}", self.refund, methods=["POST"]),
            Route("/_webhook", self.webhook, methods=["PUT"]),
            Route("/_notifications", self.notifications, methods=["GET"]),
            Route("/cashier/{charge}", self.cashier, methods=["GET"]),
        ]

    async def ping(self, _request: Request) -> Response:
        return answer({"system": NAME, "simulated": True})

    async def pay(self, request: Request) -> Response:
        said = await _body(request)
        card = RESULTS.get(_word(said, "result", tuple(RESULTS), "SUCCEEDED"), "")
        charge_id = request.path_params["charge"]
        session = self._latest(self._ledger.sessions, self._ledger.session, charge_id)
        self._webhooks.mode = cast(Mode, _word(said, "notify", MODES, "once"))
        try:
            if session is not None:
                self._ledger.pay_page(session, card)
                return answer({"status": session.status})
            intent = self._latest(self._ledger.intents, self._ledger.intent, charge_id)
            if intent is None:
                raise missing("charge", charge_id)
            self._ledger.confirm(intent, card)
            return answer({"status": intent.status})
        finally:
            self._webhooks.mode = "once"

    async def notify(self, request: Request) -> Response:
        said = await _body(request)
        spoilt = cast(Spoilt, _word(said, "spoilt", SPOILT, "no"))
        charge_id = request.path_params["charge"]
        sent = await self._webhooks.again(charge_id, reverse=said.get("reverse") is True, spoilt=spoilt)
        return answer({"sent": sent})

    async def refund(self, request: Request) -> Response:
        said = await _body(request)
        status = _word(said, "status", ("failed", "pending", "succeeded", "canceled"), "failed")
        wanted = request.path_params["refund"]
        found = [r for r in self._ledger.refunds.values() if wanted in (r.id, r.metadata.get("refund_id"))]
        if not found:
            raise missing("refund", wanted)
        self._ledger.settle_refund(found[-1], status)
        return answer({"status": status})

    async def webhook(self, request: Request) -> Response:
        url = (await _body(request)).get("url")
        if not isinstance(url, str):
            raise Refused(400, "sandbox", 'send {"url": "http://…"}')
        self._webhooks.register_development(url)
        return answer({"url": url})

    async def notifications(self, _request: Request) -> Response:
        return answer(
            {"events": len(self._webhooks.events), "pending": self._webhooks.pending, "sent": self._webhooks.shown()}
        )

    async def cashier(self, request: Request) -> Response:
        charge_id = request.path_params["charge"]
        session = self._latest(self._ledger.sessions, self._ledger.session, charge_id)
        if session is None:
            raise missing("checkout.session", charge_id)
        return HTMLResponse(page(session, charge_id))

    def _latest(self, kept: dict[str, Any], get: Callable[[str], Any], charge_id: str) -> Any:
        names = [name for name, thing in kept.items() if thing.metadata.get("charge_id") == charge_id]
        return get(names[-1]) if names else None


async def _body(request: Request) -> dict[str, Any]:
    try:
        said = json.loads(await request.body() or b"{}")
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Refused(400, "sandbox", "the body is a JSON object")
    return said


def _word(said: dict[str, Any], name: str, allowed: Sequence[str], usual: str) -> str:
    word = said.get(name, usual)
    if word not in allowed:
        raise Refused(400, "sandbox", f"{name} is one of {', '.join(allowed)}")
    return str(word)
