"""What can go wrong, as one tree.

    BffError                       code, a message that is safe to show, whether trying again helps
    ├── InvalidInput               BAD_USER_INPUT        the caller can mend it
    ├── NotAuthenticated           UNAUTHENTICATED       no caller, or a token that does not hold
    ├── NotAllowed                 FORBIDDEN             a caller, but not this one
    │   └── StepUpRequired         STEP_UP_REQUIRED      this one, once it has logged in anew or more strongly
    ├── DeadlineExceeded           DEADLINE_EXCEEDED     the request's own time was up before this field was answered
    ├── NotFound                   NOT_FOUND             a write names something that is not there (a read answers null)
    ├── IdempotencyKeyReused       IDEMPOTENCY_KEY_REUSED  the key belongs to another input: nothing was run
    ├── IdempotencyInProgress      IDEMPOTENCY_IN_PROGRESS the first request with the key has not ended yet
    ├── StateUnavailable           STATE_UNAVAILABLE     our own state database failed: nothing was run
    └── UpstreamError              names the system that failed
        ├── UpstreamUnavailable    UPSTREAM_UNAVAILABLE  refused, reset, timed out, 5xx: a read may be tried again
        │   ├── UpstreamTimeout    UPSTREAM_TIMEOUT      no answer inside the budget
        │   ├── UpstreamBusy       UPSTREAM_BUSY         the system, or our own cap on it, is full
        │   └── UpstreamMaintenance UPSTREAM_MAINTENANCE a known window; `retry_after` says when it ends
        ├── UpstreamRejected       UPSTREAM_REJECTED     it understood and said no, and no payload says why
        ├── UpstreamContractBroken UPSTREAM_CONTRACT_BROKEN  it answered something else than agreed: alert
        └── OutcomeUnknown         OUTCOME_UNKNOWN       a write got no answer: query before trying again

Expected business outcomes (slot taken, price changed, sold out) are not here: they are data in a mutation's payload.
Messages are written for an app developer and never carry upstream text; what an upstream really said goes to `detail`,
which is logged and never sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar


class BffError(Exception):
    """Root of the tree. `message` reaches the client; `detail` only the log."""

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def extensions(self) -> dict[str, Any]:
        """GraphQL error extensions (GraphQL specification, section 7.1.2): stable, documented in docs/errors.md."""
        return {"code": self.code, "retryable": self.retryable}


class InvalidInput(BffError):
    """The caller sent something that cannot be right. `field` is the dotted path of the argument, where known."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, *, field: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.field = field

    @property
    def extensions(self) -> dict[str, Any]:
        return super().extensions | ({"argument": self.field} if self.field else {})


class NotAuthenticated(BffError):
    code = "UNAUTHENTICATED"


class NotAllowed(BffError):
    code = "FORBIDDEN"


class StepUpRequired(NotAllowed):
    """The field asks for a login that is stronger or fresher than the token's (RFC 9470).

    `challenge` is what section 3 of it puts into WWW-Authenticate: send it on to the authorisation request.
    """

    code = "STEP_UP_REQUIRED"

    def __init__(self, *, acr_values: Sequence[str], max_age: int) -> None:
        super().__init__("Log in again, more strongly or more recently, to use this.")
        self.acr_values = tuple(acr_values)
        self.max_age = max_age

    @property
    def extensions(self) -> dict[str, Any]:
        challenge = {
            "scheme": "Bearer",
            "error": "insufficient_user_authentication",
            "acr_values": " ".join(self.acr_values),
            "max_age": self.max_age,
        }
        return super().extensions | {"challenge": challenge}


class NotFound(BffError):
    code = "NOT_FOUND"


class DeadlineExceeded(BffError):
    """The request's budget was spent while this field was pending; the fields that were ready are answered."""

    code = "DEADLINE_EXCEEDED"

    def __init__(self, *, began_write: bool = False, detail: str | None = None) -> None:
        unknown = "The write was not confirmed in time. Look up its state before trying again."
        super().__init__(unknown if began_write else "The field was not answered in time.", detail=detail)
        self.began_write = began_write

    @property
    def extensions(self) -> dict[str, Any]:
        return super().extensions | {"retryable": not self.began_write}


class IdempotencyKeyReused(BffError):
    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__("This idempotencyKey was used with another input. Make a new key for a new intention.")

    @property
    def extensions(self) -> dict[str, Any]:
        return super().extensions | {"argument": "input.idempotencyKey"}


class IdempotencyInProgress(BffError):
    code = "IDEMPOTENCY_IN_PROGRESS"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The first request with this idempotencyKey is still running. Send the same request again.")


class StateUnavailable(BffError):
    """The database that keeps what must outlive a crash."""

    code = "STATE_UNAVAILABLE"
    retryable = True

    def __init__(self, *, detail: str | None = None) -> None:
        super().__init__("Nothing was done, since it could not be written down. Try again.", detail=detail)


class UpstreamError(BffError):
    """A system behind us failed. `upstream` is its name as in settings (`dms`, `erp`, …)."""

    code = "UPSTREAM_UNAVAILABLE"

    def __init__(
        self,
        upstream: str,
        message: str | None = None,
        *,
        detail: str | None = None,
        retry_after: datetime | None = None,
    ) -> None:
        super().__init__(message or self.default_message(upstream), detail=detail)
        self.upstream = upstream
        self.retry_after = retry_after

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' could not be reached."

    @property
    def extensions(self) -> dict[str, Any]:
        extra = {"retryAfter": self.retry_after.isoformat()} if self.retry_after else {}
        return super().extensions | {"upstream": self.upstream} | extra


class UpstreamUnavailable(UpstreamError):
    retryable = True


class UpstreamTimeout(UpstreamUnavailable):
    code = "UPSTREAM_TIMEOUT"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' did not answer in time."


class UpstreamBusy(UpstreamUnavailable):
    code = "UPSTREAM_BUSY"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' is busy."


class UpstreamMaintenance(UpstreamUnavailable):
    code = "UPSTREAM_MAINTENANCE"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' is in maintenance."


class UpstreamRejected(UpstreamError):
    code = "UPSTREAM_REJECTED"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' refused the request."


class UpstreamContractBroken(UpstreamError):
    code = "UPSTREAM_CONTRACT_BROKEN"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' gave an answer that could not be read."


class OutcomeUnknown(UpstreamError):
    code = "OUTCOME_UNKNOWN"

    @classmethod
    def default_message(cls, upstream: str) -> str:
        return f"The system '{upstream}' did not confirm the request. Look up its state before trying again."
