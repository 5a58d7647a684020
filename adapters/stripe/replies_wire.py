"""What an answer of Stripe is: an object, a refusal in Stripe's own words, or nothing to be believed.

Source: docs.stripe.com/api/errors, docs.stripe.com/error-low-level, docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from adapters.transport.http import HttpReply
from adapters.transport.operation import Effect, Operation
from bff.errors import (
    BffError,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)

T = TypeVar("T")
UNREADABLE = (msgspec.MsgspecError, ValueError, KeyError)


class StripeError(msgspec.Struct):
    """`error` of an answer from 400 on. `type` says what kind it is, `code` what a program may react to."""

    type: str
    code: str | None = None
    param: str | None = None
    message: str = ""


class _Refused(msgspec.Struct):
    error: StripeError


class StripeRefusal(Exception):
    """Stripe understood and said no; the adapter makes a business outcome of what it knows."""

    def __init__(self, upstream: str, status: int, error: StripeError) -> None:
        super().__init__(f"{upstream} answered {status} {error.type} {error.code}")
        self.upstream = upstream
        self.status = status
        self.error = error

    @property
    def is_absent(self) -> bool:
        return self.status == 404 and self.error.code in (None, "resource_missing")

    @property
    def is_declined(self) -> bool:
        return self.error.type == "card_error" or self.error.code == "card_declined"

    def rejected(self) -> UpstreamRejected:
        error = self.error
        said = f"{self.status} {error.type} {error.code} {error.param or ''}: {error.message[:200]}"
        return UpstreamRejected(self.upstream, detail=said)


def unreadable(upstream: str, operation: Operation, why: object) -> BffError:
    """A write may have been done, whatever the answer looks like."""
    kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamContractBroken
    return kind(upstream, detail=f"{operation.name}: {str(why)[:200]}")


def read(upstream: str, operation: Operation, reply: HttpReply, kind: type[T]) -> T:
    """Raises StripeRefusal, or BffError."""
    if not 200 <= reply.status < 300:
        raise _failure(upstream, operation, reply)
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except UNREADABLE as error:
        raise unreadable(upstream, operation, error) from error


def _failure(upstream: str, operation: Operation, reply: HttpReply) -> Exception:
    try:
        error = msgspec.json.decode(reply.body, type=_Refused).error
    except UNREADABLE:
        error = None
    status = reply.status
    if status == 429:  # rate limit and lock_timeout: nothing was done
        return UpstreamBusy(upstream, detail=f"429 {error.code if error else ''}".rstrip())
    if status >= 500:
        detail = f"{status} {error.type if error else ''}".rstrip()
        kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamUnavailable
        return kind(upstream, detail=detail)
    if error is None:
        return unreadable(upstream, operation, f"status {status} that is not in Stripe's words")
    if status == 409:  # the same key is in use by a request that has not ended
        return UpstreamBusy(upstream, detail=f"409 {error.type} {error.code}")
    if status in (401, 403):  # the message repeats a part of our key
        return UpstreamRejected(upstream, detail=f"{status} {error.type} {error.code}: is our secret key right?")
    return StripeRefusal(upstream, status, error)
