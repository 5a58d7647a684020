"""What an HTTP status means where a protocol says nothing more about it."""

from __future__ import annotations

from adapters.transport.http import HttpReply
from adapters.transport.upstream import Effect, Operation
from bff.errors import OutcomeUnknown, UpstreamBusy, UpstreamError, UpstreamRejected, UpstreamUnavailable


def failure(upstream: str, operation: Operation, reply: HttpReply, detail: str = "") -> UpstreamError:
    """The error for a status from 400 on. A write that a broken server answered has an unknown outcome."""
    detail = f"status {reply.status} {detail}".rstrip()
    if reply.status in (401, 403):
        # These systems know the service, never the customer: the customer's login is not at fault.
        return UpstreamRejected(upstream, detail=detail)
    if reply.status in (429, 503):
        return UpstreamBusy(upstream, detail=detail)
    if reply.status >= 500 and operation.effect is Effect.WRITE:
        return OutcomeUnknown(upstream, detail=detail)
    if reply.status >= 500:
        return UpstreamUnavailable(upstream, detail=detail)
    return UpstreamRejected(upstream, detail=detail)
