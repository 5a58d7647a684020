"""Which notifications are believed, and what they say."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import ChargeStatus, Notice, NoticeRefused, NoticeReply
from bff.errors import UpstreamUnavailable
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import certificate_signer
from tests.adapters.wechatpay.support import (
    BY_CERTIFICATES,
    BY_PUBLIC_KEYS,
    CERTIFICATES,
    CHARGE_ID,
    REFUND_ID,
    Wechat,
    refund_notice,
    transaction,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


async def refused(wechat: Wechat, headers: dict[str, str], body: bytes) -> str:
    with pytest.raises(NoticeRefused) as raised:
        await wechat.pay.read_notice(headers, body)
    return str(raised.value)


async def test_a_success_says_what_was_paid(wechat: Wechat) -> None:
    notice = await wechat.pay.read_notice(*wechat.notice(transaction()))
    assert notice is not None
    assert (notice.id, notice.repayment) == ("EV-2018022511223320873", None)
    charge = notice.charge
    assert charge is not None
    assert (charge.id, charge.status, charge.raw_status) == (CHARGE_ID, ChargeStatus.SUCCEEDED, "SUCCESS")
    assert charge.amount == charge.captured == Money(amount_minor=500000)
    assert charge.transaction == "4200001234202603091234567890"
    assert charge.succeeded_at == datetime(2026, 3, 9, 2, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "raw", "status"),
    [
        ("REFUND.SUCCESS", "SUCCESS", RefundStatus.SUCCEEDED),
        ("REFUND.ABNORMAL", "ABNORMAL", RefundStatus.ABNORMAL),
        ("REFUND.CLOSED", "CLOSED", RefundStatus.CLOSED),
        ("REFUND.SOMETHING", "SOMETHING", RefundStatus.UNKNOWN),
    ],
)
async def test_a_refund_says_how_it_ended(wechat: Wechat, event: str, raw: str, status: RefundStatus) -> None:
    notice = await wechat.pay.read_notice(*wechat.notice(refund_notice(refund_status=raw), event))
    assert notice is not None
    assert notice.charge is None
    repayment = notice.repayment
    assert repayment is not None
    assert (repayment.id, repayment.charge_id) == (REFUND_ID, CHARGE_ID)
    assert (repayment.status, repayment.raw_status) == (status, raw)
    assert repayment.amount == Money(amount_minor=20000, currency="CNY")
    assert repayment.transaction == "50300807092026030912345678901"


async def test_events_of_other_products_do_not_concern_us(wechat: Wechat) -> None:
    notice = wechat.notice({"coupon_id": "9"}, "COUPON.USE")
    assert await wechat.pay.read_notice(*notice) is None


async def test_the_same_event_has_the_same_id_however_often_it_is_sent(wechat: Wechat) -> None:
    """Each try is signed anew; who keeps the events knows by the id that it was there."""
    seen: list[Notice | None] = []
    for _ in range(3):
        seen.append(await wechat.pay.read_notice(*wechat.notice(transaction())))
        wechat.clock.turn(1800)
    assert seen[0] == seen[1] == seen[2]


async def test_a_replay_is_the_same_event_within_the_window_and_refused_after_it(wechat: Wechat) -> None:
    headers, body = wechat.notice(transaction())
    first = await wechat.pay.read_notice(headers, body)
    wechat.clock.turn(300)
    assert await wechat.pay.read_notice(headers, body) == first
    wechat.clock.turn(1)
    assert "-301 seconds" in await refused(wechat, headers, body)


@pytest.mark.parametrize(("seconds", "is_taken"), [(-301, False), (-300, True), (300, True), (301, False)])
async def test_the_window_is_five_minutes_either_way(wechat: Wechat, seconds: int, is_taken: bool) -> None:
    notice = wechat.notice(transaction(), at=wechat.clock().timestamp() + seconds)
    if is_taken:
        assert await wechat.pay.read_notice(*notice) is not None
    else:
        await refused(wechat, *notice)


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce", "serial"])
async def test_every_header_of_the_signature_is_needed_and_bound(wechat: Wechat, name: str) -> None:
    headers, body = wechat.notice(transaction())
    key = f"wechatpay-{name}"
    await refused(wechat, {k: v for k, v in headers.items() if k != key}, body)
    await refused(wechat, headers | {key: ""}, body)
    changed = {
        "signature": "WECHATPAY/SIGNTEST/" + headers["wechatpay-signature"],
        "timestamp": str(int(headers["wechatpay-timestamp"]) - 1),
        "nonce": headers["wechatpay-nonce"][::-1],
        "serial": certificate_signer().serial,
    }[name]
    await refused(wechat, headers | {key: changed}, body)
    assert await wechat.pay.read_notice(headers, body) is not None


@pytest.mark.parametrize("stamp", ["now", "-5", "1e9", "１７７３０２１６００", "9" * 40, " "])
async def test_a_timestamp_is_a_number_of_seconds(wechat: Wechat, stamp: str) -> None:
    headers, body = wechat.notice(transaction())
    await refused(wechat, headers | {"wechatpay-timestamp": stamp}, body)


async def test_a_changed_body_is_refused(wechat: Wechat) -> None:
    headers, body = wechat.notice(transaction())
    for changed in (body + b" ", body.replace(b"TRANSACTION.SUCCESS", b"REFUND.SUCCESS"), b"", b"\xff" + body):
        assert "does not hold" in await refused(wechat, headers, changed)


async def test_another_key_under_the_platforms_name_is_refused(wechat: Wechat) -> None:
    headers, body = wechat.notice(transaction(), signer=certificate_signer())
    assert "does not have" in await refused(wechat, headers, body)
    assert "does not hold" in await refused(wechat, headers | {"wechatpay-serial": keys.PUBLIC_KEY_ID}, body)


@pytest.mark.parametrize(
    "content",
    [
        transaction(mchid="1900000001"),
        transaction(appid="wx0000000000000000"),
        {name: value for name, value in transaction().items() if name != "appid"},
        {name: value for name, value in transaction().items() if name != "mchid"},
        transaction(amount={"total": "500000"}),
        transaction(amount={"total": 500000.5}),
        transaction(amount={"total": True}),
        transaction(amount={}),
        transaction(transaction_id=None),
        {name: value for name, value in transaction().items() if name != "out_trade_no"},
        b"not JSON",
        b"",
        [],
    ],
)
async def test_a_charge_that_is_not_ours_or_not_readable_is_refused(wechat: Wechat, content: Any) -> None:
    await refused(wechat, *wechat.notice(content))


@pytest.mark.parametrize(
    "content",
    [
        refund_notice(mchid="1900000001"),
        {name: value for name, value in refund_notice().items() if name != "mchid"},
        {name: value for name, value in refund_notice().items() if name != "refund_status"},
        refund_notice(amount={"refund": "20000"}),
        refund_notice(amount={}),
    ],
)
async def test_a_refund_that_is_not_ours_or_not_readable_is_refused(wechat: Wechat, content: Any) -> None:
    await refused(wechat, *wechat.notice(content, "REFUND.SUCCESS"))


async def test_both_of_our_apps_are_ours(wechat: Wechat) -> None:
    assert await wechat.pay.read_notice(*wechat.notice(transaction(appid=keys.MOBILE_APP_ID))) is not None


async def test_another_currency_is_told_as_it_is(wechat: Wechat) -> None:
    notice = await wechat.pay.read_notice(*wechat.notice(transaction(amount={"total": 500000, "currency": "USD"})))
    assert notice is not None
    assert notice.charge is not None
    assert notice.charge.amount == Money(amount_minor=500000, currency="USD")


def resealed(wechat: Wechat, **changed: Any) -> tuple[dict[str, str], bytes]:
    """A notification, well signed, whose sealed resource was changed."""
    _, body = wechat.notice(transaction())
    said = json.loads(body)
    said["resource"] |= changed
    return wechat.sealed(json.dumps(said).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"associated_data": "refund"},
        {"associated_data": ""},
        {"nonce": "000000000000"},
        {"nonce": "0"},
        {"nonce": ""},
        {"ciphertext": "AAAA"},
        {"ciphertext": ""},
        {"ciphertext": "***"},
        {"algorithm": "AEAD_SM4_GCM"},
    ],
)
async def test_what_cannot_be_unsealed_is_refused(wechat: Wechat, changed: dict[str, str]) -> None:
    assert await wechat.pay.read_notice(*resealed(wechat)) is not None
    await refused(wechat, *resealed(wechat, **changed))


@pytest.mark.parametrize("name", ["id", "event_type", "resource"])
async def test_an_envelope_without_its_members_is_refused(wechat: Wechat, name: str) -> None:
    said = json.loads(wechat.notice(transaction())[1])
    del said[name]
    await refused(wechat, *wechat.sealed(json.dumps(said).encode()))


async def test_resources_without_associated_data_are_read(wechat: Wechat) -> None:
    sealed = wechat.platform.seal(json.dumps(transaction()).encode(), "")
    del sealed["associated_data"]
    assert await wechat.pay.read_notice(*wechat.notice({}, resource=sealed)) is not None


async def test_while_the_api_key_is_replaced_both_open(wechat: Wechat) -> None:
    new = b"the-next-api-v3-key-of-32-bytes!"
    both = Wechat(msgspec.structs.replace(BY_PUBLIC_KEYS, api_keys=(new, *BY_PUBLIC_KEYS.api_keys)))
    assert await both.pay.read_notice(*wechat.notice(transaction())) is not None
    ciphertext = AESGCM(new).encrypt(b"0123456789ab", json.dumps(transaction()).encode(), b"transaction")
    changed = {"nonce": "0123456789ab", "ciphertext": base64.b64encode(ciphertext).decode()}
    assert await both.pay.read_notice(*resealed(wechat, **changed)) is not None
    assert "no API v3 key" in await refused(wechat, *resealed(wechat, **changed))


async def test_several_public_keys_are_believed_at_once(wechat: Wechat) -> None:
    new = certificate_signer(keys.SECOND_CERTIFICATE_KEY)
    key = new.key.public_key()
    rotating = Wechat(
        msgspec.structs.replace(BY_PUBLIC_KEYS, public_keys={"PUB_KEY_ID_NEXT": key, **BY_PUBLIC_KEYS.public_keys})
    )
    assert await rotating.pay.read_notice(*wechat.notice(transaction())) is not None
    headers, body = wechat.notice(transaction(), signer=new)
    assert await rotating.pay.read_notice(headers | {"wechatpay-serial": "PUB_KEY_ID_NEXT"}, body) is not None
    await refused(wechat, headers | {"wechatpay-serial": "PUB_KEY_ID_NEXT"}, body)


async def test_a_key_that_cannot_be_fetched_now_is_not_a_forgery() -> None:
    """Then the provider is told to come again, and nothing is written down as an attack."""
    wechat = Wechat(BY_CERTIFICATES)
    wechat.router.get(CERTIFICATES).mock(side_effect=httpx.ConnectError("no route"))
    with pytest.raises(UpstreamUnavailable) as raised:
        await wechat.pay.read_notice(*wechat.notice(transaction(), signer=certificate_signer()))
    assert wechat.pay.reply(raised.value).status == 503


async def test_replies(wechat: Wechat) -> None:
    assert wechat.pay.reply(None) == NoticeReply(status=204)
    why = "the signature does not hold"
    for error, status in ((NoticeRefused(why), 401), (UpstreamUnavailable("wechatpay", detail=why), 503)):
        reply = wechat.pay.reply(error)
        assert (reply.status, reply.media_type) == (status, "application/json")
        assert json.loads(reply.body)["code"] == "FAIL"
        assert json.loads(reply.body)["message"]
        assert why not in reply.body.decode()
