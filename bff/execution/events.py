"""Subscriptions: graphql-core makes the source stream, each event is one run of the compiled operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult
from graphql.execution import create_source_event_stream

from bff.execution.collect import NotCompiled
from bff.execution.executor import CompiledCoreExecutor, CompiledExecutor
from resolvers.fields import forget

if TYPE_CHECKING:
    from bff.execution.plans import Plan


async def respond_to_events(
    plan: Plan, context: Any, variables: dict[str, Any] | None, root: Any
) -> AsyncIterator[ExecutionResult] | ExecutionResult:
    """GraphQL specification, section 6.2.3. Every event sees fresh batch loads: what it announces has changed."""

    def shown(result: ExecutionResult) -> ExecutionResult:
        errors = result.errors
        return ExecutionResult(result.data, [plan.show(error, context) for error in errors]) if errors else result

    executor_class = CompiledExecutor if hasattr(plan.schema, "_strawberry_schema") else CompiledCoreExecutor
    executor = executor_class.build(
        plan.schema,
        plan.tree.document,
        root,
        context,
        variables,
        plan.operation_name,
        is_awaitable=plan.settings.is_awaitable,
    )
    if isinstance(executor, list):
        return shown(ExecutionResult(None, executor))
    stream: Any = create_source_event_stream(executor)
    if executor.is_awaitable(stream):
        stream = await stream
    if isinstance(stream, ExecutionResult):
        return shown(stream)

    deadline = getattr(context, "deadline", None)
    budget = None if deadline is None else deadline - monotonic()

    async def respond() -> AsyncIterator[ExecutionResult]:
        try:
            async for event in stream:
                _renew(context, budget)
                shape = plan.shape_for(executor.variable_values, context)
                if isinstance(shape, NotCompiled):
                    plan.fallbacks.add(str(shape))
                    result: Any = executor.build_per_event_executor(event).execute_operation(False)
                    yield shown(await result if executor.is_awaitable(result) else result)
                else:
                    yield await plan.run_shape(shape, executor.variable_values, context, event)
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    return respond()


def _renew(context: Any, budget: float | None) -> None:
    """An event is a request of its own: it has the whole budget, and reads what is true now."""
    if budget is not None:
        context.deadline = monotonic() + budget
    loads = getattr(context, "loads", None)
    if loads is not None:
        forget(loads)
    calls = getattr(context, "calls", None)
    if calls is not None:
        calls.records.clear()  # a stream may live for days; its log is of the event at hand
