"""What generated functions may take for granted, and how they say that they may not.

A generated function reads attributes and checks a value's class, nothing more. Anything else — an exception as a
value, an awaitable, a callable, a null in a non-null place, a leaf that needs judgement — raises, and the interpreter
completes the same value again, exactly. So a check here may be too strict; it must never be too lax.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql import GraphQLAbstractType, GraphQLEnumType, GraphQLLeafType, GraphQLObjectType, GraphQLSchema
from graphql.pyutils import Undefined, is_awaitable

from bff.execution.model import Reading

if TYPE_CHECKING:
    from bff.execution.run import Run

MAX_CLASSES = 256
"""Classes remembered as ordinary by one function; dynamic classes must not fill the memory."""

mappings: set[type] = {dict}
"""Ordinary classes that are mappings: the default resolver reads keys of those and attributes of all others."""

seen: set[type] = set()
"""Ordinary classes of sources."""

_ordinary: set[type] = {str, int, float, bool, list, tuple, set, frozenset}


class Unusual(Exception):
    """Not for a generated function; the interpreter will say what it is."""


def vet(value: Any) -> None:
    """Raise Unusual unless `value` is of a class whose instances are neither errors, awaitable nor callable."""
    if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value) or callable(value):
        raise Unusual
    if len(_ordinary) > MAX_CLASSES:
        _ordinary.clear()
    _ordinary.add(value.__class__)


def vet_called(value: Any) -> Any:
    """The value of a resolver. A coroutine is closed: the interpreter calls the resolver again and awaits that one."""
    if value.__class__ is CoroutineType:
        value.close()
        raise Unusual
    return value


def admit(source: Any) -> None:
    """What a row calls for a source of a class that no row has seen yet. Raises Unusual."""
    vet(source)
    cls = source.__class__
    if cls not in mappings and isinstance(source, Mapping):
        if len(mappings) > MAX_CLASSES:
            raise Unusual
        mappings.add(cls)
    if len(seen) > MAX_CLASSES:
        seen.clear()
    seen.add(cls)


_again = (list, tuple, set, frozenset, deque)


def listed(value: Any) -> Any:
    """Collections that can be walked twice; an iterator would be spent when the interpreter needs it."""
    if value.__class__ in _again:
        return value
    raise Unusual


@lru_cache(maxsize=1024)
def serialiser(leaf: GraphQLLeafType) -> Callable[[Any], Any]:
    """The function that makes JSON of a leaf's value."""
    function = leaf_function(leaf)
    return enum_function(leaf, function) if isinstance(leaf, GraphQLEnumType) else function


def leaf_function(leaf: GraphQLLeafType) -> Callable[[Any], Any]:
    """Serialise as graphql-core does; what it would refuse or await is unusual."""
    coerce = leaf.coerce_output_value

    def serialise(value: Any) -> Any:
        if value.__class__ not in _ordinary:
            vet(value)
        result = coerce(value)
        if result.__class__ not in _ordinary and (result is None or result is Undefined or is_awaitable(result)):
            raise Unusual
        return result

    return serialise


class About:
    """Stands for resolve info where a generated function asks a type predicate: it knows what the schema knows.

    What only an operation or a request knows (nodes, path, context, root value, variables) is unusual to ask for, and
    makes the interpreter ask the predicate again with the real info.
    """

    def __init__(self, schema: GraphQLSchema, reading: Reading | None = None) -> None:
        self.schema = schema
        self.is_awaitable = is_awaitable
        if reading is not None:
            self.field_name = reading.name
            self.return_type = reading.definition.type
            self.parent_type = reading.parent_type

    def __getattr__(self, name: str) -> Any:
        raise Unusual(name)


class AboutRequest(About):
    """The same for a synchronous resolver in a generated function: it knows the request too, and only not the place."""

    def __init__(self, run: Run, reading: Reading) -> None:
        super().__init__(run.schema, reading)
        self.context = run.context
        self.root_value = run.root_value
        self.variable_values = run.variable_values.coerced
        self.operation_extensions = run.operation_extensions
        self.abort_signal = None
        self.async_helpers = run.settings.helpers


def verify_function(object_type: GraphQLObjectType, about: About) -> Callable[[Any], None]:
    """Raise unless the type's own predicate says plainly that the source is of the type."""
    is_type_of = object_type.is_type_of
    assert is_type_of is not None

    def verify(source: Any) -> None:
        answer: Any = is_type_of(source, about)  # type: ignore[arg-type]  # stands for the info
        if answer is not True:
            vet_called(answer)
            raise Unusual

    return verify


def pick_function(
    abstract: GraphQLAbstractType, rows: Mapping[str, Callable[[Any, Any], Any]], resolve_type: Any, about: About
) -> Callable[[Any, Any], Any]:
    """A function that completes a value of an interface or union by the row of its runtime type."""

    def pick(value: Any, run: Any) -> Any:
        if value.__class__ not in _ordinary:
            vet(value)
        name = vet_called(resolve_type(value, about, abstract))
        if name.__class__ is not str:
            raise Unusual
        return rows[name](value, run)

    return pick


def enum_function(leaf: GraphQLEnumType, serialise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A member of a Python enum has one name for good: remember it."""
    names: dict[Any, Any] = {}
    enums: list[type] = []

    def name_of(member: Any) -> Any:
        if enums and member.__class__ is enums[0]:
            name = names.get(member)
            if name is None:
                name = names[member] = serialise(member)
            return name
        if isinstance(member, Enum) and not enums:
            enums.append(member.__class__)
        return serialise(member)

    return name_of
