"""The arguments of a field: coerced once where they do not depend on the request."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLError, GraphQLField
from graphql.execution.values import get_argument_values
from graphql.language import ListValueNode, ObjectValueNode, ValueNode, VariableNode
from strawberry.types.arguments import convert_arguments

from bff.execution.model import FieldPlan
from bff.execution.parsing import without_places

if TYPE_CHECKING:
    from bff.execution.batches import Column
    from bff.execution.places import Place
    from bff.execution.run import Run

Arguments = Callable[["Run"], dict[str, Any]]

_immutable = (str, int, float, bool, type(None), Enum)


class ArgumentsRefused(Exception):
    """A request's variables do not fit: graphql-core says so in words, at the place where it stands (`located`)."""


def compile_arguments(definition: GraphQLField, node: FieldNode, hide_suggestions: bool) -> Arguments | None:
    """A function from the request to the field's coerced arguments, or None for a field that has none."""
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
    # The plan serves every operation that says the same here: it keeps what is said, and not where or what is below.
    said = without_places(FieldNode(name=node.name, arguments=node.arguments))
    own = object()

    def coerce(run: Run) -> dict[str, Any]:
        known = run.arguments.get(own)
        if known is None:
            try:
                known = get_argument_values(definition, said, run.variable_values, None, hide_suggestions)
            except GraphQLError:
                raise ArgumentsRefused from None
            # A list or an input object may be changed by the resolver that receives it: each gets its own.
            if all(isinstance(value, _immutable) for value in known.values()):
                run.arguments[own] = known
        return known

    return coerce


def located(run: Run, field: FieldPlan, place: Place) -> Exception:
    """What is wrong with the arguments of a field that ArgumentsRefused was raised for."""
    node = run.nodes(place)[0]
    try:
        get_argument_values(field.reading.definition, node, run.variable_values, None, run.settings.hide_suggestions)
    except GraphQLError as error:
        return error
    raise AssertionError("arguments are refused or not by themselves")


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
    known = run.batch_arguments.get(field)
    if known is None:
        schema = run.schema._strawberry_schema  # type: ignore[attr-defined]  # set by Strawberry on its graphql schema
        config = schema.config
        try:
            given = field.arguments(run)
        except ArgumentsRefused:
            raise located(run, field, column.place(0)) from None
        known = run.batch_arguments[field] = convert_arguments(
            dict(given),
            field.reading.strawberry_field.arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=config,
            info=config.info_class(_raw_info=run.info(field, column.place(0)), _field=field.reading.strawberry_field),
        )
    return known
