"""The service's JSON, as types. What is signed is `Manifest`, in canonical form."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from sandbox.world import entities
from sandbox.world.entities.content import ScreenClass

Word = Annotated[str, msgspec.Meta(min_length=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Shape(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Delta(Shape):
    from_sha256: Sha256 = msgspec.field(name="fromSha256")
    sha256: Sha256
    size: int
    url: str


class Asset(Shape):
    """`url` is relative to the service; it never changes what it answers, since the hash is part of it."""

    path: str
    sha256: Sha256
    size: int
    mime: str
    url: str
    delta: Delta | None


class Scope(Shape):
    """For whom and until when the signature speaks: another car, or a later day, cannot use it."""

    vin: str | None
    issued_at: datetime
    expires_at: datetime


class Manifest(Shape):
    id: str
    version: int
    locale: str
    screen_class: str
    brand: str | None
    min_software: str
    published_at: datetime
    expires_at: datetime | None
    previous_version: int | None
    assets: list[Asset]
    removed: list[str]
    scope: Scope


class Signature(Shape):
    """Ed25519 over the canonical JSON (RFC 8785) of the manifest; `value` is base64url without padding."""

    alg: str
    key_id: str
    value: str


class SignedManifest(Shape):
    """`id` repeats the manifest's."""

    id: str
    manifest: Manifest
    signature: Signature


class Held(Shape):
    id: Word
    version: int


class SyncRequest(Shape):
    """`id` is the caller's, and comes back with the plan."""

    id: Word
    screen_class: ScreenClass
    locale: Word
    vin: str | None = None
    software: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+$")] | None = None
    brand: str | None = None
    held: list[Held] = []


class SyncRequests(Shape):
    requests: Annotated[list[SyncRequest], msgspec.Meta(min_length=1, max_length=50)]


class SyncPlan(Shape):
    id: str
    bundles: list[SignedManifest]
    withdrawn: list[str]
    unchanged: list[str]
    next_poll_after_seconds: int
    as_of: datetime


class Software(Shape):
    vin: str
    current: str
    available: str | None
    state: str

    @classmethod
    def of(cls, car: entities.Vehicle) -> Software:
        software = car.software
        return cls(vin=car.vin, current=software.current, available=software.available, state=software.state)


class VehicleState(Shape):
    """The car's last report. Pressures are kPa: front left, front right, rear left, rear right."""

    vin: str
    reported_at: datetime
    battery_percent: int | None
    range_km: int | None
    charging: bool | None
    locked: bool | None
    odometer_km: int | None
    tyre_pressures_kpa: list[int]

    @classmethod
    def of(cls, car: entities.Vehicle) -> VehicleState:
        said = car.telemetry
        return cls(
            vin=car.vin,
            reported_at=said.reported_at,
            battery_percent=said.soc_percent,
            range_km=said.range_km,
            charging=said.charging,
            locked=said.locked,
            odometer_km=car.odometer_km,
            tyre_pressures_kpa=list(said.tyre_kpa),
        )


class Key(Shape):
    """A public key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class Keys(Shape):
    keys: list[Key]
