"""Which of Alipay's notifications are believed, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.alipay.client import AlipayClient
from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import ChargeState, ChargeStatus, Notice, NoticeRefused, NoticeReply, RepaymentState
from bff.errors import StateUnavailable
from tests.sandbox_alipay import ALIPAY_KEY, NOW, SETTINGS, Hands, client_of, notice, notice_parameters
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

ID = "2026030900222120506001234500000001"
REFUND = {"out_biz_no": "RF01", "gmt_refund": "2026-03-09 12:04:59.120", "refund_fee": "1000.50"}


async def read(body: bytes) -> Notice | None:
    return await client_of(respx.Router()).read_notice({}, body)


async def refusal(body: bytes) -> str:
    with pytest.raises(NoticeRefused) as refused:
        await read(body)
    return str(refused.value)


async def test_a_paid_trade_is_told() -> None:
    assert await read(notice(notice_parameters())) == Notice(
        id=ID,
        charge=ChargeState(
            id="CH01",
            status=ChargeStatus.SUCCEEDED,
            raw_status="TRADE_SUCCESS",
            amount=Money(amount_minor=500050),
            captured=Money(amount_minor=500050),
            transaction="2026030922001400001234567890",
            succeeded_at=datetime(2026, 3, 9, 4, 4, 59, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("status", "paid_at", "expected"),
    [
        ("WAIT_BUYER_PAY", None, ChargeStatus.OPEN),
        ("TRADE_FINISHED", "2026-03-09 12:04:59", ChargeStatus.SUCCEEDED),
        ("TRADE_CLOSED", None, ChargeStatus.CLOSED),
        ("TRADE_CLOSED", "2026-03-09 12:04:59", ChargeStatus.SUCCEEDED),
        ("TRADE_ODD", None, ChargeStatus.UNKNOWN),
    ],
)
async def test_a_trade_is_told_in_every_state(status: str, paid_at: str | None, expected: ChargeStatus) -> None:
    told = await read(notice(notice_parameters(trade_status=status, gmt_payment=paid_at)))
    assert told is not None
    assert told.charge is not None
    assert (told.charge.status, told.charge.raw_status) == (expected, status)


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
async def test_a_refund_is_told_without_its_amount(status: str) -> None:
    """`refund_fee` is what was given back in all."""
    told = await read(notice(notice_parameters(trade_status=status, **REFUND)))
    state = RepaymentState(id="RF01", charge_id="CH01", status=RefundStatus.SUCCEEDED, raw_status=status)
    assert told == Notice(id=ID, repayment=state)


@pytest.mark.parametrize("changed", [REFUND | {"trade_status": "TRADE_FINISHED"}, {"out_biz_no": "RF01"}])
async def test_a_refund_that_was_not_made_now_is_no_news(changed: dict[str, str]) -> None:
    told = await read(notice(notice_parameters(**changed)))
    assert told is not None
    assert told.repayment is None
    assert told.charge is not None


async def test_what_does_not_concern_a_trade_is_left_alone() -> None:
    assert await read(notice(notice_parameters(notify_type="open_app_auth_notify"))) is None


async def test_the_same_notification_again_has_the_same_id() -> None:
    client, body = client_of(respx.Router()), notice(notice_parameters())
    assert await client.read_notice({}, body) == await client.read_notice({}, body)


# Forged


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_amount", "0.01"),
        ("out_trade_no", "CH02"),
        ("trade_status", "TRADE_CLOSED"),
        ("extra", "x"),
        ("body", ""),
    ],
)
async def test_a_changed_parameter_is_seen(name: str, value: str) -> None:
    form = dict(parse_qsl(notice(notice_parameters()).decode())) | {name: value}
    assert await refusal(urlencode(form).encode()) == "the signature does not hold"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("sign", "", "the signature does not hold"),
        ("sign", "?", "the signature does not hold"),
        ("sign", "AAAA", "the signature does not hold"),
        ("sign", "签", "the signature does not hold"),
        ("sign_type", "RSA", "not signed with RSA2"),
        ("sign_type", "", "not signed with RSA2"),
    ],
)
async def test_a_bad_signature_is_refused(name: str, value: str, why: str) -> None:
    form = dict(parse_qsl(notice(notice_parameters()).decode())) | {name: value}
    assert await refusal(urlencode(form).encode()) == why


async def test_another_key_is_refused() -> None:
    assert await refusal(notice(notice_parameters(), rsa.generate_private_key(65537, 2048))) == (
        "the signature does not hold"
    )


async def test_any_of_several_keys_of_alipay_counts() -> None:
    new = rsa.generate_private_key(65537, 2048)
    both = msgspec.structs.replace(SETTINGS, alipay_keys=(new.public_key(), *SETTINGS.alipay_keys))
    client = AlipayClient(mocked_upstream(respx.Router(), "alipay"), both, clock=Hands())
    for key in (new, ALIPAY_KEY):
        told = await client.read_notice({}, notice(notice_parameters(), key))
        assert told is not None
        assert told.id == ID


@pytest.mark.parametrize("name", ["app_id", "seller_id"])
@pytest.mark.parametrize("value", ["2021000000000001", None])
async def test_a_notification_for_somebody_else_is_refused(name: str, value: str | None) -> None:
    assert await refusal(notice(notice_parameters(**{name: value}))) == f"for another {name}"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b"a=1&b", b"\xff\xfe", b"a=%ff", b"sign_type=RSA2&sign=x&" * 200, b'{"sign": "x"}'],
)
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    assert await refusal(body)


async def test_a_parameter_that_comes_twice_is_refused() -> None:
    body = notice(notice_parameters())
    assert await refusal(b"total_amount=0.01&" + body) == "a parameter comes twice"


# Old, new, odd


@pytest.mark.parametrize(
    ("turn", "is_taken"),
    [
        ({"seconds": -300 - 6}, True),  # notify_time is six seconds before NOW
        ({"seconds": -300 - 7}, False),
        ({"hours": 25}, True),  # the last of the eight times that Alipay sends
        ({"hours": 25, "seconds": 300 - 6}, True),
        ({"hours": 25, "seconds": 300 - 5}, False),
        ({"days": 365}, False),
    ],
)
async def test_a_notification_is_taken_as_long_as_alipay_sends_it(turn: dict[str, float], is_taken: bool) -> None:
    clock = Hands(NOW)
    clock.turn(**turn)
    client, body = client_of(respx.Router(), clock), notice(notice_parameters())
    if is_taken:
        assert await client.read_notice({}, body) is not None
    else:
        with pytest.raises(NoticeRefused, match=r"future|older"):
            await client.read_notice({}, body)


@pytest.mark.parametrize(
    "changed",
    [
        {"notify_time": None},
        {"notify_time": "yesterday"},
        {"notify_time": "2026-03-09T12:05:00"},
        {"notify_id": None},
        {"notify_id": ""},
        {"out_trade_no": None},
        {"trade_status": None},
        {"trade_no": None},
        {"total_amount": None},
        {"total_amount": "5000.5"},
        {"total_amount": "5000"},
        {"total_amount": "-1.00"},
        {"total_amount": "５.００"},
        {"trans_currency": "USD"},
        {"gmt_payment": "soon"},
        REFUND | {"refund_fee": "1000.5"},
        REFUND | {"refund_fee": ""},
    ],
)
async def test_a_genuine_notification_that_is_not_as_agreed_is_refused(changed: dict[str, str | None]) -> None:
    assert (await refusal(notice(notice_parameters(**changed)))).startswith("not as agreed: ")


def test_alipay_reads_seven_letters() -> None:
    client = client_of(respx.Router())
    assert client.reply(None) == NoticeReply(status=200, media_type="text/plain", body=b"success")
    for refused in (NoticeRefused("forged"), StateUnavailable()):
        said = client.reply(refused)
        assert said.body == b"failure"
        assert said.status >= 400
