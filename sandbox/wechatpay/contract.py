"""What a merchant may send, with the lengths and patterns of the documentation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Number = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}$")]
RefundNumber = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^?]+$", max_length=255)]
"""The real one takes https only."""
Fen = Annotated[int, Meta(ge=1)]
Moment = Annotated[datetime, Meta(tz=True)]


class Asked(msgspec.Struct, kw_only=True):
    """A request body. Members that are not known are ignored, as WeChat Pay does."""


class Amount(Asked):
    total: Fen
    currency: Literal["CNY"] = "CNY"


class Payer(Asked):
    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class H5Info(Asked):
    type: str


class SceneInfo(Asked):
    payer_client_ip: Annotated[str, Meta(min_length=1, max_length=45)]
    h5_info: H5Info


class Prepay(Asked):
    appid: str
    mchid: str
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: Number
    notify_url: Url
    amount: Amount
    time_expire: Moment | None = None
    payer: Payer | None = None
    scene_info: SceneInfo | None = None


class Close(Asked):
    mchid: str


class RefundAmount(Asked):
    refund: Fen
    total: Fen
    currency: Literal["CNY"]


class CreateRefund(Asked):
    out_refund_no: RefundNumber
    amount: RefundAmount
    out_trade_no: str | None = None
    transaction_id: str | None = None
    reason: Annotated[str, Meta(max_length=80)] | None = None
    notify_url: Url | None = None


# Handles: they stand for the customer and for whoever stirs the wires, and exist in the sandbox only.

How = Literal["once", "never", "twice", "parallel", "late", "forged", "stale", "stranger"]


class Pay(Asked, forbid_unknown_fields=True):
    result: Literal["SUCCEEDED", "FAILED"]
    notify: How = "once"


class Again(Asked, forbid_unknown_fields=True):
    notify: How = "once"


class SettleRefunds(Asked, forbid_unknown_fields=True):
    settle: Literal["SUCCESS", "ABNORMAL", "CLOSED", "NEVER"]


class Rotate(Asked, forbid_unknown_fields=True):
    signer: Literal["certificate", "next-certificate", "public-key"]
