"""Refusals in Stripe's own shape (docs.stripe.com/api/errors)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from starlette.responses import Response


class Refused(Exception):
    """`kept`: told again to the same idempotency key, as are all that came up after the parameters were checked."""

    def __init__(self, status: int, kind: str, message: str, *, kept: bool = True, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        self.error = {"type": kind, "message": message, **{name: v for name, v in more.items() if v is not None}}


def bad_parameter(param: str, message: str, *, code: str | None = None) -> Refused:
    return Refused(400, "invalid_request_error", message, kept=False, param=param, code=code)


def wrong_state(message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> Refused:
    return Refused(400, "invalid_request_error", message, code=code, param=param, **more)


def missing(kind: str, name: str) -> Refused:
    said = f"No such {kind}: '{name}'"
    return Refused(404, "invalid_request_error", said, kept=False, code="resource_missing", param="id")


def answer(value: Any, status: int = 200) -> Response:
    """Every answer is named, so that its request can be found at Stripe."""
    headers = {"request-id": f"req_{secrets.token_hex(7)}"}
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, headers, media_type="application/json")


def told(refused: Refused) -> Response:
    return answer({"error": refused.error}, refused.status)
