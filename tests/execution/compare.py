"""The same request by graphql-core and by a plan, and whether the two answers mean the same."""

from __future__ import annotations

import json
import warnings
from collections import Counter, deque
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, parse, validate
from graphql.execution import execute

from bff.execution import Plan, raw
from bff.execution.library import Library
from bff.execution.plans import find_operation

Seen = tuple[str, tuple[Any, ...], tuple[tuple[int, int], ...]]


class Different(AssertionError):
    """The two executors disagree."""


def seen(error: GraphQLError) -> Seen:
    locations = tuple((location.line, location.column) for location in error.locations or ())
    return error.message, tuple(error.path or ()), locations


def null_of(data: Any, path: tuple[Any, ...]) -> tuple[Any, ...]:
    """The place where the response is null because of an error at `path`."""
    for index, key in enumerate(path):
        if data is None:
            return path[:index]
        data = data[key]
    return path


def compare(expected: ExecutionResult, actual: Any, *, ordered: bool) -> None:
    """Data byte for byte; errors as sets.

    Where fields run side by side and one of them nulls what is above, which of the errors below that null are still
    reported depends on timing alone; there only the nulled places are compared (`ordered` is False).
    """
    data, other = (json.dumps(result.data) for result in (expected, actual))
    if data != other:
        raise Different(f"data\n  graphql-core {data}\n  plan         {other}")
    one, two = ([seen(error) for error in result.errors or ()] for result in (expected, actual))
    if ordered or not all(null_of(expected.data, error[1]) == error[1] for error in [*one, *two]):
        if not ordered:
            own = [{error for error in errors if null_of(expected.data, error[1]) == error[1]} for errors in (one, two)]
            places = [{null_of(expected.data, error[1]) for error in errors} for errors in (one, two)]
            if own[0] != own[1] or places[0] != places[1]:
                raise Different(f"errors\n  graphql-core {one}\n  plan         {two}")
        elif Counter(one) != Counter(two):
            raise Different(f"errors\n  graphql-core {one}\n  plan         {two}")
    elif Counter(one) != Counter(two):
        raise Different(f"errors\n  graphql-core {one}\n  plan         {two}")


_neighbours: deque[tuple[GraphQLSchema, Library, deque[Plan]]] = deque(maxlen=3)
"""Of the last few schemas."""


def plan_of(schema: GraphQLSchema, text: str) -> Plan:
    """A plan among others that it shares parts with: one for the same words elsewhere on the page, and earlier ones."""
    known = next((each for each in _neighbours if each[0] is schema), None)
    if known is None:
        known = (schema, Library(), deque(maxlen=20))
    else:
        _neighbours.remove(known)
    _neighbours.append(known)
    _, library, plans = known
    for written in (f"# moved\n   {text}", text):
        document = parse(written)
        plan = Plan(schema, document, find_operation(document, None), on_error=raw, library=library)
        plan.know_by(written)
        plans.append(plan)
    return plans[-1]


async def check(
    schema: GraphQLSchema,
    text: str,
    variables: dict[str, Any],
    roots: tuple[Any, Any],
    contexts: tuple[Any, Any],
    *,
    ordered: bool,
) -> str:
    """Run both ways. Returns what came of it: `invalid`, `errors` or `data`; raises Different."""
    document = parse(text)
    if [error for error in validate(schema, document) if "never used" not in error.message]:
        return "invalid"
    with warnings.catch_warnings():
        # Both executors leave some awaitables of faulty data unawaited; that is the data's fault.
        warnings.simplefilter("ignore", RuntimeWarning)
        expected: Any = execute(schema, document, roots[0], contexts[0], variables)
        if not isinstance(expected, ExecutionResult):
            expected = await expected
        actual = await plan_of(schema, text).run(contexts[1], variables, roots[1])
    compare(expected, actual, ordered=ordered)
    return "errors" if expected.errors else "data"
