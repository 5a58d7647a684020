"""Test drives, and the leads of a store."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum

import strawberry

from bff.context import CallerKind, RequestContext
from bff.domain import leads as domain
from bff.domain.base import Outcome
from bff.errors import InvalidInput, NotAllowed, NotFound
from resolvers import loads
from resolvers.centres import ServiceCentre, days
from resolvers.common import (
    Request,
    customer_id_of,
    enum,
    field,
    known,
    may_see_customer,
    mutation,
    prop,
    text_of,
)
from resolvers.configurator import VehicleModel
from resolvers.fields import batch_field, load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import NAME, PHONE
from resolvers.relay import Node, decode_id, global_id, node_of
from resolvers.rights import Owner, audience, owned, scopes

enum(domain.LeadState, "How far a wish to buy has come.")
enum(domain.TestDriveState, "Where a test drive stands.")


async def _test_drive_by_key(context: RequestContext, key: str) -> domain.TestDrive | None:
    drive = await load_one(context, loads.test_drives, key)
    return drive if drive is not None and may_see_customer(context, drive.customer_id) else None


@strawberry.type(description="A time at which a test drive can begin.")
class TestDriveSlot:
    __test__ = False

    id: strawberry.ID = prop("`bookTestDrive` takes it.")
    start: datetime = prop("When it begins.")
    end: datetime = prop("When it ends.")
    capacity_left: int = prop("How many can still book it.")


@strawberry.type(description="A test drive.", directives=[scopes("customer:read"), owned(Owner.CUSTOMER)])
@node_of(domain.TestDrive, _test_drive_by_key)
class TestDrive(Node):
    __test__ = False

    id: strawberry.ID = global_id("TestDrive", lambda drive: drive.id)
    model: VehicleModel | None = batch_field(loads.models, key="model_code", description="The model.")
    centre: ServiceCentre | None = batch_field(loads.centres, key="centre", description="Where.")
    start: datetime = prop("When it begins.")
    end: datetime = prop("When it ends.")
    state: domain.TestDriveState = prop("Where it stands.")


@strawberry.type(description="A wish to buy, as a store works on it.")
class Lead:
    id: strawberry.ID = prop("The lead's number.")
    name: str = prop("Who wants to buy.", directives=[NAME])
    phone_masked: str = prop("`138****1234`.", directives=[PHONE])
    model: VehicleModel | None = batch_field(loads.models, key="model_code", description="The model wanted.")
    state: domain.LeadState = prop("How far it has come.")
    created_at: datetime = prop("When it came in.")


@strawberry.type
class LeadQuery:
    @field("Free test-drive slots of a centre; a week from tomorrow by default.", returns=list[TestDriveSlot] | None)
    @staticmethod
    async def test_drive_slots(
        info: Request, centre_code: str, from_day: date | None = None, to_day: date | None = None
    ) -> list[domain.TestDriveSlot]:
        first, last = days(from_day, to_day)
        wanted = domain.TestDriveSlotQuery(centre=centre_code, from_day=first, to_day=last)
        return await load_one(info.context, loads.test_drive_slots, wanted) or []

    @field(
        "Leads of the adviser's own store, newest first; 50 at most.",
        returns=list[Lead] | None,
        directives=[scopes("leads:read"), audience(CallerKind.ADVISER)],
    )
    @staticmethod
    async def store_leads(info: Request, state: domain.LeadState | None = None, limit: int = 20) -> list[domain.Lead]:
        store = info.context.caller.store
        if store is None:
            raise NotAllowed("Your login names no store.")
        if not 1 <= limit <= 50:
            raise InvalidInput("limit is 1 to 50.", field="limit")
        wanted = known(state, "state") if state else None
        return await info.context.ports.leads.leads_of_store(store, state=wanted, limit=limit)


class TestDriveErrorCode(Enum):
    __test__ = False

    SLOT_TAKEN = "SLOT_TAKEN"
    SLOT_UNKNOWN = "SLOT_UNKNOWN"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    CENTRE_UNKNOWN = "CENTRE_UNKNOWN"
    PHONE_INVALID = "PHONE_INVALID"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    OTHER = "OTHER"


enum(
    TestDriveErrorCode,
    "Why a test drive was not booked or cancelled.",
    {"SLOT_TAKEN": "Somebody was faster: read the slots again.", "OTHER": "Read the message."},
)


@strawberry.type(description="Why a test drive was not booked or cancelled.")
class TestDriveUserError(UserError):
    __test__ = False

    code: TestDriveErrorCode = refusal_code(TestDriveErrorCode)


@payload("What became of a test drive.", errors=TestDriveUserError)
class TestDrivePayload:
    __test__ = False

    entity: TestDrive | None = entity("The test drive as it is now.")


@strawberry.input(description="A test drive to book. A customer's phone is known; a guest gives one.")
class BookTestDriveInput:
    slot_id: strawberry.ID = strawberry.field(description="`id` of a free slot.")
    model_code: str = strawberry.field(description="The model to drive.")
    name: str = strawberry.field(description="Who drives; 1 to 32 characters.", directives=[NAME])
    phone: str | None = strawberry.field(
        description="Mobile number; guests must give one.", default=None, directives=[PHONE]
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A test drive that is no longer wanted.")
class CancelTestDriveInput:
    test_drive_id: strawberry.ID = strawberry.field(description="`id` of a TestDrive.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type
class LeadMutation:
    @mutation(
        "Book a test drive.",
        returns=TestDrivePayload,
        directives=[scopes("leads:write")],
    )
    @staticmethod
    async def book_test_drive(info: Request, input: BookTestDriveInput) -> Outcome[domain.TestDrive]:
        caller = info.context.caller
        if caller.kind is CallerKind.DEVICE:
            raise NotAllowed("A head unit cannot book a test drive.")
        if caller.customer_id is None and not input.phone:
            raise InvalidInput("A guest gives a phone number.", field="input.phone")
        return await info.context.ports.leads.book_test_drive(
            customer_id=caller.customer_id,
            name=text_of(input.name, "input.name", most=32),
            phone=input.phone,
            model_code=text_of(input.model_code, "input.modelCode", most=16),
            slot_id=input.slot_id,
            channel=info.context.channel.value,
            idempotency_key=idempotency(info, input.idempotency_key),
        )

    @mutation(
        "Cancel a test drive.",
        returns=TestDrivePayload,
        directives=[scopes("leads:write")],
    )
    @staticmethod
    async def cancel_test_drive(info: Request, input: CancelTestDriveInput) -> Outcome[domain.TestDrive]:
        customer_id_of(info)
        key = idempotency(info, input.idempotency_key)
        drive_id = decode_id(input.test_drive_id, "TestDrive", "input.testDriveId")
        if await _test_drive_by_key(info.context, drive_id) is None:
            raise NotFound("There is no such test drive of yours.")
        return await info.context.ports.leads.cancel_test_drive(drive_id, idempotency_key=key)
