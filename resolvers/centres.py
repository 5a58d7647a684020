"""Our places, and when they have room for a car."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import strawberry

from bff.context import RequestContext
from bff.domain import service as domain
from bff.domain.vehicle import parse_vin
from bff.errors import InvalidInput
from resolvers import loads
from resolvers.common import Request, enum, field, localised, prop
from resolvers.fields import load_one
from resolvers.privacy import VIN
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.vehicle import vehicle_by_vin

SHANGHAI = ZoneInfo("Asia/Shanghai")
MOST_DAYS = 31
YEARS = range(2000, 3000)
"""Of times that a client may name: what lies outside is a slip, and no system behind could write it down."""

enum(domain.CentreService, "What a centre offers.", {"BODYWORK": "Body and paint.", "PICKUP": "Fetches the car."})


@strawberry.type(description="A time at which work can begin.")
class ServiceSlot:
    id: strawberry.ID = prop("`bookService` takes it. It can be taken by somebody else meanwhile.")
    start: datetime = prop("When the car is to be there.")
    end: datetime = prop("Until when the slot lasts.")
    capacity_left: int = prop("How many cars can still come.")


async def _centre_by_key(context: RequestContext, key: str) -> domain.Centre | None:
    return await load_one(context, loads.centres, key)


@strawberry.type(description="A place of ours: sales, service, delivery.")
@node_of(domain.Centre, _centre_by_key)
class ServiceCentre(Node):
    id: strawberry.ID = global_id("ServiceCentre", lambda centre: centre.code)
    code: str = prop("The centre's code, for example `SH0217`.")
    name: str = localised("Name.", "name")
    region: str = prop("Sales region, for example `EAST`.")
    city: str = localised("City.", "city")
    address: str = localised("Street address.", "address")
    phone: str = prop("Phone.")
    latitude: float = prop("Degrees north (GCJ-02, as maps in China use).")
    longitude: float = prop("Degrees east (GCJ-02).")
    brands: list[str] = prop("Brands that it looks after.")
    services: list[domain.CentreService] = prop("What it offers.")
    opening_hours: str = localised("When it is open.", "opening_hours")

    @field(
        f"Free slots for a car, by start. At most {MOST_DAYS} days; a week from tomorrow by default. With "
        "`forBooking`, slots that this booking can be moved to.",
        returns=list[ServiceSlot] | None,
    )
    @staticmethod
    async def slots(
        root: strawberry.Parent[domain.Centre],
        info: Request,
        from_day: date | None = None,
        to_day: date | None = None,
        vin: Annotated[str | None, strawberry.argument(directives=[VIN])] = None,
        for_booking: strawberry.ID | None = None,
    ) -> list[domain.Slot]:
        first, last = days(from_day, to_day)
        vehicle = await vehicle_by_vin(info.context, parse_vin(vin)) if vin is not None else None
        moving = decode_id(for_booking, "ServiceBooking", "forBooking") if for_booking else None
        wanted = domain.SlotQuery(
            centre=domain.CentreRef(code=root.code, region=root.region),
            from_day=first,
            to_day=last,
            brand=vehicle.brand if vehicle else None,
            model=vehicle.model if vehicle else None,
            moving=domain.BookingId.parse(moving) if moving is not None else None,
        )
        return await load_one(info.context, loads.slots, wanted) or []


def days(from_day: date | None, to_day: date | None) -> tuple[date, date]:
    """A span of days in Shanghai. Raises InvalidInput where it is empty, too long, or of no calendar in use."""
    first = from_day or datetime.now(SHANGHAI).date() + timedelta(days=1)
    if first.year not in YEARS:
        raise InvalidInput(f"fromDay is a day of the years {YEARS[0]} to {YEARS[-1]}.", field="fromDay")
    last = to_day or first + timedelta(days=6)
    if not first <= last < first + timedelta(days=MOST_DAYS):
        raise InvalidInput(f"toDay is on or after fromDay, and within {MOST_DAYS} days of it.", field="toDay")
    return first, last


@strawberry.type
class CentreQuery:
    @field("Our places. What is left out does not narrow the list.", returns=list[ServiceCentre] | None)
    @staticmethod
    async def service_centres(
        info: Request, region: str | None = None, brand: str | None = None, service: domain.CentreService | None = None
    ) -> list[domain.Centre]:
        return await info.context.ports.centres.search(region=region, brand=brand, service=service)

    @field("A place by its code.", returns=ServiceCentre | None)
    @staticmethod
    async def service_centre(info: Request, code: str) -> domain.Centre | None:
        return await load_one(info.context, loads.centres, code)
