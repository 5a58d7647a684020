"""Bodies: how long, how slow, how compressed; and batches where they are served."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from bff.serving.bodies import read_body
from bff.serving.codings import brotli, decompress, preferred, zstandard
from bff.serving.limits import HttpLimits
from bff.serving.refusals import ClientGone, HttpRefusal
from tests.estate.house import House

pytestmark = pytest.mark.anyio

TYPENAME = json.dumps({"query": "{ __typename }"}).encode()
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "br": lambda body: brotli.compress(body, quality=1),
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}


async def post(house: House, body: bytes, **headers: str) -> httpx.Response:
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.client.post("/graphql", content=body, headers=sent)


@pytest.mark.parametrize("coding", [*ENCODERS, "GZIP"])
async def test_compressed_request_is_read(house: House, coding: str) -> None:
    reply = await post(house, ENCODERS[coding.lower()](TYPENAME), content_encoding=coding)
    assert reply.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("coding", ["deflate", "compress", "gzip, gzip", "exotic", ""])
async def test_unknown_coding_is_415_and_says_which_are_known(house: House, coding: str) -> None:
    reply = await post(house, TYPENAME, content_encoding=coding)
    assert reply.status_code == 415
    assert reply.headers["accept-encoding"] == "zstd, br, gzip"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("harm", ["truncated", "garbage", "trailed"])
async def test_broken_compression_is_400(house: House, coding: str, harm: str) -> None:
    whole = ENCODERS[coding](TYPENAME * 50)
    body = {"truncated": whole[: len(whole) // 2], "garbage": b"\x00garbage" * 9, "trailed": whole + b"more"}[harm]
    reply = await post(house, body, content_encoding=coding)
    assert reply.status_code == 400, reply.text
    assert reply.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_bomb_is_413_and_is_never_unpacked(house: House, coding: str) -> None:
    bomb = ENCODERS[coding](b"0" * 200_000_000)
    assert len(bomb) < 400_000
    tracemalloc.start()
    try:
        reply = await post(house, bomb, content_encoding=coding)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reply.status_code == 413
    assert most < 20_000_000


def test_bomb_in_a_window_that_no_decoder_must_bear_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = wide.compress(b"0" * 1000) + wide.flush()
    with pytest.raises(HttpRefusal) as refusal:
        decompress(body, "zstd", 10_000)
    assert refusal.value.status == 400


async def test_body_longer_than_allowed_is_413(house: House) -> None:
    reply = await post(house, json.dumps({"query": "#" + "x" * 1_000_000}).encode())
    assert reply.status_code == 413
    assert reply.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


def chunks(*messages: dict[str, Any], then_wait: bool = False) -> Any:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting and then_wait:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    return receive


async def test_body_without_a_length_stops_at_the_limit() -> None:
    part = {"type": "http.request", "body": b"x" * 60, "more_body": True}
    with pytest.raises(HttpRefusal) as refusal:
        await read_body(chunks(part, part, part), {}, HttpLimits(body_bytes=100))
    assert refusal.value.status == 413


async def test_dripping_body_is_408() -> None:
    receive = chunks({"type": "http.request", "body": b"{", "more_body": True}, then_wait=True)
    with pytest.raises(HttpRefusal) as refusal:
        await read_body(receive, {}, HttpLimits(body_seconds=0.05))
    assert refusal.value.status == 408
    assert (b"connection", b"close") in refusal.value.headers


async def test_client_that_leaves_in_the_middle_is_not_answered() -> None:
    receive = chunks({"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(ClientGone):
        await read_body(receive, {}, HttpLimits())


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"), ("gzip, br, zstd", "zstd"), ("gzip, br;q=0.5", "gzip"), ("*", "zstd"), ("br, *;q=0", "br"),
        ("identity", None), ("", None), ("gzip;q=0", None), ("deflate", None), ("identity, gzip;q=0.5", None),
    ],
)  # fmt: skip
def test_coding_is_the_one_liked_best(accept: str, coding: str | None) -> None:
    assert preferred(accept) == coding


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_long_answer_is_compressed_for_who_takes_it(house: House, coding: str) -> None:
    introspection = json.dumps({"query": "{ __schema { types { name description } } }"}).encode()
    plain = await post(house, introspection, accept_encoding="identity")
    async with house.client.stream(
        "POST",
        "/graphql",
        content=introspection,
        headers={"content-type": "application/json", "accept-encoding": coding},
    ) as reply:
        raw = b"".join([part async for part in reply.aiter_raw()])
    assert reply.headers["content-encoding"] == coding
    assert int(reply.headers["content-length"]) == len(raw) < len(plain.content) / 2
    decoders = {
        "gzip": lambda body: zlib.decompress(body, 31),
        "br": brotli.decompress,
        "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
    }
    assert decoders[coding](raw) == plain.content


async def test_short_answer_is_not_compressed(house: House) -> None:
    assert "content-encoding" not in (await post(house, TYPENAME, accept_encoding="gzip")).headers


async def test_batch_is_refused_where_it_is_not_switched_on(house: House) -> None:
    reply = await post(house, b" [" + TYPENAME + b"]")
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["extensions"]["code"] == "BATCHING_DISABLED"


async def test_batch_is_answered_in_order_each_for_itself() -> None:
    house = House(BFF_MAX_BATCH="4")
    queries = [
        "{ __typename }",
        "{ nope }",
        "{ viewer { kind } }",
        "subscription { vehicleOrderProgress(orderId: 1) { id } }",
    ]
    reply = await post(house, json.dumps([{"query": query} for query in queries]).encode())
    assert reply.status_code == 200
    first, second, third, fourth = reply.json()
    assert first == {"data": {"__typename": "Query"}}
    assert second["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert third == {"data": {"viewer": {"kind": "GUEST"}}}
    assert fourth["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    await house.aclose()


@pytest.mark.parametrize("count", [0, 5])
async def test_batch_is_bounded(count: int) -> None:
    house = House(BFF_MAX_BATCH="4")
    reply = await post(house, json.dumps([{"query": "{ __typename }"}] * count).encode())
    assert (reply.status_code, reply.json()["errors"][0]["extensions"]["code"]) == (400, "BATCH_TOO_LARGE")
    await house.aclose()


def test_limits_are_one_frozen_value() -> None:
    with pytest.raises(AttributeError):
        HttpLimits().body_bytes = 1  # type: ignore[misc]  # that is the point
    assert msgspec.structs.replace(HttpLimits(), batch=3).batch == 3
