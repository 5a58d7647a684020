"""A car: what it is (configurator), its papers and workshop history (dealer system), what it reports (content)."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from bff.context import CallerKind, RequestContext
from bff.domain import vehicle as domain
from bff.domain.base import Page, PageArgs
from bff.telemetry import audit
from resolvers import loads
from resolvers.catalogue import Entitlement
from resolvers.common import Money, Request, enum, field, prop
from resolvers.configurator import Trim, VehicleModel
from resolvers.fields import batch_field, load_one
from resolvers.privacy import ID, PLATE, VIN
from resolvers.relay import Node, connection_field, global_id, node_of, slice_of
from resolvers.rights import Owner, owned, scopes

if TYPE_CHECKING:
    from resolvers.centres import ServiceCentre
    from resolvers.service import ServiceBookingList

enum(
    domain.WarrantyKind, "What a warranty covers.", {"BATTERY": "The high-voltage battery.", "BASIC": "The whole car."}
)
enum(domain.SoftwareState, "Where a software update stands.", {"AVAILABLE": "A newer version can be installed."})


@strawberry.type(description="What the dealer system holds on a car.")
class VehicleRecord:
    licence_plate: str | None = prop("Licence plate; null before registration.", directives=[PLATE])
    trim: Trim | None = batch_field(loads.trims, key="trim_code", description="The equipment line it was built in.")
    colour_code: str | None = prop("Option code of the paint.")
    option_codes: list[str] = prop("Option codes that were built in.")
    odometer_km: int | None = prop("Kilometres at the last workshop visit.")
    built_on: date | None = prop("Day the car left the line.")
    delivered_on: date | None = prop("Day it was handed over.")
    home_centre: Annotated[ServiceCentre, strawberry.lazy("resolvers.centres")] | None = batch_field(
        loads.centres, key="home_centre", description="The service centre that looks after the car."
    )


@strawberry.type(description="A warranty on the car. It ends with the day or the kilometres, whichever comes first.")
class Warranty:
    kind: domain.WarrantyKind = prop("What it covers.")
    starts_on: date = prop("First day.")
    ends_on: date = prop("Last day.")
    limit_km: int | None = prop("Kilometres after which it ends; null where there is no such limit.")


async def _visit_by_key(context: RequestContext, key: str) -> domain.ServiceVisit | None:
    vin, _, number = key.partition("/")
    vehicle = await vehicle_by_vin(context, vin)
    visits = await load_one(context, loads.service_visits, vehicle) if vehicle else None
    return next((visit for visit in visits or [] if visit.number == number), None)


@strawberry.type(
    description="A visit to the workshop, as it went on record.",
    directives=[scopes("service:read"), owned(Owner.VEHICLE)],
)
@node_of(domain.ServiceVisit, _visit_by_key)
class ServiceVisit(Node):
    id: strawberry.ID = global_id("ServiceVisit", lambda visit: f"{visit.vin}/{visit.number}", directives=[ID])
    number: str = prop("Repair order number, as printed on the invoice.")
    centre: Annotated[ServiceCentre, strawberry.lazy("resolvers.centres")] | None = batch_field(
        loads.centres, key="centre", description="Where it was."
    )
    opened_at: datetime = prop("When the car came in.")
    closed_at: datetime | None = prop("When it left; null while it is there.")
    odometer_km: int | None = prop("Kilometres at the visit.")
    total: Money | None = prop("What it cost the customer; null where nothing was charged or it is not settled.")

    @field("What was done, in the request's language.")
    @staticmethod
    def works(root: strawberry.Parent[domain.ServiceVisit], info: Request) -> list[str]:
        language = info.context.language
        return [text.pick(language) for text in root.works]


@strawberry.type(description="Software of the car.")
class VehicleSoftware:
    current: str = prop("The version that runs.")
    available: str | None = prop("A newer version; null where the car is up to date.")
    state: domain.SoftwareState = prop("Where the update stands.")


@strawberry.type(description="What the car last said of itself. It may have been asleep since.")
class VehicleState:
    as_of: datetime = prop("When the car said so.")
    battery_percent: int | None = prop("State of charge, 0 to 100.")
    range_km: int | None = prop("Remaining range by the car's own estimate.")
    charging: bool | None = prop("Whether it is charging.")
    locked: bool | None = prop("Whether all doors are locked.")
    odometer_km: int | None = prop("Kilometres driven.")
    tyre_pressures_kpa: list[int] = prop("kPa: front left, front right, rear left, rear right; empty where unknown.")


async def vehicle_by_vin(context: RequestContext, vin: str) -> domain.VehicleRef | None:
    """The car, where the caller may see it: a customer's garage, a device's own car, any car for an adviser."""
    caller = context.caller
    if caller.kind is CallerKind.ADVISER:
        audit.record(context, vin=vin)
    if caller.kind is CallerKind.ADVISER or (caller.vin is not None and caller.vin == vin):
        return await load_one(context, loads.located_vehicles, vin)
    if caller.customer_id is None:
        return None
    garage = await load_one(context, loads.garages, caller.customer_id) or []
    return next((entry.vehicle for entry in garage if entry.vehicle.vin == vin), None)


async def _visits(context: RequestContext, vehicle: domain.VehicleRef, page: PageArgs) -> Page[domain.ServiceVisit]:
    visits = await load_one(context, loads.service_visits, vehicle)
    return slice_of(visits or [], page, lambda visit: visit.number)


@strawberry.type(
    description="A car. Its parts come from different systems: one that is down leaves the others standing.",
    directives=[scopes("vehicle:read"), owned(Owner.VEHICLE)],
)
@node_of(domain.VehicleRef, vehicle_by_vin)
class Vehicle(Node):
    id: strawberry.ID = global_id("Vehicle", lambda ref: ref.vin, directives=[ID])
    vin: str = prop("Vehicle identification number, 17 characters (ISO 3779).", directives=[VIN])
    brand: str = prop("Brand code, for example `ASTER`.")
    region: str = prop("Sales region that the car belongs to, for example `EAST`.")
    model: VehicleModel | None = batch_field(loads.models, key="model", description="What the car is.")
    record: VehicleRecord | None = batch_field(
        loads.vehicle_records, key=lambda ref: ref, description="What the dealer system holds: plate, colour, dates."
    )
    warranties: list[Warranty] | None = batch_field(
        loads.warranties, key=lambda ref: ref, description="Warranties, those that have ended included."
    )
    state: VehicleState | None = batch_field(
        loads.vehicle_states, key="vin", description="Charge, range, locks: what the car last said of itself."
    )
    software: VehicleSoftware | None = batch_field(
        loads.vehicle_software, key="vin", description="Software version, and whether a newer one waits."
    )
    features: list[Entitlement] | None = batch_field(
        loads.entitlements, key="vin", description="Features bought for this car, such as heated seats."
    )
    service_bookings: Annotated[ServiceBookingList, strawberry.lazy("resolvers.service")] | None = batch_field(
        loads.bookings_of_vehicles,
        key=lambda ref: ref,
        description="Bookings at the workshop, those to come included.",
        directives=[scopes("service:read")],
    )

    service_history = connection_field(
        ServiceVisit,
        "Visits to the workshop, the latest first; 20 by default.",
        _visits,
        directives=[scopes("service:read")],
    )


@strawberry.type
class VehicleQuery:
    @field(
        "A car by VIN: one of your own, or any for an adviser. Null where it is not known or not yours.",
        returns=Vehicle | None,
        directives=[scopes("vehicle:read")],
    )
    @staticmethod
    async def vehicle(
        info: Request, vin: Annotated[str, strawberry.argument(directives=[VIN])]
    ) -> domain.VehicleRef | None:
        return await vehicle_by_vin(info.context, domain.parse_vin(vin))
