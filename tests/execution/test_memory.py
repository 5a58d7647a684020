"""A plan that is forgotten is gone at once, without the collector, and not before its last run has ended."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, Location
from graphql.execution.values import VariableValues

from bff.execution import Plan, Plans, documents, raw
from bff.execution.model import FieldPlan, ObjectPlan, ValuePlan
from bff.execution.parsing import parse
from bff.execution.plans import PLAN_WEIGHT, SWEEP_FROM
from bff.execution.shape import Shape
from tests.execution.garage import Car, Estate, schema

pytestmark = pytest.mark.anyio

QUERY = "query Q%d { cars { vin shout visit { id centre { name } } } slow parked { vin } }"


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


def test_operations_that_differ_in_words_alone_are_one_plan() -> None:
    plans = Plans(schema)
    first = plans.plan("query A { cars { vin visit { id centre { name } } } }")
    weight = plans.weight
    second = plans.plan(
        "# the same\nquery B { ...all } fragment all on Query { cars { vin visit { centre { name } id } } }"
    )
    third = plans.plan("query C { cars { vin visit { id ...more } } } fragment more on Visit { centre { name } }")
    assert root_of(third) is root_of(first)
    assert root_of(second) is not root_of(first)  # another order is another answer
    centre = [visit_of(plan).fields[index].value.object for plan, index in ((first, 1), (second, 0))]
    assert centre[0] is centre[1]
    # The new order is new rows of three objects; the second operation's other fields, and the third's, are there.
    assert plans.weight == weight + 2 * PLAN_WEIGHT + 2 + 2 + 1
    assert third.source == first.source


def root_of(plan: Plan) -> ObjectPlan:
    shape = plan.shape(VariableValues({}, {}))
    assert isinstance(shape, Shape)
    return shape.root


def visit_of(plan: Plan) -> ObjectPlan:
    cars = root_of(plan).fields[0].value
    assert cars.item is not None
    return cars.item.object.fields[1].value.object


@pytest.mark.parametrize("argument", ['unit: "MI"', "unit: $unit", ""])
def test_other_arguments_are_another_plan(argument: str) -> None:
    text = "query ($unit: String!) { cars { mileage%s vin } parked { mileage(unit: $unit) } }"
    plans = Plans(schema)
    one, two = (root_of(plans.plan(text % each)) for each in ('(unit: "KM")', f"({argument})" if argument else ""))
    assert one.fields[0] is not two.fields[0]
    assert one.fields[1] is two.fields[1]


async def test_error_is_where_each_operation_has_it() -> None:
    """The plan is one, and so are its functions; locations are of the text that was asked."""
    plans = Plans(schema, on_error=raw)
    texts = [
        "{ broken parked { vin model } }",
        "query Q {\n  ok: __typename\n  parked {\n    vin\n    model\n  }\n  broken\n}",
        "query Q { ...all } fragment all on Query { parked { model } broken parked { model } parked { vin } }",
    ]
    for text in [*texts, *texts]:
        estates = Estate(), Estate()
        for estate in estates:
            estate.cars[1] = Car("v1", model=None)
        ours: Any = await plans.plan(text).run(estates[0])
        theirs = schema.execute_sync(text, context_value=estates[1])
        assert theirs.errors is not None
        wanted = sorted([error.formatted for error in theirs.errors], key=str)
        assert sorted([error.formatted for error in ours.errors], key=str) == wanted
        assert ["parked", 1, "model"] in [error["path"] for error in wanted]


async def test_tree_is_read_again_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as not at all: an operation that goes well has no use for it."""
    reads: list[str] = []

    def read(text: str) -> DocumentNode:
        reads.append(text)
        return parse(text)

    monkeypatch.setattr(documents, "parse", read)
    plans = Plans(schema, on_error=raw)
    failing, fine = "{ broken cars { visit { centre { id } } } }", "{ cars { visit { centre { id } } } }"
    plans.plan(failing), plans.plan(fine)
    documents._recent.clear()
    for _ in range(3):
        assert (await plans.plan(fine).run(Estate())).errors is None  # type: ignore[union-attr]  # one result
    assert reads == []
    for _ in range(3):
        assert (await plans.plan(failing).run(Estate())).errors  # type: ignore[union-attr]  # one result
    assert reads == [failing]


def places() -> int:
    return sum(isinstance(each, Location) for each in gc.get_objects())


async def test_plan_keeps_no_syntax_tree(uncollected: None) -> None:
    """Neither of its variables nor of its arguments: both are kept as they are said, and not where."""
    plans = Plans(schema)
    documents._recent.clear()
    before = places()
    plan = plans.plan('query ($unit: String! = "KM") { cars { mileage(unit: $unit) } parked { mileage(unit: "MI") } }')
    documents._recent.clear()
    gc.collect()
    assert places() == before
    result: Any = await plan.run(Estate(), {"unit": "MI"})
    assert result.errors is None


async def test_wrong_variable_is_where_each_operation_defines_it() -> None:
    """Operations that define the same variables share what coerces them, and not where it says that they are wrong."""
    plans = Plans(schema, on_error=raw)
    texts = [
        "query ($unit: String!) { parked { mileage(unit: $unit) } }",
        "query Two(\n  $unit: String!\n) { parked { vin mileage(unit: $unit) } }",
    ]
    first, second = (plans.plan(text) for text in texts)
    assert first._variables is second._variables
    for plan, text in zip((first, second), texts, strict=True):
        ours: Any = await plan.run(Estate(), {"unit": 5})
        theirs = schema.execute_sync(text, variable_values={"unit": 5}, context_value=Estate())
        assert theirs.errors is not None
        assert [error.formatted for error in ours.errors] == [error.formatted for error in theirs.errors]


async def test_operation_is_found_again_among_others() -> None:
    plans = Plans(schema, on_error=raw)
    text = "fragment bad on Query { broken }\nquery A { slow }\nquery B {\n  ...bad\n  two: broken\n}"
    plan = plans.plan(text, "B")
    documents._recent.clear()
    result: Any = await plan.run(Estate())
    assert sorted((error.path, error.locations) for error in result.errors) == [
        (["broken"], [(1, 25)]),
        (["two"], [(5, 3)]),
    ]
    assert plan.tree.operation.name is not None
    assert plan.tree.operation.name.value == "B"


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


def test_compiling_lets_the_collector_look_at_what_grew_old_too() -> None:
    """What was under way in a pass is older at the next: a young pass for each new operation would never see it."""
    passes: set[int] = set()

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            passes.add(info["generation"])

    limits = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(note)
    gc.set_threshold(50_000, 1, 1)  # a pass of its own accord is far
    try:
        plans = Plans(schema, max_plans=3)
        for number in range(120):
            plans.plan(QUERY % number)
            assert gc.get_count()[0] < SWEEP_FROM + 10_000
    finally:
        gc.set_threshold(*limits)
        gc.callbacks.remove(note)
    assert passes == {0, 1, 2}
