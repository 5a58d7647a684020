"""Variables of a request: the common scalars are taken as they are, everything else is graphql-core's work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

NONE = VariableValues({}, {})


def _is_int(value: Any) -> bool:
    return value.__class__ is int and -2147483648 <= value <= 2147483647


# Values that coerce to themselves. A float may be an int in JSON, which graphql-core converts.
_ITSELF: dict[GraphQLInputType, Callable[[Any], bool]] = {
    GraphQLString: lambda value: value.__class__ is str,
    GraphQLID: lambda value: value.__class__ is str,
    GraphQLBoolean: lambda value: value.__class__ is bool,
    GraphQLInt: _is_int,
    GraphQLFloat: lambda value: value.__class__ is float and value - value == 0.0,
}


class Variables:
    """Coerces one operation's variables (GraphQL specification, section 6.1.2)."""

    __slots__ = ("_checks", "_definitions", "_schema")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._checks: list[tuple[str, Any, Callable[[Any], bool], bool]] | None = []
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            if isinstance(signature, GraphQLError):
                self._checks = None
                return
            nullable = not is_non_null_type(signature.type)
            inner = signature.type if nullable else signature.type.of_type  # type: ignore[union-attr]  # non-null has one
            check = _ITSELF.get(inner)
            if check is None or definition.default_value is not None:
                check = _never
            self._checks.append((signature.name, signature, check, nullable))

    def coerce(self, given: dict[str, Any] | None) -> VariableValues | list[GraphQLError]:
        """The coerced values, or what is wrong with them."""
        if not self._definitions:
            return NONE
        given = given or {}
        if self._checks is not None:
            sources: dict[str, VariableValueSource] = {}
            coerced: dict[str, Any] = {}
            for name, signature, itself, nullable in self._checks:
                if name in given:
                    value = given[name]
                    if not itself(value) and not (value is None and nullable):
                        break
                    coerced[name] = value
                    sources[name] = VariableValueSource(signature, value)
                elif nullable and itself is not _never:
                    sources[name] = VariableValueSource(signature)
                else:
                    break
            else:
                return VariableValues(sources, coerced)
        return get_variable_values(self._schema, self._definitions, given, max_errors=50)


def _never(value: Any) -> bool:
    return False
