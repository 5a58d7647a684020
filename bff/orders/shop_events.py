"""What others are told of shop orders. No personal data but whose order it is, which does not leave the service."""

from __future__ import annotations

from bff.durability.flow import DomainEvent
from bff.orders.shop_state import FeatureStep, ShopOrderState, ShopPhase


def event(flow: str, state: ShopOrderState, kind: str, what: str, **told: str) -> DomainEvent:
    """`what` makes it one event, however often it is decided."""
    data = {
        "orderNumber": state.number,
        "kind": "SHOP",
        "totalMinor": state.total.amount_minor,
        "currency": state.total.currency,
        **told,
    }
    return DomainEvent(
        id=f"{flow}:{what}", type=kind, order_number=state.number, customer_id=state.customer_id, data=data
    )


def events_of(flow: str, before: ShopOrderState, after: ShopOrderState) -> list[DomainEvent]:
    """What of a change is worth telling: that it is paid, and what each car has made of its feature."""
    told: list[DomainEvent] = []
    if after.phase is ShopPhase.CONFIRMED and before.phase is not ShopPhase.CONFIRMED:
        told.append(event(flow, after, "order.confirmed.v1", "confirmed"))
    was = {feature.line: feature.step for feature in before.features}
    for feature in after.features:
        about = {"line": feature.line, "product": feature.product}
        if feature.step is was.get(feature.line):
            continue
        if feature.step is FeatureStep.ACTIVE:
            told.append(event(flow, after, "feature.activated.v1", f"active:{feature.line}", **about))
        elif feature.step is FeatureStep.FAILED:
            told.append(event(flow, after, "feature.failed.v1", f"failed:{feature.line}", **about))
    return told
