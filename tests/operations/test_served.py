"""What a client sees over HTTP: limits, cost, trusted documents, persisted queries, rates; in both profiles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bff.operations.manifests import ManifestOperation, digest, write_manifest
from bff.settings import SettingsError, load
from sandbox.identity.tokens import issue
from tests.estate.house import House

pytestmark = pytest.mark.anyio

RESPONSE = "application/graphql-response+json"
TRUSTED = "query Kind($first: Int = 1) { viewer { kind } products(first: $first) { edges { cursor } } }"
STRANGE = "{ viewer { kind } }"
HEADERS = {"accept": RESPONSE}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    await built.aclose()


@pytest.fixture(scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Everything as production has it by default, over the sandbox."""
    manifest = tmp_path_factory.mktemp("manifests") / "all.json"
    manifest.write_bytes(write_manifest([ManifestOperation(digest(TRUSTED), "Kind", "query", TRUSTED)]))
    built = House(
        BFF_DOCUMENTS=str(manifest), BFF_DOCUMENTS_ONLY="1", BFF_APQ="0", BFF_INTROSPECTION="0", BFF_SUGGESTIONS="0"
    )
    yield built
    await built.aclose()


async def send(house: House, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await house.client.post("/graphql", json=body, headers={**HEADERS, **headers})


def code_of(reply: httpx.Response) -> str:
    (error,) = reply.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


def by_hash(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}


async def test_limit_is_a_request_error_without_data(house: House) -> None:
    reply = await send(house, {"query": "{" + " ".join(f"a{i}:__typename" for i in range(99)) + "}"})
    assert reply.status_code == 400
    assert "data" not in reply.json()
    assert reply.json()["errors"][0]["extensions"] == {
        "code": "OPERATION_LIMIT_EXCEEDED",
        "retryable": False,
        "limit": "aliases",
        "found": 99,
        "allowed": 50,
    }


async def test_too_many_variable_values_are_refused_before_they_are_coerced(house: House) -> None:
    reply = await send(house, {"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "variables": {"i": ["x"] * 2_001}})
    assert reply.json()["errors"][0]["extensions"]["limit"] == "variableValues"


@pytest.mark.parametrize(("variables", "status"), [({"first": 100}, 200), ({"first": 1_001}, 400)])
async def test_length_by_variable_is_bounded_at_each_request(
    house: House, variables: dict[str, int], status: int
) -> None:
    assert (await send(house, {"query": TRUSTED, "variables": variables})).status_code == status


async def test_cost_is_told_where_it_is_asked_for(house: House) -> None:
    assert "extensions" not in (await send(house, {"query": TRUSTED})).json()
    told = (await send(house, {"query": TRUSTED}, **{"bff-cost": "1"})).json()["extensions"]["cost"]
    more = (await send(house, {"query": TRUSTED, "variables": {"first": 9}}, **{"bff-cost": "1"})).json()
    assert told["requested"] == told["fieldCost"] + told["typeCost"]
    assert told["limit"] == 5_000
    assert more["extensions"]["cost"]["requested"] > told["requested"]
    explained = (await send(house, {"query": TRUSTED}, **{"bff-explain": "1"})).json()
    assert explained["extensions"]["cost"] == told


async def test_cost_above_the_limit_is_refused_before_any_call(house: House) -> None:
    reply = await send(
        house,
        {
            "query": "query($n:Int){communityFeed(first:$n){edges{node{id comments(limit:50){id}"
            " model{trims{offer{groups{options{code}}}}}}}}}",
            "variables": {"n": 100},
        },
    )
    assert reply.json()["errors"][0]["extensions"]["limit"] == "cost"


async def test_trusted_document_runs_by_id_in_both_forms_and_by_its_text(strict: House) -> None:
    whole = await send(strict, {"query": TRUSTED})
    assert whole.status_code == 200
    assert whole.json()["data"]["viewer"] == {"kind": "GUEST"}
    for body in (
        {"documentId": f"sha256:{digest(TRUSTED)}"},
        {"documentId": digest(TRUSTED), "operationName": "Kind"},
        {"extensions": by_hash(TRUSTED)},
        {"query": TRUSTED, "extensions": by_hash(TRUSTED), "operationName": "Kind"},
    ):
        assert (await send(strict, body)).json() == whole.json()


async def test_trusted_document_is_compiled_before_it_is_asked_for(strict: House) -> None:
    assert strict.app.plans.knows(TRUSTED, None)


async def test_variables_of_a_trusted_document_stay_bounded(strict: House) -> None:
    body = {"documentId": f"sha256:{digest(TRUSTED)}", "variables": {"first": 5_000}}
    assert (await send(strict, body)).json()["errors"][0]["extensions"]["limit"] == "listSize"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": STRANGE}, "DOCUMENT_NOT_TRUSTED"),
        ({"query": TRUSTED + " "}, "DOCUMENT_NOT_TRUSTED"),
        ({"query": "{__schema{types{name}}}"}, "DOCUMENT_NOT_TRUSTED"),
        ({"query": STRANGE, "extensions": by_hash(STRANGE)}, "DOCUMENT_NOT_TRUSTED"),
        ({"query": STRANGE, "extensions": by_hash(TRUSTED)}, "PERSISTED_QUERY_HASH_MISMATCH"),
        ({"documentId": f"sha256:{digest(STRANGE)}"}, "PERSISTED_QUERY_NOT_FOUND"),
        ({"extensions": by_hash(STRANGE)}, "PERSISTED_QUERY_NOT_FOUND"),
        ({"documentId": "sha256:short"}, "BAD_REQUEST"),
        ({"documentId": "a:b"}, "BAD_REQUEST"),
        ({"documentId": f"sha256:{digest(TRUSTED)}", "query": TRUSTED}, "BAD_REQUEST"),
        ({"documentId": digest(TRUSTED), "operationName": "Other"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"extensions": {"persistedQuery": {"version": 2}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": "x"}}, "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
    ],
)
async def test_what_is_not_trusted_is_refused_with_its_reason(strict: House, body: dict[str, Any], code: str) -> None:
    reply = await send(strict, body)
    assert reply.status_code == 400
    assert code_of(reply) == code


async def test_login_of_a_customer_or_an_adviser_opens_nothing(strict: House) -> None:
    for persona in ("owner", "adviser", "head-unit"):
        reply = await send(strict, {"query": STRANGE}, authorization=f"Bearer {issue(persona)}")
        assert code_of(reply) == "DOCUMENT_NOT_TRUSTED"


async def test_apollo_client_reads_its_own_words(strict: House, house: House) -> None:
    missing = await send(strict, {"extensions": by_hash("{nope}")})
    assert missing.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    off = House(BFF_APQ="0")
    refused = await send(off, {"extensions": by_hash(STRANGE)})
    assert refused.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
    assert code_of(refused) == "PERSISTED_QUERY_NOT_SUPPORTED"
    await off.aclose()


async def test_text_sent_with_its_hash_is_found_by_it_later(house: House) -> None:
    text = "query Once { viewer { kind } }"
    assert code_of(await send(house, {"extensions": by_hash(text)})) == "PERSISTED_QUERY_NOT_FOUND"
    first = await send(house, {"query": text, "extensions": by_hash(text)})
    later = await send(house, {"extensions": by_hash(text)})
    assert first.json() == later.json() == {"data": {"viewer": {"kind": "GUEST"}}}
    assert (await send(house, {"documentId": f"sha256:{digest(text)}"})).json() == later.json()


async def test_text_that_cannot_run_is_not_kept(house: House) -> None:
    text = "{ nothingOfTheKind }"
    assert (await send(house, {"query": text, "extensions": by_hash(text)})).status_code == 400
    assert code_of(await send(house, {"extensions": by_hash(text)})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("form", ["documentId", "extensions"])
async def test_query_by_get_has_an_address_of_its_own(strict: House, form: str) -> None:
    value = f"sha256:{digest(TRUSTED)}" if form == "documentId" else json.dumps(by_hash(TRUSTED), separators=(",", ":"))
    query = urlencode([(form, value), ("variables", '{"first":2}')])
    reply = await strict.client.get(f"/graphql?{query}", headers=HEADERS)
    assert reply.status_code == 200
    assert len(reply.json()["data"]["products"]["edges"]) == 2


async def test_introspection_and_suggestions_are_off_where_the_profile_says_so() -> None:
    closed = House(BFF_INTROSPECTION="0", BFF_SUGGESTIONS="0")
    refused = await send(closed, {"query": "{__schema{types{name}}}"})
    assert code_of(refused) == "INTROSPECTION_DISABLED"
    typo = (await send(closed, {"query": "{ viewr { kind } }"})).json()["errors"][0]["message"]
    assert "Did you mean" not in typo
    assert (await send(closed, {"query": "{ __typename viewer { __typename } }"})).status_code == 200
    await closed.aclose()


async def test_development_helps(house: House) -> None:
    assert (await send(house, {"query": "{__schema{queryType{name}}}"})).status_code == 200
    typo = (await send(house, {"query": "{ viewr { kind } }"})).json()["errors"][0]["message"]
    assert "Did you mean" in typo


async def test_caller_above_the_rate_is_429_with_the_time_to_wait() -> None:
    """Quotas of these tests are a day's, of which none comes back while a slow machine asks."""
    slow = House(BFF_RATE_LIMITS='{"anonymous": {"units": 210, "seconds": 86400}, "caller": {"units": 300}}')
    first = await send(slow, {"query": "{__typename}"})
    assert first.headers["ratelimit-policy"] == '"address";q=210;qu="cost";w=86400'
    assert first.headers["ratelimit"].startswith('"address";r=9;')  # 200 for a new document, 1 for running it
    replies = [await send(slow, {"query": "{__typename}"}) for _ in range(12)]
    assert [reply.status_code for reply in replies[:9]] == [200] * 9
    refused = replies[-1]
    assert refused.status_code == 429
    assert code_of(refused) == "RATE_LIMITED"
    told = refused.json()["errors"][0]["extensions"]
    assert told["retryable"] is True
    until = datetime.fromisoformat(told["retryAfter"]) - datetime.now(UTC)
    assert 0 < int(refused.headers["retry-after"]) <= until.total_seconds() + 2
    assert '"address";r=0;' in refused.headers["ratelimit"]
    owner = await send(slow, {"query": "{__typename}"}, authorization=f"Bearer {issue('owner')}")
    assert owner.status_code == 200
    assert owner.headers["ratelimit-policy"].startswith('"caller";q=300;')
    await slow.aclose()


async def test_address_is_the_one_that_a_trusted_proxy_names() -> None:
    slow = House(BFF_RATE_LIMITS='{"anonymous": {"units": 202, "seconds": 86400}}', BFF_TRUSTED_PROXIES="127.0.0.0/8")
    await send(slow, {"query": "{__typename}"}, **{"x-forwarded-for": "198.51.100.1"})
    for _ in range(3):
        mine = await send(slow, {"query": "{__typename}"}, **{"x-forwarded-for": "198.51.100.1"})
    assert mine.status_code == 429
    other = await send(slow, {"query": "{__typename}"}, **{"x-forwarded-for": "198.51.100.2"})
    assert other.status_code == 200
    await slow.aclose()


async def test_client_and_version_share_a_bucket_where_it_is_bounded() -> None:
    slow = House(BFF_RATE_LIMITS='{"client": {"units": 202, "seconds": 86400}}')
    app = {"graphql-client-name": "app", "graphql-client-version": "7"}
    for persona in ("owner", "adviser", "head-unit"):
        last = await send(slow, {"query": "{__typename}"}, authorization=f"Bearer {issue(persona)}", **app)
    assert last.status_code == 429
    assert last.json()["errors"][0]["extensions"]["policy"] == "client"
    assert (await send(slow, {"query": "{__typename}"}, **app | {"graphql-client-version": "8"})).status_code == 200
    await slow.aclose()


def test_production_says_which_documents_or_that_any_will_do() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"BFF_MODE": "production"})
    assert any(problem.startswith("BFF_DOCUMENTS is missing") for problem in refused.value.problems)
    with pytest.raises(SettingsError) as refused:
        load({"BFF_MODE": "production", "BFF_DOCUMENTS_ONLY": "0"})
    assert not any("BFF_DOCUMENTS" in problem for problem in refused.value.problems)


@pytest.mark.parametrize(
    "wrong",
    [
        {"BFF_LIMITS": '{"dpth": 3}'},
        {"BFF_LIMITS": "15"},
        {"BFF_APQ": "yes"},
        {"BFF_RATE_LIMITS": '{"caller": 5}'},
        {"BFF_RATE_LIMITS": '{"caller": {"units": 0}}'},
        {"BFF_RATE_STORE": "disk"},
        {"BFF_RATE_STORE": "redis"},
        {"BFF_TRUSTED_PROXIES": "proxy.local"},
    ],
)
def test_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load(wrong)
    assert any(name in problem or "BFF_REDIS_URL" in problem for problem in refused.value.problems for name in wrong)


async def test_manifest_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(SettingsError, match=r"m\.json"):
        House(BFF_DOCUMENTS=str(tmp_path / "m.json"))


async def test_manifest_is_exchanged_while_requests_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bff.operations.documents.LOOK_AGAIN_SECONDS", 0.0)
    manifest, new = tmp_path / "m.json", "query New { __typename }"
    old = [ManifestOperation(digest(TRUSTED), "Kind", "query", TRUSTED)]
    manifest.write_bytes(write_manifest(old))
    house = House(BFF_DOCUMENTS=str(manifest), BFF_DOCUMENTS_ONLY="1")

    async def ask() -> list[int]:
        body = {"documentId": f"sha256:{digest(TRUSTED)}"}
        return [(await send(house, body)).status_code for _ in range(20)]

    async def exchange() -> None:
        for number in range(5):
            added = [ManifestOperation(digest(new + " " * number), "New", "query", new + " " * number)]
            (tmp_path / "next").write_bytes(write_manifest([*old, *added]))
            (tmp_path / "next").replace(manifest)
            reply = await send(house, {"documentId": f"sha256:{digest(new + ' ' * number)}"})
            assert reply.json() == {"data": {"__typename": "Query"}}

    first, second, _ = await asyncio.gather(ask(), ask(), exchange())
    assert first + second == [200] * 40
    await house.aclose()


async def test_circular_introspection_is_refused_even_where_introspection_is_on(house: House) -> None:
    circle = "{__schema{types{" + "fields{type{" * 4 + "name" + "}}" * 4 + "}}}"
    reply = await send(house, {"query": circle})
    assert reply.status_code == 400
    assert "data" not in reply.json()
