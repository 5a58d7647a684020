"""Rights as HTTP tells them: the challenge of a step-up, operations refused as a whole, the audit of advisers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult

from bff.context import CallerKind
from bff.errors import BffError, NotAuthenticated, StepUpRequired
from bff.execution.guards import OperationRefused
from bff.serving.refusals import HttpRefusal, error_entry
from bff.telemetry import audit

if TYPE_CHECKING:
    from bff.serving.exchange import Exchange

CHALLENGE = b"www-authenticate"


def challenge(refusals: Sequence[StepUpRequired]) -> tuple[bytes, bytes]:
    """RFC 9470 section 3, for the strictest of several: one login must do for all of them."""
    freshest = min(refusals, key=lambda refusal: refusal.max_age)
    parts = {
        "error": "insufficient_user_authentication",
        "error_description": freshest.message,
        "acr_values": " ".join(freshest.acr_values),
        "max_age": str(freshest.max_age),
    }
    return CHALLENGE, ("Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())).encode("ascii")


def tell_challenge(exchange: Exchange, result: ExecutionResult) -> None:
    """A `Stages.finish`: where a step-up is all that was wrong, the header says so to clients that know no GraphQL.

    A challenge may accompany a success (RFC 9110 section 11.6.1): more is to be had with another login.
    """
    wanted = [error.original_error for error in result.errors or ()]
    steps = [error for error in wanted if isinstance(error, StepUpRequired)]
    if steps and len(steps) == len(wanted):
        exchange.response_headers.append(challenge(steps))


class RefusedAsAWhole(HttpRefusal):
    """403, or 401 where a login would help; every refusal is told."""

    def __init__(self, refused: OperationRefused) -> None:
        refusals = refused.refusals
        steps = [refusal for refusal in refusals if isinstance(refusal, StepUpRequired)]
        status, headers = 403, []
        if len(steps) == len(refusals):
            status, headers = 401, [challenge(steps)]
        elif any(isinstance(refusal, NotAuthenticated) for refusal in refusals):
            status, headers = 401, [(CHALLENGE, b"Bearer")]
        super().__init__(status, refusals[0].code, refusals[0].message, headers)
        self._refusals = refusals

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [_entry(refusal) for refusal in self._refusals]


def _entry(refusal: BffError) -> dict[str, Any]:
    extensions = dict(refusal.extensions)
    return error_entry(extensions.pop("code"), refusal.message, **extensions)


def audit_advisers(exchange: Exchange) -> None:
    """A `Stages.admit`: an adviser who acts for a customer leaves a line before anything runs."""
    context = exchange.context
    if context.caller.kind is CallerKind.ADVISER:
        assert exchange.plan is not None
        context.state[audit.OPERATION] = exchange.plan.operation_name
        if context.caller.customer_id is not None:
            audit.record(context, customer=context.caller.customer_id)
