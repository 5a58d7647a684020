"""The arguments of a field: coerced once where they do not depend on the request."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from graphql.execution.values import get_argument_values
from graphql.language import ListValueNode, ObjectValueNode, ValueNode, VariableNode
from strawberry.types.arguments import convert_arguments

from bff.execution.model import FieldPlan

if TYPE_CHECKING:
    from bff.execution.batches import Column
    from bff.execution.run import Run

_immutable = (str, int, float, bool, type(None), Enum)


def compile_arguments(field: FieldPlan, hide_suggestions: bool) -> Callable[[Run], dict[str, Any]] | None:
    """A function from the request to the field's coerced arguments, or None for a field that has none."""
    node, definition = field.nodes[0], field.definition
    if not definition.args:
        return None
    if not any(mentions_variable(argument.value) for argument in node.arguments or ()):
        try:
            constant = get_argument_values(definition, node, None, None, hide_suggestions)
        except GraphQLError:
            pass  # an operation that was not validated: the error belongs to each place, at run time
        else:
            if all(isinstance(value, _immutable) for value in constant.values()):
                return lambda run: constant

    number = field.number

    def coerce(run: Run) -> dict[str, Any]:
        known = run.arguments.get(number)
        if known is None:
            known = get_argument_values(definition, node, run.variable_values, None, hide_suggestions)
            # A list or an input object may be changed by the resolver that receives it: each gets its own.
            if all(isinstance(value, _immutable) for value in known.values()):
                run.arguments[number] = known
        return known

    return coerce


def mentions_variable(value: ValueNode) -> bool:
    if isinstance(value, VariableNode):
        return True
    if isinstance(value, ListValueNode):
        return any(mentions_variable(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return any(mentions_variable(field.value) for field in value.fields)
    return False


def batch_arguments(run: Run, field: FieldPlan, column: Column) -> dict[str, Any]:
    """The arguments of a batch field as Python knows them: names, enums and input objects are Strawberry's."""
    assert field.arguments is not None
    number = -1 - field.number
    known = run.arguments.get(number)
    if known is None:
        schema = run.schema._strawberry_schema  # type: ignore[attr-defined]  # set by Strawberry on its graphql schema
        config = schema.config
        known = run.arguments[number] = convert_arguments(
            dict(field.arguments(run)),
            field.strawberry_field.arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=config,
            info=config.info_class(_raw_info=run.info(field, column.place(0)), _field=field.strawberry_field),
        )
    return known
