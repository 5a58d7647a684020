"""Content bundles for head units and phones: manifests with real bytes behind every asset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .common import Language

ScreenClass = Literal["head-unit-12", "head-unit-8", "phone"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A binary delta (format in ``sandbox.world.delta``) that makes an asset from the one whose hash is
    ``from_sha256``.
    """

    from_sha256: str
    sha256: str
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a bundle; ``sha256`` is hex over ``data``, ``size`` its length in bytes."""

    path: str
    sha256: str
    size: int
    mime: str
    data: bytes
    delta: Delta | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of a bundle for a locale and screen class; unsigned (the content service signs what it hands out).

    ``brand`` None: for every brand. ``expires_at`` None: no end. ``removed`` are paths of ``previous_version``
    that are gone.
    """

    id: str
    version: int
    locale: Language
    screen_class: ScreenClass
    brand: str | None
    min_software: str
    published_at: datetime
    expires_at: datetime | None
    previous_version: int | None
    assets: tuple[Asset, ...]
    removed: tuple[str, ...] = ()
