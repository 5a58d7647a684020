"""What `/metrics` says, read by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bff import calls
from bff.durability.once import OUTCOMES
from bff.serving.merged import merge
from bff.telemetry.counts import MOST_NAMES, Names
from tests.estate.house import House

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operations-guide.md"


@pytest.fixture
def watched(house: House) -> Iterator[House]:
    """A house whose calls are counted, as in a process that has started."""
    house.app.process.watch.start()
    yield house
    house.app.process.watch.stop()
    assert not calls.observers


def read(house: House) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return samples(house.app.process.metrics().decode())


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


async def test_operations_and_their_calls_are_counted_by_name_and_outcome(watched: House) -> None:
    answer = await watched.example("AppHome")
    await watched.example("AppHome")
    found = read(watched)
    count = value(found, "bff_operation_duration_seconds_count", operation="AppHome", type="query", outcome="ok")
    assert count == 2
    customers = {"upstream": "identity", "operation": "GetCustomers"}
    assert value(found, "bff_upstream_calls_total", **customers, outcome="200", source="network") == 2
    assert value(found, "bff_upstream_call_duration_seconds_count", **customers) == 2
    assert value(found, "bff_plans_cached") == 1
    requests = {"http_route": "/graphql", "http_request_method": "POST", "http_response_status_code": "200"}
    assert value(found, "http_server_request_duration_seconds_count", **requests) == 2
    cached = [call for call in answer.calls if call["source"] == "cache"]
    sources = {dict(labels)["source"] for name, labels in found if name == "bff_upstream_calls_total"}
    assert not cached, "the first time, nothing was kept yet"
    assert "cache" in sources, "the second time, public answers were"


async def test_failing_system_is_seen_by_outcome_and_its_breaker(watched: House) -> None:
    await watched.fault("community", {"kind": "status", "status": 500})
    for _ in range(30):
        await watched.ask("query Feed { communityFeed(first: 3) { edges { cursor } } }")
    found = read(watched)
    feed = {"upstream": "community", "operation": "GetFeed"}
    assert value(found, "bff_upstream_calls_total", **feed, outcome="500", source="network") > 5
    assert value(found, "bff_upstream_calls_total", **feed, outcome="UPSTREAM_UNAVAILABLE", source="refused") > 0
    assert value(found, "bff_upstream_breaker_state", **feed) == 2
    assert value(found, "bff_operation_duration_seconds_count", operation="Feed", type="query", outcome="partial") == 30


async def test_invalid_variables_and_failures_have_outcomes_of_their_own(watched: House) -> None:
    invalid = await watched.ask("query Car($vin: String!) { vehicle(vin: $vin) { vin } }", {"vin": 7})
    assert "data" not in invalid.body
    found = read(watched)
    assert value(found, "bff_operation_duration_seconds_count", operation="Car", type="query", outcome="invalid") == 1


async def test_answers_that_are_told_again_are_counted(watched: House) -> None:
    save = """mutation Save($key: String!) { saveConfiguration(input: {selection: {trimCode: "A5-PLUS"},
        idempotencyKey: $key}) { entity { shareCode } userErrors { code } } }"""
    for key in ("counted-1", "counted-1", "counted-1", "counted-2"):
        assert (await watched.ask(save, {"key": key})).status == 200
    found = read(watched)
    counted = {outcome: value(found, "bff_idempotency_total", outcome=outcome) for outcome in OUTCOMES}
    assert counted == {"first": 2, "again": 0, "replayed": 2, "waited": 0, "reused": 0, "in_progress": 0}


async def test_stream_is_counted_when_it_begins(watched: House) -> None:
    query = "query Later { viewer { kind ... @defer { customer { profile { displayName } } } } }"
    answer = await watched.client.post(
        "/graphql", json={"query": query}, headers={"accept": "multipart/mixed;deferSpec=20220824"}
    )
    assert answer.headers["content-type"].startswith("multipart/mixed")
    found = read(watched)
    assert value(found, "bff_operation_duration_seconds_count", operation="Later", type="query", outcome="stream") == 1


async def test_names_of_strangers_are_other_in_production(house: House) -> None:
    house.app.process.watch._all_names = False
    await house.ask("query Whatever { viewer { kind } }")
    names = {dict(labels).get("operation") for name, labels in read(house) if name.startswith("bff_operation")}
    assert names == {"other"}


def test_names_are_bounded_whatever_is_trusted() -> None:
    names = Names(frozenset({"Known"}))
    labels = {names.label(f"Q{number}", is_trusted=True) for number in range(10_000)}
    assert len(labels) == MOST_NAMES  # with `other`, and `Known` besides
    assert names.label("Known", is_trusted=False) == "Known"
    assert names.label("Stranger", is_trusted=False) == "other"
    assert names.label(None, is_trusted=True) == "other"


async def test_paths_and_methods_of_strangers_do_not_become_labels(house: House) -> None:
    for path in ("/a", "/b", "/graphql/../x", "/content/assets/1/2"):
        await house.client.request("BREW", path)
    labels = [dict(labels) for name, labels in read(house) if name == "http_server_request_duration_seconds_count"]
    assert {each["http_route"] for each in labels} <= {"elsewhere", "/content/assets"}
    assert {each["http_request_method"] for each in labels} == {"_OTHER"}


async def test_pages_of_workers_merge_into_one_that_can_be_read(watched: House) -> None:
    await watched.example("AppHome")
    page = watched.app.process.metrics().decode()
    merged = merge({"0": page, "1": page})
    assert merged.count("# TYPE bff_upstream_calls_total counter") == 1
    both, one = samples(merged), samples(page)
    assert len(both) == 2 * len(one)
    for (name, labels), count in one.items():
        assert both[name, labels | {("worker", "1")}] == count


async def test_every_metric_is_in_the_guide_and_the_guide_has_no_other(house: House) -> None:
    await house.services.ordering.measure()
    families: dict[str, Any] = {
        family.name: family for family in text_string_to_metric_families(house.app.process.metrics().decode())
    }
    ours = {name for name in families if name.startswith(("bff_", "http_"))}
    said = GUIDE.read_text(encoding="utf-8")
    written = {
        word.removesuffix("_total")
        for word in said.replace("`", " ").split()
        if word.startswith(("bff_", "http_server_"))
    }
    written = {word.split("{")[0].removesuffix("_total") for word in written}
    assert written == ours
