"""Charges and refunds by the merchant's numbers, and the rules that WeChat Pay holds them to. Amounts are fen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from sandbox.kit.clock import Clock

from . import keys
from .contract import CreateRefund, Prepay
from .platform import WechatError

Settle = Literal["SUCCESS", "ABNORMAL", "CLOSED", "NEVER"]

CHINA = timezone(timedelta(hours=8))
TOLD = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "REFUND": "订单发生过退款，退款详情请查询退款单",
    "CLOSED": "订单已关闭",
    "PAYERROR": "支付失败",
}


@dataclass(slots=True)
class Charge:
    asked: Prepay
    trade_type: str
    trade_state: str = "NOTPAY"
    transaction_id: str | None = None
    success_time: datetime | None = None

    @property
    def total(self) -> int:
        return self.asked.amount.total


@dataclass(slots=True)
class Refund:
    asked: CreateRefund
    charge: Charge
    refund_id: str
    create_time: datetime
    status: str = "PROCESSING"
    success_time: datetime | None = None


@dataclass(slots=True)
class Ledger:
    clock: Clock
    charges: dict[str, Charge] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)

    # Charges

    def prepay(self, trade_type: str, asked: Prepay) -> Charge:
        """The same request again is the same charge; another under its number is refused."""
        known = self.charges.get(asked.out_trade_no)
        if known is not None:
            return self._again(known, trade_type, asked)
        self._check(trade_type, asked)
        charge = self.charges[asked.out_trade_no] = Charge(asked, trade_type)
        return charge

    def _again(self, known: Charge, trade_type: str, asked: Prepay) -> Charge:
        if known.trade_state in ("SUCCESS", "REFUND"):
            raise WechatError(400, "ORDERPAID", "该订单已支付")
        if known.trade_state != "NOTPAY":
            raise WechatError(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")
        if known.trade_type != trade_type:
            raise WechatError(403, "OUT_TRADE_NO_USED", "商户订单号重复")
        if known.asked != asked:
            raise WechatError(
                400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致，请求已处理，请变更订单号后重试"
            )
        return known

    def _check(self, trade_type: str, asked: Prepay) -> None:
        app_id = keys.MOBILE_APP_ID if trade_type == "APP" else keys.MINI_PROGRAM_APP_ID
        if asked.mchid != keys.MERCHANT_ID or asked.appid != app_id:
            raise WechatError(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试")
        if asked.time_expire is not None and asked.time_expire < self.clock() + timedelta(minutes=1):
            raise WechatError(400, "PARAM_ERROR", "time_expire时间过短，刷卡至少1分钟，其他5分钟")
        if trade_type == "JSAPI" and asked.payer is None:
            raise WechatError(400, "PARAM_ERROR", "输入源“/body/payer/openid”映射到字段“用户标识”必填性规则校验失败")
        if trade_type == "MWEB" and asked.scene_info is None:
            raise WechatError(400, "PARAM_ERROR", "输入源“/body/scene_info”映射到字段“场景信息”必填性规则校验失败")

    def charge(self, number: str) -> Charge:
        if number not in self.charges:
            raise WechatError(404, "ORDER_NOT_EXIST", "订单不存在")
        return self.charges[number]

    def by_transaction(self, transaction_id: str) -> Charge:
        for charge in self.charges.values():
            if charge.transaction_id == transaction_id:
                return charge
        raise WechatError(404, "ORDER_NOT_EXIST", "订单不存在")

    def close(self, number: str) -> None:
        charge = self.charge(number)
        if charge.trade_state in ("SUCCESS", "REFUND"):
            raise WechatError(400, "ORDERPAID", "该订单已支付")
        if charge.trade_state == "CLOSED":
            raise WechatError(400, "ORDER_CLOSED", "该订单已关闭")
        charge.trade_state = "CLOSED"

    def pay(self, number: str, result: str) -> bool:
        """The customer acts. False: it was like that before. Nobody pays what is closed or out of time."""
        charge, now = self.charge(number), self.clock()
        wanted = "SUCCESS" if result == "SUCCEEDED" else "PAYERROR"
        if charge.trade_state == wanted:
            return False
        if charge.trade_state != "NOTPAY":
            raise WechatError(409, "ALREADY_SETTLED", f"the charge is {charge.trade_state}")
        if charge.asked.time_expire is not None and charge.asked.time_expire <= now:
            raise WechatError(409, "TIME_EXPIRED", "the customer's time to pay is over")
        charge.trade_state = wanted
        if wanted == "SUCCESS":
            charge.transaction_id = f"42000{_digits(number, 23)}"
            charge.success_time = now
        return True

    # Refunds

    def refund(self, asked: CreateRefund) -> tuple[Refund, bool]:
        """The refund, and whether it is new. The sum never exceeds what was paid."""
        known = self.refunds.get(asked.out_refund_no)
        if known is not None:
            if known.asked != asked:
                raise WechatError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
            return known, False
        charge = self._refundable(asked)
        left = charge.total - self._given(charge)
        if left <= 0:
            raise WechatError(400, "INVALID_REQUEST", "订单已全额退款")
        if asked.amount.refund > left:
            raise WechatError(400, "INVALID_REQUEST", "申请退款金额大于订单剩余可退金额")
        charge.trade_state = "REFUND"
        refund = Refund(asked, charge, f"50300{_digits(asked.out_refund_no, 23)}", self.clock())
        self.refunds[asked.out_refund_no] = refund
        return refund, True

    def _refundable(self, asked: CreateRefund) -> Charge:
        named = [
            charge
            for number, charge in self.charges.items()
            if charge.transaction_id is not None
            and (number == asked.out_trade_no or charge.transaction_id == asked.transaction_id)
        ]
        if not named:
            raise WechatError(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
        if asked.amount.total != named[0].total:
            raise WechatError(400, "INVALID_REQUEST", "订单金额与实际支付金额不一致")
        return named[0]

    def _given(self, charge: Charge) -> int:
        mine = (refund for refund in self.refunds.values() if refund.charge is charge and refund.status != "CLOSED")
        return sum(refund.asked.amount.refund for refund in mine)

    def refund_by(self, number: str) -> Refund:
        if number not in self.refunds:
            raise WechatError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return self.refunds[number]

    def settle(self, number: str, status: str) -> None:
        refund = self.refund_by(number)
        refund.status = status
        if status == "SUCCESS":
            refund.success_time = self.clock()


# As WeChat Pay shows them


def shown_charge(charge: Charge) -> dict[str, Any]:
    asked = charge.asked
    shown: dict[str, Any] = {
        "appid": asked.appid,
        "mchid": asked.mchid,
        "out_trade_no": asked.out_trade_no,
        "trade_state": charge.trade_state,
        "trade_state_desc": TOLD[charge.trade_state],
        "attach": "",
        "promotion_detail": [],
        "amount": {"total": charge.total, "currency": "CNY"},
    }
    if charge.transaction_id is None or charge.success_time is None:
        return shown
    return shown | {
        "transaction_id": charge.transaction_id,
        "trade_type": charge.trade_type,
        "bank_type": "OTHERS",
        "success_time": china(charge.success_time),
        "payer": {"openid": asked.payer.openid if asked.payer else "oXsandbox000000000000000000"},
        "amount": {
            "total": charge.total, "payer_total": charge.total, "currency": "CNY", "payer_currency": "CNY",
        },
    }  # fmt: skip


def shown_refund(refund: Refund) -> dict[str, Any]:
    amount, paid = refund.asked.amount, refund.charge
    shown: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.asked.out_refund_no,
        "transaction_id": paid.transaction_id,
        "out_trade_no": paid.asked.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": china(refund.create_time),
        "status": refund.status,
        "amount": {
            "total": amount.total, "refund": amount.refund, "payer_total": amount.total,
            "payer_refund": amount.refund, "settlement_refund": amount.refund, "settlement_total": amount.total,
            "discount_refund": 0, "currency": "CNY",
        },
    }  # fmt: skip
    return shown if refund.success_time is None else shown | {"success_time": china(refund.success_time)}


def noticed_refund(refund: Refund) -> dict[str, Any]:
    """What a notification says of a refund: other names, no currency, no app."""
    shown = shown_refund(refund)
    kept = ("refund_id", "out_refund_no", "transaction_id", "out_trade_no", "user_received_account", "success_time")
    amounts = ("total", "refund", "payer_total", "payer_refund")
    return {
        "mchid": keys.MERCHANT_ID,
        **{name: shown[name] for name in kept if name in shown},
        "refund_status": refund.status,
        "amount": {name: shown["amount"][name] for name in amounts},
    }


def prepay_id(number: str) -> str:
    return f"wx{hashlib.sha256(number.encode()).hexdigest()[:34]}"


def china(moment: datetime) -> str:
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def _digits(number: str, count: int) -> str:
    return str(int(hashlib.sha256(number.encode()).hexdigest(), 16))[:count]
