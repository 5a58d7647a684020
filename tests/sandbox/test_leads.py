"""The adapter against the simulated leads service: seats, leads, refusals."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from adapters.leads.client import LeadClient
from bff.domain.base import Outcome
from bff.domain.leads import LeadState, TestDrive, TestDriveSlotQuery, TestDriveState
from bff.errors import BffError, InvalidInput, NotFound, UpstreamRejected
from sandbox.leads import app
from sandbox.world import World
from tests.conftest import TODAY
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "leads.openapi.json"
TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def leads(world: World) -> LeadClient:
    return LeadClient(sandbox_upstream(app.create(world)))


def free_slot(world: World, centre: str = "SH0217", left: int = 2) -> str:
    return next(slot.id for slot in world.slots_of(centre, "TEST_DRIVE") if slot.capacity_left == left)


async def book(
    leads: LeadClient,
    slot: str,
    key: str,
    *,
    phone: str | None = "138 1234-5678",
    customer: str | None = None,
    model: str = "A5",
) -> Outcome[TestDrive]:
    return await leads.book_test_drive(
        customer_id=customer,
        name="周䶮",
        phone=phone,
        model_code=model,
        slot_id=slot,
        channel="WEB",
        idempotency_key=key,
    )


async def test_slots_of_many_stores_are_one_call_for_each_span_of_days(leads: LeadClient, world: World) -> None:
    context = entered_context()
    near = [TestDriveSlotQuery(centre=c, from_day=TOMORROW, to_day=TOMORROW) for c in ("SH0217", "BJ0101", "NONE")]
    later = TestDriveSlotQuery(centre="SH0217", from_day=TOMORROW, to_day=TODAY + timedelta(days=3))
    found = await leads.slots([*near, later])
    assert found.keys() == {near[0], near[1], later}
    assert (len(context.calls.records), context.calls.rounds) == (2, 1)
    one_day, three_days = found[near[0]], found[later]
    assert not isinstance(one_day, BffError)
    assert not isinstance(three_days, BffError)
    assert [slot.id for slot in one_day] == [f"TD-SH0217-D01-{n}" for n in (1, 2, 3, 4)]
    assert one_day[0].start == datetime.combine(TOMORROW, datetime.min.time(), UTC) + timedelta(hours=1, minutes=30)
    assert [slot.capacity_left for slot in one_day] == [world.slots[slot.id].capacity_left for slot in one_day]
    assert len(three_days) == 12


async def test_a_span_that_cannot_be_asked_fails_its_own_query_only(leads: LeadClient) -> None:
    good = TestDriveSlotQuery(centre="SH0217", from_day=TOMORROW, to_day=TOMORROW)
    backwards = TestDriveSlotQuery(centre="SH0217", from_day=TOMORROW, to_day=TODAY)
    endless = TestDriveSlotQuery(centre="SH0217", from_day=TODAY, to_day=date(2027, 1, 1))
    found = await leads.slots([good, backwards, endless])
    assert isinstance(found[good], list)
    assert isinstance(found[backwards], InvalidInput)
    assert isinstance(found[endless], InvalidInput)


async def test_a_guest_books_and_the_store_sees_the_lead_with_a_masked_phone(leads: LeadClient, world: World) -> None:
    slot = world.slots[free_slot(world)]
    drive = (await book(leads, slot.id, "key-1")).entity
    assert drive is not None
    assert (drive.centre, drive.start, drive.state) == ("SH0217", slot.starts_at, TestDriveState.BOOKED)
    assert slot.capacity_left == 1
    newest = (await leads.leads_of_store("SH0217", state=None, limit=5))[0]
    assert (newest.id, newest.name, newest.phone_masked) == (drive.lead_id, "周䶮", "138****5678")
    assert newest.state is LeadState.TEST_DRIVE_BOOKED
    assert (await leads.test_drives([drive.id, "NONE"])) == {drive.id: drive}


async def test_the_same_key_books_once(leads: LeadClient, world: World) -> None:
    slot = free_slot(world)
    first, again = await book(leads, slot, "key-1"), await book(leads, slot, "key-1")
    assert first == again
    assert world.slots[slot].capacity_left == 1
    with pytest.raises(InvalidInput):
        await book(leads, slot, "key-1", model="A7")


async def test_a_phone_has_one_lead_for_a_model_in_thirty_days(leads: LeadClient, world: World) -> None:
    slots = [slot.id for slot in world.slots_of("SH0217", "TEST_DRIVE") if slot.capacity_left == 2][:3]
    first = (await book(leads, slots[0], "key-1", phone="13812345678")).entity
    same_slot = (await book(leads, slots[0], "key-2", phone="+8613812345678")).entity
    other_slot = (await book(leads, slots[1], "key-3", phone="8613812345678")).entity
    other_model = (await book(leads, slots[2], "key-4", phone="13812345678", model="E9")).entity
    assert first is not None
    assert other_slot is not None
    assert other_model is not None
    assert same_slot == first
    assert (other_slot.id != first.id, other_slot.lead_id) == (True, first.lead_id)
    assert other_model.lead_id != first.lead_id
    world.leads[first.lead_id].created_at -= timedelta(days=31)
    later = (await book(leads, slots[2], "key-5", phone="13812345678")).entity
    assert later is not None
    assert later.lead_id != first.lead_id


async def test_a_customer_is_booked_with_the_phone_of_the_account(leads: LeadClient, world: World) -> None:
    slot = free_slot(world)
    drive = (await book(leads, slot, "key-1", customer="C0001", phone=None)).entity
    assert drive is not None
    assert world.leads[drive.lead_id].phone == world.customers["C0001"].phone
    found = await leads.test_drives_of(["C0001", "C0002"])
    assert (found["C0001"], found["C0002"]) == ([drive], [])
    guest = (await book(leads, slot, "key-2", phone=world.customers["C0001"].phone)).entity
    assert guest is not None
    assert (guest.id != drive.id, guest.customer_id) == (True, None)
    with pytest.raises(UpstreamRejected):
        await book(leads, slot, "key-3", customer="NONE")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slot": "TD-SH0217-D99-1"}, "SLOT_UNKNOWN"),
        ({"slot": "SL-SH0217-D01-1"}, "SLOT_UNKNOWN"),
        ({"model": "NONE"}, "MODEL_UNKNOWN"),
        ({"slot": "TD-XM0209-D02-1", "model": "A5"}, "MODEL_UNKNOWN"),
        ({"phone": "12345"}, "PHONE_INVALID"),
        ({"phone": None}, "PHONE_INVALID"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_refused(
    leads: LeadClient, world: World, change: dict[str, str | None], code: str
) -> None:
    outcome = await book(
        leads,
        change.get("slot") or free_slot(world),
        "key-1",
        phone=change.get("phone", "13812345678"),
        model=change.get("model") or "A5",
    )
    assert outcome.entity is None
    assert [refusal.code for refusal in outcome.refusals] == [code]


async def test_a_full_slot_is_taken_until_somebody_cancels(leads: LeadClient, world: World) -> None:
    slot = free_slot(world, left=1)
    first = (await book(leads, slot, "key-1", phone="13812345678")).entity
    assert first is not None
    assert [r.code for r in (await book(leads, slot, "key-2", phone="13887654321")).refusals] == ["SLOT_TAKEN"]
    cancelled = (await leads.cancel_test_drive(first.id, idempotency_key="key-3")).entity
    assert cancelled is not None
    assert cancelled.state is TestDriveState.CANCELLED
    assert world.leads[first.lead_id].state == "CONTACTED"
    assert (await book(leads, slot, "key-2", phone="13887654321")).entity is not None


async def test_only_a_drive_ahead_can_be_cancelled(leads: LeadClient, world: World) -> None:
    over = next(drive.id for drive in world.test_drives.values() if drive.state == "COMPLETED")
    outcome = await leads.cancel_test_drive(over, idempotency_key="key-1")
    assert [refusal.code for refusal in outcome.refusals] == ["NOT_CANCELLABLE"]
    with pytest.raises(NotFound):
        await leads.cancel_test_drive("NO/NE", idempotency_key="key-2")


async def test_leads_of_a_store_are_newest_first_and_of_one_state(leads: LeadClient, world: World) -> None:
    shown = await leads.leads_of_store("SH0217", state=None, limit=50)
    assert {lead.id for lead in shown} == {lead.id for lead in world.leads.values() if lead.centre_id == "SH0217"}
    assert [lead.created_at for lead in shown] == sorted((lead.created_at for lead in shown), reverse=True)
    assigned = await leads.leads_of_store("SH0217", state=LeadState.ASSIGNED, limit=50)
    assert assigned == [lead for lead in shown if lead.state is LeadState.ASSIGNED]
    assert len(await leads.leads_of_store("SH0217", state=None, limit=1)) == 1
    assert await leads.leads_of_store("NONE", state=None, limit=5) == []


async def test_all_test_drives_of_the_world_can_be_read_and_past_ones_are_past(leads: LeadClient, world: World) -> None:
    found = await leads.test_drives(list(world.test_drives))
    assert found.keys() == world.test_drives.keys()
    for drive in found.values():
        assert not isinstance(drive, BffError)
        assert drive.lead_id in world.leads
        if drive.state is TestDriveState.COMPLETED:
            assert drive.end <= world.now
        if drive.state is TestDriveState.BOOKED:
            assert drive.start > world.now


async def test_requests_off_the_contract_are_refused(world: World) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app.create(world)), base_url=BASE) as http:
        for path in (
            "/test-drive-slots?centre=SH0217&from=2026-03-10",
            "/test-drive-slots?centre=SH0217&from=2026-03-10&to=2026-05-10",
            "/test-drives",
            "/test-drives?id=DR00001&customer=C0001",
            "/leads?centre=SH0217&state=NONE",
            "/leads?centre=SH0217&limit=0",
        ):
            assert (await http.get(path)).json()["code"] == "BAD_REQUEST"
        assert (await http.post("/test-drives", json={})).status_code == 400
        assert (await http.get("/_ping")).json() == {"system": "leads", "simulated": True}


def test_the_contract_in_the_documents_is_the_one_that_is_served(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))
