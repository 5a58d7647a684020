"""Service booking over REST (docs/contracts/booking.openapi.json): directory, slots, holds, bookings, estimates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.booking import shapes
from sandbox.booking.desk import Desk
from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import Endpoint, Items, Parameter, body_as, document, key_required, keys, keys_of, routes, word
from sandbox.kit.rest import HANDLERS, Handler, Idempotency, Refused, reply
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import Centre, EstimateLine, Text
from sandbox.world.entities.places import CentreService

NAME = "booking"
LOCAL = ZoneInfo("Asia/Shanghai")
MOST_DAYS = 31
SERVICES: tuple[str, ...] = get_args(CentreService)
_WRITES = ("NOT_FOUND", "IDEMPOTENCY_KEY_REUSED")
_ESTIMATE = ("ESTIMATE_OUTDATED", "ALREADY_APPROVED")
_SLOT = ("SLOT_TAKEN", "SLOT_UNKNOWN")


def create(world: World, clock: Clock | None = None) -> System:
    """The system over `world`; without a clock, time begins at the world's `now`."""
    api = _Api(world, clock or running_from(world.now))
    ping = Route("/_ping", _ping)
    return System(NAME, Starlette(routes=[*routes(api.endpoints()), ping], exception_handlers=HANDLERS))


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/booking.openapi.json."""
    told = "Workshop visits of the pilot regions, and the public directory of centres. Times are UTC."
    return document("Service booking", told, _Api(world, running_from(world.now)).endpoints())


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


class _Api:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.desk = Desk(world, clock)
        self._once = Idempotency()

    def endpoints(self) -> list[Endpoint]:
        return [*self._reads(), *self._writes(), *self._workshop()]

    def _reads(self) -> list[Endpoint]:
        many = {"type": "array", "items": {"type": "string"}, "maxItems": 100}
        offered = {"type": "array", "items": {"type": "string", "enum": list(SERVICES)}}
        day = {"type": "string", "format": "date"}
        return [
            Endpoint(
                method="GET", path="/centres", id="GetCentres", handler=self.centres, answer=Items[shapes.Centre],
                summary="Centres by code, or those of a region and brand that offer one of the services.",
                parameters=(
                    Parameter("code", many, many=True), word("region"), word("brand"),
                    Parameter("service", offered, many=True),
                ),
            ),
            Endpoint(
                method="GET", path="/slots", id="GetSlots", handler=self.slots, answer=Items[shapes.FreeSlots],
                summary="Free slots of several centres on the same days.",
                parameters=(
                    keys("centre"), Parameter("from", day, required=True), Parameter("to", day, required=True),
                    word("brand"), word("model"),
                ),
            ),
            Endpoint(
                method="POST", path="/slot-queries", id="QuerySlots", handler=self.slot_queries,
                answer=Items[shapes.FreeSlots], body=shapes.SlotQueries,
                summary="Free slots, each query with its own days. A query for a centre that is not there is left out.",
            ),
            Endpoint(
                method="GET", path="/bookings", id="GetBookings", handler=self.bookings, answer=Items[shapes.Booking],
                summary="Bookings of cars, newest start first, or bookings by id: give `vin` or `id`.",
                parameters=(Parameter("vin", many, many=True), Parameter("id", many, many=True)),
            ),
            Endpoint(
                method="GET", path="/estimates", id="GetEstimates", handler=self.estimates,
                answer=Items[shapes.Estimate], parameters=(keys("booking"),),
                summary="The newest estimate of each booking that has one.",
            ),
        ]  # fmt: skip

    def _writes(self) -> list[Endpoint]:
        def write(path: str, name: str, handler: Handler, summary: str, **more: Any) -> Endpoint:
            refusals = (*_WRITES, *more.pop("refusals"))
            handler = self._once(_keyed(handler))
            return Endpoint(
                method="POST", path=path, id=name, handler=handler, summary=summary, idempotent=True,
                refusals=refusals, **more,
            )  # fmt: skip

        return [
            write("/slot-holds", "HoldSlot", self.hold, "Keep a place for ten minutes.", status=201,
                  body=shapes.HoldRequest, answer=shapes.Hold, refusals=(*_SLOT, "CUSTOMER_UNKNOWN")),
            Endpoint(method="DELETE", path="/slot-holds/{id}", id="ReleaseSlot", handler=self.release, answer=None,
                     status=204, summary="Give a held place back."),
            write("/bookings", "CreateBooking", self.book, "Book; a place that the customer holds is used.", status=201,
                  body=shapes.BookingRequest, answer=shapes.Booking, refusals=(
                      *_SLOT, "CENTRE_UNKNOWN", "VEHICLE_UNKNOWN", "CUSTOMER_UNKNOWN", "OPERATION_UNKNOWN",
                      "PICKUP_NOT_OFFERED")),
            write("/bookings/{id}/reschedule", "RescheduleBooking", self.reschedule, "Move to another slot.",
                  body=shapes.Move, answer=shapes.Booking, refusals=(*_SLOT, "NOT_CHANGEABLE")),
            write("/bookings/{id}/cancel", "CancelBooking", self.cancel, "Cancel, until the car is checked in.",
                  body=shapes.Cancellation, answer=shapes.Booking, refusals=("NOT_CANCELLABLE",)),
            write("/bookings/{id}/estimates/{version}/approval", "ApproveEstimate", self.approve,
                  "Approve the newest estimate.", answer=shapes.Estimate, refusals=_ESTIMATE),
        ]  # fmt: skip

    def _workshop(self) -> list[Endpoint]:
        return [
            Endpoint(method="PUT", path="/workshop/bookings/{id}/status", id="AdvanceBooking", handler=self.advance,
                     summary="The workshop moves a booking on.", body=shapes.StatusChange, answer=shapes.Booking,
                     refusals=("NOT_FOUND", "TRANSITION_NOT_ALLOWED", "APPROVAL_MISSING")),
            Endpoint(method="POST", path="/workshop/bookings/{id}/estimates", id="IssueEstimate",
                     handler=self.issue_estimate, summary="The workshop issues a new version.", status=201,
                     body=shapes.NewEstimate, answer=shapes.Estimate, refusals=("NOT_FOUND", "TRANSITION_NOT_ALLOWED")),
        ]  # fmt: skip

    # Reads

    async def centres(self, request: Request) -> Response:
        given = _parameters(request, "code", "region", "brand", "service")
        if unknown := sorted(set(given["service"]) - set(SERVICES)):
            raise _bad(f"unknown service: {', '.join(unknown)}")
        fitting = (centre for centre in self.world.centres.values() if _fits(centre, given))
        return _show(Items([shapes.Centre.of(centre) for centre in fitting]))

    async def slots(self, request: Request) -> Response:
        given = _parameters(request, "centre", "from", "to", "brand", "model")
        try:
            first, last = (date.fromisoformat(given[name][0]) for name in ("from", "to"))
        except (IndexError, ValueError) as error:
            raise _bad("from and to are dates as in 2026-03-10") from error
        brand = given["brand"][0] if given["brand"] else None
        found = [self._free(centre, first, last, brand) for centre in keys_of(request, "centre")]
        return _show(Items([free for free in found if free]))

    async def slot_queries(self, request: Request) -> Response:
        items = []
        for query in (await body_as(request, shapes.SlotQueries)).queries:
            if free := self._free(query.centre, query.first, query.last, query.brand):
                free.id = query.id
                items.append(free)
        return _show(Items(items))

    def _free(self, centre: str, first: date, last: date, brand: str | None) -> shapes.FreeSlots | None:
        """None where there is no such centre."""
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            raise _bad(f"from and to span 1 to {MOST_DAYS} days")
        if centre not in self.world.centres:
            return None
        start, end = (datetime.combine(day, time(), LOCAL).astimezone(UTC) for day in (first, last + timedelta(days=1)))
        slots = [
            shapes.Slot(id=slot.id, starts_at=slot.starts_at, ends_at=slot.ends_at, capacity_left=left)
            for slot, left in self.desk.free_slots(centre, start, end, brand)
        ]
        return shapes.FreeSlots(centre=centre, slots=slots)

    async def bookings(self, request: Request) -> Response:
        given = _parameters(request, "vin", "id")
        if bool(given["vin"]) == bool(given["id"]):
            raise _bad("give vin or id")
        known = self.world.bookings
        if given["id"]:
            found = [known[key] for key in given["id"] if key in known]
        else:
            mine = (booking for booking in known.values() if booking.vin in given["vin"])
            found = sorted(mine, key=lambda booking: (booking.starts_at, booking.id), reverse=True)
        return _show(Items([shapes.Booking.of(self.world, booking) for booking in found]))

    async def estimates(self, request: Request) -> Response:
        known = self.world.bookings
        found = (known[key] for key in keys_of(request, "booking") if key in known)
        return _show(Items([shapes.Estimate.of(of, of.estimates[-1]) for of in found if of.estimates]))

    # Writes

    async def hold(self, request: Request) -> Response:
        asked = await body_as(request, shapes.HoldRequest)
        made = self.desk.hold(asked.slot_id, asked.customer_id)
        return _show(shapes.Hold(id=made.id, slot_id=made.slot_id, expires_at=made.expires_at), 201)

    async def release(self, request: Request) -> Response:
        self.desk.release(request.path_params["id"])
        return Response(status_code=204)

    async def book(self, request: Request) -> Response:
        made = self.desk.create(await body_as(request, shapes.BookingRequest), key_required(request))
        return _show(shapes.Booking.of(self.world, made), 201)

    async def reschedule(self, request: Request) -> Response:
        booking, to = self.desk.booking(request.path_params["id"]), await body_as(request, shapes.Move)
        self.desk.move(booking, to.slot_id, to.starts_at)
        return _show(shapes.Booking.of(self.world, booking))

    async def cancel(self, request: Request) -> Response:
        booking = self.desk.booking(request.path_params["id"])
        await body_as(request, shapes.Cancellation)
        self.desk.cancel(booking)
        return _show(shapes.Booking.of(self.world, booking))

    async def approve(self, request: Request) -> Response:
        booking, version = self.desk.booking(request.path_params["id"]), request.path_params["version"]
        approved = self.desk.approve(booking, int(version) if version.isdecimal() else 0)
        return _show(shapes.Estimate.of(booking, approved))

    # The workshop's side

    async def advance(self, request: Request) -> Response:
        booking = self.desk.booking(request.path_params["id"])
        self.desk.advance(booking, (await body_as(request, shapes.StatusChange)).status)
        return _show(shapes.Booking.of(self.world, booking))

    async def issue_estimate(self, request: Request) -> Response:
        booking, asked = self.desk.booking(request.path_params["id"]), await body_as(request, shapes.NewEstimate)
        lines = [EstimateLine(x.op_code, Text(x.text.zh, x.text.en), x.amount.amount_minor) for x in asked.lines]
        return _show(shapes.Estimate.of(booking, self.desk.estimate(booking, lines)), 201)


def _fits(centre: Centre, given: dict[str, list[str]]) -> bool:
    return (
        (not given["code"] or centre.id in given["code"])
        and (not given["region"] or centre.region in given["region"])
        and all(brand in centre.brands for brand in given["brand"])
        and (not given["service"] or bool(set(given["service"]) & set(centre.services)))
    )


def _parameters(request: Request, *known: str) -> dict[str, list[str]]:
    """Repeated parameters, each at most 100 times; one that is not known is a 400."""
    if unknown := sorted(set(request.query_params) - set(known)):
        raise _bad(f"unknown parameters: {', '.join(unknown)}")
    given = {name: list(dict.fromkeys(request.query_params.getlist(name))) for name in known}
    if any(len(values) > 100 for values in given.values()):
        raise _bad("at most 100 of each parameter")
    return given


def _keyed(handler: Handler) -> Handler:
    async def checked(request: Request) -> Response:
        key_required(request)
        return await handler(request)

    return checked


def _show(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _bad(detail: str) -> Refused:
    return Refused("BAD_REQUEST", detail, 400)
