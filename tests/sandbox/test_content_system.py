"""The simulated content service through the adapter: plans, signatures that others verify, bytes in parts."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from joserfc.jwk import KeySet, OKPKey

from adapters.content.client import ContentAdapter
from adapters.content.manifest import BadManifest, WireSignature, verify, verify_asset
from bff.domain.content import ContentBundle, HeldBundle, SyncPlan, SyncRequest
from bff.domain.vehicle import VehicleState
from sandbox.content import app
from sandbox.content.shapes import SyncRequests
from sandbox.world import World
from sandbox.world.delta import apply_delta
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "content.openapi.json"
VIN, OTHER = "LDCA1AB57SB000001", "LDCA1AB5XSB000008"
PUBLIC = "http://127.0.0.1:8000/content"


class Service:
    """The adapter, raw HTTP beside it, and a clock that a test moves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.now
        system = app.create(world, clock=lambda: self.now)
        self.adapter = ContentAdapter(sandbox_upstream(system), public_base_url=PUBLIC)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE)

    async def plan(self, vin: str | None = VIN, screen: str = "head-unit-12", **held: int) -> SyncPlan:
        bundles = tuple(HeldBundle(id=name.replace("_", "-"), version=version) for name, version in held.items())
        request = SyncRequest(screen_class=screen, locale="zh-CN", held=bundles, vin=vin)
        found = (await self.adapter.sync([request]))[request]
        assert isinstance(found, SyncPlan)
        return found

    async def bundle(self, bundle_id: str = "home-screen", vin: str | None = VIN) -> ContentBundle:
        return next(bundle for bundle in (await self.plan(vin)).bundles if bundle.id == bundle_id)

    async def keys(self) -> dict[str, bytes]:
        """As a client would have them built in: raw public keys by id."""
        found = (await self.http.get("/keys")).json()["keys"]
        return {key["kid"]: base64.urlsafe_b64decode(key["x"] + "=") for key in found}

    async def fetch(self, url: str, **headers: str) -> httpx.Response:
        return await self.http.get(url.removeprefix(PUBLIC), headers=headers)


@pytest.fixture
def service(world: World) -> Service:
    return Service(world)


def wire_signature(bundle: ContentBundle) -> WireSignature:
    signature = bundle.signature
    return WireSignature(alg=signature.alg, key_id=signature.key_id, value=signature.value)


def test_the_contract_is_what_is_served(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))


async def test_it_says_who_it_is(service: Service) -> None:
    assert (await service.http.get("/_ping")).json() == {"system": "content", "simulated": True}


# Plans


async def test_a_head_unit_gets_what_it_lacks_and_drops_what_is_over(service: Service) -> None:
    plan = await service.plan(home_screen=2, owner_manual=2, festival_theme=1)
    assert {bundle.id: bundle.version for bundle in plan.bundles} == {
        "home-screen": 3,
        "boot-animation": 1,
        "voice-pack": 1,
    }
    assert plan.withdrawn == ["festival-theme"]
    assert plan.unchanged == ["owner-manual"]
    assert plan.as_of == service.now


async def test_a_car_gets_only_what_its_software_bears(service: Service) -> None:
    service.world.vehicles[VIN].software.current = "3.0.5"
    plan = await service.plan()
    assert {bundle.id: bundle.version for bundle in plan.bundles} == {
        "home-screen": 2,
        "owner-manual": 2,
        "boot-animation": 1,
    }


async def test_a_version_that_was_taken_back_is_withdrawn(service: Service) -> None:
    plan = await service.plan(home_screen=9)
    assert plan.withdrawn == ["home-screen"]
    assert "home-screen" not in {bundle.id for bundle in plan.bundles}


async def test_polls_are_spread_over_cars_and_steady_for_one(service: Service) -> None:
    first = (await service.plan()).next_poll_after_seconds
    assert (await service.plan()).next_poll_after_seconds == first
    spread = {(await service.plan(vin)).next_poll_after_seconds for vin in list(service.world.vehicles)[:20]}
    assert len(spread) > 15
    assert all(0.9 * 21600 <= seconds <= 1.1 * 21600 for seconds in spread)


async def test_many_clients_are_one_call_and_an_unknown_car_is_absent(service: Service) -> None:
    context = entered_context()
    known = [SyncRequest(screen_class="head-unit-12", locale="en", vin=vin) for vin in (VIN, OTHER)]
    ghost = SyncRequest(screen_class="head-unit-12", locale="en", vin="LDCA1AB50ZZ999999")
    assert set(await service.adapter.sync([*known, ghost])) == set(known)
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)


async def test_the_newest_version_of_each_bundle_is_found_by_id(service: Service) -> None:
    found = await service.adapter.bundles(
        ["home-screen", "festival-theme", "nothing"], locale="en", screen_class="phone"
    )
    assert set(found) == {"home-screen"}
    bundle = found["home-screen"]
    assert isinstance(bundle, ContentBundle)
    assert (bundle.version, bundle.screen_class, json.loads(bundle.signed_payload)["scope"]["vin"]) == (
        3,
        "phone",
        None,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"requests": []},
        {"requests": [{"id": "0", "screenClass": "billboard", "locale": "en"}]},
        {"requests": [{"id": "0", "screenClass": "phone", "locale": "en", "software": "latest"}]},
        {"requests": [{"id": "0", "screenClass": "phone", "locale": "en", "colour": "red"}]},
    ],
)
async def test_a_sync_that_the_contract_does_not_know_is_refused(service: Service, body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, SyncRequests)
    assert (await service.http.post("/sync", json=body)).status_code == 400
    assert (await service.http.get("/bundles?id=home-screen&locale=en")).status_code == 400


# Signatures


async def test_signatures_verify_with_a_library_that_we_did_not_write(service: Service) -> None:
    keys = KeySet.import_key_set((await service.http.get("/keys")).json())
    plan = await service.plan()
    assert len(plan.bundles) == 4
    for bundle in plan.bundles:
        key = keys.get_by_kid(bundle.signature.key_id)
        assert isinstance(key, OKPKey)
        value = base64.urlsafe_b64decode(bundle.signature.value + "==")
        public: Any = key.get_op_key("verify")
        public.verify(value, bundle.signed_payload.encode())
        with pytest.raises(InvalidSignature):
            public.verify(value, bundle.signed_payload.replace(VIN, OTHER).encode())


async def test_what_is_signed_is_what_the_plan_says(service: Service) -> None:
    raw = await service.http.post(
        "/sync", json={"requests": [{"id": "0", "screenClass": "head-unit-12", "locale": "zh-CN", "vin": VIN}]}
    )
    told = {b["id"]: b["manifest"] for b in raw.json()["items"][0]["bundles"]}
    for bundle in (await service.plan()).bundles:
        assert json.loads(bundle.signed_payload) == told[bundle.id]


async def test_a_client_takes_a_bundle_made_for_it(service: Service) -> None:
    bundle = await service.bundle()
    manifest = verify(
        bundle.signed_payload.encode(),
        wire_signature(bundle),
        await service.keys(),
        vin=VIN,
        now=service.now,
        held_version=2,
    )
    for asset in manifest.assets:
        verify_asset(asset, (await service.fetch(asset.url)).content)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vin": OTHER}, "another car"),
        ({"vin": None}, "another car"),
        ({"days": 8}, "expired"),
        ({"held_version": 3}, "not newer"),
        ({"held_version": 4}, "not newer"),
        ({"keys": {}}, "not known"),
        ({"keys": {"content-2026": bytes(range(32))}}, "does not match"),
    ],
)
async def test_a_client_refuses_a_replayed_old_or_foreign_bundle(
    service: Service, changes: dict[str, Any], said: str
) -> None:
    bundle = await service.bundle()
    with pytest.raises(BadManifest, match=said):
        verify(
            bundle.signed_payload.encode(),
            wire_signature(bundle),
            changes.get("keys", await service.keys()),
            vin=changes.get("vin", VIN),
            now=service.now + timedelta(days=changes.get("days", 0)),
            held_version=changes.get("held_version"),
        )


async def test_a_changed_payload_is_refused(service: Service) -> None:
    bundle = await service.bundle()
    forged = bundle.signed_payload.replace('"version":3', '"version":4')
    assert forged != bundle.signed_payload
    with pytest.raises(BadManifest, match="does not match"):
        verify(forged.encode(), wire_signature(bundle), await service.keys(), vin=VIN, now=service.now)


async def test_a_signature_ends_with_its_bundle(service: Service) -> None:
    festival = service.world.bundles["festival-theme/1/zh-CN/head-unit-12"]
    assert festival.expires_at is not None
    service.now = festival.expires_at - timedelta(hours=1)
    bundle = await service.bundle("festival-theme")
    scope = json.loads(bundle.signed_payload)["scope"]
    assert datetime.fromisoformat(scope["expiresAt"]) == bundle.expires_at == festival.expires_at


# Bytes


async def test_one_bad_hash_keeps_the_old_bundle(service: Service) -> None:
    key = "home-screen/3/zh-CN/head-unit-12"
    stored = service.world.bundles[key]
    spoiled = replace(stored.assets[2], data=b"\x00" + stored.assets[2].data[1:])
    service.world.bundles[key] = replace(stored, assets=(*stored.assets[:2], spoiled))
    for name in [name for name in service.world.bundles if name != key and name.startswith("home-screen")]:
        del service.world.bundles[name]
    bundle = await service.bundle()
    manifest = verify(
        bundle.signed_payload.encode(), wire_signature(bundle), await service.keys(), vin=VIN, now=service.now
    )
    good, bad = manifest.assets[:2], manifest.assets[2]
    for asset in good:
        verify_asset(asset, (await service.fetch(asset.url)).content)
    with pytest.raises(BadManifest, match="not what was signed"):
        verify_asset(bad, (await service.fetch(bad.url)).content)


async def test_a_delta_makes_the_signed_asset_out_of_the_old_one(service: Service) -> None:
    old = service.world.bundles["home-screen/2/zh-CN/head-unit-12"].assets[0]
    bundle = await service.bundle()
    asset = next(asset for asset in bundle.assets if asset.delta is not None)
    assert asset.delta is not None
    assert asset.delta.from_sha256 == old.sha256
    patch = (await service.adapter.asset(asset.delta.sha256, "layout.json.delta", {})).body
    assert len(patch) == asset.delta.size < asset.size
    whole = (await service.adapter.asset(asset.sha256, "layout.json", {})).body
    assert apply_delta(old.data, patch) == whole


async def test_a_broken_download_is_resumed_by_range(service: Service) -> None:
    asset = (await service.bundle()).assets[1]
    whole = await service.fetch(asset.url)
    etag = whole.headers["etag"]
    assert etag == f'"{asset.sha256}"'
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    half = asset.size // 2
    rest = await service.adapter.asset(asset.sha256, "w", {"range": f"bytes={half}-", "if-range": etag})
    assert (rest.status, rest.headers["content-range"]) == (206, f"bytes {half}-{asset.size - 1}/{asset.size}")
    assert whole.content[:half] + rest.body == whole.content


@pytest.mark.parametrize(
    ("headers", "status", "size"),
    [
        ({"range": "bytes=0-9"}, 206, 10),
        ({"range": "bytes=-7"}, 206, 7),
        ({"range": "bytes=0-99999999"}, 206, None),
        ({"range": "bytes=99999999-"}, 416, 0),
        ({"range": "bytes=-0"}, 416, 0),
        ({"range": "bytes=9-2"}, 416, 0),
        ({"range": "bytes=0-1,4-5"}, 200, None),
        ({"range": "lines=1-2"}, 200, None),
        ({"range": "bytes=0-9", "if-range": '"another"'}, 200, None),
        ({"if-none-match": '"another"'}, 200, None),
    ],
)
async def test_ranges_are_answered_as_http_says(
    service: Service, headers: dict[str, str], status: int, size: int | None
) -> None:
    asset = (await service.bundle()).assets[1]
    reply = await service.fetch(asset.url, **headers)
    assert (reply.status_code, len(reply.content)) == (status, asset.size if size is None else size)
    if status == 416:
        assert reply.headers["content-range"] == f"bytes */{asset.size}"


async def test_what_is_held_is_not_sent_again(service: Service) -> None:
    asset = (await service.bundle()).assets[1]
    reply = await service.fetch(asset.url, **{"if-none-match": f'"x", "{asset.sha256}"'})
    assert (reply.status_code, reply.content) == (304, b"")
    assert (await service.adapter.asset("f" * 64, "x", {})).status == 404


# Cars


async def test_cars_report_as_the_world_knows_them(service: Service) -> None:
    context = entered_context()
    software = await service.adapter.software([VIN, OTHER, "LDCA1AB50ZZ999999"])
    states = await service.adapter.states([VIN, OTHER, "LDCA1AB50ZZ999999"])
    assert len(context.calls.records) == 2
    assert set(software) == set(states) == {VIN, OTHER}
    told, car = states[VIN], service.world.vehicles[VIN]
    assert isinstance(told, VehicleState)
    assert (told.battery_percent, told.as_of) == (car.telemetry.soc_percent, car.telemetry.reported_at)
    assert told.tyre_pressures_kpa == list(car.telemetry.tyre_kpa)
