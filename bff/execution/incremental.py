"""Results in several payloads (`@defer`, `@stream`), made by graphql-core; here only their errors are shown as ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from graphql import GraphQLError
from graphql.execution import ExperimentalIncrementalExecutionResults

Show = Callable[[GraphQLError], GraphQLError]


def with_errors_shown(
    results: ExperimentalIncrementalExecutionResults, show: Show
) -> ExperimentalIncrementalExecutionResults:
    """The same payloads in the same order, every error passed through `show`."""
    initial = results.initial_result
    initial.errors = _shown(initial.errors, show)

    async def subsequent() -> AsyncGenerator[Any, None]:
        source = results.subsequent_results
        try:
            async for payload in source:
                for part in payload.incremental or ():
                    part.errors = _shown(part.errors, show)
                for done in payload.completed or ():
                    done.errors = _shown(done.errors, show)
                yield payload
        finally:
            await source.aclose()

    return ExperimentalIncrementalExecutionResults(initial, subsequent())


def _shown(errors: list[GraphQLError] | None, show: Show) -> list[GraphQLError] | None:
    return [show(error) for error in errors] if errors else errors
