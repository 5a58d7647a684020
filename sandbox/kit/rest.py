"""JSON conventions of the middle-layer services, so that twelve contracts read alike.

Bodies are camelCase JSON; a list is `{"items": […]}`, a page also says `hasNext`, `hasPrevious` and `total`, and its
items are `{"cursor", "node"}`; times are RFC 3339 in UTC; money is `{"amountMinor": 21990000, "currency": "CNY"}`; text
is `{"zh": …, "en": …}`. Bulk reads repeat a parameter (`?id=a&id=b`) and answer only what exists. Refusals are RFC 9457
problems with a `code`. Writes honour `Idempotency-Key`: the same key and body get the first answer again, the same key
with another body is a 422.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A business refusal; becomes a problem document."""

    def __init__(self, code: str, detail: str, status: int = 409, **extra: Any) -> None:
        super().__init__(detail)
        self.code, self.detail, self.status, self.extra = code, detail, status, extra


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers, media_type="application/json")


async def refused(_request: Request, error: Exception) -> Response:
    """Exception handler for `Refused`."""
    assert isinstance(error, Refused)
    return problem(error.status, error.code, error.detail, **error.extra)


async def http_error(_request: Request, error: Exception) -> Response:
    """Exception handler for Starlette's own refusals (unknown path, wrong method)."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "NOT_FOUND" if error.status_code == 404 else "HTTP_ERROR", error.detail)


HANDLERS: dict[Any, Any] = {Refused: refused, HTTPException: http_error}


def problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code, **extra}
    return Response(json.dumps(body, ensure_ascii=False).encode(), status, media_type="application/problem+json")


def moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def money(minor: int, currency: str = "CNY") -> dict[str, Any]:
    return {"amountMinor": minor, "currency": currency}


def text(value: Any) -> dict[str, str]:
    """A bilingual text of the world (it has `zh` and `en`)."""
    return {"zh": value.zh, "en": value.en}


async def body_of(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise Refused("BAD_REQUEST", "the body is not JSON", 400) from error
    if not isinstance(value, dict):
        raise Refused("BAD_REQUEST", "the body is not a JSON object", 400)
    return value


@dataclass(frozen=True, slots=True)
class PageQuery:
    """`limit` (1 to 100, 20 by default), `after` or `before` (cursors), and `direction` forward or backward."""

    limit: int
    after: int | None
    before: int | None
    backward: bool

    @classmethod
    def of(cls, request: Request) -> PageQuery:
        raw = request.query_params
        try:
            limit = int(raw.get("limit", 20))
        except ValueError as error:
            raise Refused("BAD_REQUEST", "limit is a number", 400) from error
        if not 1 <= limit <= 100:
            raise Refused("BAD_REQUEST", "limit is 1 to 100", 400)
        return cls(limit, _offset(raw.get("after")), _offset(raw.get("before")), raw.get("direction") == "backward")


def page(items: Sequence[T], wanted: PageQuery, show: Callable[[T], Any]) -> Response:
    """One page: `{"items": [{"cursor", "node"}], "hasNext", "hasPrevious", "total"}`. Cursors are opaque to clients."""
    start = 0 if wanted.after is None else wanted.after + 1
    end = len(items) if wanted.before is None else min(wanted.before, len(items))
    has_next, has_previous = end < len(items), start > 0
    if wanted.backward:
        start, has_previous = (end - wanted.limit, True) if end - wanted.limit > start else (start, has_previous)
    else:
        end, has_next = (start + wanted.limit, True) if start + wanted.limit < end else (end, has_next)
    rows = [{"cursor": _cursor(index), "node": show(items[index])} for index in range(start, max(start, end))]
    return reply({"items": rows, "hasNext": has_next, "hasPrevious": has_previous, "total": len(items)})


def _cursor(index: int) -> str:
    return base64.urlsafe_b64encode(f"o{index}".encode()).decode().rstrip("=")


def _offset(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if not text.startswith("o"):
            raise ValueError(text)
        return int(text[1:])
    except (ValueError, binascii.Error) as error:
        raise Refused("BAD_CURSOR", "the cursor is not one of ours", 400) from error


class Idempotency:
    """Answers kept by `Idempotency-Key`, for one system."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[str, Response]] = {}

    def __call__(self, handler: Handler) -> Handler:
        async def once(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if key is None:
                return await handler(request)
            said = f"{request.method} {request.url.path} ".encode() + await request.body()
            digest = hashlib.sha256(said).hexdigest()
            known = self._answers.get(key)
            if known is not None:
                if known[0] != digest:
                    raise Refused("IDEMPOTENCY_KEY_REUSED", "this key was used with another body", 422)
                return known[1]
            answer = await handler(request)
            self._answers[key] = (digest, answer)
            return answer

        return once
