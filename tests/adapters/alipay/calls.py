"""The calls of Alipay's client, and answers to them that are as agreed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

from adapters.alipay.client import AlipayClient
from bff.domain.base import Money
from tests.sandbox_alipay import charge, client_of, repayment
from tests.support import BASE

GATEWAY = f"{BASE}/gateway.do?charset=utf-8"
PRECREATE, QUERY, CLOSE = "alipay.trade.precreate", "alipay.trade.query", "alipay.trade.close"
REFUND, QUERY_REFUND = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"

DONE = {"code": "10000", "msg": "Success"}
TRADE = DONE | {
    "out_trade_no": "CH01",
    "trade_no": "2026030922001400001234567890",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "5000.50",
    "send_pay_date": "2026-03-09 12:04:59",
    "buyer_logon_id": "cus***@sandbox.test",
    "fund_bill_list": [{"amount": "5000.50", "fund_channel": "ALIPAYACCOUNT"}],
}
REFUNDED = DONE | {"out_trade_no": "CH01", "fund_change": "Y", "refund_fee": "1000.50"}
REFUND_FOUND = DONE | {
    "out_trade_no": "CH01", "out_request_no": "RF01", "refund_status": "REFUND_SUCCESS", "refund_amount": "1000.50",
}  # fmt: skip

Act = Callable[[AlipayClient], Awaitable[Any]]
BEGIN: Act = lambda client: client.begin(charge())  # noqa: E731 - a table of calls
ASK: Act = lambda client: client.query("CH01", "")  # noqa: E731
END: Act = lambda client: client.close("CH01", "")  # noqa: E731
TAKE: Act = lambda client: client.capture("CH01", "", Money(amount_minor=1))  # noqa: E731
GIVE: Act = lambda client: client.repay(repayment())  # noqa: E731
ASK_REFUND: Act = lambda client: client.query_repayment(repayment(), None)  # noqa: E731

READS = [(ASK, QUERY), (TAKE, QUERY), (ASK_REFUND, QUERY_REFUND)]
WRITES = [(BEGIN, PRECREATE), (END, CLOSE), (GIVE, REFUND)]


def failed(sub_code: str, code: str = "40004") -> dict[str, str]:
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "系统/异常"}


def form_of(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.content.decode(), strict_parsing=True)) | dict(request.url.params)


def answering(router: respx.Router, *bodies: bytes, status: int = 200) -> AlipayClient:
    router.post(GATEWAY).mock(side_effect=[httpx.Response(status, content=body) for body in bodies])
    return client_of(router)
