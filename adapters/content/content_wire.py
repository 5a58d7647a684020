"""The content service's JSON and what it means (docs/contracts/content.openapi.json). Pure: no I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import msgspec

from adapters.content.manifest import (
    BadManifest,
    WireAsset,
    WireManifest,
    WireSignature,
    canonical,
    check_structure,
)
from adapters.transport.records import Codes, Moment, Records, utc, utc_or_none
from bff.domain.base import Int
from bff.domain.content import Asset, AssetDelta, ContentBundle, Signature, SyncPlan, SyncRequest
from bff.domain.vehicle import Software, SoftwareState, VehicleState

NAME = "content"
logger = logging.getLogger(__name__)
_state = Codes(NAME, SoftwareState)
_manifest = msgspec.json.Decoder(WireManifest)


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class WireSigned(Wire, frozen=True):
    """`manifest` stays as it came, for it is what was signed."""

    id: str
    manifest: msgspec.Raw
    signature: WireSignature


class WirePlan(Wire, frozen=True):
    id: str
    bundles: list[msgspec.Raw]
    withdrawn: list[str]
    unchanged: list[str]
    next_poll_after_seconds: Int
    as_of: Moment


class WireSoftware(Wire, frozen=True):
    vin: str
    current: str
    available: str | None
    state: str


class WireState(Wire, frozen=True):
    vin: str
    reported_at: Moment
    battery_percent: Int | None
    range_km: Int | None
    charging: bool | None
    locked: bool | None
    odometer_km: Int | None
    tyre_pressures_kpa: list[Int]


def sync_body(requests: Iterable[tuple[str, SyncRequest]]) -> dict[str, Any]:
    """The body of a bulk sync. Each request is named, so that its plan is found by name."""
    return {
        "requests": [
            {
                "id": name,
                "screenClass": request.screen_class,
                "locale": request.locale,
                "vin": request.vin,
                "software": request.software,
                "brand": request.brand,
                "held": [{"id": bundle.id, "version": bundle.version} for bundle in request.held],
            }
            for name, request in requests
        ]
    }


class BundleReader:
    """Turns signed manifests into bundles whose asset addresses are `public_base_url` + `/assets/…`."""

    def __init__(self, public_base_url: str) -> None:
        self._base = public_base_url.rstrip("/")
        self.records = Records(WireSigned, self.read, key="id")

    def read(self, wire: WireSigned) -> ContentBundle:
        """Raises ValueError for a manifest whose parts do not fit each other."""
        manifest = _manifest.decode(wire.manifest)
        check_structure(manifest, wire.signature)
        if wire.id != manifest.id:
            raise BadManifest("the manifest of another bundle")
        return ContentBundle(
            id=manifest.id,
            version=manifest.version,
            locale=manifest.locale,
            screen_class=manifest.screen_class,
            minimum_software=manifest.min_software,
            published_at=utc(manifest.published_at),
            expires_at=utc_or_none(manifest.expires_at),
            previous_version=manifest.previous_version,
            assets=[self._asset(asset) for asset in manifest.assets],
            removed=manifest.removed,
            signature=Signature(
                alg=wire.signature.alg, key_id=wire.signature.key_id, value=wire.signature.value
            ),
            signed_payload=canonical(wire.manifest).decode(),
        )  # fmt: skip

    def _asset(self, asset: WireAsset) -> Asset:
        delta = asset.delta
        return Asset(
            path=asset.path,
            sha256=asset.sha256,
            size=asset.size,
            mime=asset.mime,
            url=self._base + asset.url,
            delta=AssetDelta(
                from_sha256=delta.from_sha256,
                sha256=delta.sha256,
                size=delta.size,
                url=self._base + delta.url,
            )
            if delta is not None
            else None,
        )

    def read_plan(self, wire: WirePlan, asked: SyncRequest) -> SyncPlan:
        """A bundle that cannot be read, or was signed for another car, is left out: the client keeps what it has."""
        bundles: list[ContentBundle] = []
        for raw in wire.bundles:
            try:
                signed = msgspec.json.decode(raw, type=WireSigned)
                if _manifest.decode(signed.manifest).scope.vin != asked.vin:
                    raise BadManifest("made for another car")
                bundles.append(self.read(signed))
            except (msgspec.MsgspecError, ValueError) as error:
                logger.error("%s sent a manifest that must not be used: %s", NAME, error)
        return SyncPlan(
            bundles=bundles,
            withdrawn=wire.withdrawn,
            unchanged=wire.unchanged,
            next_poll_after_seconds=wire.next_poll_after_seconds,
            as_of=utc(wire.as_of),
        )


def read_software(wire: WireSoftware) -> tuple[str, Software]:
    state = _state(wire.state)
    return wire.vin, Software(current=wire.current, available=wire.available, state=state, raw_state=wire.state)


def read_state(wire: WireState) -> tuple[str, VehicleState]:
    return wire.vin, VehicleState(
        as_of=utc(wire.reported_at),
        battery_percent=wire.battery_percent,
        range_km=wire.range_km,
        charging=wire.charging,
        locked=wire.locked,
        odometer_km=wire.odometer_km,
        tyre_pressures_kpa=wire.tyre_pressures_kpa,
    )


PLANS = Records(WirePlan, lambda wire: wire, key="id")
SOFTWARE = Records(WireSoftware, read_software, key="vin")
STATES = Records(WireState, read_state, key="vin")
