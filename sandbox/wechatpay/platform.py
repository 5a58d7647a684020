"""The platform's keys and certificates, how it checks a merchant's signature, signs its answers and seals resources."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_der_public_key
from cryptography.x509.oid import NameOID

from sandbox.kit.clock import Clock

from . import keys

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_SECONDS = 300
_FIELD = re.compile(r'(\w+)="([^"]*)"')
_FIELDS = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
_BEGINS, _ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)


class WechatError(Exception):
    """An error of the API: `{"code", "message"}`. A message that WeChat Pay does not believe is answered unsigned."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that the platform signs with. `certificate` (PEM) is None for a key of the public-key mode."""

    serial: str
    key: rsa.RSAPrivateKey
    certificate: bytes | None = None

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


@cache
def public_key_signer() -> Signer:
    return Signer(keys.PUBLIC_KEY_ID, _private(keys.PLATFORM_PRIVATE_KEY))


@cache
def certificate_signer(
    private_key: str = keys.FIRST_CERTIFICATE_KEY,
    serial: int = 0x60E2D4A7C3B1,
    begins: datetime = _BEGINS,
    ends: datetime = _ENDS,
) -> Signer:
    key = _private(private_key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sandbox")])
    built = x509.CertificateBuilder(name, name, key.public_key(), serial, begins, ends).sign(key, hashes.SHA256())
    return Signer(f"{serial:X}", key, built.public_bytes(Encoding.PEM))


def next_certificate_signer() -> Signer:
    """The certificate that the platform rotates to."""
    return certificate_signer(keys.SECOND_CERTIFICATE_KEY, 0x60E2D4A7C3B2)


class Platform:
    """`current` signs; a request may name another of `signers` in Wechatpay-Serial. Certificates are all handed out.

    Notifications are signed as the merchant last wanted its answers.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        first = certificate_signer()
        self.signers = {signer.serial: signer for signer in (public_key_signer(), first)}
        self.current = first
        self._named: Signer | None = None
        public_key = load_der_public_key(base64.b64decode(keys.MERCHANT_PUBLIC_KEY))
        assert isinstance(public_key, rsa.RSAPublicKey)
        self._merchant = public_key
        self._nonces: dict[str, float] = {}

    def rotate(self) -> Signer:
        """From now on the next certificate signs; the first is still valid."""
        self.current = next_certificate_signer()
        self.signers[self.current.serial] = self.current
        return self.current

    # What a merchant sends

    def check(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """`target` is path and query as they came. Raises WechatError 401."""
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        fields = dict(_FIELD.findall(rest))
        if scheme != SCHEME or not fields.keys() >= _FIELDS:
            raise _sign_error("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
        if fields["mchid"] != keys.MERCHANT_ID or fields["serial_no"] != keys.MERCHANT_SERIAL:
            raise _sign_error("商户证书序列号有误")
        now, stamp = self.clock().timestamp(), fields["timestamp"]
        if not stamp.isdigit() or abs(int(stamp) - now) > WINDOW_SECONDS:
            raise _sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
        message = f"{method}\n{target}\n{stamp}\n{fields['nonce_str']}\n".encode() + body + b"\n"
        try:
            signature = base64.b64decode(fields["signature"], validate=True)
            self._merchant.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError) as error:
            raise _sign_error("错误的签名，验签失败") from error
        if method != "GET":  # what changes nothing may be sent again as it was, after a connection broke
            self._refuse_replay(fields["nonce_str"], now)

    def _refuse_replay(self, nonce: str, now: float) -> None:
        self._nonces = {one: seen for one, seen in self._nonces.items() if now - seen <= 2 * WINDOW_SECONDS}
        if nonce in self._nonces:
            raise _sign_error("随机串重复，请求已被处理")
        self._nonces[nonce] = now

    def signer_for(self, headers: Mapping[str, str]) -> Signer:
        """Raises WechatError 400 where the merchant names a key that is not the platform's."""
        named = headers.get("wechatpay-serial")
        if named is not None and named not in self.signers:
            raise WechatError(400, "PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误")
        self._named = None if named is None else self.signers[named]
        return self.notifier

    @property
    def notifier(self) -> Signer:
        return self._named or self.current

    # What the platform sends

    def signature(self, body: bytes, signer: Signer | None = None, *, at: float | None = None) -> dict[str, str]:
        """Headers that sign a reply or a notification."""
        signer, nonce = signer or self.notifier, secrets.token_hex(16)
        stamp = str(int(self.clock().timestamp() if at is None else at))
        return {
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Serial": signer.serial,
            "Wechatpay-Signature": signer.sign(f"{stamp}\n{nonce}\n".encode() + body + b"\n"),
            "Wechatpay-Signature-Type": SCHEME,
        }

    def seal(self, content: bytes, associated_data: str) -> dict[str, str]:
        nonce = secrets.token_hex(6)
        sealed = AESGCM(keys.API_V3_KEY.encode()).encrypt(nonce.encode(), content, associated_data.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": associated_data,
            "ciphertext": base64.b64encode(sealed).decode(),
        }

    def certificates(self) -> dict[str, Any]:
        """The answer to GET /v3/certificates."""
        held = [signer for signer in self.signers.values() if signer.certificate is not None]
        return {"data": [self._shown(signer.serial, signer.certificate or b"") for signer in held]}

    def _shown(self, serial: str, pem: bytes) -> dict[str, Any]:
        certificate = x509.load_pem_x509_certificate(pem)
        return {
            "serial_no": serial,
            "effective_time": certificate.not_valid_before_utc.isoformat(),
            "expire_time": certificate.not_valid_after_utc.isoformat(),
            "encrypt_certificate": self.seal(pem, "certificate"),
        }


def _private(der: str) -> rsa.RSAPrivateKey:
    key = load_der_private_key(base64.b64decode(der), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _sign_error(message: str) -> WechatError:
    return WechatError(401, "SIGN_ERROR", message)
