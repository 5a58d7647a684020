"""The registry, mutations, subscriptions, incremental delivery, errors and the fallback counter."""

import logging
from typing import Any

import orjson
import pytest
import strawberry
from graphql import ExecutionResult, GraphQLError
from strawberry.schema.config import StrawberryConfig

from bff.execution import CompiledExecutor, InvalidOperation, Plans, to_json
from tests.execution.garage import Estate, Mutation, Query, Subscription, schema

pytestmark = pytest.mark.anyio


async def test_a_document_is_compiled_once_and_the_registry_is_bounded() -> None:
    plans = Plans(schema, max_plans=2)
    first = plans.plan("{ parked { vin } }")
    assert plans.plan("{ parked { vin } }") is first
    plans.plan("{ a: parked { vin } }")
    plans.plan("{ b: parked { vin } }")
    assert len(plans) == 2
    assert plans.plan("{ parked { vin } }") is not first


def test_the_registry_is_bounded_by_size_as_well() -> None:
    plans = Plans(schema, max_fields=100)
    for number in range(50):
        plans.plan("{ " + " ".join(f"a{number}_{each}: __typename" for each in range(20)) + " }")
    assert len(plans) == 4


def test_compiling_is_counted_so_that_a_registry_that_is_too_small_shows() -> None:
    plans = Plans(schema, max_plans=2)
    for text in (
        "{ a: __typename }",
        "{ b: __typename }",
        "{ a: __typename }",
        "{ c: __typename }",
        "{ a: __typename }",
    ):
        plans.plan(text)
    assert plans.compiled == 3
    plans.plan("{ b: __typename }")
    assert plans.compiled == 4


def test_an_operation_is_found_by_name() -> None:
    plans = Plans(schema)
    text = "query A { a: __typename } query B { b: __typename }"
    assert plans.plan(text, "B").operation_name == "B"
    with pytest.raises(InvalidOperation, match="Must provide operation name"):
        plans.plan(text)
    with pytest.raises(InvalidOperation, match="Unknown operation named 'C'"):
        plans.plan(text, "C")


def test_syntax_and_validation_errors_are_those_of_graphql() -> None:
    plans = Plans(schema)
    with pytest.raises(InvalidOperation) as broken:
        plans.plan("{ parked {")
    assert "Syntax Error" in broken.value.errors[0].message
    with pytest.raises(InvalidOperation) as unknown:
        plans.plan("{ parked { wings } }")
    assert unknown.value.errors[0].locations is not None
    assert len(plans) == 0


def test_an_admission_hook_may_refuse_a_valid_operation() -> None:
    plans = Plans(schema, admit=lambda document, operation: [GraphQLError("too costly", operation)])
    with pytest.raises(InvalidOperation, match="too costly"):
        plans.plan("{ __typename }")


def test_schema_extensions_are_refused_rather_than_passed_over() -> None:
    class Extension(strawberry.extensions.SchemaExtension):
        pass

    with pytest.raises(TypeError, match="Schema extensions"):
        Plans(strawberry.Schema(Query, extensions=[Extension]))


async def test_conditions_on_variables_choose_a_shape() -> None:
    plan = Plans(schema).plan(
        "query ($with: Boolean!, $hide: Boolean = false)"
        "{ parked { vin @skip(if: $hide) ... @include(if: $with) { visit { id } } } }"
    )
    estate = Estate(cars=1)
    answers = [await plan.run(estate, variables) for variables in ({"with": False}, {"with": True, "hide": True})]
    assert [answer.data for answer in answers] == [  # type: ignore[union-attr]  # no incremental result here
        {"parked": [{"vin": "v0"}]},
        {"parked": [{"visit": {"id": "visit-v0"}}]},
    ]


async def test_wrong_variables_are_refused_before_anything_runs() -> None:
    estate = Estate()
    result: Any = await Plans(schema).plan("query ($n: String!) { cars { mileage(unit: $n) } }").run(estate, {"n": 5})
    assert result.data is None
    assert result.errors[0].message.startswith("Variable '$n' has invalid value")
    assert estate.asked == []


async def test_json_is_the_response_as_bytes() -> None:
    plan = Plans(schema).plan('{ parked { vin shout } "汉" : __typename }'.replace('"汉"', "kind"))
    body = await plan.run_json(Estate(cars=1))
    assert orjson.loads(body) == {"data": {"parked": [{"vin": "v0", "shout": "V0"}], "kind": "Query"}}
    failed = orjson.loads(await Plans(schema).plan("{ refused }").run_json(Estate()))
    assert failed["errors"][0]["extensions"] == {"code": "UPSTREAM_TIMEOUT", "retryable": True, "upstream": "dms"}
    assert failed["data"] == {"refused": None}


async def test_json_holds_numbers_of_any_size() -> None:
    body = to_json(ExecutionResult({"big": 2**70, "map": {1: "汉"}}))
    assert orjson.loads(body.replace(b"1180591620717411303424", b"0")) == {"data": {"big": 0, "map": {"1": "汉"}}}


async def test_an_unexpected_error_is_masked_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        result: Any = await Plans(schema).plan("{ broken }").run(Estate())
    error = result.errors[0]
    assert (error.message, error.path, error.extensions["code"]) == ("Internal error", ["broken"], "INTERNAL")
    assert "secret" not in str(error.formatted)
    [record] = caplog.records
    assert error.extensions["traceId"] in record.getMessage()


async def test_the_error_hook_can_be_replaced() -> None:
    plans = Plans(schema, on_error=lambda error, context: GraphQLError(f"shown: {error.message}"))
    result: Any = await plans.plan("{ broken }").run(Estate())
    assert result.errors[0].message == "shown: secret words"


async def test_rights_at_a_field_are_kept_and_counted() -> None:
    plans = Plans(schema)
    result: Any = await plans.plan("{ private parked { vin } }").run(Estate(cars=1))
    assert result.data == {"private": None, "parked": [{"vin": "v0"}]}
    assert plans.fallbacks["field with extensions or permissions: Query.private"] == 1


async def test_an_ordinary_operation_falls_back_nowhere() -> None:
    plans = Plans(schema)
    plan = plans.plan(
        "query ($yes: Boolean!) { cars { vin shout visit @include(if: $yes) { id centre { name } } } slow }"
    )
    for yes in (True, False, True):
        await plan.run(Estate(), {"yes": yes})
    assert plans.fallbacks.as_dict() == {}
    assert plan.fallbacks.as_dict() == {}


async def test_generated_source_can_be_read() -> None:
    plan = Plans(schema).plan("{ parked { vin visit { id } } }")
    assert "def level_Car(sources, run, places, rows_Car, field_visit" in plan.source
    assert "run.ask(" in plan.source


async def test_mutations_run_one_after_the_other_and_see_each_other() -> None:
    estate = Estate()
    text = 'mutation { a: drive(name: "a") { visit { id } } b: drive(name: "b") { visit { id } } }'
    result: Any = await Plans(schema).plan(text).run(estate)
    assert result.data == {"a": {"visit": {"id": "visit-v0"}}, "b": {"visit": {"id": "visit-v0"}}}
    assert estate.written == ["begin a", "end a", "begin b", "end b"]
    # The second mutation may have changed what the first one's answer read.
    assert [keys for _, keys, _ in estate.asked] == [["v0"], ["v0"]]


async def test_each_event_of_a_subscription_is_run_by_the_plan() -> None:
    estate = Estate()
    plans = Plans(schema)
    stream: Any = await plans.plan("subscription { passing(count: 3) { vin visit { id } } }").subscribe(estate)
    events = [event.data["passing"] async for event in stream]
    assert events == [{"vin": f"v{n}", "visit": {"id": f"visit-v{n}"}} for n in range(3)]
    assert estate.finished[-1] == "stream"
    assert plans.fallbacks.as_dict() == {}


async def test_closing_a_subscription_closes_its_source() -> None:
    estate = Estate()
    stream: Any = await Plans(schema).plan("subscription { passing(count: 99) { vin } }").subscribe(estate)
    assert (await anext(stream)).data == {"passing": {"vin": "v0"}}
    await stream.aclose()
    assert estate.finished == ["stream"]


async def test_defer_is_handed_to_graphql_core_and_counted() -> None:
    incremental = strawberry.Schema(
        Query, Mutation, Subscription, config=StrawberryConfig(enable_experimental_incremental_execution=True)
    )
    plans = Plans(incremental)
    plan = plans.plan("query ($later: Boolean!) { parked { vin ... @defer(if: $later) { visit { id } } } refused }")
    at_once: Any = await plan.run(Estate(cars=1), {"later": False})
    assert at_once.data["parked"] == [{"vin": "v0", "visit": {"id": "visit-v0"}}]
    assert plans.fallbacks.as_dict() == {}
    parts: Any = await plan.run(Estate(cars=1), {"later": True})
    assert parts.initial_result.data == {"parked": [{"vin": "v0"}], "refused": None}
    assert parts.initial_result.errors[0].extensions["code"] == "UPSTREAM_TIMEOUT"
    later = [part async for part in parts.subsequent_results]
    assert later[0].incremental[0].data == {"visit": {"id": "visit-v0"}}
    assert plans.fallbacks["@defer"] == 1


async def test_introspection_answers_as_graphql_core_does() -> None:
    from graphql import get_introspection_query

    text = get_introspection_query()
    expected = await schema.execute(text)
    result: Any = await Plans(schema).plan(text).run(Estate())
    assert result.errors is None
    assert result.data == expected.data


async def test_strawberry_runs_compiled_behind_its_own_execute() -> None:
    compiled = strawberry.Schema(Query, Mutation, Subscription, execution_context_class=CompiledExecutor)
    estate = Estate()
    result = await compiled.execute("{ cars { vin visit { id centre { id } } } }", context_value=estate)
    assert result.errors is None
    assert [name for name, _, _ in estate.asked] == ["cars", "visits", "centres"]
