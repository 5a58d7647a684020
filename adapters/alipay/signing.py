"""RSA2: RSASSA-PKCS1-v1_5 with SHA-256, in base64 (Alipay open platform, "Signing").

Alipay's key tool writes keys as bare base64 of DER, everybody else writes PEM: both are read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

SIGN_TYPE = "RSA2"
LEAST_BITS = 2048
_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


def read_private_key(text: str) -> RSAPrivateKey:
    """Raises ValueError that says what is wrong, and nothing of the key."""
    try:
        key = (
            load_pem_private_key(text.strip().encode(), None)
            if "-----BEGIN" in text
            else load_der_private_key(_bytes(text), None)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("it is no private key, in PEM or in base64, without a password") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise ValueError(f"RSA2 needs an RSA key of at least {LEAST_BITS} bits")
    return key


def read_public_keys(text: str) -> tuple[RSAPublicKey, ...]:
    """One or more: PEM blocks, or base64 with a comma or an empty line between. Raises ValueError."""
    blocks = _BLOCK.findall(text) or [part for part in re.split(r",|\n\s*\n", text) if part.strip()]
    if not blocks:
        raise ValueError("there is no public key in it")
    return tuple(_public_key(block) for block in blocks)


def _public_key(text: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(text.encode()) if "-----BEGIN" in text else load_der_public_key(_bytes(text))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it is no public key, in PEM or in base64") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_BITS:
        raise ValueError(f"RSA2 needs an RSA key of at least {LEAST_BITS} bits")
    return key


def _bytes(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def content(parameters: Mapping[str, str]) -> str:
    """What is signed: `name=value` sorted by name, joined by `&`, nothing escaped."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))


def sign(text: str, key: RSAPrivateKey) -> str:
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def holds(text: str, signature: str, keys: Sequence[RSAPublicKey]) -> bool:
    """Whether one of `keys` made it. Several count at once while Alipay's key is changed."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return any(_made_by(key, raw, text.encode()) for key in keys)


def _made_by(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
