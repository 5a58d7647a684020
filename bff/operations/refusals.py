"""Why an operation is not run, typed: every refusal has a code, and says what to do."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError, Node

from bff.execution import InvalidOperation


def refusal(code: str, message: str, node: Node | None = None, **extensions: Any) -> InvalidOperation:
    """An error of the whole request: no field ran, and sending the same again gives the same."""
    return InvalidOperation([GraphQLError(message, node, extensions={"code": code, "retryable": False, **extensions})])


def limit_exceeded(limit: str, found: float, allowed: int, message: str, node: Node | None = None) -> InvalidOperation:
    """OPERATION_LIMIT_EXCEEDED; `found` is one more than `allowed` where counting stopped there."""
    return refusal("OPERATION_LIMIT_EXCEEDED", message, node, limit=limit, found=found, allowed=allowed)


def introspection_off(node: Node) -> InvalidOperation:
    return refusal(
        "INTROSPECTION_DISABLED", "Introspection is off here: the schema is published as schema.graphql.", node
    )


def not_found() -> InvalidOperation:
    """The wording is Apollo's: its clients send the document itself when they read it."""
    return refusal("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")


def not_supported() -> InvalidOperation:
    """The wording is Apollo's: its clients then stop sending hashes."""
    return refusal("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")


def hash_mismatch() -> InvalidOperation:
    return refusal("PERSISTED_QUERY_HASH_MISMATCH", "The sha256Hash is not the SHA-256 of the query sent with it.")


def not_trusted() -> InvalidOperation:
    return refusal(
        "DOCUMENT_NOT_TRUSTED",
        "Only trusted documents are answered here: send the documentId of an operation of this client's manifest.",
    )
