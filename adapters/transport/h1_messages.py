"""HTTP/1.1 messages as bytes (RFC 9112): requests written so that nothing can be smuggled, replies read back.

What frames a message (its length, its connection, its host, its coding) is the engine's alone: a caller who sets such a
header is refused, and so is a line break or a space that would end the request line or a header early.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpRequest

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods that may be sent twice (RFC 9110 section 9.2.2)."""

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})
_METHODS = _WITHOUT_BODY | {"POST", "PUT", "PATCH"}
_OURS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = bytes(range(0x21, 0x7F))
_FORBIDDEN_IN_HEADER = re.compile(r"[^\t -~]")


class RequestRefused(ConnectFailed):
    """The request was not sent because it cannot be written down without ambiguity."""


def head_of(request: HttpRequest, target: str, host: str, *, keeps: bool = True) -> bytes:
    """Request line and headers, with the empty line. `host` goes into the Host header. Raises RequestRefused.

    Without `keeps` the server is asked to close the connection after its reply (RFC 9112 section 9.6).
    """
    method = request.method
    if method not in _METHODS:
        raise RequestRefused(f"method {method!r}")
    if not target.isascii() or target.encode("ascii").translate(None, _VISIBLE):
        raise RequestRefused("the address has a character that must be percent-encoded")
    lines = [f"{method} {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity"]
    for name, value in request.headers.items():
        if not _is_free(name):
            raise RequestRefused(f"header {name!r} is not the caller's")
        if _FORBIDDEN_IN_HEADER.search(value):
            raise RequestRefused(f"header {name!r} has a character that no header may have")
        lines.append(f"{name}: {value}")
    if not keeps:
        lines.append("connection: close")
    if request.body or method not in _WITHOUT_BODY:
        lines.append(f"content-length: {len(request.body)}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("ascii")


@lru_cache(maxsize=1024)
def _is_free(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None and name.lower() not in _OURS


def joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names; repeated headers joined in the order they came."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.lower().decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def decoded(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """The body without its content coding. Raises ExchangeFailed; `most` bounds what a small body may unfold to."""
    coding = headers["content-encoding"].strip().lower()
    if coding == "identity" or not body:
        return body
    if coding not in ("gzip", "x-gzip"):
        raise ExchangeFailed(f"a content coding that was not asked for: {coding!r}")
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(body, most + 1)
    except zlib.error as error:
        raise ExchangeFailed(f"the gzip body is broken: {error}") from error
    if len(plain) > most:
        raise ExchangeFailed(f"more than {most} bytes")
    if not unzip.eof or unzip.unused_data:
        raise ExchangeFailed("the gzip body is not one whole stream")
    return plain
