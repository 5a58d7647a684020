"""How a root field ended, and its answer as bytes that give the same response again."""

from __future__ import annotations

from enum import Enum
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLFormattedError


class Ending(Enum):
    FINAL = "done, or refused for good: the answer stays"
    NOTHING_DONE = "the request could not be right, or may not be: the key is free again"
    UNCERTAIN = "perhaps done, or worth trying again: the next request with the key runs it"


FOR_GOOD = frozenset({"UPSTREAM_REJECTED"})

BEFORE_ANYTHING = frozenset({"BAD_USER_INPUT", "UNAUTHENTICATED", "FORBIDDEN", "STEP_UP_REQUIRED", "NOT_FOUND"})


def ending_of(result: ExecutionResult, key: str) -> Ending:
    """A payload is final, whatever failed below it: the mutation ran. Without one the errors' codes decide."""
    payload = None if result.data is None else result.data.get(key)
    errors = result.errors or []
    if payload is not None or not errors:
        return Ending.FINAL
    codes = {(error.extensions or {}).get("code") for error in errors}
    if any(error.path is None or len(error.path) != 1 for error in errors):
        return Ending.UNCERTAIN  # the payload was there and its completion failed
    if codes <= FOR_GOOD:
        return Ending.FINAL
    return Ending.NOTHING_DONE if codes <= BEFORE_ANYTHING else Ending.UNCERTAIN


def pack(result: ExecutionResult, key: str) -> bytes:
    stored: dict[str, Any] = {"data": None if result.data is None else {key: result.data[key]}}
    if result.errors:
        stored["errors"] = [error.formatted for error in result.errors]
    return orjson.dumps(stored, option=orjson.OPT_NON_STR_KEYS)


def unpack(answer: bytes) -> ExecutionResult:
    """The same members in the same order."""
    stored = orjson.loads(answer)
    errors: list[GraphQLError] = [ToldAgain(error) for error in stored.get("errors", ())]
    return ExecutionResult(stored["data"], errors or None)


class ToldAgain(GraphQLError):
    """An error of a stored answer: what the client was told, to the letter."""

    def __init__(self, told: GraphQLFormattedError) -> None:
        super().__init__(told["message"], path=told.get("path"), extensions=told.get("extensions"))
        self._told = told

    @property
    def formatted(self) -> GraphQLFormattedError:
        return self._told
