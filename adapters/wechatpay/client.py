"""Implements `ProviderPort` over WeChat Pay, API v3. Every method is one call (and, seldom, one for certificates).

Nothing that WeChat Pay answers is believed unless its signature holds: a read then has a broken contract, a write an
unknown outcome. Only what says nothing of the charge may come unsigned: 401 (it did not believe our signature, so it
signs none), 429, and a failing server.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from adapters.transport.http import HttpReply
from adapters.transport.maintenance import utc_now
from adapters.transport.statuses import failure
from adapters.transport.upstream import Effect, Operation, Upstream
from adapters.wechatpay import refusals
from adapters.wechatpay import wechatpay_wire as wire
from adapters.wechatpay.platform_keys import Clock, PlatformKeys
from adapters.wechatpay.sealed_wire import read_notice
from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import SERIAL, Unverified, authorization, is_signed
from bff.domain.base import Money, Outcome
from bff.domain.payment import PaymentProvider, PaymentScene, refuse_card_number
from bff.domain.providers import (
    Begun,
    Charge,
    ChargeState,
    ChargeStatus,
    Notice,
    NoticeRefused,
    NoticeReply,
    Repayment,
    RepaymentState,
)
from bff.errors import (
    BffError,
    InvalidInput,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamError,
    UpstreamUnavailable,
)

T = TypeVar("T")

PREPAY = Operation(name="Prepay", effect=Effect.WRITE)
QUERY = Operation(name="QueryByOutTradeNo")
CLOSE = Operation(name="CloseOrder", effect=Effect.WRITE)
REFUND = Operation(name="CreateRefund", effect=Effect.WRITE)
QUERY_REFUND = Operation(name="QueryByOutRefundNo")
CERTIFICATES = Operation(name="GetCertificates")

ORDERS = "/v3/pay/transactions/out-trade-no"
REFUNDS = "/v3/refund/domestic/refunds"
_FAIL = b'{"code":"FAIL","message":"The notification was not accepted."}'
_BROKEN = (msgspec.MsgspecError, ValueError)


class WechatPay:
    """`clock` gives UTC: by it we sign, and by it a timestamp is too old."""

    def __init__(self, upstream: Upstream, settings: WechatPaySettings, clock: Clock = utc_now) -> None:
        self._upstream = upstream
        self._name = upstream.name
        self._settings = settings
        self._clock = clock
        self._keys = PlatformKeys(upstream.name, settings, self._fetch_certificates, clock)

    @property
    def provider(self) -> PaymentProvider:
        return PaymentProvider.WECHAT_PAY

    @property
    def scenes(self) -> frozenset[PaymentScene]:
        offered = {PaymentScene.JSAPI, PaymentScene.H5, PaymentScene.NATIVE}
        return frozenset(offered | ({PaymentScene.APP} if self._settings.mobile_app_id else set()))

    @property
    def can_hold(self) -> bool:
        return False

    async def begin(self, charge: Charge) -> Outcome[Begun]:
        """OUT_TRADE_NO_USED and ORDER_CLOSED are `UpstreamRejected`: `query` says what has become of the charge."""
        refuse_card_number(charge.description, "description")
        _check(charge.id, charge.amount)
        needs = {PaymentScene.JSAPI: charge.payer, PaymentScene.H5: charge.client_ip}.get(charge.scene, "nothing")
        if charge.scene not in self.scenes or not needs or charge.amount.currency != "CNY":
            return Outcome(refusals=[refusals.NOT_SUPPORTED])
        body = wire.prepay_body(charge, self._settings)
        reply = await self._exchange(PREPAY, "POST", wire.scene_path(charge.scene), body, key=charge.id)
        if reply.status >= 400:
            refusal = refusals.BEGIN_REFUSALS.get(refusals.read_error(reply).key)
            if refusal is None:
                raise self._failure(PREPAY, reply)
            return Outcome(refusals=[refusal])
        timestamp, nonce = self._now(), secrets.token_hex(16)
        action = self._read(
            PREPAY, lambda: wire.read_action(reply.body, charge.scene, self._settings, timestamp, nonce)
        )
        return Outcome(entity=Begun(client_action=action))

    async def query(self, charge_id: str, reference: str) -> ChargeState:
        path = f"{ORDERS}/{quote(charge_id, safe='')}?mchid={quote(self._settings.merchant_id, safe='')}"
        reply = await self._exchange(QUERY, "GET", path, key=charge_id)
        if reply.status >= 400:
            error = refusals.read_error(reply)
            if error.key not in refusals.ABSENT:
                raise self._failure(QUERY, reply)
            return ChargeState(id=charge_id, status=ChargeStatus.ABSENT, raw_status=error.code)
        return self._read(QUERY, lambda: wire.read_charge(reply.body, charge_id, self._settings))

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        """ABSENT closes nothing: a `begin` that is still on its way may make the charge yet."""
        path = f"{ORDERS}/{quote(charge_id, safe='')}/close"
        body = msgspec.json.encode({"mchid": self._settings.merchant_id})
        reply = await self._exchange(CLOSE, "POST", path, body, key=charge_id)
        if reply.status < 300:
            return ChargeState(id=charge_id, status=ChargeStatus.CLOSED, raw_status="CLOSED")
        error = refusals.read_error(reply)
        known = {
            **dict.fromkeys(refusals.CLOSED, ChargeStatus.CLOSED),
            **dict.fromkeys(refusals.PAID, ChargeStatus.SUCCEEDED),
            **dict.fromkeys(refusals.ABSENT, ChargeStatus.ABSENT),
        }
        if error.key not in known:
            raise self._failure(CLOSE, reply)
        return ChargeState(id=charge_id, status=known[error.key], raw_status=error.code)

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        """A charge is taken at once, never held."""
        return await self.query(charge_id, reference)

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        """NOT_ENOUGH (our account with WeChat Pay lacks the money) is `UpstreamRejected`: fill it, then ask again."""
        refuse_card_number(wanted.reason, "input.reason")
        _check(wanted.id, wanted.amount)
        reply = await self._exchange(REFUND, "POST", REFUNDS, wire.refund_body(wanted, self._settings), key=wanted.id)
        if reply.status >= 400:
            error = refusals.read_error(reply)
            refusal = refusals.EXCEEDS if refusals.is_exceeded(error) else refusals.REPAY_REFUSALS.get(error.key)
            if refusal is None:
                raise self._failure(REFUND, reply)
            return Outcome(refusals=[refusal])
        return Outcome(entity=self._read(REFUND, lambda: wire.read_refund(reply.body, wanted)))

    async def query_repayment(self, wanted: Repayment, transaction: str | None) -> RepaymentState:
        reply = await self._exchange(QUERY_REFUND, "GET", f"{REFUNDS}/{quote(wanted.id, safe='')}", key=wanted.id)
        if reply.status >= 400:
            error = refusals.read_error(reply)
            if error.key not in refusals.REFUND_ABSENT:
                raise self._failure(QUERY_REFUND, reply)
            return RepaymentState(id=wanted.id, charge_id=wanted.charge_id, status=None, raw_status=error.code)
        return self._read(QUERY_REFUND, lambda: wire.read_refund(reply.body, wanted))

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        """Each repetition is signed anew, so one that is older than the window is a replay; its `id` stays."""
        try:
            await self._keys.verify(headers, body)
        except Unverified as error:
            raise NoticeRefused(str(error)) from error
        return read_notice(body, self._settings)

    def reply(self, refused: NoticeRefused | BffError | None) -> NoticeReply:
        """Why it was refused is for our log: whoever forged it learns nothing."""
        if refused is None:
            return NoticeReply(status=204)
        status = 401 if isinstance(refused, NoticeRefused) else 503
        return NoticeReply(status=status, media_type="application/json", body=_FAIL)

    # One exchange, signed and verified

    async def _exchange(
        self, operation: Operation, method: str, path: str, body: bytes = b"", *, key: str
    ) -> HttpReply:
        """A reply that is proven, and says yes or gives a reason for no. Raises UpstreamError for all others."""
        await self._keys.prepare()
        reply = await self._upstream.call(
            operation, method, path, keys=[key], headers=self._headers(method, path, body), body=body
        )
        self._raise_unsigned(operation, reply)
        try:
            await self._keys.verify(reply.headers, reply.body)
        except Unverified as error:
            raise self._broken(operation, f"status {reply.status}: {error}") from error
        except UpstreamError as error:
            if operation.effect is Effect.WRITE:
                raise OutcomeUnknown(self._name, detail=f"answered, but not verified: {error.detail}") from error
            raise
        if reply.status not in (200, 204) and reply.status < 400:
            raise self._broken(operation, f"status {reply.status}")
        return reply

    async def _fetch_certificates(self) -> HttpReply:
        path = "/v3/certificates"
        reply = await self._upstream.call(CERTIFICATES, "GET", path, headers=self._headers("GET", path, b""))
        if reply.status != 200:
            raise self._failure(CERTIFICATES, reply)
        return reply

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        settings = self._settings
        headers = {
            "accept": "application/json",
            "user-agent": "bff",  # a request without one is refused
            "authorization": authorization(
                settings.private_key,
                merchant_id=settings.merchant_id,
                serial=settings.serial,
                method=method,
                path=path,
                timestamp=self._now(),
                nonce=secrets.token_hex(16),
                body=body,
            ),
        }
        if settings.public_keys:
            headers[SERIAL] = next(iter(settings.public_keys))
        return headers | ({"content-type": "application/json"} if body else {})

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _raise_unsigned(self, operation: Operation, reply: HttpReply) -> None:
        if not is_signed(reply.headers) and (reply.status in (401, 429) or reply.status >= 500):
            raise self._failure(operation, reply)

    def _failure(self, operation: Operation, reply: HttpReply) -> UpstreamError:
        """The error for a status from 400 on whose code is no outcome. SYSTEM_ERROR may have done it."""
        error = refusals.read_error(reply)
        detail = f"status {reply.status} {error.code[:60]}: {error.message[:200]}"
        if error.key in refusals.UNCERTAIN:
            kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamUnavailable
            return kind(self._name, detail=detail)
        if error.key in refusals.BUSY:
            return UpstreamBusy(self._name, detail=detail)
        if reply.status < 400:
            return UpstreamContractBroken(self._name, detail=detail)
        return failure(self._name, operation, reply, detail)

    def _broken(self, operation: Operation, detail: str) -> UpstreamError:
        kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamContractBroken
        return kind(self._name, detail=detail)

    def _read(self, operation: Operation, read: Callable[[], T]) -> T:
        try:
            return read()
        except _BROKEN as error:
            raise self._broken(operation, str(error)) from error


def _check(own_id: str, amount: Money) -> None:
    if not wire.ID.fullmatch(own_id):
        raise InvalidInput("An id is 6 to 32 letters and digits.", field="id")
    if amount.amount_minor < 1:
        raise InvalidInput("An amount is at least one fen.", field="input.amount")
