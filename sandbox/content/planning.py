"""Which bundle a client should have, given what it has: the newest that its software bears and that is not over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from sandbox.content import shapes
from sandbox.content.signing import Signer
from sandbox.kit.clock import Clock
from sandbox.world import World
from sandbox.world.entities import Asset, Bundle

VALID = timedelta(days=7)
POLL_SECONDS = 6 * 3600


class Planner:
    def __init__(self, world: World, signer: Signer, clock: Clock) -> None:
        self.world = world
        self.signer = signer
        self.clock = clock

    def plan(self, asked: shapes.SyncRequest) -> shapes.SyncPlan | None:
        """None for a car that nobody built."""
        car = self.world.vehicles.get(asked.vin) if asked.vin is not None else None
        if asked.vin is not None and car is None:
            return None
        software = asked.software or (car.software.current if car else None)
        brand = asked.brand or (car.brand if car else None)
        wanted = self._current(asked.locale, asked.screen_class, brand, software)
        held = {bundle.id: bundle.version for bundle in asked.held}
        fresh = [bundle for bundle in wanted.values() if held.get(bundle.id, 0) < bundle.version]
        return shapes.SyncPlan(
            id=asked.id,
            bundles=[self.signed(bundle, asked.vin) for bundle in fresh],
            withdrawn=[name for name, version in held.items() if name not in wanted or wanted[name].version < version],
            unchanged=[name for name, version in held.items() if name in wanted and wanted[name].version == version],
            next_poll_after_seconds=self._next_poll(asked),
            as_of=self.clock(),
        )

    def newest(self, bundle_id: str, locale: str, screen_class: str, brand: str | None) -> shapes.SignedManifest | None:
        found = self._current(locale, screen_class, brand, None).get(bundle_id)
        return self.signed(found, None) if found is not None else None

    def _current(self, locale: str, screen_class: str, brand: str | None, software: str | None) -> dict[str, Bundle]:
        now = self.clock()
        fitting = (
            bundle
            for bundle in self.world.bundles.values()
            if (bundle.locale, bundle.screen_class) == (locale, screen_class)
            and bundle.brand in (None, brand)
            and bundle.published_at <= now
            and (bundle.expires_at is None or bundle.expires_at > now)
            and (software is None or _version(bundle.min_software) <= _version(software))
        )
        return {bundle.id: bundle for bundle in sorted(fitting, key=lambda bundle: bundle.version)}

    def _next_poll(self, asked: shapes.SyncRequest) -> int:
        """Spread over ±10 % by who asks and on which day, so that a fleet that woke together does not ask together."""
        who = f"{asked.vin or asked.screen_class + asked.locale}:{self.world.today}"
        share = int.from_bytes(hashlib.sha256(who.encode()).digest()[:4]) / 2**32
        return int(POLL_SECONDS * (0.9 + 0.2 * share))

    def signed(self, bundle: Bundle, vin: str | None) -> shapes.SignedManifest:
        now = self.clock()
        manifest = shapes.Manifest(
            id=bundle.id,
            version=bundle.version,
            locale=bundle.locale,
            screen_class=bundle.screen_class,
            brand=bundle.brand,
            min_software=bundle.min_software,
            published_at=bundle.published_at,
            expires_at=bundle.expires_at,
            previous_version=bundle.previous_version,
            assets=[_asset(asset) for asset in bundle.assets],
            removed=list(bundle.removed),
            scope=shapes.Scope(vin=vin, issued_at=now, expires_at=_earlier(now + VALID, bundle.expires_at)),
        )
        signature = self.signer.sign(msgspec.to_builtins(manifest))
        return shapes.SignedManifest(id=bundle.id, manifest=manifest, signature=signature)


def asset_name(asset: Asset) -> str:
    return asset.path.rsplit("/", 1)[-1]


def _asset(asset: Asset) -> shapes.Asset:
    name, delta = asset_name(asset), asset.delta
    return shapes.Asset(
        path=asset.path,
        sha256=asset.sha256,
        size=asset.size,
        mime=asset.mime,
        url=f"/assets/{asset.sha256}/{name}",
        delta=shapes.Delta(
            from_sha256=delta.from_sha256,
            sha256=delta.sha256,
            size=delta.size,
            url=f"/assets/{delta.sha256}/{name}.delta",
        )
        if delta
        else None,
    )


def _earlier(first: datetime, second: datetime | None) -> datetime:
    return min(first, second) if second is not None else first


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def bytes_by_hash(bundles: Iterable[Bundle]) -> dict[str, tuple[bytes, str]]:
    """Everything that a manifest can name: hash → bytes and media type."""
    found: dict[str, tuple[bytes, str]] = {}
    for bundle in bundles:
        for asset in bundle.assets:
            found[asset.sha256] = (asset.data, asset.mime)
            if asset.delta is not None:
                found[asset.delta.sha256] = (asset.delta.data, "application/vnd.bdl1-delta")
    return found
