"""The outermost layer: what holds for every path. Header limits, CORS, security headers, one shape of errors.

Answers keep a security header of their own: the console's page has a policy that lets its scripts run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from bff.context import current_or_none
from bff.serving.cors import Cors, Headers
from bff.serving.limits import HttpLimits
from bff.serving.outgoing import Outgoing
from bff.serving.refusals import HttpRefusal, error_body
from bff.trace import trace_id_of

log = logging.getLogger("bff.serving")

SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Browsers heed it over TLS only; whoever ends TLS before us passes it on."""


class Edge:
    """`production` adds Strict-Transport-Security. WebSockets from a browser are held to the same origins."""

    def __init__(self, app: ASGIApp, limits: HttpLimits, cors: Cors, *, production: bool) -> None:
        self._app = app
        self._limits = limits
        self._cors = cors
        self._always = (*SECURITY, HSTS) if production else SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        out = Outgoing(send, self._always)
        try:
            self._check(scope)
            if self._cors:
                out.added += self._permission(scope)
                if _is_preflight(scope):
                    return await _answer(out, 204, b"", ())
            return await self._app(scope, receive, out)
        except HttpRefusal as refusal:
            return await _answer(out, refusal.status, refusal.body, refusal.headers)
        except Exception as error:
            trace_id = trace_id_of(current_or_none())
            log.error("Unexpected error at %s (trace %s)", scope["path"], trace_id, exc_info=error)
            if out.status:
                raise
            body = error_body("INTERNAL", "Internal error", retryable=False, traceId=trace_id)
            return await _answer(out, 500, body, ())

    def _check(self, scope: Scope) -> None:
        """The server checks the same while it reads; a server that is not ours may not."""
        headers = scope["headers"]
        if len(headers) > self._limits.header_count:
            raise HttpRefusal(431, "HEADERS_TOO_LARGE", f"A request has at most {self._limits.header_count} headers.")
        if sum([len(name) + len(value) for name, value in headers]) > self._limits.header_bytes:
            raise HttpRefusal(431, "HEADERS_TOO_LARGE", f"Headers have at most {self._limits.header_bytes} bytes.")
        if len(scope.get("query_string", b"")) > self._limits.url_bytes:
            raise HttpRefusal(414, "URI_TOO_LONG", f"A URL has at most {self._limits.url_bytes} bytes. Send a POST.")

    def _permission(self, scope: Scope) -> Headers:
        origin = _header(scope, b"origin")
        if origin is not None and _is_preflight(scope):
            return self._cors.preflight(origin)
        return self._cors.permission(origin)


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None


async def _answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    own = [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store")] if body else []
    length = [(b"content-length", b"%d" % len(body))] if status != 204 else []
    await send({"type": "http.response.start", "status": status, "headers": [*own, *length, *headers]})
    await send({"type": "http.response.body", "body": body})
