"""Faults that can be set on a running system: by `PUT /_faults`, or by `bff sandbox fault`.

    PUT /_faults     {"faults": [{"kind": "delay", "milliseconds": 4000, "match": "GetRepairOrder", "times": 3}]}
    GET /_faults     what is set now, with how often each has struck
    DELETE /_faults  back to normal

`match` is looked for in the path, the query, the SOAPAction header and the body; without it every request is meant.
`times` limits how often a fault strikes; `share` (0 to 1) lets it strike that part of requests, evenly spread. Faults
are tried in order; delays add up with whatever comes after them, all others end the request.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["delay", "status", "soap-fault", "truncate", "html", "maintenance", "drop"]
KINDS: tuple[str, ...] = get_args(Kind)

MAINTENANCE_PAGE = (
    "<!DOCTYPE html><html><head><meta charset='gbk'><title>系统维护</title></head>"
    "<body><h1>系统维护中</h1><p>System maintenance 23:30-01:00. Please try again later.</p></body></html>"
)
SOAP_FAULT = (
    '<?xml version="1.0" encoding="GBK"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    "<soapenv:Body><soapenv:Fault><faultcode>soapenv:Server</faultcode><faultstring>系统内部错误</faultstring>"
    "<detail><trace>com.dealer.dms.bod.Handler.process(Handler.java:214)</trace></detail>"
    "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)


@dataclass(slots=True)
class Fault:
    """One fault. `until` ends a maintenance (RFC 3339); `bytes` is how much of a truncated body is still sent."""

    kind: Kind
    match: str = ""
    times: int | None = None
    share: float = 1.0
    milliseconds: int = 0
    status: int = 503
    bytes: int | None = None
    until: str | None = None
    struck: int = 0
    seen: int = 0

    @classmethod
    def parse(cls, raw: Any) -> Fault:
        """Raises ValueError that says what is wrong and what would be right."""
        if not isinstance(raw, dict) or raw.get("kind") not in KINDS:
            raise ValueError(f"a fault is an object with a kind, one of {', '.join(KINDS)}")
        if unknown := raw.keys() - {"kind", "match", "times", "share", "milliseconds", "status", "bytes", "until"}:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        for name, kinds in {
            "milliseconds": int,
            "times": int,
            "status": int,
            "bytes": int,
            "share": (int, float),
        }.items():
            if name in raw and not isinstance(raw[name], kinds):  # type: ignore[arg-type]  # a table of two kinds of types
                raise ValueError(f"{name} is a number")
        if raw.get("until") is not None and datetime.fromisoformat(raw["until"]).tzinfo is None:
            raise ValueError("until is a time with its zone, as in 2026-01-01T01:00:00+08:00")
        return cls(**raw)

    def strikes(self, text: str) -> bool:
        """Whether this request is hit; counts it."""
        if self.match and self.match not in text:
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        if self.until is not None and datetime.now().astimezone() >= datetime.fromisoformat(self.until):
            return False
        self.seen += 1
        if int(self.seen * self.share) == int((self.seen - 1) * self.share):
            return False
        self.struck += 1
        return True


class FaultyApp:
    """An ASGI app with `/_faults` beside it. Requests whose path begins with `/_` are never hit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.faults: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == "/_faults":
            await self._control(scope, receive, send)
        elif not self.faults or scope["path"].startswith("/_"):
            await self.app(scope, receive, send)
        else:
            await self._hit(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "PUT":
                body = json.loads(await _read(receive) or b"{}")
                if not isinstance(body, dict) or not isinstance(body.get("faults"), list):
                    raise ValueError('send {"faults": [...]}')
                self.faults = [Fault.parse(raw) for raw in body["faults"]]
            elif scope["method"] == "DELETE":
                self.faults = []
            answer, status = {"faults": [asdict(fault) for fault in self.faults]}, 200
        except (ValueError, TypeError) as error:
            answer, status = {"error": str(error)}, 400  # type: ignore[dict-item]  # the other shape of answer
        await _answer(send, status, "application/json", json.dumps(answer).encode())

    async def _hit(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        headers = dict(scope["headers"])
        said = b" ".join([scope["path"].encode(), scope["query_string"], headers.get(b"soapaction", b""), body])
        text = said.decode("latin-1")
        for fault in self.faults:
            if not fault.strikes(text):
                continue
            if fault.kind == "delay":
                await asyncio.sleep(fault.milliseconds / 1000)
            elif fault.kind == "truncate":
                return await self.app(scope, _again(body), _cut(scope, send, fault.bytes))
            elif fault.kind == "drop":
                return _reset(scope)
            else:
                return await _answer(send, *_instead(fault))
        return await self.app(scope, _again(body), send)


def _instead(fault: Fault) -> tuple[int, str, bytes]:
    if fault.kind == "status":
        return fault.status, "text/plain", b"injected fault"
    if fault.kind == "soap-fault":
        return 500, "text/xml; charset=GBK", SOAP_FAULT.encode("gb18030")
    return 200, "text/html; charset=gbk", MAINTENANCE_PAGE.encode("gb18030")


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    """A receive that gives the body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _cut(scope: Scope, send: Send, keep: int | None) -> Send:
    """A send that promises the whole body, sends a part of it and resets the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            part = body[: len(body) // 2 if keep is None else keep]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            _close(scope)
        else:
            await send(message)

    return cut


def _reset(scope: Scope) -> None:
    """Drop the connection without a word."""
    transport = scope.get("extensions", {}).get("sandbox.transport")
    if transport is not None:
        transport.abort()


def _close(scope: Scope) -> None:
    """End the connection after what was written has left: the peer sees half a body, then the end."""
    transport = scope.get("extensions", {}).get("sandbox.transport")
    if transport is not None:
        transport.close()


async def _answer(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
