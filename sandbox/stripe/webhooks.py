"""Signed notifications to whoever registered for them, again and again until they are taken.

`Stripe-Signature: t=…,v1=…`: HMAC-SHA256 over `t.body`, one v1 for each secret that is valid just now; signed anew for
every attempt (docs.stripe.com/webhooks).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import httpx

from sandbox.kit.clock import Clock

from .keys import SIGNING_SECRET

Mode = Literal["once", "never", "twice", "parallel", "late"]
MODES: tuple[str, ...] = get_args(Mode)
Spoilt = Literal["no", "forged", "changed", "stale", "unsigned"]
SPOILT: tuple[str, ...] = get_args(Spoilt)
SCHEDULE = (0.0, 0.2, 1.0, 5.0, 15.0)
"""Seconds before each attempt. Stripe goes on for three days."""
LATE = 3.0
SERVICE_BELOW = 115
"""Ports: `make run` starts the estate 100 above the service, and this system is 15 above that."""
DEVELOPMENT = "we_development"
API_VERSION = "2026-10-28.endive"


@dataclass(slots=True)
class Endpoint:
    id: str
    url: str
    secrets: list[str]
    events: Sequence[str] = ("*",)
    api_version: str = API_VERSION

    def wants(self, kind: str) -> bool:
        return "*" in self.events or kind in self.events


@dataclass(slots=True)
class Sent:
    """One attempt. `status` None: nobody answered."""

    event: str
    type: str
    charge: str
    url: str
    status: int | None


@dataclass(slots=True)
class Event:
    id: str
    type: str
    created: int
    charge: str
    object: dict[str, Any] = field(repr=False)

    def body(self, api_version: str) -> bytes:
        shown = {
            "id": self.id,
            "object": "event",
            "api_version": api_version,
            "created": self.created,
            "data": {"object": self.object},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": self.type,
        }
        return json.dumps(shown, ensure_ascii=False, indent=2).encode()


def signature(body: bytes, stamp: int, signing: Sequence[str]) -> str:
    signed = f"{stamp}.".encode() + body
    marks = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in signing)
    return ",".join([f"t={stamp}", *(f"v1={mark}" for mark in marks), "v0=0000"])


class Webhooks:
    def __init__(
        self, clock: Clock, transport: httpx.AsyncBaseTransport | None, schedule: Sequence[float] = SCHEDULE
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._schedule = schedule
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoints: dict[str, Endpoint] = {}
        self.events: list[Event] = []
        self.sent: list[Sent] = []
        self.mode: Mode = "once"

    def register_development(self, url: str) -> None:
        self.endpoints[DEVELOPMENT] = Endpoint(DEVELOPMENT, url, [SIGNING_SECRET])

    def called_at(self, port: int | None) -> None:
        """Stripe is told once, in its dashboard, where to notify; here the service beside us is, unless it was said."""
        if DEVELOPMENT not in self.endpoints:
            service = port - SERVICE_BELOW if port is not None and port > SERVICE_BELOW else 8000
            self.register_development(f"http://127.0.0.1:{service}/payments/notifications/stripe")

    def emit(self, kind: str, charge: str, shown: dict[str, Any]) -> None:
        """Keep the event, and send it as `mode` says."""
        event = Event(f"evt_{secrets.token_hex(12)}", kind, int(self._clock().timestamp()), charge, shown)
        self.events.append(event)
        if self.mode != "never":
            task = asyncio.get_running_loop().create_task(self._tell(event, self.mode))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def pending(self) -> int:
        """Events that are on their way."""
        return len(self._tasks)

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(sent) for sent in self.sent]

    async def again(self, charge: str, *, reverse: bool, spoilt: Spoilt) -> list[dict[str, Any]]:
        """All events of a charge once more, one after the other; each attempt's answer."""
        events = [event for event in self.events if event.charge == charge]
        before = len(self.sent)
        for event in reversed(events) if reverse else events:
            for endpoint in self._wanting(event):
                await self._attempt(event, endpoint, spoilt)
        return self.shown()[before:]

    def _wanting(self, event: Event) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints.values() if endpoint.wants(event.type)]

    async def _tell(self, event: Event, mode: Mode) -> None:
        if mode == "late":
            await asyncio.sleep(LATE)
        times = 2 if mode in ("twice", "parallel") else 1
        for endpoint in self._wanting(event):
            if mode == "parallel":
                await asyncio.gather(*(self._deliver(event, endpoint) for _ in range(times)))
                continue
            for _ in range(times):
                await self._deliver(event, endpoint)

    async def _deliver(self, event: Event, endpoint: Endpoint) -> None:
        for wait in self._schedule:
            await asyncio.sleep(wait)
            if await self._attempt(event, endpoint):
                return

    async def _attempt(self, event: Event, endpoint: Endpoint, spoilt: Spoilt = "no") -> bool:
        body = event.body(endpoint.api_version)
        stamp = int(self._clock().timestamp()) - (600 if spoilt == "stale" else 0)
        signing = ["whsec_of_somebody_else"] if spoilt == "forged" else endpoint.secrets
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "Stripe/1.0 (sandbox)"}
        if spoilt != "unsigned":
            headers["stripe-signature"] = signature(body, stamp, signing)
        if spoilt == "changed":
            body = body.replace(b'"livemode": false', b'"livemode":  false')
        status = None
        async with httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=10) as client:
            with suppress(httpx.HTTPError):
                status = (await client.post(endpoint.url, content=body, headers=headers)).status_code
        self.sent.append(Sent(event.id, event.type, event.charge, endpoint.url, status))
        return status is not None and 200 <= status < 300
