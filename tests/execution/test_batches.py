"""What a level of batch fields costs, and when it is asked."""

import asyncio
from typing import Any

import pytest

from bff.errors import UpstreamTimeout
from bff.execution import Plans
from resolvers.fields import load_one
from tests.execution.garage import Estate, schema, visits

pytestmark = pytest.mark.anyio


async def run(text: str, estate: Estate, variables: dict[str, Any] | None = None) -> Any:
    return await Plans(schema).plan(text).run(estate, variables)


async def test_a_level_is_one_call_with_every_key_once() -> None:
    estate = Estate(cars=4)
    result = await run("{ cars { vin home { id } } }", estate)
    assert [car["home"]["id"] for car in result.data["cars"]] == ["c0", "c1", "c0", "c1"]
    assert estate.asked == [("cars", [], {}), ("centres", ["c0", "c1"], {})]


async def test_levels_are_causal_rounds() -> None:
    estate = Estate()
    result = await run("{ cars { visit { id centre { name } } } }", estate)
    assert result.errors is None
    assert result.data["cars"][2] == {"visit": {"id": "visit-v2", "centre": {"name": "Pudong"}}}
    assert estate.rounds == {"cars": 1, "visits": 2, "centres": 3}


async def test_a_batch_beside_a_longer_chain_keeps_its_own_round() -> None:
    estate = Estate()
    await run("{ cars { visit { centre { name } } } slow parked { mileage } }", estate)
    assert estate.rounds == {"cars": 1, "slow": 1, "mileage": 1, "visits": 2, "centres": 3}


async def test_places_that_are_ready_together_share_a_call() -> None:
    estate = Estate()
    await run("{ a: parked { home { id } } b: parked { home { name } other: home { id } } }", estate)
    assert estate.asked == [("centres", ["c0", "c1"], {})]


async def test_other_arguments_are_another_call() -> None:
    estate = Estate(cars=1)
    text = 'query ($unit: String!) { parked { mileage a: mileage(unit: "KM") b: mileage(unit: $unit) } }'
    result = await run(text, estate, {"unit": "MI"})
    assert result.data == {"parked": [{"mileage": 100, "a": 100, "b": 62}]}
    assert estate.asked == [("mileage", ["v0"], {"unit": "KM"}), ("mileage", ["v0"], {"unit": "MI"})]


async def test_a_key_asked_at_a_deeper_level_is_not_asked_again() -> None:
    estate = Estate(cars=2)
    result = await run("{ parked { home { id } visit { centre { id name } } } }", estate)
    assert [car["visit"]["centre"]["id"] for car in result.data["parked"]] == ["c0", "c1"]
    assert [name for name, _, _ in estate.asked] == ["centres", "visits"]


async def test_a_resolver_that_loads_one_key_shares_the_cache() -> None:
    estate = Estate()
    result = await run("{ parked { visit { id } alone } }", estate)
    assert [car["alone"] for car in result.data["parked"]] == ["visit-v0", "visit-v1", "visit-v2"]
    assert estate.asked == [("visits", ["v0", "v1", "v2"], {})]
    assert await load_one(estate, visits, "v0") is not None  # type: ignore[arg-type]  # a smaller context
    assert len(estate.asked) == 1


async def test_keys_loaded_alone_before_are_not_in_the_level_call() -> None:
    estate = Estate()
    await load_one(estate, visits, "v1")  # type: ignore[arg-type]  # a smaller context
    result = await run("{ parked { visit { id } } }", estate)
    assert [car["visit"]["id"] for car in result.data["parked"]] == ["visit-v0", "visit-v1", "visit-v2"]
    assert [keys for _, keys, _ in estate.asked] == [["v1"], ["v0", "v2"]]


async def test_a_level_waits_for_a_key_that_is_in_flight_elsewhere() -> None:
    estate = Estate(cars=2)
    estate.gates["visits"] = asyncio.Event()
    alone = asyncio.create_task(load_one(estate, visits, "v1"))  # type: ignore[arg-type]  # a smaller context
    await asyncio.sleep(0.001)
    whole = asyncio.create_task(run("{ parked { visit { id } } }", estate))
    await asyncio.sleep(0.001)
    estate.gates["visits"].set()
    result = await whole
    assert (await alone) is not None
    assert [car["visit"]["id"] for car in result.data["parked"]] == ["visit-v0", "visit-v1"]
    assert sorted(keys for _, keys, _ in estate.asked) == [["v0"], ["v1"]]


async def test_the_error_of_one_key_is_at_its_own_path() -> None:
    estate = Estate()
    estate.answers["v1"] = UpstreamTimeout("dms")
    result = await run("{ cars { vin visit { id centre { id } } } }", estate)
    assert [car["visit"] and car["visit"]["id"] for car in result.data["cars"]] == ["visit-v0", None, "visit-v2"]
    assert [(error.path, error.extensions["code"]) for error in result.errors] == [
        (["cars", 1, "visit"], "UPSTREAM_TIMEOUT")
    ]


async def test_a_failed_call_is_an_error_at_every_place_that_asked() -> None:
    estate = Estate(cars=2)
    estate.answers["all"] = UpstreamTimeout("dms")
    result = await run("{ cars { vin home { id } } }", estate)
    assert result.data == {"cars": [{"vin": "v0", "home": None}, {"vin": "v1", "home": None}]}
    assert [error.path for error in result.errors] == [["cars", 0, "home"], ["cars", 1, "home"]]


async def test_a_missing_key_and_a_null_key_are_null_without_error() -> None:
    estate = Estate(cars=0)
    estate.cars = [type(car)(car.vin, centre_id=None) for car in Estate(cars=10).cars]
    result = await run("{ cars { visit { id } home { id } } }", estate)
    assert result.errors is None
    assert result.data["cars"][9] == {"visit": None, "home": None}
    assert [name for name, _, _ in estate.asked] == ["cars", "visits"]


async def test_a_null_below_a_batch_field_stops_at_the_field() -> None:
    estate = Estate(cars=2)
    estate.answers["c1"] = type(estate.cars[0])  # something without an id and a name
    result = await run("{ parked { vin home { id } } }", estate)
    assert [car["home"] for car in result.data["parked"]] == [{"id": "c0"}, None]
    assert [error.path for error in result.errors] == [["parked", 1, "home", "id"]]


async def test_a_row_without_its_attributes_is_completed_exactly_and_the_others_fast() -> None:
    estate = Estate(cars=2)
    estate.cars[0] = type(estate.cars[0])("v0", model=None)
    plans = Plans(schema)
    result: Any = await plans.plan("{ parked { model } }").run(estate)
    assert result.data is None
    assert [(error.message, error.path) for error in result.errors] == [("Internal error", ["parked", 0, "model"])]
    assert any("completed exactly" in reason for reason in plans.fallbacks.as_dict())


async def test_two_requests_of_one_plan_do_not_mix() -> None:
    plan = Plans(schema).plan("{ cars { vin visit { id } } }")
    estates = [Estate(cars=number) for number in (1, 2, 3)]
    results: list[Any] = await asyncio.gather(*(plan.run(estate) for estate in estates))
    assert [len(result.data["cars"]) for result in results] == [1, 2, 3]
    assert [estate.asked[1][1] for estate in estates] == [["v0"], ["v0", "v1"], ["v0", "v1", "v2"]]
