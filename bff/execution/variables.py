"""Variables of a request: the common scalars are taken as they are, everything else is graphql-core's work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    VariableDefinitionNode,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.pyutils import Undefined
from graphql.utilities.coerce_input_value import coerce_default_value

from bff.execution.documents import Document
from bff.execution.parsing import without_places

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


class _Check(NamedTuple):
    """What is known of one variable before any request."""

    name: str
    signature: GraphQLVariableSignature
    itself: Callable[[Any], bool]
    nullable: bool
    default: Any


class Variables:
    """Coerces variables (GraphQL specification, section 6.1.2): those of all operations that define the same."""

    __slots__ = ("__weakref__", "_checks", "_definitions", "_schema")

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = tuple([without_places(definition) for definition in definitions])
        self._checks: list[_Check] | None = []
        for definition in self._definitions:
            check = _check(schema, definition)
            if check is None:
                self._checks = None
                return
            self._checks.append(check)

    def coerce(self, given: dict[str, Any] | None, document: Document) -> VariableValues | list[GraphQLError]:
        """The coerced values, or what is wrong with them and where `document` defines them."""
        if not self._definitions:
            return NONE
        given = given or {}
        values = self._taken(given) if self._checks is not None else None
        known = values or self._by_graphql_core(given, self._definitions)
        if isinstance(known, list):
            known = self._by_graphql_core(given, document.tree.operation.variable_definitions or ())
        return known

    def _by_graphql_core(
        self, given: dict[str, Any], definitions: Sequence[VariableDefinitionNode]
    ) -> VariableValues | list[GraphQLError]:
        return get_variable_values(self._schema, definitions, given, max_errors=50)

    def _taken(self, given: dict[str, Any]) -> VariableValues | None:
        """The values as they are, or None if one of them needs graphql-core."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, itself, nullable, default in self._checks or ():
            if name in given:
                value = given[name]
                if not itself(value) and not (value is None and nullable):
                    return None
                coerced[name] = value
                sources[name] = VariableValueSource(signature, value)
                continue
            sources[name] = VariableValueSource(signature)
            if default is not Undefined:
                coerced[name] = default
            elif not nullable:
                return None
        return VariableValues(sources, coerced)


def _check(schema: GraphQLSchema, definition: VariableDefinitionNode) -> _Check | None:
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError):
        return None
    default: Any = Undefined
    if definition.default_value is not None:
        try:
            default = coerce_default_value(signature)
        except TypeError:
            return None
        # A list or an object may be changed by who receives it: each request gets its own.
        if not isinstance(default, (str, int, float, bool, type(None), Enum)):
            return None
    nullable = not is_non_null_type(signature.type)
    inner = signature.type.of_type if is_non_null_type(signature.type) else signature.type
    return _Check(signature.name, signature, _ITSELF.get(inner, _never), nullable, default)


def _never(value: Any) -> bool:
    return False
