"""Whatever comes is answered, in one of the shapes that clients know, and never by a fault of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio.from_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.estate.house import House

MEDIA = ["application/json", "application/graphql-response+json", "text/event-stream", "multipart/mixed", "*/*", "a/b"]
QUERIES = [
    "{ __typename }", "query A { __typename } query B { viewer { kind } }", "mutation { __typename }", "{ nope }", "{",
    "subscription { vehicleOrderProgress(orderId: \"x\") { id } }", "query ($x: ID!) { node(id: $x) { id } }",
    "{ ... @defer { __typename } }", "query ($x: Int) { nodes(ids: []) { id } serviceCentres @skip(if: $x) { code } }",
]  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
members = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(QUERIES) | values,
        "operationName": st.sampled_from(["A", "B", ""]) | values,
        "variables": st.dictionaries(st.sampled_from("xy"), values, max_size=2) | values,
        "extensions": values,
        "documentId": values,
    },
)
bodies = (
    st.binary(max_size=64)
    | members.map(lambda body: json.dumps(body).encode())
    | st.lists(members, max_size=3).map(lambda body: json.dumps(body).encode())
    | st.tuples(members, st.integers(0, 40)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]])
)
header_text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20)
PARAMETERS = ["", ";q=0", ";q=0.5", ";q=1", ";q=x", ";charset=utf-8", ";deferSpec=20220824"]
accepts = st.lists(st.tuples(st.sampled_from(MEDIA), st.sampled_from(PARAMETERS)).map("".join), max_size=4).map(
    ", ".join
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT", "DELETE"]),
        "path": st.sampled_from(["/graphql", "/graphql", "/graphql", "/graphql/stream"]),
        "query": st.binary(max_size=30) | st.sampled_from([b"", b"query=%7B__typename%7D", b"token=x"]),
        "body": bodies,
        "headers": st.fixed_dictionaries(
            {"content-type": st.sampled_from(["application/json"] * 5 + ["text/plain", ""])},
            optional={
                "accept": accepts | header_text,
                "accept-encoding": st.sampled_from(["gzip", "br;q=0.1, zstd", "*", ";;,"]) | header_text,
                "accept-language": header_text,
                "authorization": header_text,
                "content-encoding": st.sampled_from(["gzip", "br", "zstd", "identity", "x"]),
                "bff-channel": st.sampled_from(["APP", "in_car", "x"]),
                "bff-timeout": header_text,
                "bff-act-for": header_text,
                "last-event-id": header_text,
                "x-graphql-event-stream-token": header_text,
            },
        ),
    }
)


@pytest.fixture(scope="module")
def portal() -> Iterator[Any]:
    with anyio.from_thread.start_blocking_portal() as portal:
        house = House(BFF_MAX_BATCH="2")
        yield lambda request: portal.call(ask, house, request)
        portal.call(house.aclose)


async def ask(house: House, request: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request to the application as a server would put it, without what a client library would mend."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": request["body"], "more_body": False}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await anyio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": request["method"], "path": request["path"], "scheme": "http",
        "raw_path": request["path"].encode(), "query_string": request["query"], "client": ("192.0.2.1", 1),
        "server": ("bff.test", 80), "root_path": "", "asgi": {"version": "3.0"},
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in request["headers"].items()],
    }  # fmt: skip
    await house.app(scope, receive, send)
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(message.get("body", b"") for message in rest)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests)
def test_every_request_has_an_answer(portal: Any, request: dict[str, Any]) -> None:
    status, headers, body = portal(request)
    media = headers[b"content-type"].partition(b";")[0].decode()
    assert status in {200, 201, 400, 401, 403, 404, 405, 406, 409, 413, 415, 429}, body
    assert b"INTERNAL" not in body
    if headers.get(b"content-encoding") is None and request["method"] != "HEAD" and status != 201:
        if media.endswith("json"):
            answer = json.loads(body)
            assert status != 200 or isinstance(answer, list) or {"data", "errors"} & answer.keys()
            assert status == 200 or answer["errors"][0]["message"]
        else:
            assert (status, media) in {(200, "text/event-stream"), (200, "multipart/mixed")}
    if status == 405:
        assert headers[b"allow"]
