"""The same compiled execution behind graphql-core's own seam: `execute(..., executor_class=CompiledCoreExecutor)`.

Strawberry passes one on: `strawberry.Schema(..., execution_context_class=CompiledExecutor)`. Parsing, validation and
variables stay where they were; what is gained is execution alone. What a plan cannot honour (middleware, an abort
signal, hooks, incremental delivery) is left to graphql-core and counted in `CompiledExecution.fallbacks`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, ClassVar

from graphql import ExecutionResult, OperationDefinitionNode
from graphql.execution import Executor
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from graphql.execution.incremental import IncrementalExecutor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from bff.execution.collect import NotCompiled, condition_variables
from bff.execution.documents import Tree
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, Refused, refused
from bff.execution.library import Library
from bff.execution.run import Run
from bff.execution.settings import Settings
from bff.execution.shape import Shape

MAX_OPERATIONS = 256


class CompiledExecution(Executor[Any]):
    """Put before one of graphql-core's executors, it replaces the execution of a whole operation."""

    fallbacks: ClassVar[FallbackCounter] = FallbackCounter()
    # Nodes are kept with what was made of them, so an id is never that of another node.
    _known: ClassVar[OrderedDict[tuple[Any, ...], tuple[Any, Shape | NotCompiled]]] = OrderedDict()
    _conditions: ClassVar[OrderedDict[int, tuple[OperationDefinitionNode, tuple[str, ...]]]] = OrderedDict()

    def execute_operation(self, serially: bool | None = None) -> Any:
        shape = self._shape()
        if isinstance(shape, Shape) and (without := refused(shape.guards, self.context_value)):
            shape = self._shape(without)
        if isinstance(shape, NotCompiled):
            self.fallbacks.add(str(shape))
            return super().execute_operation(serially)
        run = Run(shape, self._settings(), self.root_value, self.context_value, self.variable_values)
        run.operation_extensions = getattr(self, "operation_extensions", None)
        if serially is not None:
            run.serial = serially
        rest = run.execute()
        if rest is None:
            return self._respond(run)
        return self._later(run, rest)

    async def _later(self, run: Run, rest: Awaitable[None]) -> ExecutionResult:
        await rest
        return self._respond(run)

    def _respond(self, run: Run) -> ExecutionResult:
        return ExecutionResult(run.result[0], run.errors or None)

    def _settings(self) -> Settings:
        return Settings(
            field_resolver=self.field_resolver,
            type_resolver=self.type_resolver,
            is_awaitable=self.is_awaitable,
            is_async_iterable=self.is_async_iterable,
            helpers=self.async_helpers,
            hide_suggestions=self.hide_suggestions,
            error_propagation=self.error_propagation,
        )

    def _shape(self, without: Refused = NOTHING) -> Shape | NotCompiled:
        if self.middleware_manager is not None and self.middleware_manager.middlewares:
            return NotCompiled("middleware or a schema extension that wraps resolvers")
        if self.abort_signal is not None:
            return NotCompiled("abort signal")
        if self.hooks is not None:
            return NotCompiled("execution hooks")
        given = next(each for each in type(self).__mro__ if each in _BASES)
        for method in _REPLACED:
            if getattr(type(self), method) is not getattr(given, method):
                return NotCompiled(f"executor that overrides {method}")
        settings = self._settings()
        operation = self.operation
        known = self._conditions.get(id(operation))
        if known is None:
            known = self._conditions[id(operation)] = (
                operation,
                condition_variables(operation, self.fragment_definitions),
            )
            if len(self._conditions) > MAX_OPERATIONS:
                self._conditions.popitem(last=False)
        coerced = self.variable_values.coerced
        key = (
            id(self.schema),
            id(operation),
            settings.is_ordinary,
            settings.has_default_resolvers,
            settings.hide_suggestions,
            without,
            *(repr(coerced.get(name)) if name in coerced else None for name in known[1]),
        )
        hit = self._known.get(key)
        if hit is None:
            shape: Shape | NotCompiled
            try:
                tree = Tree(operation, self.fragment_definitions, details=self.fragments)
                shape = Shape(self.schema, tree, self.variable_values, Library(), settings, self.fallbacks, without)
            except NotCompiled as reason:
                shape = reason
            hit = self._known[key] = ((operation, self.schema, tuple(self.fragment_definitions.values())), shape)
            if len(self._known) > MAX_OPERATIONS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return hit[1]


class CompiledCoreExecutor(CompiledExecution, IncrementalExecutor):
    """For graphql-core's `execute` over a schema of its own."""


class CompiledSubscription(CompiledExecution, ExecutorThrowingOnIncremental):
    """For graphql-core's `subscribe`: every event is executed as compiled."""


class CompiledExecutor(CompiledExecution, StrawberryGraphQLCoreExecutionContext):
    """For `strawberry.Schema(execution_context_class=…)`: what falls back has Strawberry's info."""


_BASES = (StrawberryGraphQLCoreExecutionContext, ExecutorThrowingOnIncremental, IncrementalExecutor)

# A subclass that changes one of graphql-core's steps means it; the compiled way would pass the change over.
_REPLACED = (
    "execute_collected_root_fields",
    "execute_root_grouped_field_set",
    "execute_fields",
    "execute_fields_serially",
    "execute_field",
    "build_resolve_info",
    "build_response",
    "handle_field_error",
    "complete_value",
    "complete_list_value",
    "complete_list_item_value",
    "complete_leaf_value",
    "complete_abstract_value",
    "complete_object_value",
    "collect_and_execute_subfields",
)
