"""An operation is as important as the most important thing it asks."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, parse

from bff.context import Channel
from bff.execution.collect import root_fields
from bff.execution.documents import Tree
from bff.policy import Priority
from bff.serving.priorities import ROOT_FIELDS, of_operation, through
from resolvers.schema import build_schema


def rank(text: str) -> Priority:
    document = parse(text)
    operation = next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    return of_operation(operation.operation, root_fields(Tree.of(document, operation)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ communityFeed { edges { cursor } } }", Priority.LAST),
        ("{ communityFeed { edges { cursor } } viewer { kind } }", Priority.NORMAL),
        ("{ somethingNew }", Priority.NORMAL),
        ("mutation { createPayment(input: {}) { userErrors { code } } }", Priority.FIRST),
        ("mutation { likePost(input: {}) { userErrors { code } } }", Priority.LAST),
        ("{ ...F } fragment F on Query { ... on Query { communityTopics { id } } }", Priority.LAST),
        ("{ ...F } fragment F on Query { ...F }", Priority.NORMAL),
        ("{ alias: communityTopics { id } }", Priority.LAST),
        ("subscription { createPayment }", Priority.LAST),
    ],
)
def test_the_most_important_root_field_decides(text: str, expected: Priority) -> None:
    assert rank(text) is expected


def test_a_car_goes_one_place_up() -> None:
    assert [through(Channel.IN_CAR, each) for each in Priority] == [Priority.FIRST, Priority.FIRST, Priority.NORMAL]
    assert [through(Channel.WEB, each) for each in Priority] == list(Priority)


def test_every_field_of_the_table_is_in_the_schema() -> None:
    schema = build_schema()._schema
    roots = [schema.query_type, schema.mutation_type]
    fields = {name for root in roots if root is not None for name in root.fields}
    assert sorted(set(ROOT_FIELDS) - fields) == []


def test_every_mutation_with_money_or_an_appointment_goes_first() -> None:
    """What takes an idempotency key orders, pays or books, but for what only shows goodwill or saves."""
    mutations = build_schema()._schema.mutation_type
    assert mutations is not None
    binding = {
        name
        for name, field in mutations.fields.items()
        if name.startswith(("place", "lock", "cancel", "create", "close", "refund", "book", "reschedule", "approve"))
        and not name.endswith("TestDrive")
    }
    assert sorted(name for name in binding if ROOT_FIELDS.get(name) is not Priority.FIRST) == []
