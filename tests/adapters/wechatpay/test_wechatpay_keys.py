"""Platform certificates: when they are fetched, how often, and which are believed."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from adapters.wechatpay.platform_keys import PAUSE, PAUSE_AFTER_FAILURE, REFRESH
from bff.domain.providers import ChargeStatus, NoticeRefused
from bff.errors import OutcomeUnknown, UpstreamContractBroken, UpstreamUnavailable
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import Signer, certificate_signer, next_certificate_signer
from tests.adapters.wechatpay.support import (
    BY_CERTIFICATES,
    BY_PUBLIC_KEYS,
    CERTIFICATES,
    CHARGE_ID,
    ORDER,
    REPAYMENT,
    SETTINGS,
    START,
    Wechat,
    charge,
    transaction,
)
from tests.support import BASE, entered_context

pytestmark = pytest.mark.anyio

OLD, NEW = certificate_signer(), next_certificate_signer()


class Issued(Wechat):
    """A platform of certificates; `held` are those that it hands out, `fetches` how often it was asked."""

    def __init__(self, *held: Signer) -> None:
        super().__init__(BY_CERTIFICATES)
        self.held: tuple[Signer, ...] = held or (OLD,)
        self.fetches = 0
        self.broken: Exception | httpx.Response | None = None
        self.router.get(CERTIFICATES).mock(side_effect=self._hand_out)
        self.router.get(url__startswith=ORDER).mock(side_effect=lambda _: self.reply(200, transaction(), self.held[-1]))

    async def _hand_out(self, _request: httpx.Request) -> httpx.Response:
        self.fetches += 1
        await asyncio.sleep(0)
        if isinstance(self.broken, Exception):
            raise self.broken
        return self.broken or self.certificates()

    def certificates(self, signer: Signer | None = None) -> httpx.Response:
        self.platform.signers = {one.serial: one for one in self.held}
        return self.reply(200, self.platform.certificates(), signer or self.held[-1])

    async def paid(self) -> bool:
        return (await self.pay.query(CHARGE_ID, "")).status is ChargeStatus.SUCCEEDED

    async def notices(self, signer: Signer, times: int = 1) -> list[Any]:
        """What becomes of so many notifications at once."""
        sent = [self.pay.read_notice(*self.notice(transaction(), signer=signer)) for _ in range(times)]
        return await asyncio.gather(*sent, return_exceptions=True)


async def test_certificates_are_fetched_once_and_kept() -> None:
    wechat = Issued()
    for _ in range(3):
        assert await wechat.paid()
    assert wechat.fetches == 1


async def test_the_request_for_certificates_is_signed_too() -> None:
    wechat = Issued()
    await wechat.paid()
    request = wechat.router.calls[0].request
    assert request.url == CERTIFICATES
    wechat.platform.check("GET", "/v3/certificates", request.headers, b"")  # raises
    assert "wechatpay-serial" not in request.headers


async def test_a_burst_of_a_new_serial_is_one_fetch() -> None:
    wechat = Issued(OLD)
    assert await wechat.paid()
    wechat.clock.turn(PAUSE.total_seconds())
    wechat.held = (OLD, NEW)
    answers = await wechat.notices(NEW, 20)
    assert [answer.charge.id for answer in answers] == [CHARGE_ID] * 20
    assert wechat.fetches == 2


async def test_a_burst_before_anything_is_known_is_one_fetch() -> None:
    wechat = Issued(OLD)
    answers = await asyncio.gather(*(wechat.paid() for _ in range(20)))
    assert all(answers)
    assert wechat.fetches == 1


async def test_while_the_platform_rotates_both_are_believed() -> None:
    wechat = Issued(OLD)
    assert await wechat.paid()
    wechat.clock.turn(PAUSE.total_seconds())
    wechat.held = (OLD, NEW)
    for signer in (NEW, OLD, NEW):
        (answer,) = await wechat.notices(signer)
        assert answer.charge.id == CHARGE_ID
    assert wechat.fetches == 2


async def test_serials_that_nobody_knows_are_asked_for_once_a_minute() -> None:
    wechat = Issued(OLD)
    assert await wechat.paid()
    wechat.clock.turn(PAUSE.total_seconds())
    for serial in range(30):
        (answer,) = await wechat.notices(certificate_signer(keys.SECOND_CERTIFICATE_KEY, 0x1000 + serial))
        assert isinstance(answer, NoticeRefused)
    assert wechat.fetches == 2
    wechat.clock.turn(PAUSE.total_seconds())
    await wechat.notices(certificate_signer(keys.SECOND_CERTIFICATE_KEY, 0x2000))
    assert wechat.fetches == 3
    assert await wechat.paid(), "the strangers took nothing from those who are known"


@pytest.mark.parametrize("serial", ["", "zz", "PUB_KEY_ID_0000", "../../etc", "0x60E2D4A7C3B1", " 60E2D4A7C3B1"])
async def test_a_serial_that_is_none_is_no_error_of_ours(serial: str) -> None:
    wechat = Issued(OLD)
    headers, body = wechat.notice(transaction(), signer=OLD)
    with pytest.raises(NoticeRefused):
        await wechat.pay.read_notice(headers | {"wechatpay-serial": serial}, body)


async def test_serials_are_numbers_however_they_are_written() -> None:
    wechat = Issued(OLD)
    headers, body = wechat.notice(transaction(), signer=OLD)
    assert await wechat.pay.read_notice(headers | {"wechatpay-serial": "00" + OLD.serial.lower()}, body) is not None


async def test_a_certificate_that_was_withdrawn_is_forgotten_within_half_a_day() -> None:
    wechat = Issued(OLD, NEW)
    assert await wechat.paid()
    wechat.held = (NEW,)
    wechat.clock.turn(REFRESH.total_seconds() - 1)
    (answer,) = await wechat.notices(OLD)
    assert answer.charge.id == CHARGE_ID
    wechat.clock.turn(1)
    (answer,) = await wechat.notices(OLD)
    assert isinstance(answer, NoticeRefused)
    assert wechat.fetches == 2


async def test_what_is_known_holds_while_certificates_cannot_be_fetched() -> None:
    wechat = Issued(OLD)
    assert await wechat.paid()
    wechat.clock.turn(REFRESH.total_seconds())
    wechat.broken = httpx.ConnectError("no route")
    assert await wechat.paid()
    assert wechat.fetches == 2


async def test_a_certificate_holds_from_its_beginning_to_its_end() -> None:
    short = certificate_signer(
        keys.FIRST_CERTIFICATE_KEY, 0x77, START + timedelta(seconds=60), START + timedelta(seconds=120)
    )
    wechat = Issued(short, OLD)
    (early,) = await wechat.notices(short)
    assert isinstance(early, NoticeRefused)
    wechat.clock.turn(60)
    (taken,) = await wechat.notices(short)
    assert taken.charge.id == CHARGE_ID
    wechat.clock.turn(60)
    (late,) = await wechat.notices(short)
    assert isinstance(late, NoticeRefused)


async def test_nothing_is_sent_whose_answer_could_not_be_verified() -> None:
    """Else a refund would be made and its outcome be unknown, for want of a certificate."""
    wechat = Issued()
    wechat.broken = httpx.ConnectError("no route")
    for call in (wechat.pay.begin(charge()), wechat.pay.close(CHARGE_ID, ""), wechat.pay.repay(REPAYMENT)):
        with pytest.raises(UpstreamUnavailable):
            await call
    assert {call.request.url.path for call in wechat.router.calls} == {"/v3/certificates"}


async def test_after_a_failure_there_is_a_pause_and_then_another_try() -> None:
    wechat = Issued()
    wechat.broken = httpx.ConnectError("no route")
    answers = await asyncio.gather(*(wechat.paid() for _ in range(10)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {UpstreamUnavailable}
    assert wechat.fetches == 1
    wechat.broken = None
    wechat.clock.turn(PAUSE_AFTER_FAILURE.total_seconds())
    assert await wechat.paid()
    assert wechat.fetches == 2


async def test_who_goes_away_stops_nobody() -> None:
    wechat = Issued()
    first = asyncio.create_task(wechat.paid())
    while not wechat.fetches:  # noqa: ASYNC110 - until it is under way
        await asyncio.sleep(0)
    second = asyncio.create_task(wechat.paid())
    first.cancel()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert wechat.fetches == 1


async def test_who_is_in_a_hurry_cuts_the_fetch_short_for_nobody() -> None:
    """The fetch is made in no request's context: neither its budget nor its caller is theirs."""
    wechat = Issued()
    context = entered_context()
    assert await wechat.paid()
    assert [call.operation for call in context.calls.records] == ["QueryByOutTradeNo"]


async def test_a_write_that_was_answered_under_a_key_that_cannot_be_fetched_is_unknown() -> None:
    wechat = Issued(OLD)
    assert await wechat.paid()
    wechat.clock.turn(PAUSE.total_seconds())
    wechat.broken = httpx.ConnectError("no route")
    wechat.router.post(f"{BASE}/v3/refund/domestic/refunds").mock(return_value=wechat.reply(200, {}, NEW))
    with pytest.raises(OutcomeUnknown):
        await wechat.pay.repay(REPAYMENT)


def broken_certificates(wechat: Issued, how: str) -> httpx.Response:
    said = json.loads(wechat.certificates().content)
    if how == "unsigned":
        return httpx.Response(200, json=said)
    if how == "signed by a stranger":
        return wechat.reply(200, said, NEW)
    if how == "a stranger under a serial of theirs":
        return wechat.reply(200, said, NEW, serial=OLD.serial)
    if how == "an old reply":
        signed = wechat.platform.signature(json.dumps(said).encode(), OLD, at=START.timestamp() - 301)
        return httpx.Response(200, json=said, headers=signed)
    if how == "another serial":
        said["data"].append(said["data"][0] | {"serial_no": NEW.serial})
    if how == "a serial that is no number":
        said["data"][0]["serial_no"] = "serial"
    if how == "not a certificate":
        said["data"][0]["encrypt_certificate"] = wechat.platform.seal(b"-----BEGIN CERTIFICATE-----", "certificate")
    if how == "changed":
        said["data"][0]["encrypt_certificate"]["associated_data"] = "certificatf"
    return wechat.reply(200, b"<html>" if how == "a page" else said, OLD)


@pytest.mark.parametrize(
    "how",
    [
        "unsigned", "signed by a stranger", "a stranger under a serial of theirs", "an old reply", "another serial",
        "a serial that is no number", "not a certificate", "changed", "a page",
    ],
)  # fmt: skip
async def test_certificates_that_are_not_proven_are_not_taken(how: str) -> None:
    wechat = Issued(OLD)
    wechat.broken = broken_certificates(wechat, how)
    with pytest.raises(UpstreamContractBroken):
        await wechat.paid()
    assert len(wechat.router.calls) == 1, "nothing was asked without a key to verify the answer"


async def test_a_wrong_api_key_says_so() -> None:
    wechat = Issued(OLD)
    wrong = Wechat(msgspec.structs.replace(BY_CERTIFICATES, api_keys=(b"0" * 32,)))
    wrong.router.get(CERTIFICATES).mock(return_value=wechat.certificates())
    with pytest.raises(UpstreamContractBroken) as raised:
        await wrong.pay.query(CHARGE_ID, "")
    assert "no API v3 key of ours opens it" in (raised.value.detail or "")


async def test_public_keys_alone_never_fetch() -> None:
    wechat = Wechat(BY_PUBLIC_KEYS)
    with pytest.raises(NoticeRefused):
        await wechat.pay.read_notice(*wechat.notice(transaction(), signer=OLD))
    assert not wechat.router.calls


async def test_while_moving_to_public_keys_certificates_are_believed_as_well() -> None:
    wechat = Wechat(SETTINGS)
    wechat.platform.signers = {signer.serial: signer for signer in (wechat.pinned, OLD)}
    route = wechat.router.get(CERTIFICATES).mock(
        side_effect=lambda _: wechat.reply(200, wechat.platform.certificates())
    )
    assert await wechat.pay.read_notice(*wechat.notice(transaction())) is not None
    assert not route.called
    assert await wechat.pay.read_notice(*wechat.notice(transaction(), signer=OLD)) is not None
    assert route.call_count == 1
