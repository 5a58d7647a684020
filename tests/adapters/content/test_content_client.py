"""The content adapter at the wire: what it sends, what replies mean, refusals, and replies that are broken."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from adapters.content.client import ContentAdapter
from bff.domain.content import ContentBundle, HeldBundle, SyncPlan, SyncRequest
from bff.domain.vehicle import Software, SoftwareState, VehicleState
from bff.errors import (
    BffError,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

VIN, OTHER = "LDCA1AB57SB000001", "LDCA1AB5XSB000008"
BODY = b"\x89PNG and so on"
SHA = hashlib.sha256(BODY).hexdigest()
OLD, PATCH = "a" * 64, "b" * 64
HTML = httpx.Response(200, headers={"content-type": "text/html"}, text="<html>Down</html>")
TRUNCATED = httpx.Response(200, headers={"content-type": "application/json"}, text='{"items": [{"id": "0"')
REQUEST = SyncRequest(
    screen_class="head-unit-12",
    locale="zh-CN",
    held=(HeldBundle(id="home-screen", version=2), HeldBundle(id="festival-theme", version=1)),
    vin=VIN,
    software="3.3.2",
)
PHONE = SyncRequest(screen_class="phone", locale="en")

SIGNED: dict[str, Any] = {
    "id": "home-screen",
    "manifest": {
        "version": 3,
        "id": "home-screen",
        "locale": "zh-CN",
        "screenClass": "head-unit-12",
        "brand": None,
        "minSoftware": "3.3.0",
        "publishedAt": "2026-03-05T10:00:00+08:00",
        "expiresAt": None,
        "previousVersion": 2,
        "assets": [
            {
                "path": "图/wallpaper.png",
                "sha256": SHA,
                "size": len(BODY),
                "mime": "image/png",
                "url": f"/assets/{SHA}/wallpaper.png",
                "delta": {
                    "fromSha256": OLD,
                    "sha256": PATCH,
                    "size": 40,
                    "url": f"/assets/{PATCH}/wallpaper.png.delta",
                },
            }
        ],
        "removed": ["tips.json"],
        "scope": {"vin": VIN, "issuedAt": "2026-03-09T02:00:00Z", "expiresAt": "2026-03-16T02:00:00Z"},
    },
    "signature": {"alg": "Ed25519", "keyId": "content-2026", "value": "A" * 86},
}


def plan(name: str = "0", **changes: Any) -> dict[str, Any]:
    told = {"id": name, "bundles": [SIGNED], "withdrawn": ["festival-theme"], "unchanged": ["owner-manual"]}
    return told | {"nextPollAfterSeconds": 23439, "asOf": "2026-03-09T02:00:00Z"} | changes


def signed(path: str = "", value: Any = None) -> dict[str, Any]:
    """`SIGNED` with one member changed, named by its dotted path."""
    made = deepcopy(SIGNED)
    *way, last = path.split(".")
    place: Any = made
    for step in way:
        place = place[int(step)] if step.isdecimal() else place[step]
    place[last] = value
    return made


def items(*found: Any) -> httpx.Response:
    return httpx.Response(200, json={"items": list(found)})


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(assert_all_called=False)


@pytest.fixture
def adapter(router: respx.Router) -> ContentAdapter:
    return ContentAdapter(mocked_upstream(router, "content"), public_base_url="https://api.example.test/content/")


# Requests


async def test_many_clients_are_synced_in_one_call_and_each_is_named(
    router: respx.Router, adapter: ContentAdapter
) -> None:
    route = router.post("/sync").mock(return_value=items())
    assert await adapter.sync([REQUEST, PHONE, REQUEST]) == {}
    assert route.call_count == 1
    assert json.loads(route.calls.last.request.content)["requests"] == [
        {
            "id": "0",
            "screenClass": "head-unit-12",
            "locale": "zh-CN",
            "vin": VIN,
            "software": "3.3.2",
            "brand": None,
            "held": [{"id": "home-screen", "version": 2}, {"id": "festival-theme", "version": 1}],
        },
        {
            "id": "1",
            "screenClass": "phone",
            "locale": "en",
            "vin": None,
            "software": None,
            "brand": None,
            "held": [],
        },
    ]


async def test_bulk_reads_repeat_a_parameter(router: respx.Router, adapter: ContentAdapter) -> None:
    route = router.get(url__regex=r".*").mock(return_value=items())
    await adapter.bundles(["home-screen", "owner-manual"], locale="zh-CN", screen_class="phone", brand="VELA")
    await adapter.software([VIN, OTHER, VIN])
    await adapter.states([VIN, OTHER])
    assert [str(call.request.url.raw_path, "ascii") for call in route.calls] == [
        "/bundles?id=home-screen&id=owner-manual&locale=zh-CN&screenClass=phone&brand=VELA",
        f"/vehicles/software?vin={VIN}&vin={OTHER}",
        f"/vehicles/states?vin={VIN}&vin={OTHER}",
    ]


async def test_nothing_asked_is_no_call(router: respx.Router, adapter: ContentAdapter) -> None:
    assert await adapter.sync([]) == {}
    assert await adapter.software([]) == {}
    assert (await adapter.asset("../keys", "x", {})).status == 404
    assert router.calls.call_count == 0


# Replies


async def test_a_plan_says_what_to_fetch_drop_and_keep(router: respx.Router, adapter: ContentAdapter) -> None:
    router.post("/sync").mock(return_value=items(plan()))
    found = (await adapter.sync([REQUEST]))[REQUEST]
    assert isinstance(found, SyncPlan)
    assert (found.withdrawn, found.unchanged, found.next_poll_after_seconds) == (
        ["festival-theme"],
        ["owner-manual"],
        23439,
    )
    (bundle,) = found.bundles
    assert (bundle.id, bundle.version, bundle.previous_version, bundle.removed) == ("home-screen", 3, 2, ["tips.json"])
    assert bundle.published_at == datetime(2026, 3, 5, 2, 0, tzinfo=UTC)
    (asset,) = bundle.assets
    assert asset.url == f"https://api.example.test/content/assets/{SHA}/wallpaper.png"
    assert asset.delta is not None
    assert asset.delta.url == f"https://api.example.test/content/assets/{PATCH}/wallpaper.png.delta"


async def test_the_signed_payload_is_canonical_json_of_what_came(router: respx.Router, adapter: ContentAdapter) -> None:
    router.get("/bundles").mock(return_value=items(SIGNED))
    found = await adapter.bundles(["home-screen", "nothing"], locale="zh-CN", screen_class="head-unit-12")
    assert set(found) == {"home-screen"}
    bundle = found["home-screen"]
    assert isinstance(bundle, ContentBundle)
    assert bundle.signed_payload == json.dumps(
        SIGNED["manifest"], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    assert bundle.signature.key_id == "content-2026"


async def test_what_cars_report_is_read(router: respx.Router, adapter: ContentAdapter) -> None:
    router.get("/vehicles/software").mock(
        return_value=items(
            {"vin": VIN, "current": "3.3.2", "available": "3.4.0", "state": "READY_TO_INSTALL"},
            {"vin": OTHER, "current": "3.4.0", "available": None, "state": "MELTING"},
        )
    )
    report = {"vin": VIN, "reportedAt": "2026-03-09T06:47:00+08:00", "batteryPercent": 39, "rangeKm": None}
    report |= {"charging": False, "locked": True, "odometerKm": 30151, "tyrePressuresKpa": [243, 236, 231, 254]}
    router.get("/vehicles/states").mock(return_value=items(report))
    software = await adapter.software([VIN, OTHER])
    ready = SoftwareState.READY_TO_INSTALL
    assert software[VIN] == Software(current="3.3.2", available="3.4.0", state=ready, raw_state=ready.value)
    strange = software[OTHER]
    assert isinstance(strange, Software)
    assert (strange.state, strange.raw_state) == (SoftwareState.UNKNOWN, "MELTING")
    state = (await adapter.states([VIN]))[VIN]
    assert isinstance(state, VehicleState)
    assert state.as_of == datetime(2026, 3, 8, 22, 47, tzinfo=UTC)
    assert (state.battery_percent, state.range_km, state.tyre_pressures_kpa) == (39, None, [243, 236, 231, 254])


# Business errors


async def test_a_refused_read_is_rejected_without_the_upstreams_words(
    router: respx.Router, adapter: ContentAdapter
) -> None:
    body = {"type": "about:blank", "title": "x", "status": 400, "detail": "内部说明", "code": "BAD_REQUEST"}
    problem = httpx.Response(400, headers={"content-type": "application/problem+json"}, json=body)
    router.route().mock(return_value=problem)
    error = (await adapter.sync([PHONE]))[PHONE]
    assert isinstance(error, UpstreamRejected)
    assert "内部" not in error.message


# Broken replies


READS: dict[str, Callable[[ContentAdapter], Awaitable[Any]]] = {
    "sync": lambda adapter: adapter.sync([REQUEST]),
    "bundles": lambda adapter: adapter.bundles(["home-screen"], locale="en", screen_class="phone"),
    "software": lambda adapter: adapter.software([VIN]),
    "states": lambda adapter: adapter.states([VIN]),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (HTML, UpstreamContractBroken),
        (TRUNCATED, UpstreamContractBroken),
        (httpx.Response(200, json=[]), UpstreamContractBroken),
        (items({"id": 5, "vin": 5}), UpstreamContractBroken),
        (httpx.Response(500, text="Traceback"), UpstreamUnavailable),
        (httpx.Response(429), UpstreamBusy),
        (httpx.ReadTimeout("late"), UpstreamTimeout),
    ],
)
async def test_a_broken_reply_is_the_error_of_each_key(
    router: respx.Router, adapter: ContentAdapter, read: str, reply: Any, kind: type[BffError]
) -> None:
    router.route().mock(side_effect=[reply])
    found = await READS[read](adapter)
    assert {type(value) for value in found.values()} == {kind}


async def test_one_bad_report_leaves_the_others(router: respx.Router, adapter: ContentAdapter) -> None:
    good = {"vin": VIN, "current": "3.3.2", "available": None, "state": "UP_TO_DATE"}
    router.get("/vehicles/software").mock(return_value=items(good, {"vin": OTHER, "current": 3}))
    found = await adapter.software([VIN, OTHER])
    assert isinstance(found[VIN], Software)
    assert isinstance(found[OTHER], UpstreamContractBroken)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("manifest.scope.vin", OTHER),
        ("manifest.scope.vin", None),
        ("manifest.id", "boot-animation"),
        ("manifest.previousVersion", 3),
        ("manifest.version", 2.5),
        ("manifest.expiresAt", "2026-03-01T00:00:00Z"),
        ("manifest.publishedAt", "2026-03-05T10:00:00"),
        ("manifest.assets.0.path", "../boot/kernel"),
        ("manifest.assets.0.path", "/etc/passwd"),
        ("manifest.assets.0.sha256", "SHA"),
        ("manifest.assets.0.size", -1),
        ("manifest.assets.0.url", f"/assets/{OLD}/wallpaper.png"),
        ("manifest.assets.0.url", f"https://elsewhere.test/assets/{SHA}/wallpaper.png"),
        ("manifest.assets.0.delta.url", f"/assets/{SHA}/wallpaper.png"),
        ("manifest.removed", ["../x"]),
        ("manifest.surprise", 0.5),
        ("signature.alg", "none"),
        ("signature.value", "AAAA"),
        ("signature.value", "*"),
    ],
)
async def test_a_manifest_that_must_not_be_used_is_left_out_of_the_plan(
    router: respx.Router, adapter: ContentAdapter, caplog: pytest.LogCaptureFixture, path: str, value: Any
) -> None:
    good = signed("manifest.id", "voice-pack") | {"id": "voice-pack"}
    router.post("/sync").mock(return_value=items(plan(bundles=[signed(path, value), good])))
    with caplog.at_level(logging.ERROR):
        found = (await adapter.sync([REQUEST]))[REQUEST]
    assert isinstance(found, SyncPlan)
    assert [bundle.id for bundle in found.bundles] == ["voice-pack"]
    assert "must not be used" in caplog.text


# Bytes


def served(status: int = 200, body: bytes = BODY, sha: str = SHA, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={"etag": f'"{sha}"', "content-type": "image/png"} | headers, content=body)


async def test_only_range_and_validation_headers_pass(router: respx.Router, adapter: ContentAdapter) -> None:
    route = router.get(f"/assets/{SHA}/wall%20paper.png").mock(
        return_value=served(206, BODY[:4], **{"content-range": f"bytes 0-3/{len(BODY)}"})
    )
    asked = {"range": "bytes=0-3", "if-range": f'"{SHA}"', "cookie": "a=b", "authorization": "Bearer x"}
    reply = await adapter.asset(SHA, "wall paper.png", asked)
    assert (reply.status, reply.body, reply.headers["content-range"]) == (206, BODY[:4], f"bytes 0-3/{len(BODY)}")
    sent = route.calls.last.request.headers
    assert (sent["range"], sent["if-range"]) == ("bytes=0-3", f'"{SHA}"')
    assert "cookie" not in sent
    assert "authorization" not in sent


@pytest.mark.parametrize("status", [304, 404, 416])
async def test_answers_without_bytes_pass_without_the_services_own_words(
    router: respx.Router, adapter: ContentAdapter, status: int
) -> None:
    said = httpx.Response(status, headers={"etag": f'"{SHA}"', "server": "nginx"}, text="内部说明")
    router.get(f"/assets/{SHA}/x").mock(return_value=said)
    reply = await adapter.asset(SHA, "x", {"if-none-match": f'"{SHA}"'})
    assert (reply.status, reply.headers, reply.body) == (status, {"etag": f'"{SHA}"'}, b"")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (served(body=b"other bytes"), UpstreamContractBroken),
        (served(sha=OLD), UpstreamContractBroken),
        (HTML, UpstreamContractBroken),
        (httpx.Response(500), UpstreamUnavailable),
        (httpx.Response(302, headers={"location": "https://elsewhere.test"}), UpstreamUnavailable),
        (httpx.RemoteProtocolError("cut"), UpstreamUnavailable),
    ],
)
async def test_bytes_that_the_hash_does_not_name_never_pass(
    router: respx.Router, adapter: ContentAdapter, reply: Any, kind: type[BffError]
) -> None:
    router.get(f"/assets/{SHA}/x").mock(side_effect=[reply])
    with pytest.raises(kind):
        await adapter.asset(SHA, "x", {})
