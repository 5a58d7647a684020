"""What a resolver is told about its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.pyutils import Path

from bff.execution.model import FieldPlan
from bff.execution.places import Place

if TYPE_CHECKING:
    from bff.execution.run import Run


class StrawberryResolveInfo:
    """graphql-core's info as Strawberry's own executor makes it: plain variables, and the request's extensions.

    Most resolvers ask for the context alone, so the rest is made when it is asked for.
    """

    __slots__ = ("_field", "_place", "_run", "context")

    def __init__(self, run: Run, field: FieldPlan, place: Place) -> None:
        self._run = run
        self._field = field
        self._place = place
        self.context = run.context

    @property
    def field_name(self) -> str:
        return self._field.reading.name

    @property
    def field_nodes(self) -> list[FieldNode]:
        return self._run.nodes(self._place)

    @property
    def return_type(self) -> GraphQLOutputType:
        return self._field.reading.definition.type

    @property
    def parent_type(self) -> GraphQLObjectType:
        return self._field.reading.parent_type

    @property
    def path(self) -> Path:
        return self._place.core_path()

    @property
    def schema(self) -> GraphQLSchema:
        return self._run.schema

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        return self._run.shape.document.tree.fragments

    @property
    def root_value(self) -> Any:
        return self._run.root_value

    @property
    def operation(self) -> OperationDefinitionNode:
        return self._run.shape.document.tree.operation

    @property
    def variable_values(self) -> Any:
        return self._run.variable_values.coerced

    @property
    def is_awaitable(self) -> Callable[[Any], bool]:
        return self._run.is_awaitable

    @property
    def abort_signal(self) -> None:
        return None

    @property
    def async_helpers(self) -> Any:
        return self._run.settings.helpers

    @property
    def operation_extensions(self) -> dict[str, Any] | None:
        return self._run.operation_extensions


def resolve_info(run: Run, field: FieldPlan, place: Place) -> Any:
    """Made for each call, as its path is the call's own."""
    if run.shape.is_strawberry:
        return StrawberryResolveInfo(run, field, place)
    tree, reading = run.shape.document.tree, field.reading
    return GraphQLResolveInfo(
        reading.name,
        run.nodes(place),
        reading.definition.type,
        reading.parent_type,
        place.core_path(),
        run.schema,
        tree.fragments,
        run.root_value,
        tree.operation,
        run.variable_values,
        run.context,
        run.is_awaitable,  # type: ignore[arg-type]  # a type guard there
        None,
        run.settings.helpers,
    )
