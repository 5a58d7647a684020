"""What of an error reaches the client: a BffError's own words, and nothing of any other exception."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from graphql import GraphQLError

from bff.errors import BffError

log = logging.getLogger("bff.execution")

ErrorHook = Callable[[GraphQLError, Any], GraphQLError]
"""Called once for each error of a response with the request's context; returns what the client receives."""


def mask(error: GraphQLError, context: Any) -> GraphQLError:
    """A BffError shows its message and extensions; an unexpected exception is logged once and shown as INTERNAL.

    `extensions.traceId` names the log line. Errors without an exception behind them are GraphQL's own (a wrong variable, a
    null where none may be) and are shown as they are, except that a null in a non-null place is our fault and is logged.
    """
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if original is None or isinstance(original, GraphQLError):
        return error
    if isinstance(original, BffError):
        return _copy(error, original.message, {**(error.extensions or {}), **original.extensions})
    trace_id = uuid4().hex
    log.error("Unexpected error at %s (trace %s)", ".".join(map(str, error.path or ())), trace_id, exc_info=original)
    return _copy(error, "Internal error", {"code": BffError.code, "retryable": False, "traceId": trace_id})


def raw(error: GraphQLError, context: Any) -> GraphQLError:
    """Everything as it is: for tests, never for clients."""
    return error


def _copy(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message, error.nodes, error.source, error.positions, error.path, error.original_error, extensions
    )
