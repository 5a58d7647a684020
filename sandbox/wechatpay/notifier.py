"""Notifications: sealed, signed anew for each try, and sent until somebody says that they have it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID, uuid5

import httpx

from .contract import How
from .ledger import china
from .platform import Platform, certificate_signer

SCHEDULE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between tries. The real one takes a day: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h."""
LATE_SECONDS = 3.0
AT_ONCE = 5
STALE_SECONDS = 600
_STRANGER_SERIAL = 0x7B1D
_EVENTS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(slots=True)
class Sent:
    """A try and what was answered; `status` None: no answer."""

    id: str
    event_type: str
    about: str
    how: How
    status: int | None = None
    answer: str = ""


class Notifier:
    """`transport` replaces the network in tests."""

    def __init__(
        self,
        platform: Platform,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        schedule: Sequence[float] = SCHEDULE,
        late: float = LATE_SECONDS,
    ) -> None:
        self.sent: list[Sent] = []
        self._platform, self._transport, self._schedule, self._late = platform, transport, schedule, late
        self._tasks: set[asyncio.Task[None]] = set()

    def notify(self, url: str | None, event_type: str, about: str, content: dict[str, Any], how: How) -> None:
        """Begin to send; `about` is our number of the charge or refund. The event keeps its id over all tries."""
        if url is None or how == "never":
            return
        body = self._body(event_type, about, content)
        sent = Sent(body["id"], event_type, about, how)
        if how == "parallel":
            for _ in range(AT_ONCE):
                self._begin(self._try(url, body, sent))
        else:
            self._begin(self._deliver(url, body, sent))

    def shown(self) -> dict[str, Any]:
        return {"items": [asdict(sent) for sent in self.sent], "underWay": len(self._tasks)}

    def _body(self, event_type: str, about: str, content: dict[str, Any]) -> dict[str, Any]:
        kind = "transaction" if event_type.startswith("TRANSACTION") else "refund"
        sealed = self._platform.seal(json.dumps(content, ensure_ascii=False).encode(), kind)
        return {
            "id": str(uuid5(_EVENTS, f"{event_type} {about}")),
            "create_time": china(self._platform.clock()),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": "支付成功" if kind == "transaction" else "退款结果",
            "resource": {"original_type": kind, **sealed},
        }

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, url: str, body: dict[str, Any], sent: Sent) -> None:
        if sent.how == "late":
            await asyncio.sleep(self._late)
        acknowledged = await self._try(url, body, sent)
        if sent.how == "twice":
            await self._try(url, body, sent)
        for pause in () if sent.how in ("forged", "stale", "stranger") else self._schedule:
            if acknowledged:
                return
            await asyncio.sleep(pause)
            acknowledged = await self._try(url, body, sent)

    async def _try(self, url: str, body: dict[str, Any], sent: Sent) -> bool:
        attempt = Sent(sent.id, sent.event_type, sent.about, sent.how)
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Mozilla/4.0",
            **self._signature(content, sent.how),
        }
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=5, trust_env=False) as client:
                reply = await client.post(url, content=content, headers=headers)
            attempt.status, attempt.answer = reply.status_code, reply.text[:200]
        except httpx.HTTPError as error:
            attempt.answer = type(error).__name__
        self.sent.append(attempt)
        return attempt.status in (200, 204)

    def _signature(self, content: bytes, how: How) -> dict[str, str]:
        platform = self._platform
        if how == "stale":
            return platform.signature(content, at=platform.clock().timestamp() - STALE_SECONDS)
        if how == "stranger":  # a key of somebody else under a serial that the platform never had
            return platform.signature(content, certificate_signer(serial=_STRANGER_SERIAL))
        signed = platform.signature(content)
        if how == "forged":  # what the real one sends now and then, to see whether anybody looks
            signed["Wechatpay-Signature"] = f"WECHATPAY/SIGNTEST/{signed['Wechatpay-Signature']}"
        return signed
