"""`Idempotency-Key` as Stripe keeps it (docs.stripe.com/api/idempotent_requests).

For 24 hours the first answer is given again, errors included, with `Idempotent-Replayed: true`. Another request under
the key is a 400, one that comes while the first still runs a 409. Parameters that are wrong leave the key free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from sandbox.kit.clock import Clock

from .refusals import Refused, told

KEPT = timedelta(hours=24)
LONGEST = 255


@dataclass(frozen=True, slots=True)
class _Kept:
    fingerprint: str
    status: int
    body: bytes
    at: datetime


class Idempotency:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._running: set[str] = set()

    async def once(self, key: str | None, path: str, body: bytes, run: Callable[[], Awaitable[Response]]) -> Response:
        if key is None:
            return await run()
        if not 0 < len(key) <= LONGEST:
            raise Refused(400, "idempotency_error", f"Idempotency keys are at most {LONGEST} characters.", kept=False)
        fingerprint = hashlib.sha256(f"{path}\n".encode() + body).hexdigest()
        known = self._kept.get(key)
        if known is not None and known.at + KEPT > self._clock():
            if known.fingerprint != fingerprint:
                said = "Keys for idempotent requests can only be used with the same parameters as at first."
                raise Refused(400, "idempotency_error", said, kept=False)
            return Response(known.body, known.status, {"idempotent-replayed": "true"}, media_type="application/json")
        if key in self._running:
            said = "There is currently another in-progress request using this Idempotent Key."
            raise Refused(409, "idempotency_error", said, kept=False, code="idempotency_key_in_use")
        self._running.add(key)
        try:
            answer = await run()
        except Refused as refused:
            if not refused.kept:
                raise
            answer = told(refused)
        finally:
            self._running.discard(key)
        self._kept[key] = _Kept(fingerprint, answer.status_code, bytes(answer.body), self._clock())
        return answer
