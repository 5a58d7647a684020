"""The screen stands when a system does not: what clients see of faults, and what upstreams see of us."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import orjson
import pytest
from starlette.types import Message

from adapters.transport.cache import MemoryStore
from sandbox.identity.tokens import issue
from tests.estate.house import OPERATIONS, Answer, House

pytestmark = pytest.mark.anyio

DEAD = {"kind": "delay", "milliseconds": 60_000}
MODELS = "{ vehicleModels { code name trims { code name } } }"
SHANGHAI_NIGHT = datetime(2026, 3, 9, 16, 10, tzinfo=UTC)


def without_dms(answer: Answer) -> tuple[int, set[str]]:
    """The furthest round and the operations of everything but the dealer system."""
    calls = [call for call in answer.calls if call["system"] != "dms"]
    return max(call["round"] for call in calls), {f"{call['system']} {call['operation']}" for call in calls}


def later(house: House, seconds: float) -> None:
    """Let the kept answers grow old."""
    store = house.services.store
    assert isinstance(store, MemoryStore)
    now = store._clock() + seconds
    store._clock = lambda: now
    for upstream in house.services.upstreams.values():
        assert upstream._kept is not None
        upstream._kept.clock = lambda: now


async def test_with_the_dealer_system_dead_every_other_field_comes_no_later(house: House) -> None:
    await house.services.verifier.caller(f"Bearer {issue('owner')}")
    whole = await house.example("AppHome")
    await house.services.purge("configurator")
    await house.services.purge("centres")
    await house.fault("dms", DEAD)
    query = (OPERATIONS / "AppHome.graphql").read_text()
    began = perf_counter()
    answer = await house.ask(query, headers={"bff-timeout": "900"})
    assert perf_counter() - began > 0.85  # its own patience, and no less
    assert without_dms(answer)[0] <= without_dms(whole)[0]
    garage = answer.data["viewer"]["customer"].pop("garage")
    before = whole.data["viewer"]["customer"].pop("garage")
    assert answer.data == whole.data
    for entry, was in zip(garage, before, strict=True):
        assert entry["vehicle"]["record"] is None
        assert {**entry["vehicle"], "record": 0, "serviceBookings": 0} == {
            **was["vehicle"],
            "record": 0,
            "serviceBookings": 0,
        }
    assert set(answer.codes().values()) == {"DEADLINE_EXCEEDED"}
    assert all(".record" in path or ".serviceBookings" in path for path in answer.codes())


async def test_half_the_time_was_enough_for_the_rest_of_the_screen(house: House) -> None:
    """Other systems are asked at the same moment, whether the dealer system lives or not: a ratio in one run."""
    await house.example("AppHome")
    whole = await house.example("AppHome")
    await house.fault("dms", DEAD)
    query = (OPERATIONS / "AppHome.graphql").read_text()
    dead = await house.ask(query, headers={"bff-timeout": "900"})
    last = {name: max(c["startMs"] for c in each.calls if c["system"] != "dms") for name, each in
            (("whole", whole), ("dead", dead))}  # fmt: skip
    assert last["dead"] < 450
    assert without_dms(dead)[1] <= without_dms(whole)[1]


async def test_maintenance_page_costs_one_look_and_then_no_call(house: House) -> None:
    await house.fault("dms", {"kind": "maintenance"})
    first = await house.example("AppHome")
    assert set(first.codes().values()) == {"UPSTREAM_MAINTENANCE"}
    house.systems["dms"].stats.requests = 0
    second = await house.example("AppHome")
    assert set(second.codes().values()) == {"UPSTREAM_MAINTENANCE"}
    assert house.systems["dms"].stats.requests == 0
    assert {call["source"] for call in second.calls if call["system"] == "dms"} == {"refused"}
    ready = orjson.loads((await house.client.get("/health/ready")).content)
    assert ready["upstreams"]["dms"]["isInMaintenance"] is True


async def test_known_window_wastes_no_call_and_says_when_it_ends() -> None:
    house = House(BFF_DMS_WINDOWS="23:30-01:00 Asia/Shanghai")
    try:
        house.services.upstreams["dms"].maintenance.clock = lambda: SHANGHAI_NIGHT
        answer = await house.example("AppHome")
        errors = [error["extensions"] for error in answer.errors]
        assert {error["code"] for error in errors} == {"UPSTREAM_MAINTENANCE"}
        assert {(error["upstream"], error["retryable"]) for error in errors} == {("dms", True)}
        assert {datetime.fromisoformat(error["retryAfter"]) for error in errors} == {
            datetime(2026, 3, 9, 17, 0, tzinfo=UTC)
        }
        assert house.systems["dms"].stats.requests == 0
        ready = orjson.loads((await house.client.get("/health/ready")).content)
        assert ready["upstreams"]["dms"]["maintenanceUntil"] == "2026-03-09T17:00:00+00:00"
        house.services.upstreams["dms"].maintenance.clock = lambda: SHANGHAI_NIGHT + timedelta(hours=1)
        assert (await house.example("AppHome")).errors == []
    finally:
        await house.aclose()


async def test_failing_operation_is_left_alone_and_others_of_its_system_are_not(house: House) -> None:
    await house.fault("dms", {"kind": "status", "status": 500, "match": "GetRepairOrder"})
    query = (OPERATIONS / "AppHome.graphql").read_text()
    for _ in range(6):
        await house.ask(query)
    house.systems["dms"].stats.requests = 0
    answer = await house.ask(query)
    sources = {(call["operation"], call["source"]) for call in answer.calls if call["system"] == "dms"}
    assert ("GetRepairOrder", "refused") in sources
    assert ("GetVehicle", "network") in sources
    assert house.services.states["dms"].breakers == {"GetRepairOrder": "OPEN"}
    await house.fault("dms")
    breaker = house.services.upstreams["dms"]._breakers["GetRepairOrder"]
    breaker.open_until = 0.0
    await house.ask(query)
    assert house.services.states["dms"].breakers == {}
    assert (await house.ask(query)).errors == []


async def test_read_that_fails_for_a_moment_is_answered_all_the_same(house: House) -> None:
    await house.ask("{ viewer { kind } }")
    await house.fault("commerce", {"kind": "status", "status": 503, "times": 1})
    answer = await house.ask("{ viewer { customer { cart { id } } } }")
    assert answer.errors == []
    attempts = [call["attempt"] for call in answer.calls if call["system"] == "commerce"]
    assert attempts == [1, 2]


async def test_kept_answers_make_no_calls_and_need_no_round(house: House) -> None:
    first = await house.ask(MODELS, persona=None)
    assert first.count() == {"configurator GetTrims": 1, "configurator ListModels": 1}
    second = await house.ask(MODELS, persona=None)
    assert second.data == first.data
    assert (second.count(), second.rounds) == ({}, 0)
    assert {call["source"] for call in second.calls} == {"cache"}
    assert "freshness" not in second.body["extensions"]


async def test_with_the_configurator_dead_models_are_shown_with_their_age(house: House) -> None:
    first = await house.ask(MODELS, persona=None)
    await house.fault("configurator", {"kind": "status", "status": 500})
    later(house, 1000)
    answer = await house.ask(MODELS, persona=None)
    assert answer.data == first.data
    assert answer.errors == []
    told = answer.body["extensions"]["freshness"]
    paths = [entry["path"] for entry in told]
    assert ["vehicleModels"] in paths
    assert ["vehicleModels", 0, "trims"] in paths
    for entry in told:
        assert (entry["source"], entry["stale"], entry["reason"]) == ("configurator", True, "HTTP_500")
        assert abs(datetime.fromisoformat(entry["asOf"]) - datetime.now(UTC)) < timedelta(seconds=60)
    later(house, 100_000)
    assert (await house.ask(MODELS, persona=None)).errors


async def test_only_old_fields_are_told_of(house: House) -> None:
    query = "{ old: vehicleModels { code } viewer { customer { cart { id } garage { vehicle { model { name } } } } } }"
    await house.ask(query)
    await house.fault("configurator", {"kind": "status", "status": 503})
    later(house, 1000)
    answer = await house.ask(query)
    paths = {tuple(entry["path"]) for entry in answer.body["extensions"]["freshness"]}
    cars = len(answer.data["viewer"]["customer"]["garage"])
    assert paths == {
        ("old",),
        *(("viewer", "customer", "garage", number, "vehicle", "model") for number in range(cars)),
    }


async def test_tag_is_forgotten_on_demand(house: House) -> None:
    await house.ask(MODELS, persona=None)
    reply = await house.client.delete("/_dev/cache/configurator")
    assert reply.json()["purged"] >= 2
    assert "configurator ListModels" in (await house.ask(MODELS, persona=None)).count()


async def get(house: House, query: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.client.get("/graphql", params={"query": query}, headers=named)


async def test_get_of_public_data_may_be_kept_as_long_as_its_shortest_part(house: House) -> None:
    reply = await get(house, MODELS)
    assert reply.headers["cache-control"] == "public, max-age=60"  # trims are fresh for a minute, models for five
    again = await get(house, MODELS, if_none_match=reply.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == reply.headers["etag"]
    assert again.headers["cache-control"].startswith("public, max-age=")
    assert "content-type" not in again.headers
    changed = await get(house, MODELS, if_none_match='W/"other"')
    assert changed.status_code == 200
    vary = ", ".join(reply.headers.get_list("vary")).lower()
    assert all(name in vary for name in ("accept", "accept-language", "authorization", "bff-brand"))


@pytest.mark.parametrize("what", ["login", "personal", "explain", "failed", "nothing"])
async def test_get_of_anything_else_is_kept_by_nobody(house: House, what: str) -> None:
    query, headers = MODELS, {}
    if what in ("login", "personal"):
        headers["authorization"] = f"Bearer {issue('owner')}"
    if what == "personal":
        query = "{ viewer { customer { id } } vehicleModels { code } }"
    if what == "explain":
        headers["bff-explain"] = "1"
    if what == "failed":
        await house.fault("configurator", {"kind": "status", "status": 500})
    if what == "nothing":
        query = "{ __typename }"
    reply = await get(house, query, **headers)
    assert reply.headers["cache-control"] == "private, no-store"
    assert "etag" not in reply.headers


async def test_old_answer_by_get_is_asked_about_every_time(house: House) -> None:
    await get(house, MODELS)
    await house.fault("configurator", {"kind": "status", "status": 500})
    later(house, 1000)
    reply = await get(house, MODELS)
    assert reply.headers["cache-control"] == "public, no-cache"


async def test_client_that_goes_away_takes_its_calls_along(house: House) -> None:
    await house.ask("{ viewer { kind } }")
    await house.fault("dms", DEAD)
    body = orjson.dumps({"query": (OPERATIONS / "AppHome.graphql").read_text()})
    asked = asyncio.Event()

    async def receive() -> Message:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": body, "more_body": False}
        while house.services.upstreams["dms"].bulkhead.in_flight < 3:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there")

    headers = [
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {issue('owner')}".encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "extensions": {},
    }
    await asyncio.wait_for(house.app(scope, receive, send), 3)
    assert {state.in_flight for state in house.services.states.values()} == {0}


async def test_many_customers_at_once_share_public_calls_and_nothing_else(house: House) -> None:
    await house.ask("{ viewer { kind } }")
    house.systems["configurator"].stats.paths.clear()
    query = "{ viewer { customer { id } } vehicleModels { code } }"
    owner, guest = house.ask(query), house.ask(query, persona="head-unit")
    answers = await asyncio.gather(owner, guest, *[house.ask(MODELS, persona=None) for _ in range(30)])
    assert house.systems["configurator"].stats.paths["/models"] == 1
    assert answers[0].data["viewer"] != answers[1].data["viewer"]
