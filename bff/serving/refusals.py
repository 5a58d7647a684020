"""The one shape of every answer that is not a GraphQL result: `{"errors": [{"message", "extensions": {"code"}}]}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

RawHeaders = Sequence[tuple[bytes, bytes]]


class HttpRefusal(Exception):
    """A request that is answered before any operation is run."""

    def __init__(self, status: int, code: str, message: str, headers: RawHeaders = (), **extensions: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, tuple(headers)
        self.extensions = extensions

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What is told, as members of `errors`."""
        return [error_entry(self.code, self.message, **self.extensions)]

    @property
    def body(self) -> bytes:
        return orjson.dumps({"errors": self.entries})


class ClientGone(Exception):
    """The client closed the connection: there is nobody to answer."""


def error_entry(code: str, message: str, **extensions: Any) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code, **extensions}}


def error_body(code: str, message: str, **extensions: Any) -> bytes:
    return orjson.dumps({"errors": [error_entry(code, message, **extensions)]})


CODES: dict[int, str] = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    431: "HEADERS_TOO_LARGE",
    503: "UNAVAILABLE",
}
"""Our code for a status that a library chose."""


def code_of(status: int) -> str:
    return CODES.get(status, "INTERNAL" if status >= 500 else "BAD_REQUEST")
