"""Apollo Client and urql ask by hash, in both profiles: what they send, and that they get their answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bff.operations.manifests import ManifestOperation, digest, write_manifest
from tests.estate.house import House
from tests.serving.loopback import served
from tools.nodejs import ensure_npm, node_binary

pytestmark = [pytest.mark.anyio, pytest.mark.real]

HERE = Path(__file__).parent
TEXT = "query Kind {\n  viewer {\n    __typename\n    kind\n  }\n}"
DATA = {"viewer": {"__typename": "Viewer", "kind": "GUEST"}}
BY_HASH, WITH_TEXT = ["extensions", "operationName", "variables"], ["extensions", "operationName", "query", "variables"]


@pytest.fixture(autouse=True, scope="module")
def packages() -> None:
    ensure_npm(HERE)


async def run(house: House, scenario: str) -> list[dict[str, Any]]:
    """NODE_ENV: in development urql wants a definition even where a document is only an id."""
    async with served(house.app) as (base, _):
        process = await asyncio.create_subprocess_exec(
            node_binary(), "persisted.mjs", scenario, f"{base}/graphql",
            cwd=HERE, env={"NODE_ENV": "production"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


def sent(lines: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return [(line["method"], line["sent"]) for line in lines if "sent" in line]


def answers(lines: list[dict[str, Any]]) -> list[Any]:
    return [line["data"] for line in lines if "data" in line]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_bytes(write_manifest([ManifestOperation(digest(TEXT), "Kind", "query", TEXT)]))
    return path


async def test_apollo_client_sends_the_text_once_and_the_hash_from_then_on() -> None:
    house = House()
    lines = await run(house, "apollo")
    assert answers(lines) == [DATA, DATA]
    assert sent(lines) == [("POST", BY_HASH), ("POST", WITH_TEXT), ("POST", BY_HASH)]
    await house.aclose()


@pytest.mark.parametrize(("scenario", "method"), [("apollo", "POST"), ("apollo-get", "GET")])
async def test_apollo_client_never_sends_a_trusted_text(manifest: Path, scenario: str, method: str) -> None:
    house = House(BFF_DOCUMENTS=str(manifest), BFF_DOCUMENTS_ONLY="1", BFF_APQ="0")
    lines = await run(house, scenario)
    assert answers(lines) == [DATA, DATA]
    assert sent(lines) == [(method, BY_HASH)] * 2
    await house.aclose()


async def test_apollo_client_stops_sending_hashes_where_they_are_not_taken() -> None:
    house = House(BFF_APQ="0")
    lines = await run(house, "apollo")
    assert answers(lines) == [DATA, DATA]
    assert sent(lines)[0] == ("POST", BY_HASH)
    assert all("query" in members for _, members in sent(lines)[1:])
    await house.aclose()


async def test_urql_asks_by_document_id(manifest: Path) -> None:
    house = House(BFF_DOCUMENTS=str(manifest), BFF_DOCUMENTS_ONLY="1")
    lines = await run(house, "urql")
    assert answers(lines) == [DATA, DATA]
    assert all("documentId" in members and "query" not in members for _, members in sent(lines))
    await house.aclose()
