"""What an operation costs, declared on the schema: `@cost` and `@listSize` of IBM's GraphQL Cost Directives.

Kinds of fields get their directives here, when the schema is built: a field that crosses to another system the weight
of its load, a mutation that of a write, a connection its slicing arguments; which loads are dear and which lists long
is said in `resolvers.weights`. A field that says otherwise carries its own directive (`directives=[weight(20)]`).
`bff.operations.cost` computes with the table that `cost_table` reads off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, get_named_type
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from resolvers.fields import BatchField, BatchLoad

MUTATION_WEIGHT = 10.0
"""A write goes to one system of record at least, with its checks before it."""
BULK_WEIGHT = 2.0
"""A value of a system that is asked for all keys of a level at once."""
CONNECTION_ARGUMENTS = ["first", "last"]


@strawberry.schema_directive(
    name="cost",
    description="What a field, an argument or an object adds to the cost of an operation, each time it occurs.",
    locations=[Location.FIELD_DEFINITION, Location.ARGUMENT_DEFINITION, Location.OBJECT],
)
class Cost:
    weight: str


@strawberry.schema_directive(
    name="listSize",
    description="How long a list is assumed to be, or which arguments say so, for the cost of an operation.",
    locations=[Location.FIELD_DEFINITION],
)
class ListSize:
    assumed_size: int | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    require_one_slicing_argument: bool | None = True


class SizeRule(msgspec.Struct, frozen=True):
    """`@listSize` of one field. `arguments`: by GraphQL name, with the default that the schema declares."""

    assumed: int | None
    arguments: Mapping[str, Any]
    sized_fields: frozenset[str]
    requires_one: bool


class CostTable(msgspec.Struct, frozen=True):
    """The directives of a schema, by GraphQL names. What is absent has the specification's default weight."""

    fields: Mapping[tuple[str, str], float]
    arguments: Mapping[tuple[str, str, str], float]
    types: Mapping[str, float]
    sizes: Mapping[tuple[str, str], SizeRule]


def declare_costs(
    schema: GraphQLSchema, weights: Mapping[BatchLoad[Any, Any], float], sizes: Mapping[str, ListSize]
) -> None:
    """Put directives where a kind of field always has them and does not say otherwise; once is as good as twice.

    `weights` is what one value of a load costs its system, `BULK_WEIGHT` where it is not named; `sizes` is of fields,
    as `Type.field`.
    """
    for kind in _composites(schema):
        for field_name, field in kind.fields.items():
            declared = _strawberry_field(field)
            if declared is None:
                continue
            present = {type(directive) for directive in declared.directives}
            added: list[object] = []
            if Cost not in present:
                if isinstance(declared, BatchField):
                    added.append(weight(weights.get(declared.load, BULK_WEIGHT)))
                elif kind is schema.mutation_type:
                    added.append(weight(MUTATION_WEIGHT))
            if ListSize not in present:
                if get_named_type(field.type).name.endswith("Connection"):
                    added.append(connection_size([name for name in CONNECTION_ARGUMENTS if name in field.args]))
                elif (size := sizes.get(f"{kind.name}.{field_name}")) is not None:
                    added.append(size)
            declared.directives = [*declared.directives, *added]


def connection_size(arguments: list[str], assumed: int = 20) -> ListSize:
    """A Relay connection: `first` or `last` entries, `assumed` where neither is sent."""
    return ListSize(
        assumed_size=assumed,
        slicing_arguments=arguments,
        sized_fields=["edges"],
        require_one_slicing_argument=False,
    )


def weight(units: float) -> Cost:
    """`@cost` for a field, an argument or a type."""
    return Cost(weight=f"{units:g}")


def about(entries: int) -> ListSize:
    """`@listSize` for a list whose length no argument decides."""
    return ListSize(assumed_size=entries, require_one_slicing_argument=False)


def sized_by(*arguments: str, assumed: int = 10) -> ListSize:
    """`@listSize` for a list as long as one of these arguments says: a number, or the length of a list of keys."""
    return ListSize(assumed_size=assumed, slicing_arguments=list(arguments), require_one_slicing_argument=False)


def cost_table(schema: GraphQLSchema) -> CostTable:
    """Read every directive off the schema's definitions."""
    fields: dict[tuple[str, str], float] = {}
    arguments: dict[tuple[str, str, str], float] = {}
    types: dict[str, float] = {}
    sizes: dict[tuple[str, str], SizeRule] = {}
    for kind in _composites(schema):
        for directive in _directives(kind):
            if isinstance(directive, Cost):
                types[kind.name] = float(directive.weight)
        for name, field in kind.fields.items():
            for directive in _directives(field):
                if isinstance(directive, Cost):
                    fields[kind.name, name] = float(directive.weight)
                elif isinstance(directive, ListSize):
                    sizes[kind.name, name] = SizeRule(
                        directive.assumed_size or None,
                        {given: field.args[given].default_value for given in directive.slicing_arguments or ()},
                        frozenset(directive.sized_fields or ()),
                        bool(directive.require_one_slicing_argument),
                    )
            for argument_name, argument in field.args.items():
                for directive in _directives(argument):
                    if isinstance(directive, Cost):
                        arguments[kind.name, name, argument_name] = float(directive.weight)
    return CostTable(fields, arguments, types, sizes)


def _composites(schema: GraphQLSchema) -> Iterable[GraphQLObjectType | GraphQLInterfaceType]:
    return [
        kind
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not kind.name.startswith("__")
    ]


def _strawberry_field(field: Any) -> StrawberryField | None:
    declared = field.extensions.get("strawberry-definition")
    return declared if isinstance(declared, StrawberryField) else None


def _directives(element: Any) -> Iterable[object]:
    return getattr(element.extensions.get("strawberry-definition"), "directives", None) or ()
