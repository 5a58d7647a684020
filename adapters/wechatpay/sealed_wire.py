"""Notifications and platform certificates: what is sealed with our API v3 key (AEAD_AES_256_GCM).

Source: pay.weixin.qq.com, merchant documentation: payment and refund notifications, platform certificates.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import Sealed, Unverified, unseal
from adapters.wechatpay.wechatpay_wire import RefundParts, WireCharge, charge_state, repayment_state
from bff.domain.providers import ChargeState, Notice, NoticeRefused, RepaymentState


class WireRefundNotice(RefundParts, kw_only=True):
    mchid: str
    refund_status: str


class WireNotice(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    event_type: str
    resource: Sealed


class WireCertificate(msgspec.Struct):
    serial_no: str
    encrypt_certificate: Sealed


class WireCertificates(msgspec.Struct):
    data: list[WireCertificate]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A platform certificate, as far as it matters: its key, and from when until before when it holds."""

    serial: str
    key: rsa.RSAPublicKey
    begins: datetime
    ends: datetime


def read_notice(body: bytes, settings: WechatPaySettings) -> Notice | None:
    """A notification whose signature was verified. None: its event does not concern us. Raises NoticeRefused."""
    try:
        wire = msgspec.json.decode(body, type=WireNotice)
        if wire.event_type == "TRANSACTION.SUCCESS":
            return Notice(id=wire.id, charge=_noticed_charge(unseal(wire.resource, settings.api_keys), settings))
        if wire.event_type.startswith("REFUND."):
            return Notice(id=wire.id, repayment=_noticed_refund(unseal(wire.resource, settings.api_keys), settings))
    except (Unverified, msgspec.MsgspecError, ValueError) as error:
        raise NoticeRefused(f"it cannot be read: {error}") from error
    return None


def _noticed_charge(content: bytes, settings: WechatPaySettings) -> ChargeState:
    wire = msgspec.json.decode(content, type=WireCharge)
    if wire.mchid != settings.merchant_id or wire.appid not in settings.app_ids:
        raise NoticeRefused("it is for another merchant or app")
    return charge_state(wire)


def _noticed_refund(content: bytes, settings: WechatPaySettings) -> RepaymentState:
    wire = msgspec.json.decode(content, type=WireRefundNotice)
    if wire.mchid != settings.merchant_id:
        raise NoticeRefused("it is for another merchant")
    return repayment_state(wire, wire.refund_status)


def read_certificates(body: bytes, api_keys: Sequence[bytes]) -> list[Certificate]:
    """Raises Unverified, ValueError, MsgspecError."""
    found = []
    for one in msgspec.json.decode(body, type=WireCertificates).data:
        certificate = x509.load_pem_x509_certificate(unseal(one.encrypt_certificate, api_keys))
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or int(one.serial_no, 16) != certificate.serial_number:
            raise ValueError("a certificate that is not the one it is said to be")
        found.append(
            Certificate(
                serial=one.serial_no,
                key=key,
                begins=certificate.not_valid_before_utc,
                ends=certificate.not_valid_after_utc,
            )
        )
    return found
