"""Where a field's value comes from: decided once, from the resolver that the schema declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from inspect import isasyncgenfunction, iscoroutinefunction
from operator import attrgetter
from typing import Any

from graphql import GraphQLResolveInfo, GraphQLSchema
from strawberry.schema.schema_converter import get_arguments
from strawberry.types.field import StrawberryField

from bff.execution.model import Access, FieldPlan
from resolvers.fields import batch_of


def decide_access(field: FieldPlan, schema: GraphQLSchema, *, default_resolver: bool) -> None:
    """Fill in a field's access. Plain graphql-core fields have a resolver or the default one; Strawberry's say more."""
    if field.name == "__typename":
        field.access = Access.TYPENAME
        return
    definition = field.definition
    field.resolver = definition.resolve
    if definition.resolve is None:
        if default_resolver and not definition.args:
            field.access = Access.PLAIN
        return
    declared = (definition.extensions or {}).get("strawberry-definition")
    strawberry_schema = getattr(schema, "_strawberry_schema", None)
    if not isinstance(declared, StrawberryField) or strawberry_schema is None or declared.is_subscription:
        return
    field.strawberry_field = declared
    if type(declared).get_result is not StrawberryField.get_result:
        field.reason = f"field with its own get_result: {field.title}"
    elif strawberry_schema.schema_converter.exception_handlers:
        field.reason = "schema with exception handlers: resolvers keep their wrappers"
    elif declared.extensions:
        field.reason = f"field with extensions or permissions: {field.title}"
    else:
        _read_directly(field, declared, strawberry_schema)


@lru_cache(maxsize=4096)
def _getter(name: str) -> attrgetter[Any]:
    return attrgetter(name)


def _read_directly(field: FieldPlan, declared: StrawberryField, schema: Any) -> None:
    """Past Strawberry's wrappers, which do nothing for a field without extensions and handlers."""
    batch = batch_of(declared)
    if batch is not None:
        field.access = Access.BATCH
        field.load, field.batch_key = batch
        return
    if declared.base_resolver is None:
        field.access = Access.PLAIN
        name, read = declared.python_name, declared.default_resolver
        if read is getattr:
            field.attribute = name
            field.fetch = _getter(name)
        else:
            field.fetch = lambda source: read(source, name)
        return
    resolver = declared.base_resolver
    function: Any = resolver.wrapped_func
    names = [parameter.name for parameter in (resolver.parent_parameter, resolver.root_parameter) if parameter]
    takes_self = resolver.self_parameter is not None
    if not field.definition.args and resolver.info_parameter is None:
        field.fetch = _with_source(function, takes_self, names)
        if not (iscoroutinefunction(function) or isasyncgenfunction(function) or declared.is_async):
            field.access = Access.PLAIN
        return
    config, info_class = schema.config, schema.config.info_class
    registry = schema.schema_converter.scalar_registry
    info_name = resolver.info_parameter.name if resolver.info_parameter else None
    if not field.definition.args and info_name is not None:

        def ask_with_info(source: Any, info: Any) -> Any:
            keywords = dict.fromkeys(names, source)
            keywords[info_name] = info
            return function(source, **keywords) if takes_self else function(**keywords)

        info_of = partial(info_class, _field=declared)
        field.resolver = lambda source, info: ask_with_info(source, info_of(_raw_info=info))
        if not (iscoroutinefunction(function) or isasyncgenfunction(function) or declared.is_async):
            field.access = Access.PLAIN
            field.ask_with_info, field.info_of = ask_with_info, info_of
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

    field.resolver = resolve_with_arguments


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
