"""What the simulated Alipay tells of charges, and how often; the adapter reads it."""

from __future__ import annotations

import asyncio

import pytest

from tests.sandbox.alipay_house import House
from tests.sandbox_alipay import repayment

pytestmark = pytest.mark.anyio


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize(("how", "times"), [("once", 1), ("twice", 2), ("parallel", 5), ("late", 1)])
async def test_a_notification_has_one_id_however_often_it_comes(house: House, how: str, times: int) -> None:
    await house.paid(how)
    await house.until(lambda: len(house.notices) == times)
    await asyncio.sleep(0.02)  # what was acknowledged is not sent again, though its pauses are over at once
    assert len(house.notices) == times
    assert len({each.id for each in house.notices if each is not None}) == 1


async def test_what_comes_late_bears_the_time_when_it_was_due(house: House) -> None:
    await house.paid("late")
    assert house.notices == []
    house.clock.turn(minutes=10)
    await house.until(lambda: len(house.notices) == 1)
    (made,) = await house.sent()
    assert made["parameters"]["notify_time"] == "2026-03-09 12:05:06"


async def test_a_notification_is_sent_until_it_is_acknowledged(house: House) -> None:
    house.is_deaf = True
    await house.paid()
    await house.until(lambda: len(house.notices) == 4)  # and never again: the schedule is over
    (made,) = await house.sent()
    assert [attempt["body"] for attempt in made["attempts"]] == ["failure"] * 4
    assert made["acknowledged"] is False
    house.is_deaf = False
    again = await house.http.post("/_notify/CH01", json={})
    assert again.json() == {"answers": [{"status": 200, "body": "success"}]}
    assert len({each.id for each in house.notices if each is not None}) == 1


async def test_notifications_come_out_of_order(house: House) -> None:
    await house.paid("never")
    await house.client.repay(repayment())
    await house.until(lambda: len(house.notices) == 1)
    house.notices.clear()
    await house.http.post("/_notify/CH01", json={"order": "reversed"})
    refund, payment = house.notices
    assert refund is not None
    assert refund.repayment is not None
    assert payment is not None
    assert payment.charge is not None


@pytest.mark.parametrize("forged", ["signature", "key", "amount", "app_id", "seller_id", "time"])
async def test_a_forged_notification_is_refused(house: House, forged: str) -> None:
    await house.paid("never")
    said = await house.http.post("/_notify/CH01", json={"forged": forged})
    assert said.json() == {"answers": [{"status": 400, "body": "failure"}]}
    assert len(house.refused) == 1
    assert house.notices == []


async def test_handles_say_what_they_take(house: House) -> None:
    await house.paid("never")
    for path, asked in {
        "/_pay/CH01": {"result": "MAYBE"},
        "/_notify/CH01": {"order": "random"},
        "/_notify/CH09": {},
        "/_open": {},
    }.items():
        assert (await house.http.post(path, json=asked)).status_code in (400, 404), path
