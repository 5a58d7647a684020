"""The registry of plans: a document is parsed, validated and compiled once, then run as often as it is asked."""

from __future__ import annotations

import gc
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    validate,
)
from graphql.execution import ExperimentalIncrementalExecutionResults, experimental_execute_incrementally
from graphql.execution.values import VariableValues
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from bff.execution.collect import NotCompiled, condition_variables, root_fields
from bff.execution.documents import Document, Text, Tree
from bff.execution.errors import ErrorHook, mask
from bff.execution.events import respond_to_events
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, OperationRefused, Refused, refused
from bff.execution.incremental import with_errors_shown
from bff.execution.library import Library
from bff.execution.parsing import parse
from bff.execution.run import Run
from bff.execution.settings import DEFAULTS, Settings
from bff.execution.shape import Shape
from bff.telemetry.masking import mask_variables
from resolvers.privacy import Privacy, privacy_of

MAX_FIELDS = 10_000
"""Compiled fields kept in all, unless told otherwise."""

PLAN_WEIGHT = 3
"""What an operation weighs besides its fields, in fields."""

MAX_SHAPES = 16
"""Shapes kept for one operation: combinations of the values of its `@skip` and `@include` variables."""

SWEEP_FROM = 10_000
"""New objects from which on a compiled operation is a reason to look for cycles."""

Admission = Callable[[DocumentNode, OperationDefinitionNode], Sequence[GraphQLError]]
"""Asked between validation and compiling (limits, cost); errors refuse the operation."""

Result = ExecutionResult | ExperimentalIncrementalExecutionResults

_MISSING: Any = object()


class InvalidOperation(Exception):
    """The document cannot be run: `errors` are what graphql-core's parser and validator (or an admission hook) say."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = list(errors)


class Plan:
    """One operation, compiled. Safe to run many times at once.

    `library` has what other operations consist of; without one, the plan shares nothing.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        *,
        settings: Settings = DEFAULTS,
        on_error: ErrorHook = mask,
        fallbacks: FallbackCounter | None = None,
        reject: bool = False,
        library: Library | None = None,
    ) -> None:
        self.schema = schema
        self.operation_name = operation.name.value if operation.name else None
        self.kind = operation.operation
        self.fallbacks = FallbackCounter(fallbacks)
        self.settings = settings
        self.show = on_error
        self.reject = reject
        self.library = library or Library()
        tree = Tree.of(document, operation)
        self.root_fields = root_fields(tree)
        """The names of all root fields that it may select."""
        self._known_by: Document = tree
        self._conditions = condition_variables(operation, tree.fragments)
        self._variables = self.library.variables(schema, operation.variable_definitions or ())
        self._shapes: dict[tuple[Any, ...], Shape | NotCompiled] = {}
        if not self._conditions:
            self.shape(VariableValues({}, {}))

    def of_part(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
        """The plan of a part of this operation: run, shown and counted as the whole, and made of the same plans."""
        return Plan(
            self.schema,
            document,
            operation,
            settings=self.settings,
            on_error=self.show,
            fallbacks=self.fallbacks,
            reject=self.reject,
            library=self.library,
        )

    def know_by(self, text: str) -> None:
        """Keep the text that the document was parsed from in the tree's place, unless graphql-core needs that often."""
        shapes = self._shapes.values()
        if not any(isinstance(shape, NotCompiled) for shape in shapes):
            known_by = self._known_by = Text.of(text, self.tree)
            for shape in shapes:
                shape.document = known_by  # type: ignore[union-attr]  # compiled, as just seen

    @property
    def tree(self) -> Tree:
        """The operation as it was written; read again from its text if that is all that is kept."""
        return self._known_by.tree

    @property
    def source(self) -> str:
        """The generated Python of every shape that was asked so far."""
        return "\n".join(shape.source for shape in self._shapes.values() if isinstance(shape, Shape))

    @cached_property
    def privacy(self) -> Privacy:
        """What the operation has to do with personal data."""
        return privacy_of(self.schema, self.tree.document, self.tree.operation)

    def shown_variables(self, variables: dict[str, Any] | None) -> dict[str, Any]:
        """The variables as logs and traces may show them."""
        return mask_variables(self.privacy.masks, variables)

    def coerce(self, variables: dict[str, Any] | None) -> VariableValues | list[GraphQLError]:
        """A request's variables as the operation defines them, or what is wrong with them."""
        return self._variables.coerce(variables, self._known_by)

    def shape_for(self, variable_values: VariableValues, context: Any) -> Shape | NotCompiled:
        """What runs for these values and this caller. Raises OperationRefused where it is refused as a whole."""
        shape = self.shape(variable_values)
        if isinstance(shape, NotCompiled) or not shape.guards:
            return shape
        without = refused(shape.guards, context)
        if not without:
            return shape
        if self.reject:
            refusals = [guard.refusal(context) for guard in shape.guards if guard in without]
            raise OperationRefused([refusal for refusal in refusals if refusal is not None])
        return self.shape(variable_values, without)

    def shape(self, variable_values: VariableValues, without: Refused = NOTHING) -> Shape | NotCompiled:
        """What runs for these values, with the fields of some guards refused: compiled now, or before."""
        coerced = variable_values.coerced
        key = (*[coerced.get(name, _MISSING) for name in self._conditions], without)
        shape = self._shapes.get(key)
        if shape is None:
            try:
                shape = Shape(
                    self.schema, self._known_by, variable_values, self.library, self.settings, self.fallbacks, without
                )
            except NotCompiled as reason:
                shape = reason
                self._known_by = self.tree
            self._shapes[key] = shape
            if len(self._shapes) > MAX_SHAPES:
                del self._shapes[next(iter(self._shapes))]
        elif len(self._shapes) > 1:
            self._shapes[key] = self._shapes.pop(key)  # the most recently used one last
        return shape

    async def run(self, context: Any, variables: dict[str, Any] | None = None, root: Any = None) -> Result:
        """Execute a query or mutation.

        The data may share equal parts: it is to be written out, not to be changed. An operation with `@defer` or
        `@stream` in effect gives graphql-core's incremental results instead of one result. Raises OperationRefused as
        `shape_for`.
        """
        coerced = self.coerce(variables)
        if isinstance(coerced, list):
            return ExecutionResult(None, [self.show(error, context) for error in coerced])
        shape = self.shape_for(coerced, context)
        if isinstance(shape, NotCompiled):
            return await self._run_by_graphql_core(str(shape), context, variables, root)
        return await self.run_shape(shape, coerced, context, root)

    async def run_shape(self, shape: Shape, variables: VariableValues, context: Any, root: Any) -> ExecutionResult:
        """Execute a shape with variables that are coerced already."""
        run = Run(shape, self.settings, root, context, variables)
        rest = run.execute()
        if rest is not None:
            await rest
        errors = [self.show(error, context) for error in run.errors] if run.errors else None
        return ExecutionResult(run.result[0], errors)

    async def run_json(self, context: Any, variables: dict[str, Any] | None = None, root: Any = None) -> bytes:
        """The same as the bytes of a GraphQL response (`{"data": …}` or `{"errors": …, "data": …}`)."""
        result = await self.run(context, variables, root)
        if not isinstance(result, ExecutionResult):
            raise TypeError("An incremental result is several payloads: use run().")
        return to_json(result)

    async def subscribe(
        self, context: Any, variables: dict[str, Any] | None = None, root: Any = None
    ) -> AsyncIterator[ExecutionResult] | ExecutionResult:
        """The stream of a subscription's responses, or the errors that kept it from starting.

        The source stream is made by graphql-core's algorithm; each event is run by the compiled operation.
        """
        return await respond_to_events(self, context, variables, root)

    async def _run_by_graphql_core(
        self, reason: str, context: Any, variables: dict[str, Any] | None, root: Any
    ) -> Result:
        self.fallbacks.add(reason)
        result: Any = experimental_execute_incrementally(
            self.schema,
            self.tree.document,
            root,
            context,
            variables,
            self.operation_name,
            # Strawberry's resolvers expect the info that its own executor makes.
            executor_class=StrawberryGraphQLCoreExecutionContext
            if hasattr(self.schema, "_strawberry_schema")
            else None,
            is_awaitable=self.settings.is_awaitable,
        )
        if self.settings.is_awaitable(result):
            result = await result
        if isinstance(result, ExecutionResult):
            if result.errors:
                result.errors = [self.show(error, context) for error in result.errors]
            return result
        assert isinstance(result, ExperimentalIncrementalExecutionResults)
        return with_errors_shown(result, lambda error: self.show(error, context))


def to_json(result: ExecutionResult) -> bytes:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    try:
        return orjson.dumps(body)
    except TypeError:
        # A scalar of arbitrary JSON may hold numbers of any size, and keys that are not strings.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


P = TypeVar("P", bound=Plan)


class Plans:
    """Plans by document text and operation name, the most recently used ones kept."""

    def __init__(
        self,
        schema: strawberry.Schema | GraphQLSchema,
        *,
        max_plans: int = 1000,
        max_fields: int = MAX_FIELDS,
        on_error: ErrorHook = mask,
        admit: Admission | None = None,
        reject: bool = False,
    ) -> None:
        if isinstance(schema, GraphQLSchema):
            self.schema = schema
        else:
            if schema.extensions:
                raise TypeError(
                    "Schema extensions wrap Strawberry's own execute() and would be passed over here: "
                    "use the hooks of Plans, or executor_class with schema.execute()."
                )
            self.schema = schema._schema
        self.fallbacks = FallbackCounter()
        self._on_error = on_error
        self._admit = admit
        self._reject = reject
        self._max_plans = max_plans
        self._max_fields = max_fields
        self._library = Library()
        self._plans: OrderedDict[tuple[str, str | None], Plan] = OrderedDict()
        self.compiled = 0
        """Operations compiled since the start: while it stands still, there is room for all that are asked for."""

    def __len__(self) -> int:
        return len(self._plans)

    def plan(self, document: str | DocumentNode, operation_name: str | None = None) -> Plan:
        """The plan of an operation. Raises InvalidOperation with GraphQL errors; those are not kept."""
        if not isinstance(document, str):
            return self.compile(document, operation_name)
        key = (document, operation_name)
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        try:
            parsed = parse(document)
        except GraphQLError as error:
            raise InvalidOperation([error]) from None
        plan = self._plans[key] = self.compile(parsed, operation_name)
        plan.know_by(document)
        self.compiled += 1
        self._make_room()
        _sweep()
        return plan

    def _make_room(self) -> None:
        """Fields that several operations have in common are one weight, which stays until the last of them goes."""
        plans = self._plans
        while len(plans) > 1 and (len(plans) > self._max_plans or self.weight > self._max_fields):
            plans.popitem(last=False)

    @property
    def weight(self) -> int:
        """What is kept, as so many compiled fields."""
        return len(self._plans) * PLAN_WEIGHT + self._library.weight

    def compile(self, document: DocumentNode, operation_name: str | None = None) -> Plan:
        """Validate, ask the admission hook, compile; without the cache."""
        errors = validate(self.schema, document)
        if errors:
            raise InvalidOperation(errors)
        operation = find_operation(document, operation_name)
        if self._admit is not None and (refusals := self._admit(document, operation)):
            raise InvalidOperation(refusals)
        if operation.operation is not OperationType.QUERY and self.schema.get_root_type(operation.operation) is None:
            raise InvalidOperation(
                [GraphQLError(f"Schema is not configured to execute {operation.operation.value} operation.", operation)]
            )
        return self.made(Plan, document, operation)

    def made(self, kind: type[P], document: DocumentNode, operation: OperationDefinitionNode) -> P:
        """The plan of an operation that was validated and admitted: it shares what it can with the others."""
        return kind(
            self.schema,
            document,
            operation,
            on_error=self._on_error,
            fallbacks=self.fallbacks,
            reject=self._reject,
            library=self._library,
        )


def _sweep() -> None:
    """Validation leaves some 1,500 objects behind that know each other: not for long, where the collector is slow.

    A pass here is one of the collector's own, and so in its turn a pass over older generations: a young pass alone
    would start the collector's count anew each time, and what outlived one would never be looked at again.
    """
    (young, middle, old), limits = gc.get_count(), gc.get_threshold()
    if young > SWEEP_FROM:
        gc.collect(2 if old > limits[2] else 1 if middle > limits[1] else 0)


def find_operation(document: DocumentNode, operation_name: str | None) -> OperationDefinitionNode:
    """GraphQL specification, section 6.1: GetOperation."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if operation_name is None:
        if len(operations) == 1:
            return operations[0]
        message = "Must provide operation name if query contains multiple operations."
        raise InvalidOperation([GraphQLError(message if operations else "Must provide an operation.")])
    for operation in operations:
        if operation.name and operation.name.value == operation_name:
            return operation
    raise InvalidOperation([GraphQLError(f"Unknown operation named '{operation_name}'.")])
