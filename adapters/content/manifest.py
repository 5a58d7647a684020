"""What makes a bundle's manifest one that a client may take. Pure.

The content service signs manifests end to end: the service's private key there, public keys (`GET /keys`, a JWK set)
built into the client. We carry `signed_payload` and `signature` and check only the structure, so a fault of ours cannot
put content on a screen. `verify` and `verify_asset` are the reference for clients and what tests hold them to
(docs/content-bundles.md); the order of checks is theirs too:

1. the signature, over exactly the bytes of `signed_payload` (Ed25519, RFC 8032), by a key that the client holds;
2. the scope: this car (`scope.vin`) and not after `scope.expiresAt`, so that an old or foreign plan cannot be replayed;
3. the bundle itself: not expired, its version higher than what is held;
4. every asset's size and SHA-256, of what was fetched or made by a delta. One that differs: the old bundle stays.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated

import msgspec
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.transport.records import Moment
from bff.domain.base import Int

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, msgspec.Meta(ge=0)]
ALGORITHM = "Ed25519"
ASSET_URL = re.compile(r"^/assets/([0-9a-f]{64})/([^/?#]+)$")


class BadManifest(ValueError):
    """A manifest, signature or asset that must not be used. The message says which check failed."""


class WireDelta(msgspec.Struct, frozen=True, rename="camel"):
    sha256: Sha256
    size: Size
    url: str
    from_sha256: Sha256 = msgspec.field(name="fromSha256")


class WireAsset(msgspec.Struct, frozen=True, rename="camel"):
    path: str
    sha256: Sha256
    size: Size
    mime: str
    url: str
    delta: WireDelta | None = None


class WireScope(msgspec.Struct, frozen=True, rename="camel"):
    vin: str | None
    issued_at: Moment
    expires_at: Moment


class WireManifest(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    version: Int
    locale: str
    screen_class: str
    min_software: str | None
    published_at: Moment
    expires_at: Moment | None
    previous_version: Int | None
    assets: list[WireAsset]
    removed: list[str]
    scope: WireScope


class WireSignature(msgspec.Struct, frozen=True, rename="camel"):
    alg: str
    key_id: str
    value: str


def canonical(manifest: msgspec.Raw) -> bytes:
    """RFC 8785 for manifests, which hold no fractions and no member names beyond ASCII."""
    value = orjson.loads(bytes(manifest))
    if _has_fractions(value):
        raise BadManifest("a manifest holds whole numbers only")
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _has_fractions(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_fractions, value.values()))
    if isinstance(value, list):
        return any(map(_has_fractions, value))
    return isinstance(value, float)


def check_structure(manifest: WireManifest, signature: WireSignature) -> None:
    """That the parts fit each other. Raises BadManifest."""
    if signature.alg != ALGORITHM or len(_decoded(signature.value)) != 64:
        raise BadManifest("the signature is not an Ed25519 signature")
    if manifest.previous_version is not None and manifest.previous_version >= manifest.version:
        raise BadManifest("the version is not above the one before")
    if manifest.expires_at is not None and manifest.expires_at <= manifest.published_at:
        raise BadManifest("the bundle ends before it begins")
    paths = [asset.path for asset in manifest.assets]
    if len(set(paths)) != len(paths) or not all(map(_is_inside, [*paths, *manifest.removed])):
        raise BadManifest("a path is doubled or leads out of the bundle")
    for asset in manifest.assets:
        for part in (asset, asset.delta) if asset.delta else (asset,):
            named = ASSET_URL.match(part.url)
            if named is None or named[1] != part.sha256:
                raise BadManifest(f"the address of {asset.path} does not carry its hash")


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and "\\" not in path and ".." not in parts


def verify(
    payload: bytes,
    signature: WireSignature,
    keys: Mapping[str, bytes],
    *,
    vin: str | None,
    now: datetime,
    held_version: int | None = None,
) -> WireManifest:
    """Checks 1 to 3 of a client. `keys`: raw public keys (32 bytes, `x` of the JWK) by key id. Raises BadManifest."""
    key = keys.get(signature.key_id)
    if key is None or signature.alg != ALGORITHM:
        raise BadManifest("signed by a key that is not known")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(_decoded(signature.value), payload)
    except InvalidSignature as error:
        raise BadManifest("the signature does not match") from error
    try:
        manifest = msgspec.json.decode(payload, type=WireManifest)
    except msgspec.MsgspecError as error:
        raise BadManifest(str(error)) from error
    check_structure(manifest, signature)
    if manifest.scope.vin != vin:
        raise BadManifest("made for another car")
    if now >= manifest.scope.expires_at or (manifest.expires_at is not None and now >= manifest.expires_at):
        raise BadManifest("expired")
    if held_version is not None and manifest.version <= held_version:
        raise BadManifest("not newer than what is held")
    return manifest


def verify_asset(asset: WireAsset, data: bytes) -> None:
    """Check 4 of a client, for each asset before anything is swapped. Raises BadManifest."""
    if len(data) != asset.size or hashlib.sha256(data).hexdigest() != asset.sha256:
        raise BadManifest(f"{asset.path} is not what was signed")


def _decoded(value: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (ValueError, binascii.Error) as error:
        raise BadManifest("the signature is not base64url") from error
