"""What the gateway asks of every request before anything is done, and the envelope of its answers.

`GET` and `POST /gateway.do` are the same: parameters come in the address, in a form, or in both. An answer is HTTP 200.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from .keys import APP_ID

SHANGHAI = ZoneInfo("Asia/Shanghai")
SKEW = timedelta(seconds=300)
TIME = "%Y-%m-%d %H:%M:%S"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

SERVER = (
    "alipay.trade.precreate", "alipay.trade.query", "alipay.trade.close", "alipay.trade.refund",
    "alipay.trade.fastpay.refund.query",
)  # fmt: skip
PAGES = ("alipay.trade.wap.pay", "alipay.trade.page.pay")
APP = "alipay.trade.app.pay"


class GatewayRefusal(Exception):
    """Refused before the business was asked: nobody is known for whom it could be signed."""

    def __init__(self, code: str, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_code)
        self.code, self.sub_code, self.sub_msg = code, sub_code, sub_msg


class Refused(Exception):
    """A business refusal: code 40004."""

    def __init__(self, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_code)
        self.sub_code, self.sub_msg = sub_code, sub_msg


def signed_content(parameters: Mapping[str, str], *without: str) -> bytes:
    return "&".join(f"{k}={v}" for k, v in sorted(parameters.items()) if k not in without).encode()


def sign(message: bytes, key: RSAPrivateKey) -> str:
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def admit(parameters: Mapping[str, str], key: RSAPublicKey, now: datetime, *, is_offer: bool) -> dict[str, Any]:
    """The content of a request that is well formed and signed. An offer is opened when its customer likes."""
    for name in ("method", "app_id", "sign_type", "sign", "timestamp", "version", "charset", "biz_content"):
        if not parameters.get(name):
            raise GatewayRefusal("40001", f"isv.missing-{name.replace('_', '-')}", f"缺少{name}参数")
    known = {"app_id": (APP_ID,), "sign_type": ("RSA2",), "version": ("1.0",), "charset": ("utf-8", "UTF-8"),
             "method": (*SERVER, *PAGES, APP)}  # fmt: skip
    for name, values in known.items():
        if parameters[name] not in values:
            raise _invalid(name.replace("_", "-"), f"无效的{name}参数")
    _check_signature(parameters, key)
    asked_at = read_time(parameters["timestamp"])
    if asked_at is None or asked_at > now + SKEW or (asked_at < now - SKEW and not is_offer):
        raise _invalid("timestamp", "非法的时间戳参数")
    try:
        content = json.loads(parameters["biz_content"])
    except ValueError as error:
        raise _invalid("biz-content", "biz_content不是JSON") from error
    if not isinstance(content, dict):
        raise _invalid("biz-content", "biz_content不是对象")
    return content


def _check_signature(parameters: Mapping[str, str], key: RSAPublicKey) -> None:
    try:
        signature = base64.b64decode(parameters["sign"], validate=True)
        key.verify(signature, signed_content(parameters, "sign"), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error) as error:
        raise _invalid("signature", "无效签名") from error


def _invalid(what: str, message: str) -> GatewayRefusal:
    return GatewayRefusal("40002", f"isv.invalid-{what}", message)


def read_time(said: object) -> datetime | None:
    if not isinstance(said, str) or _TIME.fullmatch(said) is None:
        return None
    try:
        return datetime.strptime(said, TIME).replace(tzinfo=SHANGHAI).astimezone(UTC)
    except ValueError:
        return None


def show_time(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime(TIME)


def envelope(method: str, told: Mapping[str, Any], key: RSAPrivateKey) -> bytes:
    """`{"<method>_response": …, "sign": …}`; slashes are escaped, as the real gateway's are, and signed so."""
    name = method.replace(".", "_") + "_response"
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    return f'{{"{name}":{text},"sign":"{sign(text.encode(), key)}"}}'.encode()


def unsigned(method: str, refusal: GatewayRefusal) -> bytes:
    name = method.replace(".", "_") + "_response" if method in SERVER else "error_response"
    told = {
        "code": refusal.code,
        "msg": "Missing Required Arguments" if refusal.code == "40001" else "Invalid Arguments",
        "sub_code": refusal.sub_code,
        "sub_msg": refusal.sub_msg,
    }
    return json.dumps({name: told}, ensure_ascii=False, separators=(",", ":")).encode()
