"""Leads and test drives over HTTP. Days are those of the stores (Asia/Shanghai), times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import (
    Endpoint,
    Items,
    Parameter,
    body_as,
    document,
    key_required,
    keys,
    keys_of,
    routes,
    word,
)
from sandbox.kit.rest import HANDLERS, Idempotency, Refused, reply
from sandbox.kit.server import System
from sandbox.world import World, entities
from sandbox.world.entities.leads import LeadState

from . import contract
from .desk import Desk

NAME = "leads"
MOST_DAYS = 31
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_DAY: dict[str, Any] = {"type": "string", "format": "date"}
_LIMIT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
_encode = msgspec.json.Encoder().encode


def create(world: World, clock: Clock | None = None) -> System:
    """Without a clock, time begins at the world's `now`."""
    app = Starlette(routes=[*routes(endpoints(world, clock)), Route("/_ping", _ping)], exception_handlers=HANDLERS)
    return System(NAME, app)


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/leads.openapi.json."""
    told = "Test drives in the stores, and the wishes to buy behind them. Days are Asia/Shanghai's, times are UTC."
    return document("Leads and test drives", told, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    api, once = _Api(world, Desk(world, clock or running_from(world.now))), Idempotency()
    return [
        Endpoint(
            method="GET",
            path="/test-drive-slots",
            id="GetTestDriveSlots",
            summary="Slots of stores from one day to another, both included, at most 31 days.",
            handler=api.slots,
            answer=Items[contract.CentreSlots],
            parameters=[
                keys("centre"),
                Parameter("from", _DAY, required=True),
                Parameter("to", _DAY, required=True),
            ],
        ),
        Endpoint(
            method="GET",
            path="/test-drives",
            id="GetTestDrives",
            summary="Test drives by id, or those of customers, newest first: one of the two is asked for.",
            handler=api.drives,
            answer=Items[contract.TestDrive],
            parameters=[
                Parameter("id", keys("id").schema, many=True),
                Parameter("customer", keys("customer").schema, many=True),
            ],
        ),
        Endpoint(
            method="POST",
            path="/test-drives",
            id="BookTestDrive",
            summary="Take a seat in a slot. One lead is kept for a phone and a model in 30 days.",
            handler=once(api.book),
            answer=contract.TestDrive,
            status=201,
            body=contract.BookTestDrive,
            refusals=[
                "SLOT_TAKEN",
                "SLOT_UNKNOWN",
                "MODEL_UNKNOWN",
                "PHONE_INVALID",
                "CUSTOMER_UNKNOWN",
                "IDEMPOTENCY_KEY_REUSED",
            ],
            idempotent=True,
        ),
        Endpoint(
            method="POST",
            path="/test-drives/{id}/cancel",
            id="CancelTestDrive",
            summary="Give the seat back.",
            handler=once(api.cancel),
            answer=contract.TestDrive,
            refusals=["NOT_FOUND", "NOT_CANCELLABLE", "IDEMPOTENCY_KEY_REUSED"],
            idempotent=True,
        ),
        Endpoint(
            method="GET",
            path="/leads",
            id="GetLeads",
            summary="Leads of a store, newest first.",
            handler=api.leads,
            answer=Items[contract.Lead],
            parameters=[
                Parameter("centre", {"type": "string"}, required=True),
                word("state", *get_args(LeadState)),
                Parameter("limit", _LIMIT),
            ],
            refusals=["CENTRE_UNKNOWN"],
        ),
    ]


class _Api:
    def __init__(self, world: World, desk: Desk) -> None:
        self._world, self._desk = world, desk

    async def slots(self, request: Request) -> Response:
        first, last = _day(request, "from"), _day(request, "to")
        if not first <= last < first + timedelta(days=MOST_DAYS):
            raise Refused("BAD_REQUEST", f"from and to span 1 to {MOST_DAYS} days", 400)
        begin, end = _midnight(first), _midnight(last + timedelta(days=1))
        return _items(
            contract.CentreSlots(
                centre=code,
                slots=[
                    contract.Slot(id=s.id, start=s.starts_at, end=s.ends_at, capacity_left=s.capacity_left)
                    for s in self._desk.slots(code, begin, end)
                ],
            )
            for code in keys_of(request, "centre")
            if code in self._world.centres
        )

    async def drives(self, request: Request) -> Response:
        by_id, by_customer = "id" in request.query_params, "customer" in request.query_params
        if by_id == by_customer:
            raise Refused("BAD_REQUEST", "ask for id or for customer", 400)
        drives = self._world.test_drives
        if by_id:
            return _items(self._drive(drives[key]) for key in keys_of(request, "id") if key in drives)
        customers = set(keys_of(request, "customer"))
        mine = [self._drive(drive) for drive in drives.values() if drive.customer_id in customers]
        return _items(sorted(mine, key=lambda drive: (drive.start, drive.id), reverse=True))

    async def book(self, request: Request) -> Response:
        key_required(request)
        drive = self._desk.book(await body_as(request, contract.BookTestDrive))
        return Response(_encode(self._drive(drive)), 201, media_type="application/json")

    async def cancel(self, request: Request) -> Response:
        key_required(request)
        drive = self._desk.cancel(request.path_params["id"])
        return Response(_encode(self._drive(drive)), media_type="application/json")

    async def leads(self, request: Request) -> Response:
        centre, state = request.query_params.get("centre", ""), request.query_params.get("state")
        if centre not in self._world.centres:
            raise Refused("CENTRE_UNKNOWN", "there is no such store", 422)
        if state is not None and state not in get_args(LeadState):
            raise Refused("BAD_REQUEST", "there is no such state", 400)
        limit = request.query_params.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise Refused("BAD_REQUEST", "limit is 1 to 100", 400)
        return _items(_lead(lead) for lead in self._desk.leads_of(centre, state)[: int(limit)])

    def _drive(self, drive: entities.TestDrive) -> contract.TestDrive:
        start, end = self._desk.times(drive)
        return contract.TestDrive(
            id=drive.id,
            customer_id=drive.customer_id,
            centre=drive.centre_id,
            model_code=drive.model_id,
            start=start,
            end=end,
            state=drive.state,
            lead_id=drive.lead_id,
        )


def _lead(lead: entities.Lead) -> contract.Lead:
    return contract.Lead(
        id=lead.id,
        customer_id=lead.customer_id,
        name=lead.name,
        phone=lead.phone,
        model_code=lead.model_id,
        state=lead.state,
        centre=lead.centre_id,
        created_at=lead.created_at,
    )


def _items(found: Iterable[Any]) -> Response:
    return Response(_encode({"items": list(found)}), media_type="application/json")


def _day(request: Request, name: str) -> date:
    try:
        return date.fromisoformat(request.query_params.get(name, ""))
    except ValueError as error:
        raise Refused("BAD_REQUEST", f"{name} is a day, as in 2026-03-10", 400) from error


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _SHANGHAI)


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})
