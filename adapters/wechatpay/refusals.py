"""Errors in WeChat Pay's words, `{"code", "message"}`, and which of them are outcomes of business.

Source: pay.weixin.qq.com, merchant documentation: the tables of error codes of each API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from adapters.transport.http import HttpReply
from bff.domain.base import Refusal

# Codes of errors are compared without underscores: ORDERNOTEXIST and ORDER_NOT_EXIST are both sent.
ABSENT = frozenset({"ORDERNOTEXIST", "ORDERNOTEXISTS"})
PAID = frozenset({"ORDERPAID", "ORDERHASPAID"})
CLOSED = frozenset({"ORDERCLOSED"})
REFUND_ABSENT = frozenset({"RESOURCENOTEXISTS", "RESOURCENOTEXIST", "REFUNDNOTEXIST", "REFUNDNOTEXISTS"})
UNCERTAIN = frozenset({"SYSTEMERROR", "BANKERROR"})
BUSY = frozenset({"FREQUENCYLIMITED", "FREQUENCYLIMIT", "FREQUENCYLIMITEXCEED", "RATELIMITEXCEEDED", "RATELIMIT"})

_PROVIDER = ["input", "provider"]
NOT_SUPPORTED = Refusal(
    code="PROVIDER_NOT_SUPPORTED",
    message="WeChat Pay cannot be used in this scene by this customer. Choose another.",
    field=_PROVIDER,
)
BEGIN_REFUSALS: Mapping[str, Refusal] = {
    **dict.fromkeys(
        PAID, Refusal(code="ALREADY_PAID", message="This has been paid already.", field=["input", "orderId"])
    ),
    "NOTENOUGH": Refusal(
        code="CARD_DECLINED", message="There is not enough money. Choose another way to pay.", field=_PROVIDER
    ),
    "NOAUTH": NOT_SUPPORTED,
}
NOT_REFUNDABLE = Refusal(
    code="NOT_REFUNDABLE", message="WeChat Pay cannot refund this payment.", field=["input", "paymentId"]
)
EXCEEDS = Refusal(
    code="REFUND_EXCEEDS_CAPTURED", message="More than what is left of the payment.", field=["input", "amount"]
)
REPAY_REFUSALS: Mapping[str, Refusal] = dict.fromkeys(
    (*ABSENT, *REFUND_ABSENT, "USERACCOUNTABNORMAL", "TRADEOVERDUE"), NOT_REFUNDABLE
)
# One code, INVALID_REQUEST, for every rule of business that is broken: only its words tell them apart.
_EXCEEDED = re.compile("全额退款|可退金额|退款金额.{0,8}(?:大于|超过|超出)")


class WireError(msgspec.Struct):
    """`detail` is left out on purpose: it repeats what we sent."""

    code: str = ""
    message: str = ""

    @property
    def key(self) -> str:
        return self.code.replace("_", "").upper()


def read_error(reply: HttpReply) -> WireError:
    try:
        return msgspec.json.decode(reply.body, type=WireError)
    except msgspec.MsgspecError:
        return WireError()


def is_exceeded(error: WireError) -> bool:
    """Whether a refund was refused since more was asked for than is left."""
    return error.key == "INVALIDREQUEST" and _EXCEEDED.search(error.message) is not None
