"""What of an error reaches the client: a BffError's own words, and nothing of any other exception."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from graphql import GraphQLError

from bff.errors import BffError, InvalidInput
from bff.trace import trace_id_of

log = logging.getLogger("bff.execution")


class BrokenValue(GraphQLError):
    """A resolver's value that GraphQL refuses. The words are graphql-core's and may show it: no client sees them."""

    @classmethod
    def of(cls, error: GraphQLError) -> BrokenValue:
        return cls(error.message, error.nodes)


ErrorHook = Callable[[GraphQLError, Any], GraphQLError]
"""Called once for each error of a response with the request's context; returns what the client receives."""


def mask(error: GraphQLError, context: Any) -> GraphQLError:
    """A BffError shows its message and extensions; an unexpected exception is logged once and shown as INTERNAL.

    `extensions.traceId` names the log line. A GraphQLError is shown in its own words: a wrong variable or argument,
    which gets the code that ours have, or what a resolver or a permission raised for the client. A null in a non-null
    place and a value of the wrong class are unexpected.
    """
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if original is None or (isinstance(original, GraphQLError) and not isinstance(original, BrokenValue)):
        if error.extensions and "code" in error.extensions:
            return error
        return _copy(error, error.message, {**InvalidInput("").extensions, **(error.extensions or {})})
    if isinstance(original, BffError):
        if error.path is None and isinstance(original, InvalidInput):  # graphql-core's words name the variable besides
            return _copy(error, error.message, {**(error.extensions or {}), **original.extensions})
        return _copy(error, original.message, {**(error.extensions or {}), **original.extensions})
    trace_id = trace_id_of(context)
    log.error("Unexpected error at %s (trace %s)", ".".join(map(str, error.path or ())), trace_id, exc_info=original)
    return _copy(error, "Internal error", {"code": BffError.code, "retryable": False, "traceId": trace_id})


def raw(error: GraphQLError, context: Any) -> GraphQLError:
    """Everything as it is: for tests, never for clients."""
    return error


def _copy(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message, error.nodes, error.source, error.positions, error.path, error.original_error, extensions
    )
