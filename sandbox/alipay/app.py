"""Alipay as a system of the estate: the gateway and the cashier that it leads to.

A request is signed by the merchant (`sandbox/alipay/keys.py` has the other half), every answer by this system. Paths
that begin with `/_` stand for the customer and for chance; Alipay has none of them:

    POST /_open             order string, page's address or QR code's text: the customer opens it; now it is a trade
    POST /_pay/{number}     {"result": "SUCCEEDED" | "FAILED", "notify": "once" | "never" | "twice" | "parallel" |
                            "late", "open": as above}; a QR code is opened by itself; FAILED: the trade still waits
    POST /_finish/{number}  the time for refunds is over
    POST /_notify/{number}  {"order": "last" | "all" | "reversed", "forged": null | "signature" | "key" | "amount" |
                            "app_id" | "seller_id" | "time"}: send again, at once
    GET  /_notifications    what was sent and answered
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.kit.clock import Clock
from sandbox.kit.rest import HANDLERS, body_of, problem, reply
from sandbox.kit.server import System
from sandbox.world import World

from . import answers, keys
from .gateway import APP, PAGES, GatewayRefusal, Refused, admit, envelope, unsigned
from .notices import AGAIN_AFTER, FORGED, HOW, LATE_SECONDS, Notifications
from .trades import FINISHED, SUCCESS, WAITING, Trade, Trades, yuan

NAME = "alipay"

CASHIER = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated Alipay</title></head><body>
<h1>Simulated Alipay</h1><p>{subject}</p><p>{number}: {amount} CNY, {status}</p>
<button onclick="act('SUCCEEDED')">Pay</button> <button onclick="act('FAILED')">Decline</button><p id="said"></p>
<script>async function act(result) {{
  const reply = await fetch("/_pay/{number}", {{method: "POST", body: JSON.stringify({{result}})}});
  const body = await reply.json(); document.getElementById("said").textContent = body.status || body.code;
  if (body.returnUrl) location = body.returnUrl; }}
</script></body></html>"""


def create(
    _world: World,
    clock: Clock | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    again_after: Sequence[float] = AGAIN_AFTER,
    late: float = LATE_SECONDS,
) -> System:
    """Without a clock it is the real time, since signatures bear it. `transport` carries notifications."""
    key = keys.alipay_private_key()
    tell = Notifications(key, clock or _now, transport, again_after=again_after, late=late)
    alipay = Alipay(clock or _now, key, tell)
    return System(NAME, Starlette(routes=alipay.routes(), exception_handlers=HANDLERS | {Refused: _refused}))


def _now() -> datetime:
    return datetime.now(UTC)


class Alipay:
    def __init__(self, clock: Clock, key: RSAPrivateKey, notifications: Notifications) -> None:
        self._clock = clock
        self._key, self._merchant = key, keys.merchant_public_key()
        self._trades = Trades(clock)
        self._notifications = notifications

    def routes(self) -> list[Route]:
        return [
            Route("/gateway.do", self.gateway, methods=["GET", "POST"]),
            Route("/qr/{code}", self.scan, methods=["GET"]),
            Route("/cashier/{number}", self.cashier, methods=["GET"]),
            Route("/_open", self.open, methods=["POST"]),
            Route("/_pay/{number}", self.pay, methods=["POST"]),
            Route("/_finish/{number}", self.finish, methods=["POST"]),
            Route("/_notify/{number}", self.notify, methods=["POST"]),
            Route("/_notifications", self.notifications, methods=["GET"]),
            Route("/_ping", self.ping, methods=["GET"]),
        ]

    # What Alipay has

    async def gateway(self, request: Request) -> Response:
        parameters = await _parameters(request)
        method = parameters.get("method", "")
        try:
            if method in PAGES:
                number = self._offered(parameters)
                self._trades.open(number)
                return RedirectResponse(f"/cashier/{number}", 302)
            content = admit(parameters, self._merchant, self._clock(), is_offer=False)
            told = self._done(method, content, parameters, str(request.base_url))
        except GatewayRefusal as refusal:
            return _json(unsigned(method, refusal))
        except Refused as refusal:
            if method in PAGES:
                return HTMLResponse(f"<h1>{refusal.sub_code}</h1><p>{refusal.sub_msg}</p>")
            told = answers.refused(refusal)
        return _json(envelope(method, told, self._key))

    def _done(
        self, method: str, content: Mapping[str, Any], parameters: Mapping[str, str], base_url: str
    ) -> dict[str, Any]:
        trades = self._trades
        if method == "alipay.trade.precreate":
            return answers.precreated(trades.offer(method, content, parameters).out_trade_no, base_url)
        if method == "alipay.trade.fastpay.refund.query":
            return answers.refund_queried(trades, content)
        if method == APP:
            raise GatewayRefusal("40002", "isv.invalid-method", "只能由支付宝客户端打开")
        trade = trades.of(content)
        if method == "alipay.trade.query":
            return answers.queried(trade)
        if method == "alipay.trade.close":
            trades.close(trade)
            self._notifications.tell(trade)
            return answers.closed(trade)
        made = trades.refund(trade, content)
        if made is not None:
            self._notifications.tell(trade, made)
        return answers.gave_back(trade, made)

    async def scan(self, request: Request) -> Response:
        trade = self._trades.open(self._scanned(request.path_params["code"]))
        return RedirectResponse(f"/cashier/{trade.offer.out_trade_no}", 302)

    async def cashier(self, request: Request) -> Response:
        trade = self._trade(request)
        shown = CASHIER.format(
            subject=html.escape(trade.offer.subject), number=trade.offer.out_trade_no, amount=yuan(trade.offer.fen),
            status=trade.status,
        )  # fmt: skip
        return HTMLResponse(shown)

    # What stands for the customer and for chance

    async def open(self, request: Request) -> Response:
        try:
            trade = self._trades.open(self._named((await request.body()).decode()))
        except GatewayRefusal as refusal:
            return problem(400, refusal.sub_code, refusal.sub_msg)
        return _shown(trade)

    async def pay(self, request: Request) -> Response:
        asked = await body_of(request)
        result, how = asked.get("result", "SUCCEEDED"), asked.get("notify", "once")
        if result not in ("SUCCEEDED", "FAILED") or how not in HOW:
            return problem(400, "BAD_REQUEST", f"result is SUCCEEDED or FAILED, notify one of {', '.join(HOW)}")
        try:
            if "open" in asked:
                self._trades.open(self._named(str(asked["open"])))
        except GatewayRefusal as refusal:
            return problem(400, refusal.sub_code, refusal.sub_msg)
        trade = self._trades.open(request.path_params["number"])
        if result == "SUCCEEDED":
            self._trades.pay(trade)
            self._notifications.tell(trade, how=how)
        elif trade.status != WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        return _shown(trade)

    async def finish(self, request: Request) -> Response:
        trade = self._trade(request)
        if trade.status != SUCCESS:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        trade.status = FINISHED
        self._notifications.tell(trade)
        return _shown(trade)

    async def notify(self, request: Request) -> Response:
        asked = await body_of(request)
        order, forged = asked.get("order", "last"), asked.get("forged")
        if order not in ("last", "all", "reversed") or (forged is not None and forged not in FORGED):
            return problem(400, "BAD_REQUEST", f"order is last, all or reversed, forged one of {', '.join(FORGED)}")
        made = self._notifications.of(request.path_params["number"])
        if not made:
            return problem(404, "NOT_FOUND", "there is nothing to tell of it")
        chosen = {"last": made[-1:], "all": made, "reversed": made[::-1]}[order]
        sent = [await self._notifications.send_again(each, forged) for each in chosen]
        return reply({"answers": [{"status": each.status, "body": each.body} for each in sent]})

    async def notifications(self, _request: Request) -> Response:
        return reply({"notifications": self._notifications.shown()})

    async def ping(self, _request: Request) -> Response:
        return reply({"system": NAME, "simulated": True})

    # What was offered

    def _offered(self, parameters: Mapping[str, str]) -> str:
        """The number of a signed offer, taken note of."""
        content = admit(parameters, self._merchant, self._clock(), is_offer=True)
        return self._trades.offer(parameters["method"], content, parameters).out_trade_no

    def _named(self, said: str) -> str:
        """The number of what a customer would open."""
        path = urlsplit(said).path
        if path.startswith("/qr/"):
            return self._scanned(path.removeprefix("/qr/"))
        parameters = dict(parse_qsl(urlsplit(said).query if "?" in said else said, keep_blank_values=True))
        if parameters.get("method") not in (*PAGES, APP):
            raise GatewayRefusal("40002", "isv.invalid-method", "不存在的方法名")
        return self._offered(parameters)

    def _scanned(self, code: str) -> str:
        for number in self._trades.offers:
            if answers.qr_code(number) == code:
                return number
        raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")

    def _trade(self, request: Request) -> Trade:
        trade = self._trades.find(request.path_params["number"])
        if trade is None:
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        return trade


async def _parameters(request: Request) -> dict[str, str]:
    """What comes in the form stands before what comes in the address."""
    form = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {**request.query_params, **dict(form)}


def _shown(trade: Trade) -> Response:
    offer = trade.offer
    return reply({"id": offer.out_trade_no, "status": trade.status, "returnUrl": offer.return_url})


def _json(body: bytes) -> Response:
    return Response(body, media_type="text/html;charset=utf-8")  # as the real gateway says, although it is JSON


async def _refused(_request: Request, error: Exception) -> Response:
    """Handler for refusals on pages and handles: the gateway itself answers them signed."""
    assert isinstance(error, Refused)
    return problem(404 if error.sub_code == "ACQ.TRADE_NOT_EXIST" else 409, error.sub_code, error.sub_msg)
