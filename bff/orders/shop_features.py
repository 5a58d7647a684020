"""Features on their way to cars: looked for more and more seldom, revoked when the car's time is over. Pure.

Commerce decides between a car that confirms and us who revoke; whatever it answers is adopted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.catalogue import EntitlementState
from bff.durability.flow import Planned, Wake
from bff.orders.shop_state import ACTIVATION, Feature, FeatureStep, Look, Revoke, SeenFeature, ShopOrderState

ACTIVATION_OVER = "activation"
FIRST_LOOK = timedelta(seconds=2)
SLOWEST_LOOK = timedelta(minutes=5)
WATCHING = ("look", f"wake:{ACTIVATION_OVER}")
"""Effects that wait for cars: dropped when all is decided."""

Changed = tuple[ShopOrderState, list[Planned]]

_MEANING = {
    EntitlementState.ACTIVE: FeatureStep.ACTIVE,
    EntitlementState.EXPIRED: FeatureStep.ACTIVE,
    EntitlementState.ACTIVATION_FAILED: FeatureStep.FAILED,
    EntitlementState.REVOKED: FeatureStep.FAILED,
}


def paid(state: ShopOrderState, now: datetime) -> Changed:
    """Money has arrived: from now on the cars have time to answer."""
    features = tuple(
        replace(f, step=FeatureStep.ACTIVATING, since=now, deadline=now + ACTIVATION)
        if f.step is FeatureStep.UNPAID
        else f
        for f in state.features
    )
    return watch(replace(state, features=features, looks=0), now)


def watch(state: ShopOrderState, now: datetime) -> Changed:
    """Look again soon, while a car has not answered; be woken when its time is over."""
    waiting = [f for f in state.features if f.step is FeatureStep.ACTIVATING]
    if not waiting:
        return state, []
    pause = min(SLOWEST_LOOK, FIRST_LOOK * 2 ** min(state.looks, 12))
    effects = [Planned(look(state), now + pause)]
    deadlines = [f.deadline for f in waiting if f.deadline is not None and f.deadline > now]
    if deadlines:
        effects.append(Planned(Wake(reason=ACTIVATION_OVER), min(deadlines)))
    return replace(state, looks=state.looks + 1), effects


def look(state: ShopOrderState) -> Look:
    return Look(number=state.number, vins=tuple(dict.fromkeys(f.vin for f in state.features)))


def seen(state: ShopOrderState, found: tuple[SeenFeature, ...], now: datetime, *, is_refunded: bool) -> Changed:
    """What commerce says of the features. One that it does not know fails when its time is over."""
    told = {(f.product, f.vin): f for f in found}
    features = tuple(_told(f, told.get((f.product, f.vin)), now) for f in state.features)
    state, effects = give_up(replace(state, features=features), now, is_over=is_refunded, is_seen=True)
    state, again = watch(state, now)
    return state, effects + again


def _told(feature: Feature, said: SeenFeature | None, now: datetime) -> Feature:
    if said is None or feature.is_decided:
        return feature
    feature = replace(feature, entitlement=said.entitlement)
    if said.state in _MEANING:
        return replace(feature, step=_MEANING[said.state])
    if said.state is EntitlementState.ACTIVATING and feature.step is FeatureStep.UNPAID:
        feature = replace(feature, step=FeatureStep.ACTIVATING, since=now, deadline=now + ACTIVATION)
    return replace(feature, deadline=said.deadline or feature.deadline)


def give_up(state: ShopOrderState, now: datetime, *, is_over: bool = False, is_seen: bool = False) -> Changed:
    """Revoke what a car has not confirmed in time, or (`is_over`) at once, since the money is gone.

    What commerce has not named yet is looked for first; where it `is_seen` that there is nothing, it has failed.
    """
    effects: list[Planned] = []
    features: list[Feature] = []
    for feature in state.features:
        is_due = is_over or (feature.deadline is not None and feature.deadline <= now)
        if feature.step is not FeatureStep.ACTIVATING or not is_due:
            features.append(feature)
        elif feature.entitlement:
            features.append(replace(feature, step=FeatureStep.REVOKING))
            effects.append(Planned(Revoke(line=feature.line, entitlement=feature.entitlement)))
        elif is_seen:
            features.append(replace(feature, step=FeatureStep.FAILED))
        else:
            features.append(replace(feature, deadline=min(now, feature.deadline or now)))
            effects.append(Planned(look(state)))
    return replace(state, features=tuple(features)), effects


def revoked(state: ShopOrderState, line: str, said: EntitlementState | None) -> ShopOrderState:
    """What became of revoking. Nothing certain: it is looked at, and tried, again."""
    step = FeatureStep.FAILED if said is None else _MEANING.get(said, FeatureStep.ACTIVATING)
    features = tuple(
        replace(f, step=step) if f.line == line and f.step is FeatureStep.REVOKING else f for f in state.features
    )
    return replace(state, features=features)


def ended(state: ShopOrderState) -> ShopOrderState:
    """The order is cancelled: commerce has withdrawn what no car had confirmed."""
    features = tuple(f if f.is_decided else replace(f, step=FeatureStep.FAILED) for f in state.features)
    return replace(state, features=features)
