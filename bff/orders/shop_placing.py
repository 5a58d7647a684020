"""How a shop order comes to be: placed from a cart, refused, or adopted where commerce has it already. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.commerce import OrderState, PaymentState
from bff.durability.flow import Decision, Planned, Wake
from bff.orders import shop_facts as facts
from bff.orders.shop_events import event
from bff.orders.shop_state import Ordered, Place, ShopOrderState, ShopPhase

PLACE_FOR = timedelta(minutes=1)
"""How long placing is tried: nobody's cart is ordered long after they were told that it was not. What an uncertain try
has made all the same is in the customer's list, and runs out where nobody pays.
"""

RESERVATION = "reservation"
"""Why the flow is woken when what it ordered is not kept any longer."""

Decided = Decision[ShopOrderState]


def begin(fact: facts.ShopFact, now: datetime) -> Decided | None:
    if isinstance(fact, facts.PlaceAsked):
        state = ShopOrderState(phase=ShopPhase.PLACING, customer_id=fact.customer_id, begun_at=now)
        return Decision(state=state, effects=[Planned(_place(fact, now))])
    if isinstance(fact, facts.Adopted):
        state = ShopOrderState(phase=ShopPhase.PLACING, customer_id=fact.order.customer_id, begun_at=now)
        state, effects = _take_over(state, fact.order)
        return Decision(state=state, effects=effects, reference=state.number)
    return None


def _place(wish: facts.PlaceAsked, now: datetime) -> Place:
    return Place(
        until=now + PLACE_FOR,
        customer_id=wish.customer_id,
        cart_version=wish.cart_version,
        address=wish.address,
        expected_total=wish.expected_total,
    )


def place_again(state: ShopOrderState, wish: facts.PlaceAsked, now: datetime) -> Decided | None:
    """A customer who asks again does not wait for the next try. After an error it is a first try again."""
    if state.phase is ShopPhase.PLACING or (state.phase is ShopPhase.REFUSED and state.failure):
        return Decision(state=replace(state, phase=ShopPhase.PLACING, failure=""), effects=[Planned(_place(wish, now))])
    return None


def placed(flow: str, state: ShopOrderState, fact: facts.Placed) -> Decided | None:
    if state.phase is not ShopPhase.PLACING:
        return None
    if fact.known_by:
        return Decision(state=replace(state, phase=ShopPhase.MERGED, merged_into=fact.known_by))
    state, effects = _take_over(state, fact.order)
    told = event(flow, state, "order.placed.v1", "placed")
    return Decision(state=state, effects=effects, events=[told], reference=state.number)


def _take_over(state: ShopOrderState, order: Ordered) -> tuple[ShopOrderState, list[Planned]]:
    phase, effects = ShopPhase.CONFIRMED, list[Planned]()
    if order.order_state is OrderState.CANCELLED:
        phase = ShopPhase.CANCELLED
    elif order.payment_state is PaymentState.UNPAID:
        phase = ShopPhase.RESERVED
        if order.reserved_until is not None:
            effects.append(Planned(Wake(reason=RESERVATION), order.reserved_until))
    state = replace(
        state,
        phase=phase,
        number=order.number,
        total=order.total,
        reserved_until=order.reserved_until,
        features=order.features,
        features_only=order.features_only,
    )
    return state, effects


def refused(state: ShopOrderState, fact: facts.PlaceRefused) -> Decided | None:
    if state.phase is not ShopPhase.PLACING:
        return None
    state = replace(state, phase=ShopPhase.REFUSED, refusals=tuple(fact.refusals), failure=fact.failure)
    return Decision(state=state)
