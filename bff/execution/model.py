"""What a compiled operation consists of: plain data that the generator writes from and the interpreter walks.

An `ObjectPlan` is one object type with the fields selected on it; a `FieldPlan` is one response key; a `Reading` is how
the schema's field gives its value, and a `ValuePlan` how that becomes JSON. None of them knows where in an operation it
stands, so that equal selections are one plan, in whichever operations they are (`library`). Nothing here changes once
it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from graphql import GraphQLAbstractType, GraphQLField, GraphQLLeafType, GraphQLObjectType

from resolvers.rights import Guard

if TYPE_CHECKING:
    from bff.execution.run import Run


class Mode(IntEnum):
    """Who completes a value. The order matters: a whole is as slow as its slowest part."""

    ROW = 0
    """A generated function of one source: attributes, leaves, nested objects and lists of them."""
    LEVEL = 1
    """Generated, one call for all sources of a level: rows as above; batch fields asked for all of them at once."""
    EXACT = 2
    """The interpreter: values of several possible types that are not rows, lists of lists of levels."""


class Kind(IntEnum):
    """What a field's value is before its non-null mark."""

    LEAF = 0
    LIST = 1
    OBJECT = 2
    ABSTRACT = 3


class Access(IntEnum):
    """Where a field's value comes from."""

    TYPENAME = 0
    PLAIN = 1
    """An attribute of the source, or a synchronous resolver of nothing but the source."""
    BATCH = 2
    RESOLVER = 3


class ValuePlan:
    """How one value is completed. `catches`: an error in it stops here and the place becomes null."""

    __slots__ = ("abstract", "catches", "function", "item", "kind", "leaf", "mode", "non_null", "objects", "type_name")

    def __init__(
        self, kind: Kind, objects: Mapping[str, ObjectPlan], *, non_null: bool, catches: bool, type_name: str
    ) -> None:
        self.kind = kind
        self.objects = objects
        """What is selected on each type that an object here may have; of a leaf, nothing."""
        self.non_null = non_null
        self.catches = catches
        self.type_name = type_name
        self.mode = Mode.EXACT
        self.leaf: GraphQLLeafType | None = None
        self.item: ValuePlan | None = None
        self.abstract: GraphQLAbstractType | None = None
        self.function: Callable[[Any, Run], Any] | None = None
        """The generated function of a ROW value: raw value → JSON; it raises where anything is unusual."""

    @property
    def object(self) -> ObjectPlan:
        """The plan of an OBJECT value."""
        return self.objects[self.type_name]


class Reading:
    """How a field of the schema gives its value, whatever is selected of it: one for all operations."""

    __slots__ = (
        "access",
        "ask_with_info",
        "attribute",
        "batch_key",
        "definition",
        "fetch",
        "guard",
        "info_of",
        "load",
        "name",
        "parent_type",
        "reason",
        "resolver",
        "strawberry_field",
    )

    def __init__(self, name: str, parent_type: GraphQLObjectType, definition: GraphQLField) -> None:
        self.name = name
        self.parent_type = parent_type
        self.definition = definition
        self.access = Access.RESOLVER
        self.attribute: str | None = None
        """For a PLAIN field read as an attribute: its Python expression's tail, else None and `fetch` is called."""
        self.fetch: Callable[[Any], Any] | None = None
        self.ask_with_info: Callable[[Any, Any], Any] | None = None
        """For a PLAIN field whose resolver takes info besides: the source and what `info_of` made."""
        self.info_of: Callable[..., Any] | None = None
        self.load: Any = None
        self.batch_key: Callable[[Any], Any] | None = None
        self.strawberry_field: Any = None
        self.resolver: Callable[..., Any] | None = None
        """Called as graphql-core would: `(source, info, **arguments)`; None is the default resolver."""
        self.guard: Guard | None = None
        self.reason: str | None = None
        """Why the field is not read as directly as others."""

    @property
    def title(self) -> str:
        return f"{self.parent_type.name}.{self.name}"


class FieldPlan:
    """One response key of one object type."""

    __slots__ = ("__weakref__", "arguments", "reading", "response_key", "value")

    def __init__(self, response_key: str, reading: Reading, value: ValuePlan) -> None:
        self.response_key = response_key
        self.reading = reading
        self.value = value
        self.arguments: Callable[[Run], dict[str, Any]] | None = None


class ObjectPlan:
    """The fields selected on one object type, in the order of the response."""

    __slots__ = ("__weakref__", "fields", "guards", "level", "mode", "rest", "row", "rows", "type")

    def __init__(self, object_type: GraphQLObjectType, fields: Sequence[FieldPlan]) -> None:
        self.type = object_type
        self.fields = fields
        self.rest = [field for field in fields if not _is_row(field)]
        """The fields that `row` leaves null, in order."""
        self.mode = Mode.LEVEL if self.rest else Mode.ROW
        self.guards = _guards(fields)
        """What this object and all below it ask of a caller, in the order of the operation."""
        self.rows: Callable[[Sequence[Any], Run], list[dict[str, Any]]] | None = None
        self.row: Callable[[Any, Run], dict[str, Any]] | None = None
        """Of many sources, and of one: what the plans above call; at least one is there once all is written."""
        self.level: Callable[[list[Any], Run, Any], list[dict[str, Any]]] | None = None

    @property
    def row_of_one(self) -> Callable[[Any, Run], dict[str, Any]] | None:
        """The function of one source, whichever was written; None where nothing is generated."""
        rows = self.rows
        if self.row is not None or rows is None:
            return self.row
        return lambda source, run: rows((source,), run)[0]


def _is_row(field: FieldPlan) -> bool:
    access = field.reading.access
    return access is Access.TYPENAME or (access is Access.PLAIN and field.value.mode is Mode.ROW)


def _guards(fields: Sequence[FieldPlan]) -> tuple[Guard, ...]:
    guards: dict[Guard, None] = {}
    for field in fields:
        if field.reading.guard is not None:
            guards[field.reading.guard] = None
        for below in field.value.objects.values():
            guards.update(dict.fromkeys(below.guards))
    return tuple(guards)
