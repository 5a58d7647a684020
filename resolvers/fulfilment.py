"""What other systems say of a car on order: the ERP bills it, the plant builds it, and it is on its way."""

from __future__ import annotations

from datetime import date, datetime

import strawberry

from bff.domain import vehicle_order as domain
from resolvers.common import Money, enum, prop

enum(domain.SalesOrderStatus, "How far the sales order is processed.")
enum(domain.ProductionState, "What happens at a station.")
enum(domain.ProductionStage, "A part of the plant.")
enum(
    domain.Milestone,
    "Steps from order to delivery, in order. QC_HOLD is beside the others: a car goes in and comes out again.",
    {"PARTS": "Parts are being procured.", "YARD": "In the plant's yard.", "AT_CENTRE": "At the delivery centre."},
)


@strawberry.type(description="A position of the sales order.")
class SalesOrderItem:
    number: str = prop("Position number.")
    material: str = prop("Material number.")
    text: str = prop("Short text of the ERP.")
    quantity: int = prop("How many.")
    net: Money = prop("Net value.")


@strawberry.type(description="A line of the ERP's pricing.")
class PriceCondition:
    code: str = prop("Condition type, for example `PR00` (base price) or `MWST` (VAT).")
    amount: Money = prop("Amount.")


@strawberry.type(description="The order as the ERP bills it.")
class SalesOrder:
    number: str = prop("Sales order number.")
    status: domain.SalesOrderStatus = prop("How far it is processed.")
    net_total: Money = prop("Net value of the order.")
    created_on: date = prop("Day it was made.")
    items: list[SalesOrderItem] = prop("Positions.")
    conditions: list[PriceCondition] = prop("Pricing.")


@strawberry.type(description="A station that the car passes in the plant.")
class ProductionSegment:
    code: str = prop("Track point, for example `PT90`.")
    stage: domain.ProductionStage = prop("The part of the plant it is in.")
    state: domain.ProductionState = prop("What happens there.")
    started_at: datetime | None = prop("When the car came in.")
    ended_at: datetime | None = prop("When it went out.")


@strawberry.type(description="The car in the plant.")
class Production:
    order: str = prop("Production order number.")
    state: domain.ProductionState = prop("Overall state.")
    segments: list[ProductionSegment] = prop("Stations, in the order of passing.")
    paint_code: str | None = prop("Paint that was applied.")


@strawberry.type(description="A step on the way, as it was reported.")
class MilestoneEvent:
    milestone: domain.Milestone = prop("The step.")
    raw_code: str = prop("The code that was reported, for support.")
    week: str = prop("Calendar week that the report names: `2025-W03`.")
    observed_at: datetime = prop("When we learned of it.")


@strawberry.type(
    description="Where the car is between order and delivery. Never moves back, but into and out of QC_HOLD."
)
class DeliveryProgress:
    current: domain.Milestone = prop("The furthest step so far.")
    events: list[MilestoneEvent] = prop("What was reported, oldest first.")
    eta_week: str | None = prop("Calendar week of expected arrival, once it is known.")
    as_of: datetime = prop("When the feed was read last.")
