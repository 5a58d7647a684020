"""Clients that others wrote, and the GraphQL over HTTP audits, against the whole service on a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.identity.tokens import issue
from tests.estate.house import House
from tests.serving.loopback import ORDER_ID, hurry, report, served
from tools.nodejs import ensure_npm, node_binary

pytestmark = [pytest.mark.anyio, pytest.mark.real]

HERE = Path(__file__).parent
SECONDS = 60


@pytest.fixture
async def house() -> AsyncIterator[House]:
    ensure_npm(HERE)
    house = House()
    hurry(house)
    yield house
    await house.aclose()


class Script:
    """A scenario of clients.mjs while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, scenario: str, url: str, token: str, **variables: Any) -> Script:
        process = await asyncio.create_subprocess_exec(
            node_binary(), "clients.mjs", scenario, url, token, json.dumps(variables),
            cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return cls(process)

    async def line(self) -> Any:
        assert self._process.stdout is not None
        said = await asyncio.wait_for(self._process.stdout.readline(), SECONDS)
        if not said:
            assert self._process.stderr is not None
            raise AssertionError((await self._process.stderr.read()).decode())
        return json.loads(said)

    async def rest(self) -> list[Any]:
        out, err = await asyncio.wait_for(self._process.communicate(), SECONDS)
        assert self._process.returncode == 0, err.decode()
        return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("scenario", "path"),
    [
        ("graphql-ws", "/graphql"),
        ("graphql-sse", "/graphql"),
        ("graphql-sse", "/graphql/stream"),
        ("apollo-subscription", "/graphql"),
        ("apollo-ws", "/graphql"),
        ("urql-subscription", "/graphql"),
        ("urql-ws", "/graphql"),
    ],
)
async def test_client_sees_the_state_and_then_what_happens(house: House, scenario: str, path: str) -> None:
    async with served(house.app) as (base, _):
        script = await Script.start(scenario, base + path, issue("owner"), orderId=ORDER_ID, count=2)
        first = (await script.line())["data"]["vehicleOrderProgress"]
        assert first["isSnapshot"] is True
        await report(house, "3800")
        second = (await script.line())["data"]["vehicleOrderProgress"]
        assert (second["isSnapshot"], second["report"]["rawCode"]) == (False, "3800")
        assert second["progress"]["current"] == "BUILT"
        assert await script.rest() == [{"done": 2}]
    assert [source.listened for source in house.services.sources] == [[], []]


async def test_graphql_sse_shares_one_connection_between_operations(house: House) -> None:
    async with served(house.app) as (base, _):
        url = base + "/graphql/stream"
        script = await Script.start("graphql-sse-single", url, issue("owner"), orderId=ORDER_ID, count=2)
        assert await script.line() == {"data": {"viewer": {"kind": "CUSTOMER"}}}
        assert (await script.line())["data"]["vehicleOrderProgress"]["isSnapshot"] is True
        await report(house, "3800")
        assert (await script.line())["data"]["vehicleOrderProgress"]["report"]["rawCode"] == "3800"
        assert await script.rest() == [{"done": 2}]
    assert house.app.graphql.streams.open == 0


@pytest.mark.parametrize("scenario", ["apollo-defer-20220824", "apollo-defer-current", "urql-defer"])
async def test_deferred_part_arrives_after_the_rest(house: House, scenario: str) -> None:
    await house.fault("mes", {"kind": "delay", "milliseconds": 500})
    async with served(house.app) as (base, _):
        script = await Script.start(scenario, base + "/graphql", issue("owner"), orderId=ORDER_ID)
        seen = [item for item in await script.rest() if item.get("data")]
    nodes = [item["data"]["node"] for item in seen]
    assert nodes[0]["number"] == "VO00004711"
    assert "production" not in nodes[0]
    assert nodes[-1]["production"] == {"__typename": "Production", "state": "RUNNING"} or nodes[-1]["production"] == {
        "state": "RUNNING"
    }
    assert not [item for item in seen if item.get("error")]


async def test_graphql_ws_is_told_by_a_code_that_the_login_does_not_hold(house: House) -> None:
    async with served(house.app) as (base, _):
        script = await Script.start("graphql-ws-bad-token", base + "/graphql", "", orderId=ORDER_ID)
        (closed,) = await script.rest()
    assert closed["code"] == 4403


async def test_graphql_ws_runs_queries_side_by_side(house: House) -> None:
    async with served(house.app) as (base, _):
        script = await Script.start("graphql-ws-mixed", base + "/graphql", issue("owner"))
        viewer, refused, typename = await script.rest()
    assert viewer == {"data": {"viewer": {"kind": "CUSTOMER"}}}
    assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert typename == {"data": {"__typename": "Query"}}


async def test_every_audit_of_graphql_over_http_passes(house: House) -> None:
    async with served(house.app) as (base, _):
        script = await Script.start("audits", base + "/graphql", "")
        audits = await script.rest()
    assert len(audits) > 50
    assert [audit for audit in audits if audit["status"] != "ok"] == []
