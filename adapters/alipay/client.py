"""Charges and refunds over Alipay's gateway: a signed form for each call, an answer believed if its signature holds.

The app's order string and the browser's address are signed here and nobody is asked: Alipay hears of such a charge when
the customer opens it. Until then it is ABSENT, and so is a QR code that nobody has scanned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlencode

from adapters.alipay import alipay_wire as wire
from adapters.alipay import notice_wire
from adapters.alipay.envelope_wire import UnreadableAnswer, read_answer
from adapters.alipay.settings import AlipaySettings
from adapters.alipay.signing import content, holds, sign
from adapters.transport.maintenance import utc_now
from adapters.transport.statuses import failure
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Money, Outcome, Refusal
from bff.domain.payment import (
    AppAction,
    ClientAction,
    PaymentProvider,
    PaymentScene,
    QrCodeAction,
    RedirectAction,
    refuse_card_number,
)
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
    UpstreamRejected,
    UpstreamUnavailable,
)

GATEWAY = "/gateway.do"
APP_PAY, WAP_PAY = "alipay.trade.app.pay", "alipay.trade.wap.pay"

PRECREATE = Operation(name="alipay.trade.precreate", effect=Effect.WRITE)
QUERY = Operation(name="alipay.trade.query")
CLOSE = Operation(name="alipay.trade.close", effect=Effect.WRITE)
REFUND = Operation(name="alipay.trade.refund", effect=Effect.WRITE)
QUERY_REFUND = Operation(name="alipay.trade.fastpay.refund.query")

_SCENES = frozenset({PaymentScene.APP, PaymentScene.H5, PaymentScene.NATIVE})
_NOT_SUPPORTED = Refusal(code="PROVIDER_NOT_SUPPORTED", message="Alipay cannot be used for this. Choose another.")
_ALREADY_PAID = Refusal(code="ALREADY_PAID", message="This has been paid already.")
_NOT_REFUNDABLE = Refusal(code="NOT_REFUNDABLE", message="This payment cannot be refunded.")
_TOO_MUCH = Refusal(code="REFUND_EXCEEDS_CAPTURED", message="More would be given back than was paid.")


class AlipayClient:
    """Implements ProviderPort. `clock` is the time in UTC."""

    provider = PaymentProvider.ALIPAY
    scenes = _SCENES
    can_hold = False

    def __init__(
        self, upstream: Upstream, settings: AlipaySettings, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._upstream = upstream
        self._settings = settings
        self._clock = clock

    async def begin(self, charge: Charge) -> Outcome[Begun]:
        """Nobody is asked for APP and H5, so only Alipay's own page refuses a charge that is paid already."""
        if charge.scene not in _SCENES or charge.amount.currency != wire.CURRENCY:
            return Outcome(refusals=[_NOT_SUPPORTED])
        refuse_card_number(charge.description, "description")
        self._check(charge.amount)
        if charge.scene is PaymentScene.APP:
            return _begun(AppAction(order_string=self._offer(APP_PAY, charge, "QUICK_MSECURITY_PAY")))
        if charge.scene is PaymentScene.H5:
            page = self._offer(WAP_PAY, charge, "QUICK_WAP_WAY", self._settings.return_url)
            return _begun(RedirectAction(url=f"{self._upstream.base_url}{GATEWAY}?{page}"))
        asked = wire.charge_content(charge, None)
        answer = await self._ask(PRECREATE, charge.id, asked, notify_url=self._settings.notify_url)
        if answer.sub_code == wire.PAID:
            return Outcome(refusals=[_ALREADY_PAID])
        self._check_done(PRECREATE, answer)
        if answer.out_trade_no != charge.id or not answer.qr_code:
            raise self._broken(PRECREATE, "no QR code of this charge")
        return _begun(QrCodeAction(content=answer.qr_code))

    async def query(self, charge_id: str, reference: str) -> ChargeState:
        answer = await self._ask(QUERY, charge_id, {"out_trade_no": charge_id})
        if answer.sub_code != wire.ABSENT:
            self._check_done(QUERY, answer, wire.IN_PROCESS)
        try:
            return wire.read_trade(charge_id, answer)
        except ValueError as error:
            raise self._broken(QUERY, str(error)) from error

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        """ABSENT: the customer has not opened it, so there is nothing to close, and it can be paid until it expires."""
        answer = await self._ask(CLOSE, charge_id, {"out_trade_no": charge_id})
        if answer.sub_code == wire.ABSENT:
            return ChargeState(id=charge_id, status=ChargeStatus.ABSENT, raw_status=wire.ABSENT)
        if answer.sub_code in wire.NOT_WAITING:
            return await self.query(charge_id, reference)
        self._check_done(CLOSE, answer, wire.IN_PROCESS)
        if answer.code == wire.IN_PROCESS:
            return ChargeState(id=charge_id, status=ChargeStatus.PROCESSING, raw_status=wire.IN_PROCESS)
        if answer.out_trade_no != charge_id:
            raise self._broken(CLOSE, "the answer is about another charge")
        return ChargeState(
            id=charge_id, status=ChargeStatus.CLOSED, raw_status=wire.SUCCESS, transaction=answer.trade_no or None
        )

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        """Alipay takes at once: what `query` says."""
        return await self.query(charge_id, reference)

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        """The answer to a repetition does not say what became of the first, so that one is asked for.

        Nor does a refusal: the trade may be closed because this very refund has given all of it back.
        """
        refuse_card_number(wanted.reason, "reason")
        self._check(wanted.amount)
        answer = await self._ask(REFUND, wanted.id, wire.refund_content(wanted))
        if answer.sub_code in wire.TOO_MUCH | wire.NOT_REFUNDABLE:
            done = await self.query_repayment(wanted, None)
            if done.status is not None:
                return Outcome(entity=done)
            return Outcome(refusals=[_TOO_MUCH if answer.sub_code in wire.TOO_MUCH else _NOT_REFUNDABLE])
        self._check_done(REFUND, answer, wire.IN_PROCESS)
        try:
            state = wire.read_refund(wanted, answer)
        except ValueError as error:
            raise self._broken(REFUND, str(error)) from error
        if state is None:
            state = await self.query_repayment(wanted, None)
            if state.status is None:
                state = wire.processing(wanted, "fund_change=N")
        return Outcome(entity=state)

    async def query_repayment(self, wanted: Repayment, transaction: str | None) -> RepaymentState:
        """None, said within seconds of `repay`, may still become a success: Alipay asks to wait for ten."""
        asked = {"out_trade_no": wanted.charge_id, "out_request_no": wanted.id}
        answer = await self._ask(QUERY_REFUND, wanted.id, asked)
        if answer.sub_code != wire.ABSENT:
            self._check_done(QUERY_REFUND, answer, wire.IN_PROCESS)
        try:
            return wire.read_refund_query(wanted, answer)
        except ValueError as error:
            raise self._broken(QUERY_REFUND, str(error)) from error

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        form = notice_wire.read_form(body)
        notice_wire.verify(form, self._verified)
        settings = self._settings
        return notice_wire.read_notice(
            form, app_id=settings.app_id, seller_id=settings.seller_id, now=self._clock()
        )  # fmt: skip

    def reply(self, refused: NoticeRefused | BffError | None) -> NoticeReply:
        """Alipay reads seven letters, and sends again for any others."""
        if refused is None:
            return NoticeReply(status=200, body=b"success")
        return NoticeReply(status=400 if isinstance(refused, NoticeRefused) else 503, body=b"failure")

    # One call

    async def _ask(
        self, operation: Operation, key: str, asked: Mapping[str, str], *, notify_url: str | None = None
    ) -> wire.Answer:
        """Any answer that can be believed, also a refusal."""
        form = self._signed(operation.name, asked, notify_url=notify_url)
        # The gateway reads a form as GBK unless the address says otherwise.
        path = f"{GATEWAY}?charset={form.pop('charset')}"
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "accept": "application/json"}
        reply = await self._upstream.call(
            operation, "POST", path, keys=[key], headers=headers, body=urlencode(form).encode()
        )
        if reply.status >= 400:
            raise failure(self._upstream.name, operation, reply)
        if reply.status != 200:
            raise self._broken(operation, f"status {reply.status}")
        try:
            return read_answer(reply.body, operation.name, self._verified)
        except UnreadableAnswer as error:
            raise self._broken(operation, str(error)) from error

    def _check_done(self, operation: Operation, answer: wire.Answer, *also: str) -> None:
        """Raises UpstreamError for a code other than success and those in `also`."""
        code, detail, name = answer.code, f"{answer.code} {answer.sub_code}".rstrip(), self._upstream.name
        if code == wire.SUCCESS or code in also:
            return
        if code == wire.TOO_MANY:
            raise UpstreamBusy(name, detail=detail)
        if code in (wire.UNAVAILABLE, wire.IN_PROCESS) or answer.sub_code in wire.UNCERTAIN:
            if operation.effect is Effect.WRITE:
                raise OutcomeUnknown(name, detail=detail)
            raise UpstreamUnavailable(name, detail=detail)
        if code.startswith(("2", "4")):
            raise UpstreamRejected(name, detail=detail)
        raise self._broken(operation, f"unknown code {detail}")

    def _broken(self, operation: Operation, detail: str) -> UpstreamError:
        """What was asked of a write may have been done, whatever the answer looks like."""
        kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamContractBroken
        return kind(self._upstream.name, detail=f"{operation.name}: {detail}")

    # Signatures

    def _offer(self, method: str, charge: Charge, product: str, return_url: str | None = None) -> str:
        asked = wire.charge_content(charge, product)
        if return_url:
            asked["quit_url"] = return_url
        form = self._signed(method, asked, notify_url=self._settings.notify_url, return_url=return_url)
        return urlencode(form)

    def _signed(self, method: str, asked: Mapping[str, str], **more: str | None) -> dict[str, str]:
        form = wire.parameters(self._settings.app_id, method, asked, self._clock(), **more)
        form = dict(sorted(form.items()))
        return form | {"sign": sign(content(form), self._settings.private_key)}

    def _verified(self, text: str, signature: str) -> bool:
        return holds(text, signature, self._settings.alipay_keys)

    def _check(self, amount: Money) -> None:
        try:
            wire.yuan(amount)
        except ValueError as error:
            raise InvalidInput(f"{error}.", field="amount") from error


def _begun(action: ClientAction) -> Outcome[Begun]:
    return Outcome(entity=Begun(client_action=action))
