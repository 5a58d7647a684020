"""Which notifications are believed, and what they say."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import respx

from adapters.stripe.client import StripePayments
from bff.domain.base import Money
from bff.domain.payment import RefundStatus
from bff.domain.providers import ChargeStatus, Notice, NoticeRefused
from bff.errors import UpstreamContractBroken
from tests.adapters.stripe.documents import INTENT, REFUND, SESSION
from tests.sandbox_stripe import NOW, PRICE, Hands, development_settings
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

SECRET = "whsec_development_only"
T = int(NOW.timestamp())


def event(kind: str = "payment_intent.succeeded", thing: Any = INTENT, **changes: Any) -> dict[str, Any]:
    shown = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": T - 3,
        "data": {"object": thing},
        "livemode": False,
        "type": kind,
    }
    return shown | changes


def mark(body: bytes, stamp: int | str = T, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def payments(clock: Hands | None = None, **changes: Any) -> StripePayments:
    settings = msgspec.structs.replace(development_settings(), **changes)
    return StripePayments(mocked_upstream(respx.Router(), "stripe"), settings, clock or Hands())


async def read(said: dict[str, Any], **changes: Any) -> Notice | None:
    body = json.dumps(said).encode()
    return await payments(**changes).read_notice({"stripe-signature": f"t={T},v1={mark(body)}"}, body)


async def test_success(caplog: pytest.LogCaptureFixture) -> None:
    notice = await read(event())
    assert notice is not None
    assert notice.id == "evt_1"
    assert notice.repayment is None
    state = notice.charge
    assert state is not None
    assert (state.id, state.status, state.amount, state.captured) == ("CH1", ChargeStatus.SUCCEEDED, PRICE, PRICE)
    assert state.succeeded_at == NOW - timedelta(seconds=3)
    assert state.reference == "pi_1"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "thing", "status", "reference"),
    [
        ("payment_intent.payment_failed", {"status": "requires_payment_method"}, ChargeStatus.OPEN, "pi_1"),
        ("payment_intent.canceled", {"status": "canceled"}, ChargeStatus.CLOSED, "pi_1"),
        ("payment_intent.amount_capturable_updated", {"status": "requires_capture"}, ChargeStatus.AUTHORISED, "pi_1"),
        ("payment_intent.succeeded", {"metadata": {"charge_id": "CH1", "scene": "H5"}}, ChargeStatus.SUCCEEDED, ""),
        ("payment_intent.succeeded", {"status": "moonlit"}, ChargeStatus.UNKNOWN, "pi_1"),
    ],
)
async def test_events_of_intents(kind: str, thing: dict[str, Any], status: ChargeStatus, reference: str) -> None:
    notice = await read(event(kind, INTENT | {"latest_charge": "ch_1"} | thing))
    assert notice is not None
    assert notice.charge is not None
    assert (notice.charge.status, notice.charge.reference) == (status, reference)


@pytest.mark.parametrize(
    ("page", "paid", "holds", "status", "captured"),
    [
        ("complete", "paid", "0", ChargeStatus.SUCCEEDED, PRICE),
        ("complete", "unpaid", "1", ChargeStatus.AUTHORISED, None),
        ("complete", "unpaid", "0", ChargeStatus.PROCESSING, None),
        ("complete", "no_payment_required", "0", ChargeStatus.UNKNOWN, None),
        ("expired", "unpaid", "0", ChargeStatus.CLOSED, None),
    ],
)
async def test_events_of_pages(page: str, paid: str, holds: str, status: ChargeStatus, captured: Money | None) -> None:
    thing = SESSION | {"status": page, "payment_status": paid, "payment_intent": "pi_1"}
    thing |= {"metadata": {"charge_id": "CH1", "scene": "H5", "holds": holds}}
    kind = "checkout.session.expired" if page == "expired" else "checkout.session.completed"
    notice = await read(event(kind, thing))
    assert notice is not None
    assert notice.charge is not None
    assert (notice.charge.status, notice.charge.captured, notice.charge.reference) == (status, captured, "cs_1")


@pytest.mark.parametrize("kind", ["refund.updated", "refund.failed"])
async def test_events_of_refunds(kind: str) -> None:
    notice = await read(event(kind, REFUND | {"status": "failed"}))
    assert notice is not None
    assert notice.charge is None
    assert notice.repayment is not None
    assert (notice.repayment.id, notice.repayment.charge_id) == ("RF1", "CH1")
    assert (notice.repayment.status, notice.repayment.transaction) == (RefundStatus.ABNORMAL, "re_1")


async def test_refunded_charge_names_its_refund_only_in_old_versions() -> None:
    charge = INTENT["latest_charge"]
    new = await read(event("charge.refunded", charge))
    assert new is not None
    assert new.charge is not None
    assert (new.charge.status, new.charge.captured) == (ChargeStatus.SUCCEEDED, PRICE)
    old = await read(event("charge.refunded", charge | {"refunds": {"data": [REFUND], "has_more": False}}))
    assert old is not None
    assert old.repayment is not None
    assert old.repayment.id == "RF1"
    assert await read(event("charge.refunded", charge | {"captured": False})) is None, "a hold that was let go"


@pytest.mark.parametrize(
    "said",
    [
        event("customer.created", {"anything": 1}),
        event("payment_intent.created"),
        event(thing=INTENT | {"metadata": {}}),
        event(thing=INTENT | {"metadata": {"order": "of another shop on this account"}}),
        event("refund.updated", REFUND | {"metadata": {"charge_id": "CH1"}}),
        event("refund.updated", REFUND | {"metadata": None}),
        event("charge.refunded", INTENT["latest_charge"] | {"metadata": {}}),
        event("checkout.session.expired", SESSION | {"metadata": None, "amount_total": None, "currency": None}),
    ],
)
async def test_genuine_but_not_about_us(said: dict[str, Any]) -> None:
    assert await read(said) is None


# Who is believed


async def test_one_good_signature_among_several_is_enough_while_secrets_rotate() -> None:
    body = json.dumps(event()).encode()
    both = payments(signing_secrets=("whsec_new", SECRET))
    for header in (
        f"t={T},v1={mark(body)}",
        f"t={T},v1={'0' * 64},v1={mark(body)},v0=ff",
        f"t={T}, v1={mark(body, secret='whsec_new')}",
        f"v1={mark(body)},t={T}",
    ):
        assert await both.read_notice({"stripe-signature": header}, body) is not None
    only_new = payments(signing_secrets=("whsec_new",))
    with pytest.raises(NoticeRefused):
        await only_new.read_notice({"stripe-signature": f"t={T},v1={mark(body)}"}, body)


BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (None, BODY),
        ("", BODY),
        (f"t={T}", BODY),
        (f"v1={mark(BODY)}", BODY),
        (f"t={T},v1=", BODY),
        (f"t={T},v1={mark(BODY)[:-1]}", BODY),
        (f"t={T},v1={mark(BODY, secret='whsec_forged')}", BODY),
        (f"t={T},v1={mark(BODY)}", BODY + b" "),
        (f"t={T},v1={mark(BODY)}", BODY.replace(b"166300", b"166301")),
        (f"t={T + 1},v1={mark(BODY)}", BODY),
        (f"t={T},v0={mark(BODY)}", BODY),
        (f"t={T},t={T},v1={mark(BODY)}", BODY),
        (f"t={T}.0,v1={mark(BODY, f'{T}.0')}", BODY),
        (f"t=-{T},v1={mark(BODY, -T)}", BODY),
        (f"t= {T},v1={mark(BODY, f' {T}')}", BODY),
        (f"t={'9' * 13},v1={mark(BODY, '9' * 13)}", BODY),
        (f"t=１,v1={mark(BODY, '１')}", BODY),
        (f"t={T},v1=é", BODY),
        (f"t={T}," + ",".join([f"v1={'0' * 64}"] * 16 + [f"v1={mark(BODY)}"]), BODY),
    ],
)
async def test_what_is_not_signed_by_stripe_is_refused(header: str | None, body: bytes) -> None:
    with pytest.raises(NoticeRefused):
        await payments().read_notice({} if header is None else {"stripe-signature": header}, body)


@pytest.mark.parametrize(("seconds", "believed"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
async def test_signature_is_good_for_five_minutes_either_way(seconds: int, believed: bool) -> None:
    clock = Hands()
    clock.time = NOW + timedelta(seconds=seconds)
    header = {"stripe-signature": f"t={T},v1={mark(BODY)}"}
    if believed:
        first, second = [await payments(clock).read_notice(header, BODY) for _ in range(2)]
        assert first == second, "a repetition has the same id"
        return
    with pytest.raises(NoticeRefused, match="300 s"):
        await payments(clock).read_notice(header, BODY)


async def test_event_of_the_other_mode_is_refused() -> None:
    with pytest.raises(NoticeRefused, match="live"):
        await read(event(livemode=True))
    with pytest.raises(NoticeRefused, match="test"):
        await read(event(), secret_key="sk_live_x")


async def test_event_of_another_account_is_refused() -> None:
    with pytest.raises(NoticeRefused, match="account"):
        await read(event(account="acct_other"))
    with pytest.raises(NoticeRefused, match="account"):
        await read(event(account="acct_other"), account="acct_ours")
    assert await read(event(account="acct_ours"), account="acct_ours") is not None
    assert await read(event(), account="acct_ours") is not None


async def test_another_version_is_read_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert await read(event(api_version="2019-03-14")) is not None
    assert ["2019-03-14" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    "said",
    [
        event(thing=INTENT | {"amount": "166300"}),
        event(thing=INTENT | {"amount": 1663.5}),
        event(thing=INTENT | {"currency": "¥"}),
        event(thing=SESSION),
        event(thing={}),
        event(data={}),
        event(id=7),
        event(object="v2.core.event"),
        {},
    ],
)
async def test_genuine_event_that_cannot_be_read_comes_again(said: dict[str, Any]) -> None:
    with pytest.raises(UpstreamContractBroken) as broken:
        await read(said)
    assert payments().reply(broken.value).status == 503


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", BODY[: len(BODY) // 2]])
async def test_signed_rubbish_comes_again(body: bytes) -> None:
    with pytest.raises(UpstreamContractBroken):
        await payments().read_notice({"stripe-signature": f"t={T},v1={mark(body)}"}, body)


def test_replies() -> None:
    stripe = payments()
    assert stripe.reply(None).status == 200
    assert stripe.reply(NoticeRefused("forged")).status == 400
