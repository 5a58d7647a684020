"""What WeChat Pay signs and seals, and what we sign for it.

Source: pay.weixin.qq.com, merchant documentation, interface rules: request signature, response signature, AES-256-GCM.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_SECONDS = 300
"""A message whose timestamp is further from our clock, either way, is not believed."""

SIGNATURE = "wechatpay-signature"
TIMESTAMP = "wechatpay-timestamp"
NONCE = "wechatpay-nonce"
SERIAL = "wechatpay-serial"
SIGNATURE_TYPE = "wechatpay-signature-type"

_NONCE_BYTES = 12
_NONCES = range(8, 129)
"""What GCM takes here; WeChat Pay sends 12."""


class Unverified(Exception):
    """The message is not proven to come from WeChat Pay; `str()` says why, without its content."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The signature of a reply or notification, its timestamp already checked."""

    serial: str
    timestamp: str
    nonce: str
    signature: bytes


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """An AEAD_AES_256_GCM resource: a notification's, or a platform certificate's."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str | None = None


def lines(*parts: str | bytes) -> bytes:
    """Every part on a line of its own, each with its end."""
    return b"".join((part.encode() if isinstance(part, str) else part) + b"\n" for part in parts)


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def authorization(
    key: rsa.RSAPrivateKey,
    *,
    merchant_id: str,
    serial: str,
    method: str,
    path: str,
    timestamp: int,
    nonce: str,
    body: bytes,
) -> str:
    """The Authorization header; `path` is with its query, exactly as it is sent."""
    signature = sign(key, lines(method, path, str(timestamp), nonce, body))
    return (
        f'{SCHEME} mchid="{merchant_id}",nonce_str="{nonce}",signature="{signature}",timestamp="{timestamp}",'
        f'serial_no="{serial}"'
    )


def is_signed(headers: Mapping[str, str]) -> bool:
    return SIGNATURE in headers


def read_proof(headers: Mapping[str, str], now: int) -> Proof:
    """`now` is whole seconds since 1970. Raises Unverified for what is missing, malformed or out of time."""
    for name in (SIGNATURE, TIMESTAMP, NONCE, SERIAL):
        if not headers.get(name):
            raise Unverified(f"no {name} header")
    kind = headers.get(SIGNATURE_TYPE, SCHEME)
    if kind != SCHEME:
        raise Unverified(f"signed by an algorithm that is not {SCHEME}: {kind[:40]!r}")
    stamp = headers[TIMESTAMP]
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Unverified("the timestamp is no number of seconds")
    if abs(int(stamp) - now) > WINDOW_SECONDS:
        raise Unverified(f"the timestamp is {int(stamp) - now:+d} seconds from our clock")
    try:
        signature = base64.b64decode(headers[SIGNATURE], validate=True)
    except (binascii.Error, ValueError) as error:
        # Also what WeChat Pay sends on purpose, now and then, to see whether anybody looks: WECHATPAY/SIGNTEST/…
        raise Unverified("the signature is not base64") from error
    return Proof(serial=headers[SERIAL], timestamp=stamp, nonce=headers[NONCE], signature=signature)


def check(proof: Proof, body: bytes, key: rsa.RSAPublicKey) -> None:
    """Over the bytes as they came. Raises Unverified."""
    try:
        message = lines(proof.timestamp, proof.nonce, body)
        key.verify(proof.signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise Unverified("the signature does not hold") from error


def unseal(sealed: Sealed, keys: Sequence[bytes]) -> bytes:
    """What was sealed with one of our API v3 keys: while one is replaced, two are valid. Raises Unverified."""
    if sealed.algorithm != "AEAD_AES_256_GCM":
        raise Unverified(f"sealed by an algorithm that is not AEAD_AES_256_GCM: {sealed.algorithm[:40]!r}")
    nonce, associated = sealed.nonce.encode(), (sealed.associated_data or "").encode()
    if len(nonce) not in _NONCES:
        raise Unverified(f"a nonce of {len(nonce)} bytes, not {_NONCE_BYTES}")
    try:
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unverified("the ciphertext is not base64") from error
    for key in keys:
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, associated)
        except InvalidTag:
            continue
    raise Unverified("no API v3 key of ours opens it")
