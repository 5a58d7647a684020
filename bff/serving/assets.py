"""Bytes of content bundles by plain HTTP: immutable addresses; ranges, validators as the content service has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from adapters.content.client import ContentAdapter

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ASKED = ("range", "if-range", "if-none-match", "if-match")
_TOLD = ("content-type", "content-range", "accept-ranges", "etag", "cache-control", "last-modified")


def asset_route(content: ContentAdapter) -> Route:
    """`GET /content/assets/{sha256}/{name}`; anything but a hash is a 404 without asking anybody."""

    async def asset(request: Request) -> Response:
        sha256, name = request.path_params["sha256"], request.path_params["name"]
        if not _SHA256.fullmatch(sha256):
            return JSONResponse({"errors": [{"message": "Not Found", "extensions": {"code": "NOT_FOUND"}}]}, 404)
        asked = {header: request.headers[header] for header in _ASKED if header in request.headers}
        reply = await content.asset(sha256, name, asked)
        headers = {header: reply.headers[header] for header in _TOLD if header in reply.headers}
        return Response(reply.body, reply.status, headers | {"x-content-type-options": "nosniff"})

    return Route("/content/assets/{sha256}/{name:path}", asset, methods=["GET", "HEAD"])
