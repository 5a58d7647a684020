"""What the client is told of how old an answer is: `extensions.freshness`, and the headers of a GET that may be kept.

The strictest of what was read decides: one personal read, a login, an error or an unknown age, and nobody may keep it.
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import Any

from graphql import ExecutionResult

from bff.context import CallerKind
from bff.freshness import StaleRead
from bff.serving.exchange import Exchange

VARY = b"BFF-Brand, BFF-Channel, BFF-Country"
"""Request headers, besides those that every response names, on which an answer for everybody may depend."""

_NOT_KEPT = (b"cache-control", b"private, no-store")


def tell_freshness(exchange: Exchange, result: ExecutionResult) -> None:
    """A stage for `Stages.finish`."""
    if exchange.context.stale:
        exchange.extensions["freshness"] = stale_paths(exchange.context.stale)
    if exchange.safe:
        exchange.response_headers += cache_headers(exchange, result)


def stale_paths(noted: list[tuple[list[str | int] | None, StaleRead]]) -> list[dict[str, Any]]:
    """One entry for each path and source; `path` is null where it is not known which fields an old answer filled."""
    placed = {read for path, read in noted if path is not None}
    told: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path, read in noted:
        if path is None and read in placed:
            continue
        key = (None if path is None else tuple(path), read)
        told[key] = {
            "path": path,
            "source": read.source,
            "asOf": read.as_of.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "stale": True,
            "reason": read.reason,
        }
    return list(told.values())


def cache_headers(exchange: Exchange, result: ExecutionResult) -> list[tuple[bytes, bytes]]:
    context, headers = exchange.context, exchange.headers
    is_for_one = (
        context.is_private
        or context.caller.kind is not CallerKind.GUEST
        or "authorization" in headers
        or "bff-act-for" in headers
        or exchange.plan is None
        or bool(exchange.plan.privacy.fields)
    )
    if result.errors or is_for_one or context.fresh_seconds == inf or headers.get("bff-explain") == "1":
        return [_NOT_KEPT]
    seconds = int(context.fresh_seconds)
    said = b"public, max-age=%d" % seconds if seconds > 0 else b"public, no-cache"
    return [(b"cache-control", said), (b"vary", VARY)]


def conditional(exchange: Exchange, status: int, body: bytes) -> tuple[int, bytes]:
    """Give the answer of a GET that may be kept a tag; to whoever has it already, 304 (RFC 9110 section 13.1.2).

    The tag is weak, since one answer may travel in several codings.
    """
    if status != 200 or not exchange.safe or not _may_be_kept(exchange):
        return status, body
    tag = f'W/"{blake2b(body, digest_size=16).hexdigest()}"'
    exchange.response_headers.append((b"etag", tag.encode()))
    known = [each.strip().removeprefix("W/") for each in exchange.headers.get("if-none-match", "").split(",")]
    return (304, b"") if tag.removeprefix("W/") in known or "*" in known else (status, body)


def _may_be_kept(exchange: Exchange) -> bool:
    return any(name == b"cache-control" and value.startswith(b"public") for name, value in exchange.response_headers)
