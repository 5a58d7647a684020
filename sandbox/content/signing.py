"""Signing manifests: Ed25519 (RFC 8032) over canonical JSON (RFC 8785), keys published as a JWK set (RFC 8037)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.content.shapes import Key, Signature

KEY_IDS = ("content-2025", "content-2026")


class Signer:
    """Signs with the newest of its keys; the one before stays published, so that older manifests still verify."""

    def __init__(self, seed: int) -> None:
        self._keys = {kid: _private_key(seed, kid) for kid in KEY_IDS}

    def sign(self, manifest: Any, key_id: str = KEY_IDS[-1]) -> Signature:
        value = self._keys[key_id].sign(canonical(manifest))
        return Signature(alg="Ed25519", key_id=key_id, value=_base64url(value))

    def published(self) -> list[Key]:
        return [
            Key(
                kty="OKP",
                crv="Ed25519",
                x=_base64url(key.public_key().public_bytes_raw()),
                kid=kid,
                use="sig",
                alg="Ed25519",
            )
            for kid, key in self._keys.items()
        ]


def canonical(value: Any) -> bytes:
    """RFC 8785 for what manifests hold: objects with ASCII names, strings, whole numbers, booleans and null."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _private_key(seed: int, kid: str) -> Ed25519PrivateKey:
    """The same for the same world, so that examples stay true; a real service keeps its keys in hardware."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed}:{kid}".encode()).digest())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
