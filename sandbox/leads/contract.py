"""The service's JSON, as types: they write the answers, read the requests and make the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from sandbox.world.entities import Channel
from sandbox.world.entities.leads import LeadState, TestDriveState


class Wire(msgspec.Struct, kw_only=True, rename="camel"):
    """A JSON object in camel case."""


class Slot(Wire):
    id: str
    start: datetime
    end: datetime
    capacity_left: int


class CentreSlots(Wire):
    """A store and its slots of the days asked for, in order; a full one shows `capacityLeft` 0."""

    centre: str
    slots: list[Slot]


class TestDrive(Wire):
    __test__ = False

    id: str
    customer_id: str | None
    centre: str
    model_code: str
    start: datetime
    end: datetime
    state: TestDriveState
    lead_id: str


class Lead(Wire):
    """For advisers: with name and full phone number (E.164)."""

    id: str
    customer_id: str | None
    name: str
    phone: str
    model_code: str
    state: LeadState
    centre: str | None
    created_at: datetime


class BookTestDrive(Wire, forbid_unknown_fields=True):
    """A customer's phone is known here; everybody else gives one, with or without the country's code."""

    slot_id: str
    model_code: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    channel: Channel
    customer_id: str | None = None
    phone: str | None = None
