"""The published schema passes graphql-eslint, and the exceptions granted to it are all in use."""

import json
from pathlib import Path

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, build_schema

from tools.lint_schema import ROOT, VALUE_TYPES, lint, main
from tools.nodejs import NodeToolError

SCHEMA = ROOT / "schema.graphql"
EXCEPTIONS = json.loads(VALUE_TYPES.read_text(encoding="utf-8"))

GOOD = '''
"""The entry points."""
type Query {
  """Any object by its global id."""
  node(id: ID!): Node

  """The cars of the one who asks."""
  vehicles(first: Int, after: String, last: Int, before: String): VehicleConnection!
}

"""An object with a global id."""
interface Node {
  id: ID!
}

"""A car."""
type Vehicle implements Node {
  id: ID!

  """Bounded, hence no connection."""
  prices: [Money!]!
}

"""An amount in minor units."""
type Money {
  amountMinor: Int!
}

"""A page of cars."""
type VehicleConnection {
  edges: [VehicleEdge]
  pageInfo: PageInfo!
}

"""A car in a page."""
type VehicleEdge {
  node: Vehicle
  cursor: String!
}

"""Where a page ends."""
type PageInfo {
  hasPreviousPage: Boolean!
  hasNextPage: Boolean!
  startCursor: String
  endCursor: String
}
'''


def problems_of(schema: str, directory: Path) -> list[str]:
    file = directory / "sample.graphql"
    file.write_text(schema, encoding="utf-8")
    return lint(file)


def test_a_schema_in_our_style_passes(tmp_path: Path) -> None:
    assert problems_of(GOOD, tmp_path) == []


@pytest.mark.parametrize(
    ("was", "becomes", "rule"),
    [
        ('"""A car."""\n', "", "require-description"),
        ('  id: ID!\n\n  """Bounded', '  """Bounded', "strict-id-in-types"),
        ("amountMinor", "amount_minor", "naming-convention"),
        (", last: Int, before: String", "", "relay-arguments"),
        ("  cursor: String!\n", "", "relay-edge-types"),
        ("  pageInfo: PageInfo!\n", "", "relay-connection-types"),
        ("  endCursor: String\n", "", "relay-page-info"),
        ("type Money {\n", "type Money {\n  moneyScale: Int!\n", "no-typename-prefix"),
    ],
)
def test_a_breach_is_found_and_its_rule_named(tmp_path: Path, was: str, becomes: str, rule: str) -> None:
    assert GOOD.count(was) == 1
    broken = problems_of(GOOD.replace(was, becomes), tmp_path)
    assert any(f"@graphql-eslint/{rule} " in problem for problem in broken), broken


def test_a_schema_that_does_not_parse_is_a_problem(tmp_path: Path) -> None:
    assert problems_of("type Query {", tmp_path) != []


def test_the_command_tells_success_from_problems_from_failure(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.graphql", tmp_path / "bad.graphql"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace('"""A car."""\n', ""))
    assert [main([str(path)]) for path in (good, bad, tmp_path / "missing.graphql")] == [0, 1, 2]
    with pytest.raises(NodeToolError, match="make schema"):
        lint(tmp_path / "missing.graphql")


def test_the_published_schema_passes() -> None:
    assert lint(SCHEMA) == []


def test_every_exception_is_a_type_without_identity_in_the_published_schema() -> None:
    types = build_schema(SCHEMA.read_text(encoding="utf-8")).type_map
    for name in EXCEPTIONS["types"]:
        value = types.get(name)
        assert isinstance(value, GraphQLObjectType), f"{name} is no object type of the schema"
        identity = value.fields.get("id")
        assert identity is None or not isinstance(identity.type, GraphQLNonNull), f"{name} has an identity"
    for suffix in EXCEPTIONS["suffixes"]:
        assert any(name.endswith(suffix) for name in types), f"no type is named …{suffix}"
