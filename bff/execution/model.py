"""What a compiled operation consists of: plain data that the generator writes from and the interpreter walks.

An `ObjectPlan` is one object type with the fields selected on it; a `FieldPlan` is one response key; a `ValuePlan` is
how the field's value becomes JSON. Nothing here changes once an operation is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLAbstractType, GraphQLField, GraphQLLeafType, GraphQLObjectType

if TYPE_CHECKING:
    from graphql.execution.collect_fields import FieldDetails

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

    def __init__(self, kind: Kind, *, non_null: bool, catches: bool, type_name: str) -> None:
        self.kind = kind
        self.non_null = non_null
        self.catches = catches
        self.type_name = type_name
        self.mode = Mode.EXACT
        self.leaf: GraphQLLeafType | None = None
        self.item: ValuePlan | None = None
        self.abstract: GraphQLAbstractType | None = None
        self.objects: dict[str, ObjectPlan] = {}
        self.function: Callable[[Any, Run], Any] | None = None
        """The generated function of a ROW value: raw value → JSON; it raises where anything is unusual."""

    @property
    def object(self) -> ObjectPlan:
        """The plan of an OBJECT value."""
        return self.objects[self.type_name]


class FieldPlan:
    """One response key of one object type."""

    __slots__ = (
        "access",
        "arguments",
        "ask_with_info",
        "attribute",
        "batch_key",
        "definition",
        "details",
        "fetch",
        "load",
        "name",
        "nodes",
        "number",
        "parent_type",
        "resolver",
        "response_key",
        "strawberry_field",
        "value",
    )

    def __init__(
        self,
        number: int,
        response_key: str,
        details: Sequence[FieldDetails],
        parent_type: GraphQLObjectType,
        definition: GraphQLField,
    ) -> None:
        self.number = number
        self.response_key = response_key
        self.details = details
        self.nodes: list[FieldNode] = [detail.node for detail in details]
        self.name = self.nodes[0].name.value
        self.parent_type = parent_type
        self.definition = definition
        self.access = Access.RESOLVER
        self.attribute: str | None = None
        """For a PLAIN field read as an attribute: its Python expression's tail, else None and `fetch` is called."""
        self.fetch: Callable[[Any], Any] | None = None
        self.ask_with_info: Callable[[Any, Run], Any] | None = None
        """For a PLAIN field whose resolver takes info besides: the request's own, without a path."""
        self.load: Any = None
        self.batch_key: Callable[[Any], Any] | None = None
        self.strawberry_field: Any = None
        self.resolver: Callable[..., Any] | None = None
        """Called as graphql-core would: `(source, info, **arguments)`; None is the default resolver."""
        self.arguments: Callable[[Run], dict[str, Any]] | None = None
        self.value: ValuePlan

    @property
    def title(self) -> str:
        return f"{self.parent_type.name}.{self.name}"


class ObjectPlan:
    """The fields selected on one object type, in the order of the response."""

    __slots__ = ("fields", "level", "mode", "number", "rest", "row", "sample", "type")

    def __init__(self, number: int, object_type: GraphQLObjectType) -> None:
        self.number = number
        self.type = object_type
        self.fields: list[FieldPlan] = []
        self.rest: list[FieldPlan] = []
        """The fields that `row` leaves null, in order."""
        self.mode = Mode.EXACT
        self.row: Callable[[Any, Run], dict[str, Any]] | None = None
        self.level: Callable[[list[Any], Run, Any], list[dict[str, Any]]] | None = None
        self.sample: FieldPlan | None = None
        """The field that led here first: what a type predicate is told about."""
