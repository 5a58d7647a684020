"""Shop orders as flows, by example: placed once, whatever is lost, and read."""

from __future__ import annotations

import pytest

from bff.domain.base import PageArgs
from bff.domain.commerce import OrderState
from bff.errors import DeadlineExceeded, InvalidInput, NotFound, OutcomeUnknown, StateUnavailable, UpstreamUnavailable
from bff.orders.shop_orders import flow_id
from bff.orders.shop_state import SHOP_ORDER, ShopPhase
from tests.orders.bank import Fault
from tests.orders.shop_kit import ADDRESS, CAR, CUP, HEATED, OWNER, Floor, codes
from tests.support import entered_context

pytestmark = pytest.mark.anyio


# ── placing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_order_is_placed_once_for_a_key_and_is_kept_for_a_quarter_of_an_hour(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    placed = await floor.place(cart, "same-key")
    again = await floor.place(cart, "same-key", process=1)
    assert placed.entity is not None
    assert again.entity == placed.entity
    assert await floor.pending(placed.entity.number) == []
    assert placed.entity.reserved_until is not None
    assert (placed.entity.reserved_until - floor.world.now).total_seconds() == 900
    assert len(floor.world.merchandise_orders) == 1
    assert (await floor.state(placed.entity.number)).phase is ShopPhase.RESERVED


async def test_cart_that_another_device_changed_is_not_ordered(floor: Floor) -> None:
    seen = await floor.fill((CUP, None))
    await floor.fill((CUP, None))
    assert codes(await floor.place(seen, "k")) == ["CART_VERSION_CONFLICT"]
    assert codes(await floor.place(seen, "k")) == ["CART_VERSION_CONFLICT"]
    assert floor.world.merchandise_orders == {}
    assert (await floor.cart()).lines[0].quantity == 2


async def test_price_and_stock_count_as_they_are_at_the_last_moment(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.BEFORE)
    with pytest.raises(UpstreamUnavailable):
        await floor.place(cart, "k")
    floor.world.products[CUP].price_fen += 100  # while the order waits to be tried again
    assert codes(await floor.place(cart, "k")) == ["PRICE_CHANGED"]
    cart = await floor.cart()
    floor.world.products[CUP].stock = 0
    assert codes(await floor.place(cart, "again")) == ["OUT_OF_STOCK"]
    assert (floor.world.merchandise_orders, floor.world.products[CUP].stock) == ({}, 0)


async def test_order_that_nobody_confirmed_is_found_by_its_key(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    assert len(floor.world.merchandise_orders) == 1
    found = await floor.place(cart, "k", process=1)
    assert found.entity is not None
    assert list(floor.world.merchandise_orders) == [found.entity.number]


async def test_order_that_nobody_asks_for_again_is_found_in_the_background(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    await floor.wait(seconds=2)
    (number,) = floor.world.merchandise_orders
    assert (await floor.state(number)).phase is ShopPhase.RESERVED
    await floor.wait(minutes=15)
    assert (await floor.look(number)).order_state is OrderState.CANCELLED


async def test_order_is_not_placed_long_after_its_customer_was_told_that_it_was_not(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    floor.faults.next.append(Fault.BEFORE)
    with pytest.raises(UpstreamUnavailable):
        await floor.place(cart, "k")
    await floor.wait(hours=1)  # commerce, or this service, was down
    assert floor.world.merchandise_orders == {}
    assert (await floor.cart()).version == cart.version
    placed = await floor.place(cart, "k")  # unless they ask for it again
    assert placed.entity is not None


async def test_uncertain_order_that_is_given_up_runs_out_and_can_be_paid_before(floor: Floor) -> None:
    for is_paid in (False, True):
        cart = await floor.fill((CUP, None))
        floor.faults.next.append(Fault.AFTER)
        with pytest.raises(OutcomeUnknown):
            await floor.place(cart, f"k-{is_paid}")
        await floor.wait(minutes=5)
        listed = (await floor.commerce.orders_of(OWNER, PageArgs(first=1))).items[0]
        if is_paid:
            await floor.pay(listed)
        await floor.wait(minutes=20)
        ended = OrderState.CONFIRMED if is_paid else OrderState.CANCELLED
        assert (await floor.look(listed.number)).order_state is ended


async def test_customer_who_finds_their_uncertain_order_and_pays_has_one_order(floor: Floor) -> None:
    """The order is found in the list before its own flow knows that it exists."""
    cart = await floor.fill((HEATED, CAR))
    floor.faults.next.append(Fault.AFTER)
    with pytest.raises(OutcomeUnknown):
        await floor.place(cart, "k")
    (listed,) = (await floor.commerce.orders_of(OWNER, PageArgs(first=5))).items
    payment = await floor.pay(listed)
    assert floor.bank.accounts[payment].held == listed.total.amount_minor
    found = await floor.place(cart, "k")
    assert found.entity is not None
    assert found.entity.number == listed.number
    state = (await floor.processes[0].flows.states(SHOP_ORDER, [flow_id("k")]))[flow_id("k")]
    assert (state.phase, state.merged_into) == (ShopPhase.MERGED, await floor.flow(listed.number))
    await floor.live(hours=1)
    assert floor.bank.accounts[payment].net == listed.total.amount_minor
    assert (await floor.look(listed.number)).order_state is OrderState.CONFIRMED
    cancelled = await floor.cancel(listed.number)
    assert codes(cancelled) == ["NOT_CANCELLABLE"]


async def test_order_of_nobody_is_not_found_and_not_tried_again(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    for _ in range(2):
        with pytest.raises(NotFound):
            await floor.place(cart, "k", customer="C9999")
    assert await floor.processes[0].flows.run_due() == 0


async def test_request_without_time_says_that_it_is_not_known(floor: Floor) -> None:
    cart = await floor.fill((CUP, None))
    entered_context().deadline -= 20
    with pytest.raises(DeadlineExceeded) as raised:
        await floor.commerce.place_order(
            OWNER, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key="k"
        )
    assert raised.value.began_write
    entered_context()
    await floor.wait(seconds=2)
    assert len(floor.world.merchandise_orders) == 1


async def test_card_number_is_refused_before_anything_is_written_down(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    with pytest.raises(InvalidInput):
        await floor.cancel(order.number, reason="4111 1111 1111 1111")
    assert (await floor.state(order.number)).phase is ShopPhase.RESERVED


async def test_no_word_of_the_customer_is_kept(floor: Floor) -> None:
    order = await floor.order((CUP, None))
    await floor.cancel(order.number, reason="不想要了")

    def script():  # type: ignore[no-untyped-def]  # a script of one line
        return (yield "SELECT state FROM bff_flow", ())

    for (state,) in await floor.database.run(script, write=False):
        assert not any(word in bytes(state).decode() for word in (ADDRESS.recipient, ADDRESS.phone, "不想要了"))


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_orders_are_read_without_our_own_database(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await floor.order((CUP, None))

    async def away(*_: object, **__: object) -> None:
        raise StateUnavailable

    monkeypatch.setattr(floor.database, "run", away)
    assert (await floor.look(order.number)).number == order.number
    with pytest.raises(StateUnavailable):
        await floor.cancel(order.number)
