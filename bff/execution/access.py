"""Where a field's value comes from: decided once for a schema's field, from the resolver that it declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from inspect import isasyncgenfunction, iscoroutinefunction
from operator import attrgetter
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from strawberry.schema.schema_converter import get_arguments
from strawberry.types.field import StrawberryField

from bff.execution.model import Access, Reading
from resolvers.fields import batch_of
from resolvers.rights import guard_on


def reading_of(
    name: str,
    parent_type: GraphQLObjectType,
    definition: GraphQLField,
    schema: GraphQLSchema,
    *,
    default_resolver: bool,
) -> Reading:
    """How a field is read. Plain graphql-core fields have a resolver or the default one; Strawberry's say more."""
    reading = Reading(name, parent_type, definition)
    if name == "__typename":
        reading.access = Access.TYPENAME
        return reading
    reading.guard = guard_on(definition)
    reading.resolver = definition.resolve
    if definition.resolve is None:
        if default_resolver and not definition.args:
            reading.access = Access.PLAIN
        return reading
    declared = (definition.extensions or {}).get("strawberry-definition")
    strawberry_schema = getattr(schema, "_strawberry_schema", None)
    if not isinstance(declared, StrawberryField) or strawberry_schema is None or declared.is_subscription:
        return reading
    reading.strawberry_field = declared
    if type(declared).get_result is not StrawberryField.get_result:
        reading.reason = f"field with its own get_result: {reading.title}"
    elif strawberry_schema.schema_converter.exception_handlers:
        reading.reason = "schema with exception handlers: resolvers keep their wrappers"
    elif declared.extensions:
        reading.reason = f"field with extensions or permissions: {reading.title}"
    else:
        _read_directly(reading, declared, strawberry_schema)
    return reading


def refusing(reading: Reading) -> Reading:
    """The same field for a caller whom its guard refuses: it fails without asking anything."""
    guard = reading.guard
    assert guard is not None
    refused = Reading(reading.name, reading.parent_type, reading.definition)
    refused.guard, refused.resolver = guard, guard.refuse
    refused.strawberry_field, refused.reason = reading.strawberry_field, reading.reason
    return refused


@lru_cache(maxsize=4096)
def _getter(name: str) -> attrgetter[Any]:
    return attrgetter(name)


def _read_directly(reading: Reading, declared: StrawberryField, schema: Any) -> None:
    """Past Strawberry's wrappers, which do nothing for a field without extensions and handlers."""
    batch = batch_of(declared)
    if batch is not None:
        reading.access = Access.BATCH
        reading.load, reading.batch_key = batch
        return
    if declared.base_resolver is None:
        reading.access = Access.PLAIN
        name, read = declared.python_name, declared.default_resolver
        if read is getattr:
            reading.attribute = name
            reading.fetch = _getter(name)
        else:
            reading.fetch = lambda source: read(source, name)
        return
    resolver = declared.base_resolver
    function: Any = resolver.wrapped_func
    names = [parameter.name for parameter in (resolver.parent_parameter, resolver.root_parameter) if parameter]
    takes_self = resolver.self_parameter is not None
    if not reading.definition.args and resolver.info_parameter is None:
        reading.fetch = _with_source(function, takes_self, names)
        if not (iscoroutinefunction(function) or isasyncgenfunction(function) or declared.is_async):
            reading.access = Access.PLAIN
        return
    config, info_class = schema.config, schema.config.info_class
    registry = schema.schema_converter.scalar_registry
    info_name = resolver.info_parameter.name if resolver.info_parameter else None
    if not reading.definition.args and info_name is not None:

        def ask_with_info(source: Any, info: Any) -> Any:
            keywords = dict.fromkeys(names, source)
            keywords[info_name] = info
            return function(source, **keywords) if takes_self else function(**keywords)

        info_of = partial(info_class, _field=declared)
        reading.resolver = lambda source, info: ask_with_info(source, info_of(_raw_info=info))
        if not (iscoroutinefunction(function) or isasyncgenfunction(function) or declared.is_async):
            reading.access = Access.PLAIN
            reading.ask_with_info, reading.info_of = ask_with_info, info_of
        return

    def resolve_with_arguments(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        positional, keywords = get_arguments(
            field=declared,
            source=source,
            info=info_class(_raw_info=info, _field=declared),
            kwargs=arguments,
            config=config,
            scalar_registry=registry,
        )
        return function(*positional, **keywords)

    reading.resolver = resolve_with_arguments


def _with_source(function: Any, takes_self: bool, names: list[str]) -> Callable[[Any], Any]:
    if takes_self and not names:
        return lambda source: function(source)
    if not takes_self and not names:
        return lambda source: function()
    if not takes_self and len(names) == 1:
        name = names[0]
        return lambda source: function(**{name: source})
    return lambda source: (
        function(source, **dict.fromkeys(names, source)) if takes_self else function(**dict.fromkeys(names, source))
    )
