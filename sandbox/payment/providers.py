"""What the simulated providers hand out for a client to go on with: signed parameters, pages, codes, order strings."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache, lru_cache
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.world.entities import PaymentIntent, PaymentProvider, PaymentScene
from sandbox.world.people import MINI_PROGRAM_APP_ID

from . import contract

APP_ID = "wxa55e7000app00001"
PARTNER_ID = "1900000109"

SCENES: dict[PaymentProvider, tuple[PaymentScene, ...]] = {
    "WECHAT_PAY": ("JSAPI", "APP", "H5", "NATIVE"),
    "ALIPAY": ("APP", "H5", "NATIVE"),
    "UNIONPAY": ("APP", "H5", "NATIVE"),
    "CARD": ("H5",),
}
FAILURES: dict[PaymentProvider, str] = {
    "WECHAT_PAY": "NOT_ENOUGH",
    "ALIPAY": "INSUFFICIENT_FUNDS",
    "UNIONPAY": "INSUFFICIENT_FUNDS",
    "CARD": "CARD_DECLINED",
}


@cache
def _key() -> rsa.RSAPrivateKey:
    """The merchant's key, of this process only."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_key() -> bytes:
    """PEM, for whoever wants to check a signature."""
    return _key().public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip


def prepay_id(intent_id: str) -> str:
    return f"wx{hashlib.sha256(intent_id.encode()).hexdigest()[:34]}"


@lru_cache(4096)
def sign(message: str) -> str:
    signature = _key().sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def client_action(intent: PaymentIntent, base_url: str) -> contract.ClientAction | None:
    """What the client does next; None once the customer has acted, or before the provider was asked."""
    if intent.status != "REQUIRES_ACTION":
        return None
    page = f"{base_url.rstrip('/')}/cashier/{intent.id}"
    if intent.scene == "JSAPI" and intent.provider == "WECHAT_PAY":
        return _jsapi(intent)
    if intent.scene == "NATIVE":
        content = f"weixin://wxpay/bizpayurl?pr={_nonce(intent)[:9]}" if intent.provider == "WECHAT_PAY" else page
        return contract.QrCode(content=content)
    if intent.scene == "APP":
        return contract.AppOrder(order_string=_order_string(intent))
    return contract.Redirect(url=page)


def _jsapi(intent: PaymentIntent) -> contract.WechatJsapi:
    stamp, nonce = _stamp(intent), _nonce(intent)
    package = f"prepay_id={intent.prepay_id}"
    return contract.WechatJsapi(
        app_id=MINI_PROGRAM_APP_ID,
        time_stamp=stamp,
        nonce_str=nonce,
        package=package,
        pay_sign=sign(f"{MINI_PROGRAM_APP_ID}\n{stamp}\n{nonce}\n{package}\n"),
    )


def _order_string(intent: PaymentIntent) -> str:
    stamp, nonce = _stamp(intent), _nonce(intent)
    if intent.provider == "WECHAT_PAY":
        parameters = {
            "appid": APP_ID,
            "partnerid": PARTNER_ID,
            "prepayid": intent.prepay_id or "",
            "package": "Sign=WXPay",
            "noncestr": nonce,
            "timestamp": stamp,
            "sign": sign(f"{APP_ID}\n{stamp}\n{nonce}\n{intent.prepay_id}\n"),
        }
    elif intent.provider == "ALIPAY":
        content = {
            "out_trade_no": intent.id,
            "total_amount": f"{intent.amount_fen // 100}.{intent.amount_fen % 100:02d}",
        }
        parameters = {
            "app_id": "2021000000000000",
            "biz_content": json.dumps(content),
            "charset": "utf-8",
            "method": "alipay.trade.app.pay",
            "sign_type": "RSA2",
            "version": "1.0",
        }
        said = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        parameters["sign"] = sign(said)
    else:
        parameters = {"tn": str(int(nonce[:16], 16)).zfill(21)[:21]}
    return urlencode(parameters)


def _stamp(intent: PaymentIntent) -> str:
    return str(int(intent.created_at.timestamp()))


def _nonce(intent: PaymentIntent) -> str:
    return hashlib.sha256(f"nonce:{intent.id}".encode()).hexdigest()[:32]
