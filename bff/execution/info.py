"""What a resolver is told about its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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


class StrawberryResolveInfo(NamedTuple):
    """graphql-core's info as Strawberry's own executor makes it: plain variables, and the request's extensions."""

    field_name: str
    field_nodes: list[FieldNode]
    return_type: GraphQLOutputType
    parent_type: GraphQLObjectType
    path: Path
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    root_value: Any
    operation: OperationDefinitionNode
    variable_values: Any
    context: Any
    is_awaitable: Callable[[Any], bool]
    abort_signal: Any
    async_helpers: Any
    operation_extensions: dict[str, Any] | None


def resolve_info(run: Run, field: FieldPlan, place: Place) -> Any:
    """Made for each call, as its path is the call's own."""
    shape = run.shape
    if shape.is_strawberry:
        return StrawberryResolveInfo(
            field.name,
            field.nodes,
            field.definition.type,
            field.parent_type,
            place.core_path(),
            run.schema,
            shape.fragment_definitions,
            run.root_value,
            shape.operation,
            run.variable_values.coerced,
            run.context,
            run.is_awaitable,
            None,
            run.settings.helpers,
            run.operation_extensions,
        )
    return GraphQLResolveInfo(
        field.name,
        field.nodes,
        field.definition.type,
        field.parent_type,
        place.core_path(),
        run.schema,
        shape.fragment_definitions,
        run.root_value,
        shape.operation,
        run.variable_values,
        run.context,
        run.is_awaitable,  # type: ignore[arg-type]  # a type guard there
        None,
        run.settings.helpers,
    )
