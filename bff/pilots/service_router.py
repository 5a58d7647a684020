"""Service booking while the booking service replaces the DMS: one port over two, chosen by the plan of the moment.

- What is new (slots) comes from the system that the plan names for the centre's region, brand, model and customer.
- What exists stays where it began: its id carries the origin, and neither reading nor writing it asks the plan.
- A slot's id carries its origin as well: who was shown a slot books it where it was offered, whatever the rule says by
  then.
- A car's list asks every system that may hold something of it, all at once. If one fails, what the other holds is shown
  as a `PartialList`; a list with nothing to show is the error, since "no bookings" would be a lie.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from bff.calls import in_parallel
from bff.context import current_or_none
from bff.domain.base import Found, Outcome, PartialList, Refusal
from bff.domain.service import (
    Booking,
    BookingId,
    BookingOrigin,
    BookingRequest,
    Estimate,
    ServicePort,
    Slot,
    SlotQuery,
    split_slot_id,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import BffError
from bff.pilots.plan import BOOKING, DMS, SERVICE_BOOKING, Facts, PlanHolder

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ORIGINS = {DMS: BookingOrigin.DMS, BOOKING: BookingOrigin.BOOKING}
_SLOT_UNKNOWN = Refusal(
    code="SLOT_UNKNOWN", message="There is no such slot. Ask for slots again.", field=["slotId"]
)  # fmt: skip


class ServiceRouter:
    """A `ServicePort` over the DMS and the booking service."""

    def __init__(self, plans: PlanHolder, *, dms: ServicePort, booking: ServicePort) -> None:
        self._plans = plans
        self._sides = {BookingOrigin.DMS: dms, BookingOrigin.BOOKING: booking}

    async def slots(self, queries: Sequence[SlotQuery]) -> Found[SlotQuery, list[Slot]]:
        plan, subject = self._plans.plan, _subject()

        def origin(query: SlotQuery) -> BookingOrigin:
            if query.moving is not None:
                return query.moving.origin
            facts = Facts(region=query.centre.region, brand=query.brand, model=query.model, subject=subject)
            return _ORIGINS[plan.system(SERVICE_BOOKING, facts)]

        return await self._each_from_one(queries, origin, lambda side, asked: side.slots(asked))

    async def bookings_of(self, vehicles: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
        plan = self._plans.plan
        asked: dict[BookingOrigin, list[VehicleRef]] = {}
        for car in vehicles:
            facts = Facts(region=car.region, brand=car.brand, model=car.model)
            for system in plan.systems_with_history(SERVICE_BOOKING, facts):
                asked.setdefault(_ORIGINS[system], []).append(car)
        answers = await self._ask(asked, lambda side, cars: side.bookings_of(cars))
        merged: dict[VehicleRef, list[Booking] | BffError] = {}
        for car in vehicles:
            parts = [part for answer in answers if (part := answer.get(car)) is not None]
            if parts:
                merged[car] = parts[0] if len(parts) == 1 else _merged(parts)
        return merged

    async def bookings(self, ids: Sequence[BookingId]) -> Found[BookingId, Booking]:
        return await self._each_from_one(ids, _origin_of, lambda side, asked: side.bookings(asked))

    async def estimates(self, ids: Sequence[BookingId]) -> Found[BookingId, Estimate]:
        return await self._each_from_one(ids, _origin_of, lambda side, asked: side.estimates(asked))

    async def book(self, request: BookingRequest) -> Outcome[Booking]:
        offered = split_slot_id(request.slot_id)
        if offered is None:
            return Outcome(refusals=[_SLOT_UNKNOWN])
        return await self._sides[offered[0]].book(request)

    async def reschedule(
        self, booking: BookingId, slot_id: str, start: datetime, *, idempotency_key: str
    ) -> Outcome[Booking]:
        """A booking cannot be moved to a slot of the other system: `SlotQuery.moving` finds those that it can."""
        offered = split_slot_id(slot_id)
        if offered is None or offered[0] is not booking.origin:
            return Outcome(refusals=[_SLOT_UNKNOWN])
        return await self._side(booking).reschedule(booking, slot_id, start, idempotency_key=idempotency_key)

    async def cancel(self, booking: BookingId, *, reason: str | None, idempotency_key: str) -> Outcome[Booking]:
        return await self._side(booking).cancel(booking, reason=reason, idempotency_key=idempotency_key)

    async def approve(self, booking: BookingId, version: int, *, idempotency_key: str) -> Outcome[Estimate]:
        return await self._side(booking).approve(booking, version, idempotency_key=idempotency_key)

    def _side(self, booking: BookingId) -> ServicePort:
        return self._sides[booking.origin]

    async def _each_from_one(
        self,
        keys: Sequence[K],
        origin: Callable[[K], BookingOrigin],
        ask: Callable[[ServicePort, Sequence[K]], Awaitable[Found[K, V]]],
    ) -> Found[K, V]:
        """Every key from its own side."""
        asked: dict[BookingOrigin, list[K]] = {}
        for key in keys:
            asked.setdefault(origin(key), []).append(key)
        answers = await self._ask(asked, ask)
        return answers[0] if len(answers) == 1 else {key: value for answer in answers for key, value in answer.items()}

    async def _ask(
        self,
        asked: Mapping[BookingOrigin, Sequence[K]],
        ask: Callable[[ServicePort, Sequence[K]], Awaitable[Found[K, V]]],
    ) -> list[Found[K, V]]:
        """The sides' answers, asked in one round. A side that fails altogether fails its own keys."""
        if len(asked) == 1:
            ((origin, keys),) = asked.items()
            return [await ask(self._sides[origin], keys)]
        answers = await in_parallel(*(ask(self._sides[origin], keys) for origin, keys in asked.items()))
        return [_found(answer, keys) for answer, keys in zip(answers, asked.values(), strict=True)]


def _found(answer: Found[K, V] | BaseException, keys: Iterable[K]) -> Found[K, V]:
    if isinstance(answer, BffError):
        return dict.fromkeys(keys, answer)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _merged(parts: Sequence[list[Booking] | BffError]) -> list[Booking] | BffError:
    """One car's lists as one, newest start first. See the module for what a failure makes of it."""
    bookings: list[Booking] = []
    missing: BffError | None = None
    for part in parts:
        if isinstance(part, BffError):
            missing = part
            continue
        bookings += part
        if isinstance(part, PartialList):
            missing = part.missing
    bookings.sort(key=lambda booking: booking.start, reverse=True)
    if missing is None:
        return bookings
    return PartialList(bookings, missing) if bookings else missing


def _origin_of(booking: BookingId) -> BookingOrigin:
    return booking.origin


def _subject() -> str | None:
    context = current_or_none()
    return None if context is None else context.caller.customer_id or context.caller.vin
