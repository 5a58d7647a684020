"""A plan that is forgotten is gone at once, without the collector, and not before its last run has ended."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLError

from bff.execution import Plans
from bff.execution.model import FieldPlan, ObjectPlan, ValuePlan
from bff.execution.parsing import parse
from tests.execution.garage import Estate, schema

pytestmark = pytest.mark.anyio

QUERY = "query Q%d { cars { vin shout visit { id centre { name } } } slow parked { vin } }"


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(isinstance(each, FieldPlan | ObjectPlan | ValuePlan) for each in gc.get_objects())


async def test_forgotten_plan_leaves_nothing_to_the_collector(uncollected: None) -> None:
    plans = Plans(schema, max_plans=3)
    for number in range(3):
        await plans.plan(QUERY % number).run(Estate())
    full = alive()
    for number in range(3, 20):
        await plans.plan(QUERY % number).run(Estate())
    assert len(plans) == 3
    assert alive() == full


async def test_plan_that_is_forgotten_while_it_runs_ends_its_run() -> None:
    plans = Plans(schema, max_plans=1)
    running: Any = asyncio.create_task(plans.plan(QUERY % 0).run(Estate()))
    await asyncio.sleep(0)
    plans.plan(QUERY % 1)
    again: Any = await plans.plan(QUERY % 0).run(Estate())
    result = await running
    assert result.errors is None
    assert result.data == again.data


def test_nodes_know_their_place_and_hold_no_tokens() -> None:
    document = parse("{\n  a {\n    b\n  }\n}")
    b: Any = document.definitions[0].selection_set.selections[0].selection_set.selections[0]  # type: ignore[attr-defined]
    assert GraphQLError("x", b).locations == [(3, 5)]
    assert b.loc.start_token is document.loc.end_token  # type: ignore[union-attr]  # one that stands for all
    assert b.loc.start_token.prev is b.loc.start_token.next is None


@pytest.mark.parametrize("text", ["{", "{ a ", "{ a(b: ) }", "query ($a) { a }", "{" * 5_000])
def test_what_cannot_be_parsed_is_said_as_graphql_core_says_it(text: str) -> None:
    from graphql import parse as theirs

    with pytest.raises(GraphQLError) as ours:
        parse(text)
    with pytest.raises(GraphQLError) as expected:
        theirs(text)
    assert ours.value.formatted == expected.value.formatted
