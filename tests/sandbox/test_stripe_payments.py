"""Card payments from begin to refund, as the simulated Stripe answers and notifies them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from adapters.stripe.client import StripePayments
from adapters.transport.http import ExchangeFailed, HttpReply, HttpRequest, HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Money, Outcome
from bff.domain.payment import AppAction, PaymentScene, RedirectAction, RefundStatus
from bff.domain.providers import Charge, ChargeState, ChargeStatus, Notice
from bff.errors import InvalidInput, OutcomeUnknown, UpstreamBusy, UpstreamContractBroken, UpstreamRejected
from sandbox.world import World, build_world
from tests.conftest import TODAY
from tests.sandbox_stripe import EAR, NOW, PRICE, Till, a_charge, a_refund, a_till, development_settings
from tests.support import BASE, entered_context

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def any_world() -> World:
    """Stripe knows nothing of the world, so that one will do for all tests."""
    return build_world(today=TODAY)


@pytest.fixture
def till(any_world: World) -> Till:
    return a_till(any_world)


def codes(outcome: Outcome[Any]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def app(**changes: object) -> Charge:
    return a_charge(scene=PaymentScene.APP, **changes)


async def heard_all(till: Till, events: int) -> list[Notice | None]:
    """What was heard when nothing is on its way any more; it is so many."""
    with anyio.fail_after(10):
        while (await till.hand("GET", "/_notifications"))["pending"]:  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0)
    assert len(till.heard) + len(till.refused) == events
    return till.heard


async def test_page_is_opened_paid_and_asked_about(till: Till) -> None:
    begun = await till.begun()
    assert begun.reference.startswith("cs_test_")
    assert isinstance(begun.client_action, RedirectAction)
    assert begun.client_action.url == f"{BASE}/cashier/CH1"
    before = await till.payments.query("CH1", begun.reference)
    assert (before.status, before.raw_status, before.amount, before.captured) == (
        ChargeStatus.OPEN,
        "open",
        PRICE,
        None,
    )
    assert await till.pay() == {"status": "complete"}
    after = await till.payments.query("CH1", begun.reference)
    assert (after.status, after.raw_status) == (ChargeStatus.SUCCEEDED, "succeeded")
    assert (after.amount, after.captured, after.reference) == (PRICE, PRICE, begun.reference)
    assert after.succeeded_at == NOW
    assert (after.transaction or "").startswith("ch_")


async def test_sdk_gets_a_client_secret(till: Till) -> None:
    begun = await till.begun(app())
    assert begun.reference.startswith("pi_")
    assert isinstance(begun.client_action, AppAction)
    assert begun.client_action.order_string.startswith(f"{begun.reference}_secret_")
    assert (await till.payments.query("CH1", begun.reference)).status is ChargeStatus.OPEN
    assert await till.pay() == {"status": "succeeded"}
    assert (await till.payments.query("CH1", begun.reference)).status is ChargeStatus.SUCCEEDED


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_same_charge_again_is_the_same_payment(till: Till, scene: PaymentScene) -> None:
    charge = a_charge(scene=scene)
    assert await till.begun(charge) == await till.begun(charge)
    first, second = await asyncio.gather(*(till.payments.begin(charge) for _ in range(2)))
    assert first == second
    await till.pay()
    assert codes(await till.payments.begin(charge)) == ["ALREADY_PAID"]


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_begin_that_comes_while_the_first_is_under_way_is_told_to_come_again(
    till: Till, scene: PaymentScene
) -> None:
    answers = await asyncio.gather(
        *(till.payments.begin(a_charge(scene=scene)) for _ in range(3)), return_exceptions=True
    )
    begun = [answer for answer in answers if isinstance(answer, Outcome)]
    busy = [answer for answer in answers if isinstance(answer, UpstreamBusy)]
    assert (len(begun), len(busy)) == (1, 2)


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_charge_that_is_over_is_not_begun_again(till: Till, scene: PaymentScene) -> None:
    charge = a_charge(scene=scene)
    begun = await till.begun(charge)
    assert (await till.payments.close("CH1", begun.reference)).status is ChargeStatus.CLOSED
    with pytest.raises(UpstreamRejected) as closed:
        await till.payments.begin(charge)
    assert "closed" in str(closed.value.detail)
    till.clock.time = charge.expires_at
    asked = till.system.stats.requests
    with pytest.raises(UpstreamRejected) as expired:
        await till.payments.begin(charge)
    assert "expired" in str(expired.value.detail)
    assert till.system.stats.requests == asked


async def test_lost_answer_of_begin_is_found_again_by_beginning_again(till: Till) -> None:
    lossy = Lossy(till, lose=1)
    with pytest.raises(OutcomeUnknown):
        await lossy.payments.begin(a_charge())
    assert (await lossy.payments.query("CH1", "")).status is ChargeStatus.ABSENT
    begun = (await lossy.payments.begin(a_charge())).entity
    assert begun is not None
    assert await till.begun() == begun


async def test_page_closes_with_its_charge(till: Till) -> None:
    begun = await till.begun()
    till.clock.time = NOW + timedelta(hours=2)
    state = await till.payments.query("CH1", begun.reference)
    assert (state.status, state.raw_status) == (ChargeStatus.CLOSED, "expired")
    assert "error" in await till.pay()


async def test_short_charge_gets_a_page_that_we_close(till: Till) -> None:
    """Stripe closes no page before half an hour: the charge's keeper does, and beginning again still finds it."""
    charge = a_charge(expires_at=NOW + timedelta(minutes=10))
    begun = await till.begun(charge)
    assert await till.begun(charge) == begun
    assert (await till.payments.close("CH1", begun.reference)).status is ChargeStatus.CLOSED


async def test_charge_that_became_short_is_found_under_its_first_key(till: Till) -> None:
    begun = await till.begun()
    till.clock.time = NOW + timedelta(hours=1, minutes=45)
    assert await till.begun() == begun


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_charge_lives_no_longer_than_its_key(till: Till, scene: PaymentScene) -> None:
    """Begun again after that, it would be a second payment."""
    with pytest.raises(UpstreamRejected) as rejected:
        await till.payments.begin(a_charge(scene=scene, expires_at=NOW + timedelta(hours=24, seconds=1)))
    assert "longer" in str(rejected.value.detail)
    charge = a_charge(scene=scene, expires_at=NOW + timedelta(hours=24))
    begun = await till.begun(charge)
    till.clock.time = charge.expires_at - timedelta(seconds=1)
    assert await till.begun(charge) == begun


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_declined_card_leaves_the_charge_open(till: Till, scene: PaymentScene) -> None:
    begun = await till.begun(a_charge(scene=scene))
    await till.pay(result="FAILED")
    state = await till.payments.query("CH1", begun.reference)
    assert (state.status, state.failure_code, state.transaction) == (ChargeStatus.OPEN, "CARD_DECLINED", None)
    await till.pay()
    state = await till.payments.query("CH1", begun.reference)
    assert (state.status, state.failure_code) == (ChargeStatus.SUCCEEDED, None)


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_hold_is_taken_in_part_and_the_rest_goes_back(till: Till, scene: PaymentScene) -> None:
    reference, held = await till.paid(a_charge(scene=scene, holds=True))
    assert (held.status, held.raw_status) == (ChargeStatus.AUTHORISED, "requires_capture")
    assert (held.amount, held.captured, held.succeeded_at) == (PRICE, Money(amount_minor=0), None)
    part = Money(amount_minor=100000)
    taken = await till.payments.capture("CH1", reference, part)
    assert (taken.status, taken.captured, taken.reference) == (ChargeStatus.SUCCEEDED, part, reference)
    again = await till.payments.capture("CH1", reference, part)
    assert (again.status, again.captured) == (ChargeStatus.SUCCEEDED, part)
    assert codes(await till.payments.repay(a_refund(reference, 100001))) == ["REFUND_EXCEEDS_CAPTURED"]
    given = await till.payments.repay(a_refund(reference, 100000))
    assert given.entity is not None
    assert given.entity.status is RefundStatus.SUCCEEDED


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_hold_is_let_go_by_closing(till: Till, scene: PaymentScene) -> None:
    reference, _ = await till.paid(a_charge(scene=scene, holds=True))
    for _ in range(2):
        closed = await till.payments.close("CH1", reference)
        assert (closed.status, closed.reference) == (ChargeStatus.CLOSED, reference)
    late = await till.payments.capture("CH1", reference, PRICE)
    assert late.status is ChargeStatus.CLOSED


async def test_hold_lapses_after_a_week(till: Till) -> None:
    reference, _ = await till.paid(app(holds=True))
    till.clock.time = NOW + timedelta(days=7)
    assert (await till.payments.capture("CH1", reference, PRICE)).status is ChargeStatus.CLOSED


@pytest.mark.parametrize("amount", [Money(amount_minor=166301), Money(amount_minor=100, currency="EUR")])
async def test_more_than_is_held_is_never_taken(till: Till, amount: Money) -> None:
    reference, _ = await till.paid(app(holds=True))
    with pytest.raises(InvalidInput):
        await till.payments.capture("CH1", reference, amount)
    assert (await till.payments.query("CH1", reference)).status is ChargeStatus.AUTHORISED


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_what_was_taken_at_once_is_neither_captured_nor_closed(till: Till, scene: PaymentScene) -> None:
    reference, paid = await till.paid(a_charge(scene=scene))
    assert await till.payments.capture("CH1", reference, PRICE) == paid
    assert await till.payments.close("CH1", reference) == paid


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_payment_that_is_quicker_than_closing_wins(till: Till, scene: PaymentScene) -> None:
    begun = await till.begun(a_charge(scene=scene))
    racing = Lossy(till, before={"cancel": till.pay, "expire": till.pay})
    state = await racing.payments.close("CH1", begun.reference)
    assert state.status is ChargeStatus.SUCCEEDED


async def test_charge_without_a_reference_is_searched_by_our_id(till: Till) -> None:
    assert (await till.payments.query("CH1", "")).status is ChargeStatus.ABSENT
    assert (await till.payments.close("CH1", "")).status is ChargeStatus.ABSENT
    page, _ = await till.paid()
    found = await till.payments.query("CH1", "")
    assert (found.status, found.reference) == (ChargeStatus.SUCCEEDED, page)
    sdk, _ = await till.paid(app(id="CH2"))
    found = await till.payments.query("CH2", "")
    assert (found.status, found.reference) == (ChargeStatus.SUCCEEDED, sdk)


async def test_unknown_reference_is_absent_and_anothers_is_refused(till: Till) -> None:
    for reference in ("cs_test_none", "pi_none"):
        assert (await till.payments.query("CH1", reference)).status is ChargeStatus.ABSENT
    begun = await till.begun(a_charge(id="CH2"))
    with pytest.raises(UpstreamContractBroken) as other:
        await till.payments.query("CH1", begun.reference)
    assert "CH2" in str(other.value.detail)


# Refunds


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_refund_is_given_once_for_an_id(till: Till, scene: PaymentScene) -> None:
    reference, _ = await till.paid(a_charge(scene=scene))
    first = await till.payments.repay(a_refund(reference, 100))
    assert first.entity is not None
    assert (first.entity.amount, first.entity.status) == (Money(amount_minor=100), RefundStatus.SUCCEEDED)
    till.clock.time = NOW + timedelta(days=3)  # Stripe has forgotten the key
    again = await till.payments.repay(a_refund(reference, 100))
    assert again.entity == first.entity
    assert await till.payments.query_repayment(a_refund(reference), first.entity.transaction) == first.entity
    assert await till.payments.query_repayment(a_refund(reference), None) == first.entity
    left = PRICE.amount_minor - 100
    assert codes(await till.payments.repay(a_refund(reference, left + 1, id="RF2"))) == ["REFUND_EXCEEDS_CAPTURED"]
    assert (await till.payments.repay(a_refund(reference, left, id="RF3"))).entity is not None
    assert codes(await till.payments.repay(a_refund(reference, 1, id="RF4"))) == ["REFUND_EXCEEDS_CAPTURED"]


async def test_lost_answer_of_a_refund_is_found_by_our_id(till: Till) -> None:
    reference, _ = await till.paid()
    lossy = Lossy(till, lose=1)
    with pytest.raises(OutcomeUnknown):
        await lossy.payments.repay(a_refund(reference))
    found = await lossy.payments.query_repayment(a_refund(reference), None)
    assert found.status is RefundStatus.SUCCEEDED
    again = await lossy.payments.repay(a_refund(reference))
    assert again.entity == found
    assert len([path for path in lossy.sent if path == ("POST", "/v1/refunds")]) == 1


async def test_refunds_at_once_never_exceed_what_was_taken(till: Till) -> None:
    """Both find enough left; Stripe lets one through."""
    reference, _ = await till.paid()
    wanted = [a_refund(reference, 100000, id=name) for name in ("RF1", "RF2")]
    outcomes = await asyncio.gather(*(till.payments.repay(each) for each in wanted))
    assert sorted(codes(outcome) for outcome in outcomes) == [[], ["REFUND_EXCEEDS_CAPTURED"]]


async def test_same_refund_at_once_is_one(till: Till) -> None:
    reference, _ = await till.paid()
    answers = await asyncio.gather(
        *(till.payments.repay(a_refund(reference)) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Outcome", "UpstreamBusy"]
    last = await till.payments.repay(a_refund(reference, PRICE.amount_minor - 100, id="RF2"))
    assert last.entity is not None


async def test_nothing_is_given_back_of_what_was_not_taken(till: Till) -> None:
    begun = await till.begun()
    assert codes(await till.payments.repay(a_refund(begun.reference))) == ["NOT_REFUNDABLE"]
    reference, _ = await till.paid(app(id="CH2", holds=True))
    assert codes(await till.payments.repay(a_refund(reference, charge_id="CH2"))) == ["NOT_REFUNDABLE"]
    assert codes(await till.payments.repay(a_refund("", charge_id="CH3"))) == ["NOT_REFUNDABLE"]
    absent = await till.payments.query_repayment(a_refund(begun.reference), None)
    assert (absent.status, absent.amount) == (None, None)
    assert (await till.payments.query_repayment(a_refund(begun.reference), "re_none")).status is None


async def test_refund_that_the_bank_sends_back_is_abnormal(till: Till) -> None:
    reference, _ = await till.paid()
    await till.payments.repay(a_refund(reference))
    await till.hand("POST", "/_refund/RF1", {"status": "failed"})
    state = await till.payments.query_repayment(a_refund(reference), None)
    assert (state.status, state.raw_status) == (RefundStatus.ABNORMAL, "failed")
    whole = await till.payments.repay(a_refund(reference, PRICE.amount_minor, id="RF2"))
    assert whole.entity is not None


async def test_refund_in_another_currency_is_refused(till: Till) -> None:
    reference, _ = await till.paid()
    wanted = a_refund(reference, amount=Money(amount_minor=100, currency="EUR"))
    with pytest.raises(InvalidInput):
        await till.payments.repay(wanted)


async def test_many_refunds_are_read_page_by_page(till: Till) -> None:
    reference, _ = await till.paid()
    for number in range(101):
        outcome = await till.payments.repay(a_refund(reference, 1, id=f"RF{number}"))
        assert outcome.entity is not None
    assert (await till.payments.query_repayment(a_refund(reference, 1, id="RF0"), None)).status is not None


# Notifications


async def test_notifications_of_a_page(till: Till) -> None:
    await till.hand("PUT", "/_webhook", {"url": EAR})
    begun = await till.begun()
    await till.pay()
    heard = [notice.charge for notice in await heard_all(till, 2) if notice is not None]
    assert [state.status for state in heard if state] == [ChargeStatus.SUCCEEDED] * 2
    assert [state.captured for state in heard if state] == [PRICE] * 2
    assert {state.reference for state in heard if state} == {"", begun.reference}
    assert till.refused == []


async def test_notifications_of_a_hold_a_capture_and_a_refund(till: Till) -> None:
    await till.hand("PUT", "/_webhook", {"url": EAR})
    reference, _ = await till.paid(a_charge(holds=True))
    await till.payments.capture("CH1", reference, PRICE)
    given = await till.payments.repay(a_refund(reference))
    told = [notice for notice in await heard_all(till, 6) if notice is not None]
    charges: list[ChargeState] = [notice.charge for notice in told if notice.charge is not None]
    authorised, succeeded = ChargeStatus.AUTHORISED, ChargeStatus.SUCCEEDED
    assert [state.status for state in charges] == [authorised, authorised, succeeded, succeeded]
    assert [notice.repayment for notice in told if notice.repayment is not None] == [given.entity]
    assert len({notice.id for notice in told}) == len(told)


@pytest.mark.parametrize("scene", [PaymentScene.H5, PaymentScene.APP])
async def test_notifications_of_a_decline_and_of_closing(till: Till, scene: PaymentScene) -> None:
    await till.hand("PUT", "/_webhook", {"url": EAR})
    begun = await till.begun(a_charge(scene=scene))
    await till.pay(result="FAILED")
    await till.payments.close("CH1", begun.reference)
    told = [notice.charge for notice in await heard_all(till, 2) if notice is not None]
    said = [(state.status, state.failure_code) for state in told if state]
    assert said[0] == (ChargeStatus.OPEN, "CARD_DECLINED")
    assert said[1][0] is ChargeStatus.CLOSED


@pytest.mark.parametrize(("mode", "times"), [("once", 1), ("never", 0), ("twice", 2), ("parallel", 2)])
async def test_event_sent_twice_is_one_event(till: Till, mode: str, times: int) -> None:
    await till.hand("PUT", "/_webhook", {"url": EAR})
    await till.begun(app())
    await till.pay(notify=mode)
    heard = await heard_all(till, times)
    assert len(heard) == times
    assert len({notice.id for notice in heard if notice is not None}) == min(times, 1)


@pytest.mark.parametrize("spoilt", ["forged", "changed", "stale", "unsigned"])
async def test_spoilt_notifications_are_refused(till: Till, spoilt: str) -> None:
    await till.hand("PUT", "/_webhook", {"url": EAR})
    await till.paid()
    heard = len(await heard_all(till, 2))
    sent = (await till.hand("POST", "/_notify/CH1", {"spoilt": spoilt}))["sent"]
    assert [attempt["status"] for attempt in sent] == [400, 400]
    assert len(till.heard) == heard
    backwards = (await till.hand("POST", "/_notify/CH1", {"reverse": True}))["sent"]
    assert [attempt["type"] for attempt in backwards] == ["checkout.session.completed", "payment_intent.succeeded"]
    assert [attempt["status"] for attempt in backwards] == [200, 200]


# What leaves us


async def test_begin_is_one_call_and_carries_no_secret_in_its_address(till: Till) -> None:
    context = entered_context()
    await till.begun()
    assert [record.operation for record in context.calls.records] == ["CreateCheckoutSession"]
    lossy = Lossy(till)
    await lossy.payments.begin(a_charge(id="CH9"))
    request = lossy.requests[-1]
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert urlsplit(request.url).query == ""
    assert request.headers["idempotency-key"] == "charge-CH9"
    assert request.headers["stripe-version"] == "2026-10-28.endive"
    assert form["line_items[0][price_data][unit_amount]"] == "166300"
    assert form["line_items[0][price_data][currency]"] == "cny"
    assert form["payment_intent_data[metadata][charge_id]"] == form["metadata[charge_id]"] == "CH9"
    assert form["success_url"] == "https://shop.test?charge=CH9&outcome=returned"


class Lossy:
    """The same Stripe behind a network that loses answers of POSTs, or lets somebody act just before one arrives."""

    def __init__(self, till: Till, *, lose: int = 0, before: dict[str, object] | None = None) -> None:
        self.sent: list[tuple[str, str]] = []
        self.requests: list[HttpRequest] = []
        self._lose, self._before = lose, dict(before or {})
        self._engine = HttpxEngine(httpx.AsyncClient(transport=httpx.ASGITransport(app=till.system)))
        self.payments = StripePayments(Upstream("stripe", BASE, self), development_settings(), till.clock)

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109 - the engine's seam
        path = urlsplit(request.url).path
        self.sent.append((request.method, path))
        self.requests.append(request)
        act = self._before.pop(path.rpartition("/")[2], None)
        if callable(act):
            await act()
        reply = await self._engine.send(request, timeout)
        if request.method == "POST" and self._lose:
            self._lose -= 1
            raise ExchangeFailed("the line went dead")
        return reply

    async def aclose(self) -> None:
        await self._engine.aclose()
