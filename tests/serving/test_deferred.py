"""@defer over multipart/mixed, in the forms that clients read, and in one piece for those that read none."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from graphql import GraphQLError
from graphql.execution import (
    CompletedResult,
    ExperimentalIncrementalExecutionResults,
    IncrementalDeferResult,
    IncrementalStreamResult,
    InitialIncrementalExecutionResult,
    PendingResult,
    SubsequentIncrementalExecutionResult,
)

from bff.serving.incremental import in_one_piece, legacy_form
from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import ORDER_ID, served

pytestmark = pytest.mark.anyio

QUERY = """query ($id: ID!) {
  node(id: $id) { id ... on VehicleOrder { number ... @defer(label: "plant") { production { state } } } }
}"""
ASKED = {"query": QUERY, "variables": {"id": ORDER_ID}}
LEGACY = "multipart/mixed;deferSpec=20220824, application/json"


async def parts(base: str, accept: str, body: dict[str, Any] = ASKED) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """Every part's JSON, the body taken apart as RFC 2046 section 5.1 says."""
    headers = {"accept": accept, "authorization": f"Bearer {issue('owner')}"}
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        reply = await client.post("/graphql", json=body, headers=headers)
    found = re.search(r'boundary="([^"]+)"', reply.headers["content-type"])
    assert found, reply.headers["content-type"]
    preamble, *middle = reply.text.split(f"\r\n--{found[1]}")
    assert preamble == ""
    assert middle.pop() == "--\r\n"
    bodies = []
    for part in middle:
        head, _, content = part.removeprefix("\r\n").partition("\r\n\r\n")
        assert head.lower() == "content-type: application/json; charset=utf-8"
        bodies.append(json.loads(content))
    return reply, bodies


async def test_form_of_2022_has_paths_and_labels(base: str) -> None:
    reply, (first, *later) = await parts(base, LEGACY)
    assert "deferSpec=20220824" in reply.headers["content-type"]
    assert first == {"data": {"node": {"id": ORDER_ID, "number": "VO00004711"}}, "hasNext": True}
    deferred = [each for part in later for each in part.get("incremental", [])]
    assert deferred == [{"data": {"production": {"state": "RUNNING"}}, "path": ["node"], "label": "plant"}]
    assert [part["hasNext"] for part in later][-1] is False


async def test_current_form_has_pending_and_completed(base: str) -> None:
    _, (first, *later) = await parts(base, "multipart/mixed")
    assert first["pending"] == [{"id": "0", "path": ["node"], "label": "plant"}]
    assert later[0]["incremental"] == [{"data": {"production": {"state": "RUNNING"}}, "id": "0"}]
    assert later[-1] == {"completed": [{"id": "0"}], "hasNext": False} or later[-1]["hasNext"] is False


async def test_client_that_takes_json_gets_everything_at_once(house: House) -> None:
    answer = await house.ask(QUERY, {"id": ORDER_ID})
    assert answer.data["node"] == {"id": ORDER_ID, "number": "VO00004711", "production": {"state": "RUNNING"}}


async def test_fault_in_the_deferred_part_stays_there(fresh: House) -> None:
    await fresh.fault("mes", {"kind": "status", "status": 500})
    async with served(fresh.app) as (base, _):
        _, (first, *later) = await parts(base, LEGACY)
    assert "errors" not in first
    (deferred,) = [each for part in later for each in part.get("incremental", [])]
    assert deferred["data"] == {"production": None}
    assert deferred["errors"][0]["path"] == ["node", "production"]
    assert deferred["errors"][0]["extensions"]["upstream"] == "mes"


async def test_slow_part_is_waited_for_with_heartbeats(fresh: House) -> None:
    await fresh.fault("mes", {"kind": "delay", "milliseconds": 400})
    streams = fresh.app.graphql.streams
    streams.limits = msgspec.structs.replace(streams.limits, heartbeat_seconds=0.1)
    async with served(fresh.app) as (base, _):
        _, (_, *later) = await parts(base, LEGACY)
    assert later.count({"hasNext": True}) >= 2


async def test_defer_that_is_switched_off_is_one_answer(base: str) -> None:
    body = ASKED | {"query": QUERY.replace("@defer(", "@defer(if: false, ")}
    async with httpx.AsyncClient(base_url=base) as client:
        headers = {"accept": LEGACY, "authorization": f"Bearer {issue('owner')}"}
        reply = await client.post("/graphql", json=body, headers=headers)
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json()["data"]["node"]["production"] == {"state": "RUNNING"}


async def test_subscription_over_multipart_wraps_payloads(base: str) -> None:
    body = {"query": 'subscription { vehicleOrderProgress(orderId: "nonsense") { id } }'}
    reply, (only,) = await parts(base, "multipart/mixed;subscriptionSpec=1.0, application/json", body)
    assert "subscriptionSpec=1.0" in reply.headers["content-type"]
    assert only["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def results() -> ExperimentalIncrementalExecutionResults:
    """A deferred part below a part, a list that grows, and a part that could not be made."""
    error = GraphQLError("no", path=["b", "c"])

    async def later() -> AsyncIterator[SubsequentIncrementalExecutionResult]:
        yield SubsequentIncrementalExecutionResult(
            has_next=True,
            pending=[PendingResult(id="2", path=["a", "items"])],
            incremental=[
                IncrementalDeferResult(data={"deep": {"x": 1}}, id="0"),
                IncrementalDeferResult(data={"y": 2}, id="0", sub_path=["deep"]),
            ],
            completed=[CompletedResult(id="0")],
        )
        yield SubsequentIncrementalExecutionResult(
            has_next=False,
            incremental=[IncrementalStreamResult(items=[2, 3], id="2")],
            completed=[CompletedResult(id="1", errors=[error]), CompletedResult(id="2")],
        )

    initial = InitialIncrementalExecutionResult(
        data={"a": {"items": [1]}, "b": {}},
        pending=[PendingResult(id="0", path=["a"], label="l"), PendingResult(id="1", path=["b"])],
        has_next=True,
    )
    return ExperimentalIncrementalExecutionResults(initial, later())  # type: ignore[arg-type]  # typed as its generator


async def test_parts_below_parts_are_merged_in_their_places() -> None:
    whole = await in_one_piece(results())
    assert whole.data == {"a": {"items": [1, 2, 3], "deep": {"x": 1, "y": 2}}, "b": {}}
    assert [error.message for error in whole.errors or ()] == ["no"]


async def test_parts_below_parts_have_their_own_paths_in_the_form_of_2022() -> None:
    first, second, third = [payload async for payload in legacy_form(results())]
    assert "pending" not in first
    assert second["incremental"] == [
        {"data": {"deep": {"x": 1}}, "path": ["a"], "label": "l"},
        {"data": {"y": 2}, "path": ["a", "deep"], "label": "l"},
    ]
    assert third["incremental"] == [
        {"items": [2, 3], "path": ["a", "items"]},
        {"data": None, "errors": [{"message": "no", "path": ["b", "c"]}], "path": ["b"]},
    ]
    assert third["hasNext"] is False
