"""Content bundles: what a head unit or app shows, as signed manifests. Bytes travel by plain HTTP, not here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bff.domain.base import Found, Value

SCREEN_CLASSES = ("head-unit-12", "head-unit-8", "phone")
"""What bundles are made for: `ScreenClass` of the content service's contract."""


class AssetDelta(Value, frozen=True, kw_only=True):
    """A patch that turns the asset with hash `from_sha256` into this one; the patch has its own hash and size."""

    from_sha256: str
    sha256: str
    size: int
    url: str


class Asset(Value, frozen=True, kw_only=True):
    """`size` in bytes; `url` is immutable, since the hash is part of it; `sha256` is lower-case hex."""

    path: str
    sha256: str
    size: int
    mime: str
    url: str
    delta: AssetDelta | None


class Signature(Value, frozen=True, kw_only=True):
    """Over the canonical JSON of the manifest with its vehicle scope. `value` is base64url without padding."""

    alg: str
    key_id: str
    value: str


class ContentBundle(Value, frozen=True, kw_only=True):
    """One version for a locale and screen. A client swaps it in only after every hash passes."""

    id: str
    version: int
    locale: str
    screen_class: str
    minimum_software: str | None
    published_at: datetime
    expires_at: datetime | None
    previous_version: int | None
    assets: list[Asset]
    removed: list[str]
    signature: Signature
    signed_payload: str


class HeldBundle(Value, frozen=True, kw_only=True):
    """What the client has already."""

    id: str
    version: int


class SyncRequest(Value, frozen=True, kw_only=True):
    """`vin` scopes the signature of a head unit's bundles; an app has none."""

    screen_class: str
    locale: str
    held: tuple[HeldBundle, ...] = ()
    vin: str | None = None
    software: str | None = None
    brand: str | None = None


class SyncPlan(Value, frozen=True, kw_only=True):
    """What to fetch, what to drop, and when to ask again (seconds, jittered by the service)."""

    bundles: list[ContentBundle]
    withdrawn: list[str]
    unchanged: list[str]
    next_poll_after_seconds: int
    as_of: datetime


class ContentPort(Protocol):
    async def sync(self, requests: Sequence[SyncRequest]) -> Found[SyncRequest, SyncPlan]: ...

    async def bundles(
        self, ids: Sequence[str], *, locale: str, screen_class: str, brand: str | None = None
    ) -> Found[str, ContentBundle]:
        """The newest version of each."""
        ...
