"""Charges, refunds and errors as API v3 says them. Amounts are integers of fen.

Source: pay.weixin.qq.com, merchant documentation: JSAPI, APP, H5 and Native payment, refunds.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec

from adapters.transport.records import Codes, Moment, utc_or_none
from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import lines, sign
from bff.domain.base import Money
from bff.domain.payment import (
    AppAction,
    ClientAction,
    PaymentScene,
    QrCodeAction,
    RedirectAction,
    RefundStatus,
    WechatJsapiAction,
)
from bff.domain.providers import Charge, ChargeState, ChargeStatus, Repayment, RepaymentState

Fen = Annotated[int, msgspec.Meta(ge=0)]

ID = re.compile(r"[0-9A-Za-z]{6,32}")
"""out_trade_no: at least six characters; of WeChat Pay's alphabet only what every provider takes."""
DESCRIPTION_CHARACTERS = 127
REASON_BYTES = 80

charge_status = Codes(
    "wechatpay",
    ChargeStatus,
    {
        "NOTPAY": ChargeStatus.OPEN,
        "USERPAYING": ChargeStatus.PROCESSING,
        "ACCEPT": ChargeStatus.PROCESSING,
        "SUCCESS": ChargeStatus.SUCCEEDED,
        "REFUND": ChargeStatus.SUCCEEDED,  # paid, and refunded since: refunds are asked about by their own id
        "CLOSED": ChargeStatus.CLOSED,
        "REVOKED": ChargeStatus.CLOSED,
        "PAYERROR": ChargeStatus.FAILED,
    },
)
refund_status = Codes(
    "wechatpay",
    RefundStatus,
    {
        "SUCCESS": RefundStatus.SUCCEEDED,
        "PROCESSING": RefundStatus.PROCESSING,
        "CLOSED": RefundStatus.CLOSED,
        "ABNORMAL": RefundStatus.ABNORMAL,
    },
)


class WireAmount(msgspec.Struct):
    total: Fen
    currency: str = "CNY"


class WireCharge(msgspec.Struct):
    """What a query answers and what the notification of a success holds."""

    mchid: str
    out_trade_no: str
    trade_state: str
    appid: str | None = None
    transaction_id: str | None = None
    success_time: Moment | None = None
    amount: WireAmount | None = None


class WireRefundAmount(msgspec.Struct):
    """A notification has no currency: domestic refunds are in CNY and nothing else."""

    refund: Fen
    currency: str = "CNY"


class RefundParts(msgspec.Struct, kw_only=True):
    """What an answer and a notification have in common."""

    refund_id: str
    out_refund_no: str
    out_trade_no: str
    amount: WireRefundAmount


class WireRefund(RefundParts, kw_only=True):
    status: str


class WirePrepay(msgspec.Struct):
    prepay_id: str = ""
    h5_url: str = ""
    code_url: str = ""


# Requests


def scene_path(scene: PaymentScene) -> str:
    return f"/v3/pay/transactions/{scene.value.lower()}"


def prepay_body(charge: Charge, settings: WechatPaySettings) -> bytes:
    """The same charge makes the same bytes: another request under its number would be refused."""
    body: dict[str, Any] = {
        "appid": app_id(charge.scene, settings),
        "mchid": settings.merchant_id,
        "description": charge.description[:DESCRIPTION_CHARACTERS],
        "out_trade_no": charge.id,
        "time_expire": charge.expires_at.astimezone(UTC).isoformat(timespec="seconds"),
        "notify_url": settings.notify_url,
        "amount": {"total": charge.amount.amount_minor, "currency": charge.amount.currency},
    }
    if charge.scene is PaymentScene.JSAPI:
        body["payer"] = {"openid": charge.payer}
    if charge.scene is PaymentScene.H5:
        body["scene_info"] = {"payer_client_ip": charge.client_ip, "h5_info": {"type": "Wap"}}
    return msgspec.json.encode(body)


def refund_body(wanted: Repayment, settings: WechatPaySettings) -> bytes:
    reason = wanted.reason.encode()[:REASON_BYTES].decode(errors="ignore")
    body: dict[str, Any] = {
        "out_trade_no": wanted.charge_id,
        "out_refund_no": wanted.id,
        "notify_url": settings.notify_url,
        "amount": {
            "refund": wanted.amount.amount_minor,
            "total": wanted.total.amount_minor,
            "currency": wanted.amount.currency,
        },
    }
    return msgspec.json.encode(body | ({"reason": reason} if reason else {}))


def app_id(scene: PaymentScene, settings: WechatPaySettings) -> str | None:
    return settings.mobile_app_id if scene is PaymentScene.APP else settings.app_id


# Replies


def read_action(
    body: bytes, scene: PaymentScene, settings: WechatPaySettings, timestamp: int, nonce: str
) -> ClientAction:
    """What the client does next, signed where its SDK wants it signed. Raises ValueError, MsgspecError."""
    said = msgspec.json.decode(body, type=WirePrepay)
    if scene is PaymentScene.H5:
        parts = urlsplit(said.h5_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("h5_url is no address")
        return RedirectAction(url=said.h5_url)
    if scene is PaymentScene.NATIVE:
        if not said.code_url:
            raise ValueError("no code_url")
        return QrCodeAction(content=said.code_url)
    if not said.prepay_id:
        raise ValueError("no prepay_id")
    if scene is PaymentScene.JSAPI:
        return _jsapi(said.prepay_id, settings, str(timestamp), nonce)
    return _app(said.prepay_id, settings, str(timestamp), nonce)


def _jsapi(prepay_id: str, settings: WechatPaySettings, timestamp: str, nonce: str) -> WechatJsapiAction:
    package = f"prepay_id={prepay_id}"
    return WechatJsapiAction(
        app_id=settings.app_id,
        time_stamp=timestamp,
        nonce_str=nonce,
        package=package,
        sign_type="RSA",
        pay_sign=sign(settings.private_key, lines(settings.app_id, timestamp, nonce, package)),
    )


def _app(prepay_id: str, settings: WechatPaySettings, timestamp: str, nonce: str) -> AppAction:
    """The parameters of the app's PayReq as a query string."""
    app = settings.mobile_app_id or ""
    parameters = {
        "appid": app,
        "partnerid": settings.merchant_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": timestamp,
        "sign": sign(settings.private_key, lines(app, timestamp, nonce, prepay_id)),
    }
    return AppAction(order_string=urlencode(parameters))


def read_charge(body: bytes, charge_id: str, settings: WechatPaySettings) -> ChargeState:
    """The answer to a query. Raises ValueError, MsgspecError."""
    wire = msgspec.json.decode(body, type=WireCharge)
    if wire.out_trade_no != charge_id:
        raise ValueError("another charge was answered")
    if wire.mchid != settings.merchant_id or (wire.appid is not None and wire.appid not in settings.app_ids):
        raise ValueError("a charge of another merchant or app was answered")
    return charge_state(wire)


def charge_state(wire: WireCharge) -> ChargeState:
    """Raises ValueError for a success that does not say what was paid."""
    status = charge_status(wire.trade_state)
    amount = None if wire.amount is None else Money(amount_minor=wire.amount.total, currency=wire.amount.currency)
    succeeded = status is ChargeStatus.SUCCEEDED
    if succeeded and (amount is None or not wire.transaction_id):
        raise ValueError("a success without its amount or transaction")
    return ChargeState(
        id=wire.out_trade_no,
        status=status,
        raw_status=wire.trade_state,
        amount=amount,
        captured=amount if succeeded else None,
        transaction=wire.transaction_id or None,
        failure_code=wire.trade_state if status is ChargeStatus.FAILED else None,
        succeeded_at=utc_or_none(wire.success_time) if succeeded else None,
    )


def read_refund(body: bytes, wanted: Repayment) -> RepaymentState:
    """Raises ValueError, MsgspecError."""
    wire = msgspec.json.decode(body, type=WireRefund)
    if (wire.out_refund_no, wire.out_trade_no) != (wanted.id, wanted.charge_id):
        raise ValueError("another refund was answered")
    return repayment_state(wire, wire.status)


def repayment_state(wire: RefundParts, status: str) -> RepaymentState:
    return RepaymentState(
        id=wire.out_refund_no,
        charge_id=wire.out_trade_no,
        status=refund_status(status),
        raw_status=status,
        amount=Money(amount_minor=wire.amount.refund, currency=wire.amount.currency),
        transaction=wire.refund_id,
    )
