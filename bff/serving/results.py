"""Results as response bodies. Which status they have is said in `graphql.py`."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from graphql import ExecutionResult, GraphQLError

from bff.context import RequestContext
from bff.execution import Plan
from bff.serving.exchange import Exchange
from bff.serving.refusals import HttpRefusal

NOT_VALID = "GRAPHQL_VALIDATION_FAILED"


def errors_of(errors: list[GraphQLError]) -> list[dict[str, Any]]:
    """A document that cannot be run, said with a code."""
    return [{**error.formatted, "extensions": {"code": NOT_VALID, **(error.extensions or {})}} for error in errors]


def refused(refusal: HttpRefusal) -> dict[str, Any]:
    """A refusal as a GraphQL response without data: for batches and streams, which have no status to tell it by."""
    return {"errors": refusal.entries}


def could_not_begin(result: ExecutionResult) -> bool:
    """Variables that cannot be coerced are a request error: execution never began, so there is no `data` member."""
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors or ())


def answer_of(exchange: Exchange, result: ExecutionResult, *, explain: bool = False) -> dict[str, Any]:
    """The members of a response (GraphQL specification, section 7.1)."""
    answer: dict[str, Any] = {}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if not could_not_begin(result):
        answer["data"] = result.data
    extensions = exchange.extensions
    if result.extensions:
        extensions = {**result.extensions, **extensions}
    if explain and exchange.plan is not None:
        extensions = {**extensions, "explain": explanation(exchange.plan, exchange.context)}
    if extensions:
        answer["extensions"] = extensions
    return answer


def to_bytes(answer: Any) -> bytes:
    try:
        return orjson.dumps(answer)
    except TypeError:  # a custom scalar with keys that are no strings; asking for it always doubles the cost
        return orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS)


def explanation(plan: Plan, context: RequestContext) -> dict[str, Any]:
    """Where the answer came from, in development only: every upstream call, and how the operation was run."""
    return {
        "calls": [_to_the_microsecond(msgspec.to_builtins(record)) for record in context.calls.records],
        "rounds": context.calls.rounds,
        "notCompiled": dict(plan.fallbacks.counts),
    }


def _to_the_microsecond(record: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in record.items()}
