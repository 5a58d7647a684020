"""Methods, media types and status codes, as GraphQL over HTTP, RFC 9110 and RFC 6750 have them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.identity.tokens import issue
from tests.estate.house import House

pytestmark = pytest.mark.anyio

RESPONSE, JSON = "application/graphql-response+json", "application/json"
TYPENAME = "{ __typename }"
RENAME = 'mutation { renameCustomer(input: {displayName: "x"}) { __typename } }'


async def post(house: House, body: Any, accept: str | None = RESPONSE, **headers: str) -> httpx.Response:
    given = {"content-type": JSON} | ({"accept": accept} if accept is not None else {"accept": ""}) | headers
    content = body if isinstance(body, bytes) else None
    return await house.client.post("/graphql", json=None if content else body, content=content, headers=given)


def code_of(reply: httpx.Response) -> str:
    """The one shape of errors: a list, each with a message and a code."""
    assert reply.headers["content-type"].startswith((JSON, RESPONSE))
    body = reply.json()
    assert "data" not in body
    assert all(isinstance(error["message"], str) and error["message"] for error in body["errors"])
    code: str = body["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", RESPONSE),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}, {JSON};q=0.9", RESPONSE),
        (f"{RESPONSE};q=0.1, {JSON};q=0.9", JSON),
        (f"{JSON};q=0, */*", RESPONSE),
        (f"{RESPONSE};q=0, */*;q=0.5", JSON),
        (f"{RESPONSE}; charset=utf-8", RESPONSE),
        (f"{RESPONSE.upper()}", RESPONSE),
        (f"{RESPONSE};charset=utf-8, {JSON};charset=utf-8", RESPONSE),
        (f"text/html, {JSON};q=0.8", JSON),
        (f"{JSON};q=nonsense, {RESPONSE}", RESPONSE),
    ],
)
async def test_answer_has_the_media_type_that_is_liked_best(house: House, accept: str | None, media: str) -> None:
    reply = await post(house, {"query": TYPENAME}, accept)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == f"{media}; charset=utf-8"
    assert reply.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", ["text/html", "application/xml", f"{JSON};q=0", f"{RESPONSE};charset=utf-16"])
async def test_nothing_acceptable_is_406(house: House, accept: str) -> None:
    reply = await post(house, {"query": TYPENAME}, accept)
    assert (reply.status_code, code_of(reply)) == (406, "NOT_ACCEPTABLE")


NOT_RUN: list[tuple[str, dict[str, Any]]] = [
    ("syntax", {"query": "{"}),
    ("unknown field", {"query": "{ nope }"}),
    ("unknown operation", {"query": "query A { __typename }", "operationName": "B"}),
    ("empty operation name", {"query": "query A { __typename }", "operationName": ""}),
    ("two operations, no name", {"query": "query A { __typename } query B { __typename }"}),
    ("no operation", {"query": "fragment F on Query { __typename }"}),
    ("missing variable", {"query": "query ($id: ID!) { node(id: $id) { id } }"}),
    ("wrong variable", {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": {"a": 1}}}),
]


@pytest.mark.parametrize(("accept", "status"), [(RESPONSE, 400), (JSON, 200)])
@pytest.mark.parametrize("body", [body for _, body in NOT_RUN], ids=[name for name, _ in NOT_RUN])
async def test_request_that_cannot_be_run_has_no_data(
    house: House, body: dict[str, Any], accept: str, status: int
) -> None:
    reply = await post(house, body, accept)
    assert reply.status_code == status
    assert "data" not in reply.json()
    assert reply.json()["errors"]


async def test_named_operation_of_several_is_run(house: House) -> None:
    body = {"query": "query A { __typename } query B { viewer { kind } }", "operationName": "A"}
    assert (await post(house, body)).json() == {"data": {"__typename": "Query"}}


async def test_partial_answer_is_200_with_data_and_errors(fresh: House) -> None:
    await fresh.fault("booking", {"kind": "status", "status": 500})
    reply = await post(fresh, {"query": "{ __typename serviceCentres { code } }"})
    assert reply.status_code == 200
    assert reply.json()["data"] == {"__typename": "Query", "serviceCentres": None}
    assert reply.json()["errors"][0]["path"] == ["serviceCentres"]


BROKEN: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("text", b"query"),
    ("null", b"null"),
    ("a string", b'"{ __typename }"'),
    ("a number", b"1"),
    ("no query", b"{}"),
    ("query is null", b'{"query": null}'),
    ("query is a number", b'{"query": 1}'),
    ("variables are a list", b'{"query": "{ __typename }", "variables": []}'),
    ("variables are a string", b'{"query": "{ __typename }", "variables": "{}"}'),
    ("operation name is a number", b'{"query": "{ __typename }", "operationName": 1}'),
    ("extensions are a list", b'{"query": "{ __typename }", "extensions": []}'),
    ("trailing text", b'{"query": "{ __typename }"} x'),
    ("byte order mark", b'\xef\xbb\xbf{"query": "{ __typename }"}'),
    ("invalid UTF-8", b'{"query": "\xff\xfe"}'),
    ("UTF-16", '{"query": "{ __typename }"}'.encode("utf-16")),
    ("lone surrogate", b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}'),
    ("lone surrogate as a name", b'{"query": "{ __typename }", "variables": {"\\udfff": 1}}'),
    ("raw NUL", b'{"query": "\x00"}'),
    ("NaN", b'{"query": "{ __typename }", "variables": {"a": NaN}}'),
    ("Infinity", b'{"query": "{ __typename }", "variables": {"a": -Infinity}}'),
    ("number too large", b'{"query": "{ __typename }", "variables": {"a": 1e999}}'),
    ("integer of 90 bits", b'{"query": "{ __typename }", "variables": {"a": [1267650600228229401496703205376]}}'),
    ("integer of 5000 digits", b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"}}"),
    ("deep list", b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}"),
    ("very deep list", b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}"),
    ("very deep object", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ("many values", b'{"query": "{ __typename }", "variables": {"a": [' + b"1," * 30_000 + b"1]}}"),
    ("deep unused member", b'{"query": "{ __typename }", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    ("array", b'[{"query": "{ __typename }"}]'),
]


@pytest.mark.parametrize("body", [body for _, body in BROKEN], ids=[name for name, _ in BROKEN])
@pytest.mark.parametrize("accept", [RESPONSE, JSON])
async def test_malformed_body_is_400(house: House, body: bytes, accept: str) -> None:
    reply = await post(house, body, accept)
    assert reply.status_code == 400, reply.text
    assert code_of(reply) in {"BAD_REQUEST", "BATCHING_DISABLED"}


HOSTILE = [
    '{"query": "\\u0000"}',
    '{"query": "{ node(id: \\"\\\\uD800\\") { id } }"}',
    '{"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": "\\u0000"}}',
    '{"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": "\\ud83d\\ude97"}}',
    '{"query": "{ __typename }", "query": "{ viewer { kind } }"}',
    '{"query": "{ serviceCentre(code: 99999999999999999999999999999) { code } }"}',
    '{"query": "query ($n: Int) { nodes(ids: []) { id } vehicleOrderEvents(orderId: 1, first: $n) { cursor } }",'
    '"variables": {"n": 1e308}}',
    '{"query": "{ vehicleOrderEvents(orderId: \\"x\\", first: ' + "9" * 5000 + ') { cursor } }"}',
    '{"query": "' + "{a" * 20_000 + '"}',
    '{"query": "' + "[" * 100_000 + '"}',
    '{"query": "{ __typename }", "extensions": {"persistedQuery": {"version": -1}}}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_document_is_answered_as_any_other(house: House, body: str) -> None:
    reply = await post(house, body.encode())
    assert reply.status_code in {200, 400}, reply.text
    assert "INTERNAL" not in reply.text


@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql",
        "application/json; charset=utf-16", "application/json; charset=latin-1", "application/jsonp",
    ],
)  # fmt: skip
async def test_what_a_form_can_send_is_415(house: House, kind: str) -> None:
    reply = await post(house, b'{"query": "{ __typename }"}', **{"content-type": kind})
    assert (reply.status_code, code_of(reply)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
async def test_json_in_utf_8_is_taken(house: House, kind: str) -> None:
    assert (await post(house, b'{"query": "{ __typename }"}', **{"content-type": kind})).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"])
async def test_other_method_is_405_and_says_which_are_allowed(house: House, method: str) -> None:
    reply = await house.client.request(method, "/graphql")
    assert (reply.status_code, code_of(reply)) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "GET, HEAD, POST"


async def test_get_runs_a_query(house: House) -> None:
    asked = {"query": "query A($id: ID!) { __typename node(id: $id) { id } }", "variables": '{"id": "x"}'}
    reply = await house.client.get("/graphql", params=asked | {"operationName": "A", "extensions": "null"})
    assert reply.json() == {"data": {"__typename": "Query", "node": None}}


async def test_get_never_runs_a_mutation(house: House) -> None:
    reply = await house.client.get("/graphql", params={"query": RENAME}, headers={"accept": RESPONSE})
    assert (reply.status_code, code_of(reply)) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "POST"
    mixed = f"query Q {{ __typename }} {RENAME.replace('mutation', 'mutation M')}"
    reply = await house.client.get("/graphql", params={"query": mixed, "operationName": "M"})
    assert reply.status_code == 405


@pytest.mark.parametrize(
    "query_string",
    [
        "query=%7B__typename%7D&query=%7Ba%7D", "query=%7B__typename%7D&variables=%5B%5D", "query=%FF",
        "query=%7B__typename%7D&variables=%7B", "operationName=A", "", "query=", "&&",
        "query=%7B__typename%7D&extensions=1",
    ],
)  # fmt: skip
async def test_malformed_url_is_400(house: House, query_string: str) -> None:
    reply = await house.client.get(f"/graphql?{query_string}", headers={"accept": JSON})
    assert (reply.status_code, code_of(reply)) == (400, "BAD_REQUEST")


async def test_head_has_the_headers_of_get_and_no_body(house: House) -> None:
    get = await house.client.get("/graphql", params={"query": TYPENAME})
    head = await house.client.head("/graphql", params={"query": TYPENAME})
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("token", ["Bearer nonsense", "Basic eDp5", "Bearer", "Bearer a.b.c"])
async def test_login_that_does_not_hold_is_401_with_a_challenge(house: House, token: str) -> None:
    reply = await post(house, {"query": TYPENAME}, authorization=token)
    assert (reply.status_code, code_of(reply)) == (401, "UNAUTHENTICATED")
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_two_logins_in_one_request_are_refused(house: House) -> None:
    headers = [("authorization", f"Bearer {issue('owner')}"), ("authorization", "Bearer x")]
    reply = await house.client.post("/graphql", json={"query": TYPENAME}, headers=headers)
    assert (reply.status_code, code_of(reply)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("path", ["/nope", "/graphql/", "/graphql/nope", "/content/assets/x/y", "/.env", "/%00"])
async def test_unknown_path_is_404_in_the_same_shape(house: House, path: str) -> None:
    reply = await house.client.get(path)
    assert (reply.status_code, code_of(reply)) == (404, "NOT_FOUND")


async def test_other_paths_answer_a_wrong_method_in_the_same_shape(house: House) -> None:
    reply = await house.client.post("/health/live")
    assert (reply.status_code, code_of(reply)) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize("path", ["/graphql?query=%7B__typename%7D", "/health/live", "/nope"])
async def test_every_answer_has_the_security_headers(house: House, path: str) -> None:
    headers = (await house.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


async def test_answers_are_not_stored_and_vary_by_what_decides_them(house: House) -> None:
    headers = (await post(house, {"query": "{ viewer { kind } }"})).headers
    assert "no-store" in headers["cache-control"]
    assert {"Accept", "Authorization", "Accept-Encoding"} <= {name.strip() for name in headers["vary"].split(",")}


async def test_fault_of_ours_is_500_without_a_trace_of_why(fresh: House) -> None:
    async def fail(_exchange: object) -> None:
        raise RuntimeError("secret detail")

    fresh.app.graphql.stages.find.insert(0, fail)
    reply = await post(fresh, {"query": TYPENAME})
    assert (reply.status_code, code_of(reply)) == (500, "INTERNAL")
    assert "secret" not in reply.text
    assert reply.json()["errors"][0]["extensions"]["traceId"]
