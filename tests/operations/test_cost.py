"""Cost by the examples that the specification's rules give, and on our own schema."""

from __future__ import annotations

from typing import Any

import pytest
import strawberry
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from bff.execution import InvalidOperation
from bff.execution.plans import find_operation
from bff.operations.cost import Amount, Price, PriceList
from resolvers.cost import ListSize, about, cost_table, sized_by, weight
from resolvers.schema import build_schema
from resolvers.weights import SIZES


@strawberry.type(directives=[weight(3)])
class Engine:
    name: str


@strawberry.interface
class Thing:
    id: strawberry.ID


@strawberry.type
class Wheel(Thing):
    size: int


@strawberry.type
class Car(Thing):
    name: str
    engine: Engine
    wheels: list[Wheel] = strawberry.field(directives=[about(4)])
    notes: list[Engine]
    slow: str = strawberry.field(directives=[weight(10)])


@strawberry.type
class Edge:
    node: Car


@strawberry.type
class CarPage:
    edges: list[Edge]
    total: int


@strawberry.type
class Query:
    car: Car
    things: list[Thing] = strawberry.field(directives=[about(2)])

    @strawberry.field(directives=[sized_by("first", "ids", assumed=7)])  # type: ignore[untyped-decorator]  # Strawberry's overloads do not see it
    def cars(self, first: int | None = None, ids: list[str] | None = None) -> list[Car]:
        return []

    @strawberry.field(directives=[sized_by("limit")])  # type: ignore[untyped-decorator]  # Strawberry's overloads do not see it
    def latest(self, limit: int = 3) -> list[Car]:
        return []

    @strawberry.field(directives=[ListSize(slicing_arguments=["first", "last"], sized_fields=["edges"])])  # type: ignore[untyped-decorator]  # Strawberry's overloads do not see it
    def page(self, first: int | None = None, last: int | None = None) -> CarPage:
        raise NotImplementedError

    @strawberry.field
    def find(self, text: strawberry.scalars.JSON | None = None) -> Car:
        raise NotImplementedError


SCHEMA = strawberry.Schema(Query, types=[Wheel, Car])._schema
PRICES = PriceList(SCHEMA, cost_table(SCHEMA), list_size=100)


def price(document: str) -> Price:
    parsed = parse(document)
    assert validate(SCHEMA, parsed) == []
    return PRICES.price(parsed, find_operation(parsed, None))


def amount(document: str, variables: dict[str, Any] | None = None) -> Amount:
    return price(document).amount(variables or {})


@pytest.mark.parametrize(
    ("document", "fields", "types"),
    [
        ("{__typename}", 0, 0),
        ("{car{name}}", 1, 1),
        ("{car{slow}}", 11, 1),
        ("{car{engine{name}}}", 2, 4),  # an Engine weighs 3
        ("{car{wheels{size}}}", 2, 5),  # four wheels, one call
        ("{car{notes{name}}}", 2, 1 + 5 * 3),  # no @listSize: five
        ("{cars{name}}", 1, 7),
        ("{cars(first:3){slow}}", 31, 3),
        ("{cars(first:null){name}}", 1, 7),
        ("{cars(first:-5){name}}", 1, 0),
        ('{cars(ids:["a","b"]){name}}', 1, 2),
        ('{cars(first:1,ids:["a","b"]){name}}', 1, 2),  # the greatest counts
        ("{latest{name}}", 1, 3),  # the argument's own default
        ("{latest(limit:9){name}}", 1, 9),
        ("{page(first:10){total}}", 1, 1),
        ("{page(first:10){edges{node{name}}}}", 1 + 1 + 10, 1 + 10 + 10),
        ("{car{name} car{slow}}", 11, 1),  # merged as execution merges
        ("{a:car{name} b:car{name}}", 2, 2),
        ("{...F ...F}fragment F on Query{car{slow}}", 11, 1),
        ("{car{name @skip(if:true)}}", 1, 1),
        ("{things{id}}", 1, 2),
        ("{things{... on Car{slow} ... on Wheel{size}}}", 1 + 2 * 10, 2),  # the dearest type counts
        ("{things{... on Thing{id} ... on Car{engine{name}}}}", 1 + 2, 2 + 2 * 3),
    ],
)
def test_cost_is_what_the_rules_say(document: str, fields: float, types: float) -> None:
    assert price(document).is_constant
    assert amount(document) == Amount(fields, types)


@given(first=st.integers(-1, 100) | st.none(), inner=st.integers(0, 100))
def test_variable_costs_what_the_literal_costs(first: int | None, inner: int) -> None:
    said = "null" if first is None else first
    template = "{cars(first:%s){name slow} page(first:%s){edges{node{slow wheels{size}}}}}"
    by_variable, literal = "query($n:Int,$m:Int)" + template % ("$n", "$m"), template % (said, inner)
    assert not price(by_variable).is_constant
    assert amount(by_variable, {"n": first, "m": inner}) == amount(literal)


def test_default_of_a_variable_counts_where_it_is_left_out() -> None:
    document = "query($n:Int=20){cars(first:$n){name}}"
    assert amount(document).types == 20
    assert amount(document, {"n": 2}).types == 2


@pytest.mark.parametrize("wrong", ["9", 1.5, True, {"a": 1}])
def test_variable_that_coercion_will_refuse_counts_as_assumed(wrong: Any) -> None:
    assert amount("query($n:Int){cars(first:$n){name}}", {"n": wrong}).types == 7


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("{cars(first:101){name}}", {}),
        ("query($n:Int){cars(first:$n){name}}", {"n": 101}),
        ("query($n:[String!]){cars(ids:$n){name}}", {"n": ["x"] * 101}),
        ("query($n:Int){page(first:$n){edges{node{name}}}}", {"n": 10**9}),
    ],
)
def test_list_that_is_too_long_is_refused(document: str, variables: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperation) as refused:
        amount(document, variables)
    assert (refused.value.errors[0].extensions or {})["limit"] == "listSize"


@pytest.mark.parametrize("arguments", ["", "(first:1,last:1)", "(first:null)"])
def test_field_that_requires_one_slicing_argument_is_refused_with_another_number(arguments: str) -> None:
    with pytest.raises(InvalidOperation, match="exactly one of `first`, `last`"):
        price(f"{{page{arguments}{{total}}}}")


def test_our_schema_declares_every_field_that_crosses_every_write_and_every_connection() -> None:
    schema = build_schema()._schema
    table = cost_table(schema)
    assert schema.mutation_type is not None
    for name in schema.mutation_type.fields:
        assert table.fields["Mutation", name] >= 10
    assert table.fields["VehicleOrder", "production"] > table.fields["VehicleOrder", "model"]
    assert table.sizes["Query", "products"].sized_fields == {"edges"}
    for name in SIZES:
        kind, _, field = name.partition(".")
        assert (kind, field) in table.sizes, name


def test_schema_built_twice_declares_once() -> None:
    assert build_schema().as_str() == build_schema().as_str()
