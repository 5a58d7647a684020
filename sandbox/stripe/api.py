"""`/v1` of Stripe's API: who may ask, what a request may say, which function of the ledger does it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock

from .forms import amount_of, check_names, decode, metadata_of, required
from .idempotency import Idempotency
from .keys import SECRET_KEY
from .ledger import Ledger, Session
from .parameters import address_of, capture_method_of, currency_of, limit_of, sold
from .refusals import Refused, answer, bad_parameter
from .shapes import listed, show
from .webhooks import Endpoint, Webhooks

Parameters = dict[str, Any]
Does = Callable[[Request, Parameters, list[str]], Any]
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")
_SEARCH = re.compile(r"metadata\[['\"](\w{1,40})['\"]\]:['\"]([^'\"]*)['\"]")
SHORTEST_PAGE, LONGEST_PAGE = 1800, 86400
_OF_INTENT = frozenset(
    {
        "amount",
        "capture_method",
        "confirm",
        "currency",
        "description",
        "metadata",
        "payment_method",
        "payment_method_types",
    }
)
_OF_SESSION = frozenset(
    {
        "cancel_url",
        "client_reference_id",
        "expires_at",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "payment_method_types",
        "success_url",
        "ui_mode",
    }
)


class Api:
    def __init__(self, ledger: Ledger, webhooks: Webhooks, clock: Clock) -> None:
        self._ledger = ledger
        self._webhooks = webhooks
        self._idempotency = Idempotency(clock)

    def routes(self) -> list[Route]:
        intents, pages = "/v1/payment_intents", "/v1/checkout/sessions"
        return [
            self._route("POST", intents, self.create_intent),
            self._route("GET", f"{intents}/search", self.search_intents),
            self._route("GET", intents + "/{id}", lambda request, said, expand: self._ledger.intent(_id(request))),
            self._route("POST", intents + "/{id}/confirm", self.confirm),
            self._route("POST", intents + "/{id}/capture", self.capture),
            self._route("POST", intents + "/{id}/cancel", self.cancel),
            self._route("POST", pages, self.create_session),
            self._route("GET", pages, self.list_sessions),
            self._route("GET", pages + "/{id}", lambda request, said, expand: self._ledger.session(_id(request))),
            self._route("POST", pages + "/{id}/expire", self.expire),
            self._route("POST", "/v1/refunds", self.create_refund),
            self._route("GET", "/v1/refunds", self.list_refunds),
            self._route("GET", "/v1/refunds/{id}", lambda request, said, expand: self._ledger.refund(_id(request))),
            self._route("POST", "/v1/webhook_endpoints", self.create_endpoint),
        ]

    def _route(self, method: str, path: str, does: Does) -> Route:
        async def handle(request: Request) -> Response:
            _authenticate(request)
            self._webhooks.called_at(request.url.port)
            text = request.url.query if method == "GET" else await _form(request)

            async def run() -> Response:
                await asyncio.sleep(0)  # another request with the same key can meet this one under way
                said = decode(text)
                expand = said.pop("expand", [])
                if not isinstance(expand, list):
                    raise bad_parameter("expand", "Invalid array")
                done = does(request, said, expand)
                return answer(done if isinstance(done, dict) else show(self._ledger, done, expand))

            if method == "GET":
                return await run()
            key = request.headers.get("idempotency-key")
            return await self._idempotency.once(key, request.url.path, text.encode(), run)

        return Route(path, handle, methods=[method])

    # PaymentIntents

    def create_intent(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, _OF_INTENT)
        intent = self._ledger.add_intent(
            amount=amount_of(said, "amount"),
            currency=currency_of(said),
            capture_method=capture_method_of(said),
            metadata=metadata_of(said),
            description=said.get("description"),
        )
        if said.get("confirm") == "true":
            self._ledger.confirm(intent, required(said, "payment_method"))
        return intent

    def search_intents(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("query", "limit", "page"))
        asked = _SEARCH.fullmatch(required(said, "query"))
        if asked is None:
            raise bad_parameter("query", "We were unable to parse your search query.")
        name, value = asked.groups()
        found = [i for i in reversed(self._ledger.intents.values()) if i.metadata.get(name) == value]
        shown = listed(self._ledger, "/v1/payment_intents/search", found[: limit_of(said)], False, expand)
        return shown | {"object": "search_result", "next_page": None}

    def confirm(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("payment_method", "return_url"))
        intent = self._ledger.intent(_id(request))
        self._ledger.confirm(intent, required(said, "payment_method"))
        if intent.error is not None:
            code, why = intent.error["code"], intent.error["decline_code"]
            shown = show(self._ledger, intent)
            raise Refused(402, "card_error", "Declined.", code=code, decline_code=why, payment_intent=shown)
        return intent

    def capture(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("amount_to_capture", "metadata"))
        amount = amount_of(said, "amount_to_capture") if "amount_to_capture" in said else None
        intent = self._ledger.intent(_id(request))
        self._ledger.capture(intent, amount)
        return intent

    def cancel(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("cancellation_reason",))
        intent = self._ledger.intent(_id(request))
        self._ledger.cancel(intent)
        return intent

    # Checkout Sessions

    def create_session(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, _OF_SESSION)
        if required(said, "mode") != "payment":
            raise bad_parameter("mode", "The sandbox knows mode=payment only.")
        name, amount, currency = sold(said)
        data = said.get("payment_intent_data") or {}
        check_names(data, ("capture_method", "description", "metadata"))
        metadata, reference = metadata_of(said), said.get("client_reference_id")
        intent_data = {
            "capture_method": capture_method_of(data),
            "description": data.get("description"),
            "metadata": metadata_of(data),
        }
        return self._ledger.add_session(
            amount=amount,
            currency=currency,
            expires_at=self._expires_at(said),
            metadata=metadata,
            client_reference_id=reference,
            success_url=address_of(said, "success_url"),
            cancel_url=address_of(said, "cancel_url") if "cancel_url" in said else None,
            url=f"{str(request.base_url).rstrip('/')}/cashier/{quote(metadata.get('charge_id') or reference or '-')}",
            name=name,
            intent_data=intent_data,
        )

    def _expires_at(self, said: Parameters) -> int:
        now = self._ledger.now()
        if "expires_at" not in said:
            return now + LONGEST_PAGE
        at = amount_of(said, "expires_at")
        if not now + SHORTEST_PAGE <= at <= now + LONGEST_PAGE:
            said_so = (
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
            )
            raise bad_parameter("expires_at", said_so)
        return at

    def list_sessions(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("payment_intent", "limit"))
        of = required(said, "payment_intent")
        found: list[Session] = [
            self._ledger.session(name)
            for name, session in self._ledger.sessions.items()
            if session.intent is not None and session.intent.id == of
        ]
        return listed(self._ledger, "/v1/checkout/sessions", found[: limit_of(said)], False, expand)

    def expire(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ())
        session = self._ledger.session(_id(request))
        self._ledger.expire(session)
        return session

    # Refunds

    def create_refund(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("payment_intent", "amount", "metadata", "reason"))
        if said.get("reason", "duplicate") not in ("duplicate", "fraudulent", "requested_by_customer"):
            raise bad_parameter("reason", "Invalid reason")
        amount = amount_of(said, "amount") if "amount" in said else None
        metadata = metadata_of(said)
        return self._ledger.give_back(self._ledger.intent(required(said, "payment_intent")), amount, metadata)

    def list_refunds(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("payment_intent", "limit", "starting_after"))
        refunds = self._ledger.refunds_of(self._ledger.intent(required(said, "payment_intent")))
        if "starting_after" in said:
            names = [refund.id for refund in refunds]
            if said["starting_after"] not in names:
                raise bad_parameter("starting_after", f"No such refund: {said['starting_after']}")
            refunds = refunds[names.index(said["starting_after"]) + 1 :]
        limit = limit_of(said)
        return listed(self._ledger, "/v1/refunds", refunds[:limit], len(refunds) > limit, expand)

    # Webhook endpoints

    def create_endpoint(self, request: Request, said: Parameters, expand: list[str]) -> Any:
        check_names(said, ("url", "enabled_events", "api_version", "description", "metadata"))
        url, events = address_of(said, "url"), said.get("enabled_events")
        if not isinstance(events, list) or not events:
            raise bad_parameter("enabled_events", "Missing required param: enabled_events.")
        secret = f"whsec_{secrets.token_hex(16)}"
        endpoint = Endpoint(f"we_{secrets.token_hex(12)}", url, [secret], events)
        endpoint.api_version = said.get("api_version", endpoint.api_version)
        self._webhooks.endpoints[endpoint.id] = endpoint
        return {
            "id": endpoint.id,
            "object": "webhook_endpoint",
            "api_version": endpoint.api_version,
            "enabled_events": events,
            "livemode": False,
            "secret": secret,
            "status": "enabled",
            "url": url,
        }


def _id(request: Request) -> str:
    return str(request.path_params["id"])


async def _form(request: Request) -> str:
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if body and kind != "application/x-www-form-urlencoded":
        said = "Invalid request (check that your POST content type is application/x-www-form-urlencoded)."
        raise Refused(400, "invalid_request_error", said, kept=False)
    return body.decode()


def _authenticate(request: Request) -> None:
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            said = base64.b64decode(said).decode().partition(":")[0]
        except ValueError:
            said = ""
    if not hmac.compare_digest(said.encode(), SECRET_KEY.encode()):
        shown = f"{said[:8]}****{said[-4:]}" if said else "none"
        raise Refused(401, "invalid_request_error", f"Invalid API Key provided: {shown}", kept=False)
    version = request.headers.get("stripe-version")
    if version is not None and _VERSION.fullmatch(version) is None:
        raise Refused(400, "invalid_request_error", f"Invalid Stripe API version: {version}", kept=False)
