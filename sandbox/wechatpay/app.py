"""WeChat Pay as a system of the estate: API v3 for one merchant, whose signature is checked on every request.

Paths beginning `/_` and the cashier's page stand for the customer and for faults; they exist in the sandbox only.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.kit.clock import Clock
from sandbox.kit.server import System
from sandbox.world import World

from . import contract, keys
from .ledger import Ledger, Settle, noticed_refund, prepay_id, shown_charge, shown_refund
from .notifier import LATE_SECONDS, SCHEDULE, Notifier
from .platform import Platform, WechatError, certificate_signer, public_key_signer

NAME = "wechatpay"
TRADE_TYPES = {"jsapi": "JSAPI", "app": "APP", "h5": "MWEB", "native": "NATIVE"}
ORDER = "/v3/pay/transactions/out-trade-no/{number}"

T = TypeVar("T")
Answer = dict[str, Any] | None
Handler = Callable[[Request], Awaitable[Answer]]

CASHIER = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated WeChat Pay</title></head><body>
<h1>Simulated WeChat Pay</h1><p>{number}: ¥{amount}</p>
<button onclick="act('SUCCEEDED')">Pay</button> <button onclick="act('FAILED')">Decline</button><p id="said"></p>
<script>async function act(result) {{
  const reply = await fetch("/_pay/{number}", {{method: "POST", body: JSON.stringify({{result}})}});
  const body = await reply.json(); document.getElementById("said").textContent = body.trade_state || body.message; }}
</script></body></html>"""


def create(
    world: World,
    clock: Clock | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    schedule: Sequence[float] = SCHEDULE,
    late: float = LATE_SECONDS,
) -> System:
    """`clock` is the real time by default, not the world's: signatures hold for five minutes of it."""
    platform = Platform(clock or _utc_now)
    desk = Desk(platform, Notifier(platform, transport=transport, schedule=schedule, late=late))
    return System(NAME, Starlette(routes=desk.routes()))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Desk:
    def __init__(self, platform: Platform, notifier: Notifier) -> None:
        self._platform, self._notifier = platform, notifier
        self._ledger = Ledger(platform.clock)
        self._settle: Settle = "SUCCESS"

    def routes(self) -> list[Route]:
        signed: list[tuple[str, str, Handler]] = [
            ("POST", "/v3/pay/transactions/{scene}", self.prepay),
            ("GET", ORDER, self.query),
            ("GET", "/v3/pay/transactions/id/{transaction}", self.query_by_transaction),
            ("POST", ORDER + "/close", self.close),
            ("POST", "/v3/refund/domestic/refunds", self.refund),
            ("GET", "/v3/refund/domestic/refunds/{number}", self.query_refund),
            ("GET", "/v3/certificates", self.certificates),
        ]
        handles: list[tuple[str, str, Handler]] = [
            ("GET", "/_ping", self.ping),
            ("POST", "/_pay/{number}", self.pay),
            ("POST", "/_notify/{number}", self.notify_again),
            ("GET", "/_notifications", self.notifications),
            ("POST", "/_refunds", self.settle_refunds),
            ("POST", "/_refunds/{number}", self.settle_refund),
            ("POST", "/_keys", self.use_key),
        ]
        return [
            *(Route(path, self._signed(handler), methods=[method]) for method, path, handler in signed),
            *(Route(path, _plain(handler), methods=[method]) for method, path, handler in handles),
            Route("/cashier/{number}", self.cashier, methods=["GET"]),
        ]

    def _signed(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Check the merchant's signature, answer with the platform's. Who is not believed gets no signature."""

        async def answer(request: Request) -> Response:
            body, platform = await request.body(), self._platform
            query = request.url.query
            target = request.scope["raw_path"].decode() + (f"?{query}" if query else "")
            signer = None
            try:
                platform.check(request.method, target, request.headers, body)
                signer = platform.current
                signer = platform.signer_for(request.headers)
                said = await handler(request)
                status = 200 if said is not None else 204
            except WechatError as error:
                status, said = error.status, {"code": error.code, "message": error.message}
            content = b"" if said is None else _json(said)
            headers = {} if signer is None else platform.signature(content, signer)
            return Response(content, status, headers, media_type=None if said is None else "application/json")

        return answer

    # What the merchant asks

    async def prepay(self, request: Request) -> Answer:
        scene = request.path_params["scene"]
        if scene not in TRADE_TYPES:
            raise WechatError(404, "RESOURCE_NOT_EXISTS", "无可用的API")
        asked = await _body(request, contract.Prepay)
        charge = self._ledger.prepay(TRADE_TYPES[scene], asked)
        number = charge.asked.out_trade_no
        if scene == "h5":
            return {"h5_url": f"{request.base_url}cashier/{number}"}
        if scene == "native":
            return {"code_url": f"weixin://wxpay/bizpayurl?pr={prepay_id(number)[2:11]}"}
        return {"prepay_id": prepay_id(number)}

    async def query(self, request: Request) -> Answer:
        _own(request.query_params.get("mchid"))
        return shown_charge(self._ledger.charge(request.path_params["number"]))

    async def query_by_transaction(self, request: Request) -> Answer:
        _own(request.query_params.get("mchid"))
        return shown_charge(self._ledger.by_transaction(request.path_params["transaction"]))

    async def close(self, request: Request) -> Answer:
        _own((await _body(request, contract.Close)).mchid)
        self._ledger.close(request.path_params["number"])
        return None

    async def refund(self, request: Request) -> Answer:
        """Accepted as PROCESSING; how it ends is notified, and can be asked."""
        refund, is_new = self._ledger.refund(await _body(request, contract.CreateRefund))
        shown = shown_refund(refund)
        if is_new and self._settle != "NEVER":
            self._end_refund(refund.asked.out_refund_no, self._settle)
        return shown

    async def query_refund(self, request: Request) -> Answer:
        return shown_refund(self._ledger.refund_by(request.path_params["number"]))

    async def certificates(self, _request: Request) -> Answer:
        return self._platform.certificates()

    # What others do

    async def ping(self, _request: Request) -> Answer:
        return {"system": NAME, "simulated": True}

    async def pay(self, request: Request) -> Answer:
        asked, number = await _body(request, contract.Pay), request.path_params["number"]
        is_new = self._ledger.pay(number, asked.result)
        if is_new and asked.result == "SUCCEEDED":
            self._notify_charge(number, asked.notify)
        return shown_charge(self._ledger.charge(number))

    async def notify_again(self, request: Request) -> Answer:
        """A charge's success, or a refund's end, by our number."""
        number = request.path_params["number"]
        how = (await _body(request, contract.Again)).notify
        if number in self._ledger.refunds:
            self._notify_refund(number, how)
        elif self._ledger.charge(number).transaction_id is not None:
            self._notify_charge(number, how)
        else:
            raise WechatError(409, "NOT_PAID", "there is nothing to tell: nobody has paid")
        return self._notifier.shown()

    async def notifications(self, _request: Request) -> Answer:
        return self._notifier.shown()

    async def settle_refunds(self, request: Request) -> Answer:
        """How refunds end from now on; NEVER leaves them PROCESSING."""
        self._settle = (await _body(request, contract.SettleRefunds)).settle
        return {"settle": self._settle}

    async def settle_refund(self, request: Request) -> Answer:
        number, asked = request.path_params["number"], await _body(request, contract.SettleRefunds)
        self._end_refund(number, asked.settle)
        return shown_refund(self._ledger.refund_by(number))

    async def use_key(self, request: Request) -> Answer:
        """Whose signature the platform uses where the request names none: a rotation."""
        wanted, platform = (await _body(request, contract.Rotate)).signer, self._platform
        if wanted == "next-certificate":
            platform.rotate()
        else:
            platform.current = certificate_signer() if wanted == "certificate" else public_key_signer()
        return {"serial": platform.current.serial}

    async def cashier(self, request: Request) -> Response:
        charge = self._ledger.charges.get(request.path_params["number"])
        if charge is None:
            return HTMLResponse("<p>There is no such charge.</p>", 404)
        amount = f"{charge.total // 100}.{charge.total % 100:02d}"
        return HTMLResponse(CASHIER.format(number=charge.asked.out_trade_no, amount=amount))

    def _end_refund(self, number: str, status: Settle) -> None:
        self._ledger.settle(number, "PROCESSING" if status == "NEVER" else status)
        if status != "NEVER":
            self._notify_refund(number, "once")

    def _notify_charge(self, number: str, how: contract.How) -> None:
        charge = self._ledger.charge(number)
        # At the time of the event: a refund since then changes nothing in what is told.
        content = shown_charge(charge) | {"trade_state": "SUCCESS", "trade_state_desc": "支付成功"}
        self._notifier.notify(charge.asked.notify_url, "TRANSACTION.SUCCESS", number, content, how)

    def _notify_refund(self, number: str, how: contract.How) -> None:
        refund = self._ledger.refund_by(number)
        url = refund.asked.notify_url or refund.charge.asked.notify_url
        self._notifier.notify(url, f"REFUND.{refund.status}", number, noticed_refund(refund), how)


def _plain(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            said, status = await handler(request), 200
        except WechatError as error:
            said, status = {"code": error.code, "message": error.message}, error.status
        return Response(_json(said), status, media_type="application/json")

    return answer


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise WechatError(400, "PARAM_ERROR", str(error)) from error


def _own(merchant: str | None) -> None:
    if merchant != keys.MERCHANT_ID:
        raise WechatError(404, "MCH_NOT_EXISTS", "商户号不存在")


def _json(said: Answer) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()
