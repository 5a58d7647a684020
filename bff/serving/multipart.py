"""Several payloads in one HTTP response: `multipart/mixed` (RFC 2046; incremental delivery over HTTP).

A part is complete for its reader when the next boundary was seen, so each part is sent with the boundary that follows
it. What the client's Accept says chooses the form of the payloads, and the answer's Content-Type repeats it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from graphql.execution import ExperimentalIncrementalExecutionResults

from bff.serving.incremental import LEGACY_SPEC, current_form, legacy_form
from bff.serving.results import to_bytes

OPENING = b"\r\n---"
CLOSING = b"--\r\n"


def part(payload: Any) -> bytes:
    return b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%b\r\n---" % to_bytes(payload)


DEFER_BEAT = part({"hasNext": True})
SUBSCRIPTION_BEAT = part({})
"""What each kind of reader passes over; it must read *something*, as multipart has no comments."""


def wants_subscription(accepted: Mapping[str, str] | None) -> bool:
    """Subscriptions over multipart, as Apollo Client asks for them (`subscriptionSpec=1.0`)."""
    return accepted is not None and "subscriptionspec" in accepted


def deferred_type(accepted: Mapping[str, str]) -> str:
    if accepted.get("deferspec") == LEGACY_SPEC:
        return f'multipart/mixed; boundary="-"; deferSpec={LEGACY_SPEC}'
    spec = accepted.get("incrementalspec")
    return 'multipart/mixed; boundary="-"' + (f"; incrementalSpec={spec}" if spec == "v0.2" else "")


SUBSCRIPTION_TYPE = 'multipart/mixed; boundary="-"; subscriptionSpec=1.0'


async def deferred_parts(
    accepted: Mapping[str, str], results: ExperimentalIncrementalExecutionResults
) -> AsyncIterator[bytes]:
    legacy = accepted.get("deferspec") == LEGACY_SPEC
    payloads = legacy_form(results) if legacy else current_form(results)
    before = OPENING
    async for payload in payloads:
        yield before + part(payload) + (b"" if payload["hasNext"] else CLOSING)
        before = b""


async def subscription_parts(payloads: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    before = OPENING
    async for payload in payloads:
        yield before + part({"payload": payload})
        before = b""
    yield before + CLOSING
