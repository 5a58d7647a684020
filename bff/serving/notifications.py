"""`POST /payments/notifications/{provider}`: where payment providers tell what became of a payment.

Nobody logs in here: what counts is the provider's signature over the exact bytes of the body. The answer is the
provider's own word for "taken" or "come again"; nothing is acknowledged that was not written down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bff.serving.refusals import error_entry

if TYPE_CHECKING:
    from bff.orders.notices import Notices

PATH = "/payments/notifications/{provider}"
MOST_BYTES = 64 * 1024
"""Notifications are a few kilobytes; more is nobody's that we know."""


def notification_route(notices: Callable[[], Notices | None]) -> Route:
    async def take(request: Request) -> Response:
        desk, name = notices(), request.path_params["provider"]
        if desk is None or not desk.knows(name):
            return JSONResponse({"errors": [error_entry("NOT_FOUND", "No provider notifies here.")]}, 404)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                message = f"A notification has at most {MOST_BYTES} bytes."
                return JSONResponse({"errors": [error_entry("PAYLOAD_TOO_LARGE", message)]}, 413)
        reply = await desk.take(name, dict(request.headers), bytes(body))
        return Response(reply.body, reply.status, media_type=reply.media_type)

    return Route(PATH, take, methods=["POST"])
