"""The booking service as a port: bulk reads, writes with idempotency keys, the public directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from adapters.booking import booking_wire as wire
from adapters.booking.refusals import INVALID, REFUSALS, SLOT_UNKNOWN
from adapters.transport.records import Records, by_chunks
from adapters.transport.rest import Items, ProblemReply, RestClient, query, segment
from adapters.transport.upstream import Audience, CachePolicy, Effect, Operation, Upstream
from bff.domain.base import Found, Outcome
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    Centre,
    CentreService,
    Estimate,
    Slot,
    SlotQuery,
    split_slot_id,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError, InvalidInput, NotFound, OutcomeUnknown, UpstreamContractBroken

V = TypeVar("V")

_DIRECTORY = CachePolicy(fresh=300, stale_while_revalidate=3_600, stale_if_error=86_400, tags=("centres",))

CENTRES = Operation(name="GetCentres", audience=Audience.PUBLIC, cache=_DIRECTORY)
SLOTS = Operation(name="QuerySlots", audience=Audience.PUBLIC)
BOOKINGS = Operation(name="GetBookings")
ESTIMATES = Operation(name="GetEstimates")
BOOK = Operation(name="CreateBooking", effect=Effect.WRITE)
RESCHEDULE = Operation(name="RescheduleBooking", effect=Effect.WRITE)
CANCEL = Operation(name="CancelBooking", effect=Effect.WRITE)
APPROVE = Operation(name="ApproveEstimate", effect=Effect.WRITE)

MOST_KEYS = 100
MOST_DAYS = 31
_ITEMS = Items[msgspec.Raw]


class BookingAdapter:
    """Implements `ServicePort` and `CentrePort`. Ids of another origin do not exist here."""

    def __init__(self, upstream: Upstream) -> None:
        self._rest = RestClient(upstream)

    # Directory

    async def centres(self, codes: Sequence[str]) -> Found[str, Centre]:
        return await self._bulk(CENTRES, "/centres", "code", codes, wire.CENTRES, lambda centre: centre.code)

    async def search(
        self, *, region: str | None = None, brand: str | None = None, service: CentreService | None = None
    ) -> list[Centre]:
        words = wire.wire_services(service) if service is not None else []
        if service is not None and not words:
            return []
        path = "/centres" + query([("region", region), ("brand", brand), *(("service", word) for word in words)])
        answer = await self._read(CENTRES, "GET", path, keys=[region or "", brand or "", *words])
        found = wire.CENTRES.found(wire.NAME, answer, [], lambda centre: centre.code)
        return [centre for centre in found.values() if isinstance(centre, Centre)]

    # Reads

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        named = {str(index): query for index, query in enumerate(dict.fromkeys(queries))}
        refused = {query: error for query in named.values() if (error := _cannot_ask(query)) is not None}

        async def ask(names: list[str]) -> Mapping[str, wire.WireFreeSlots | BffError]:
            body = wire.slot_queries((name, named[name]) for name in names)
            keys = [named[name].centre.code for name in names]
            answer = await self._read(SLOTS, "POST", "/slot-queries", keys=keys, body=body)
            return wire.FREE_SLOTS.found(wire.NAME, answer, names, lambda free: free.id)

        found = await by_chunks([name for name in named if named[name] not in refused], MOST_KEYS, ask)
        return refused | {
            named[name]: free if isinstance(free, BffError) else wire.read_slots(free, named[name].centre)
            for name, free in found.items()
            if name in named
        }

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        async def ask(vins: list[str]) -> Mapping[str, list[Booking] | BffError]:
            path = "/bookings" + query(("vin", vin) for vin in vins)
            answer = await self._read(BOOKINGS, "GET", path, keys=vins)
            return wire.bookings_by_car(answer, vins)

        found = await by_chunks([ref.vin for ref in vehicles], MOST_KEYS, ask)
        return {ref: found[ref.vin] for ref in vehicles}

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]:
        ours = _by_number(ids)
        found = await self._bulk(BOOKINGS, "/bookings", "id", ours, wire.BOOKINGS, lambda booking: booking.id.number)
        return {
            booking_id: value
            for number, value in found.items()
            for booking_id in ours.get(number, ())
            if isinstance(value, BffError) or value.id == booking_id
        }

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        ours = _by_number(ids)
        found = await self._bulk(ESTIMATES, "/estimates", "booking", ours, wire.ESTIMATES, lambda pair: pair[0])
        return {
            booking_id: value if isinstance(value, BffError) else value[1]
            for number, value in found.items()
            for booking_id in ours.get(number, ())
        }

    # Writes

    async def book(self, request: BookingRequest) -> Outcome[Booking]:
        own_slot = _own_slot(request.slot_id)
        if own_slot is None:
            return Outcome(refusals=[SLOT_UNKNOWN])
        body = wire.booking_body(request, own_slot)
        keys, key = [request.vehicle.vin, own_slot], request.idempotency_key
        return await self._write(BOOK, "/bookings", wire.BOOKINGS, keys=keys, key=key, body=body)

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]:
        own_slot = _own_slot(slot_id)
        if own_slot is None:
            return Outcome(refusals=[SLOT_UNKNOWN])
        path, keys = _path(booking, "reschedule"), [booking.number, own_slot]
        body = {"slotId": own_slot, "startsAt": start}
        return await self._write(RESCHEDULE, path, wire.BOOKINGS, keys=keys, key=idempotency_key, body=body)

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]:
        path, keys = _path(booking, "cancel"), [booking.number]
        return await self._write(
            CANCEL, path, wire.BOOKINGS, keys=keys, key=idempotency_key, body={"reason": reason}
        )  # fmt: skip

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]:
        path, keys = _path(booking, f"estimates/{version}/approval"), [booking.number, str(version)]
        outcome = await self._write(APPROVE, path, wire.ESTIMATES, keys=keys, key=idempotency_key)
        return Outcome(entity=outcome.entity[1] if outcome.entity else None, refusals=outcome.refusals)

    # The wire

    async def _bulk(
        self,
        operation: Operation,
        path: str,
        parameter: str,
        keys: Sequence[str] | Mapping[str, Any],
        records: Records[Any, V],
        key_of: Callable[[V], str],
    ) -> dict[str, V | BffError]:
        async def ask(some: list[str]) -> Mapping[str, V | BffError]:
            answer = await self._read(operation, "GET", path + query((parameter, key) for key in some), keys=some)
            return records.found(wire.NAME, answer, some, key_of)

        return await by_chunks(list(keys), MOST_KEYS, ask)

    async def _read(
        self, operation: Operation, method: str, path: str, *, keys: Sequence[str], body: Any = None
    ) -> Items[msgspec.Raw]:
        try:
            answer = await self._rest.fetch(operation, method, path, _ITEMS, keys=keys, body=body)
        except ProblemReply as refused:
            raise refused.rejected() from refused
        if answer is None:
            raise UpstreamContractBroken(wire.NAME, detail=f"404 for {path}")
        return answer

    async def _write(
        self,
        operation: Operation,
        path: str,
        records: Records[Any, V],
        *,
        keys: Sequence[str],
        key: str,
        body: Any = None,
    ) -> Outcome[V]:
        """A write's answer that cannot be read is no answer: whether it happened must be looked up."""
        headers = {"idempotency-key": key}
        try:
            raw = await self._rest.fetch(operation, "POST", path, msgspec.Raw, keys=keys, body=body, headers=headers)
            if raw is None:
                raise NotFound("There is no such booking or estimate.")
            return Outcome(entity=records.one(wire.NAME, raw))
        except ProblemReply as refused:
            if (mistake := INVALID.get(refused.problem.code)) is not None:
                raise InvalidInput(mistake[0], field=mistake[1], detail=refused.problem.detail) from refused
            return Outcome(refusals=[REFUSALS.of(refused)])
        except UpstreamContractBroken as error:
            raise OutcomeUnknown(wire.NAME, detail=error.detail) from error


def _by_number(ids: Sequence[BookingId]) -> dict[str, list[BookingId]]:
    """Our own among the ids; a number that two ids name is asked for once."""
    ours: dict[str, list[BookingId]] = {}
    for booking in ids:
        if booking.origin is BookingOrigin.BOOKING:
            ours.setdefault(booking.number, []).append(booking)
    return ours


def _path(booking: BookingId, action: str) -> str:
    if booking.origin is not BookingOrigin.BOOKING:
        raise NotFound("There is no such booking.")
    return f"/bookings/{segment(booking.number)}/{action}"


def _own_slot(slot: str) -> str | None:
    origin = split_slot_id(slot)
    return origin[1] if origin is not None and origin[0] is BookingOrigin.BOOKING else None


def _cannot_ask(query: SlotQuery) -> InvalidInput | None:
    if query.to_day < query.from_day:
        return InvalidInput("The last day lies before the first.", field="to")
    if query.to_day - query.from_day >= timedelta(days=MOST_DAYS):
        return InvalidInput(f"Slots are offered for {MOST_DAYS} days at a time.", field="to")
    return None
