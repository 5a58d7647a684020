"""Bytes that never change, whole or in part (RFC 9110 sections 13 and 14): ETag, If-None-Match, Range, If-Range."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

_ONE_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def serve(request: Request, data: bytes, mime: str, sha256: str) -> Response:
    """200, 206, 304 or 416. A range that is not understood, or that another version's ETag guards, is left aside."""
    etag = f'"{sha256}"'
    headers = {
        "etag": etag,
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    if etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    asked = _ONE_RANGE.match(request.headers.get("range", ""))
    if asked is None or asked.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return Response(data, headers=headers, media_type=mime)
    span = _span(asked[1], asked[2], len(data))
    if span is None:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{len(data)}"})
    first, last = span
    headers["content-range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type=mime)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """The first and last byte; None where the range holds no byte of it."""
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end and start < size else None
