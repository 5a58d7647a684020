"""The leads adapter: what it sends, reads, refuses, and makes of broken answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.leads.client import LeadClient
from bff.domain.leads import LeadState, TestDrive, TestDriveSlotQuery, TestDriveState
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
DAY = date(2026, 3, 10)
QUERY = TestDriveSlotQuery(centre="SH0217", from_day=DAY, to_day=DAY)

Ask = Callable[[LeadClient], Awaitable[Any]]

KEYED: list[tuple[str, str, Ask]] = [
    ("/test-drive-slots", "slots", lambda c: c.slots([QUERY])),
    ("/test-drives?customer", "test_drives", lambda c: c.test_drives_of(["C0001"])),
    ("/test-drives?id", "test_drives", lambda c: c.test_drives(["DR00001"])),
    ("/leads", "leads", lambda c: c.leads_of_store("SH0217", state=None, limit=20)),
]
each_read = pytest.mark.parametrize(("path", "fixture", "ask"), KEYED, ids=[read[0] for read in KEYED])
WRITES: list[tuple[str, Ask]] = [
    ("/test-drives", lambda c: book(c)),
    ("/test-drives/DR00001/cancel", lambda c: c.cancel_test_drive("DR00001", idempotency_key="key-1")),
]
each_write = pytest.mark.parametrize(("path", "ask"), WRITES, ids=["book", "cancel"])


def book(client: LeadClient, *, phone: str | None = "13812345678", customer: str | None = None) -> Awaitable[Any]:
    return client.book_test_drive(
        customer_id=customer,
        name="周䶮",
        phone=phone,
        model_code="A5",
        slot_id="TD-SH0217-D01-1",
        channel="WEB",
        idempotency_key="key-1",
    )


def items(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_bytes())["items"]
    return found


def ok(name: str) -> httpx.Response:
    return httpx.Response(200, content=(FIXTURES / f"{name}.json").read_bytes())


def problem(code: str, status: int = 409) -> httpx.Response:
    body = json.dumps({"type": "about:blank", "status": status, "code": code, "detail": "said the upstream"})
    return httpx.Response(status, content=body, headers={"content-type": "application/problem+json"})


def answered(method: str, path: str, reply: httpx.Response | Exception) -> tuple[LeadClient, respx.Route]:
    router = respx.Router(assert_all_called=False)
    route = router.route(method=method, url__startswith=BASE + path)
    if isinstance(reply, Exception):
        route.mock(side_effect=reply)
    else:
        route.mock(return_value=reply)
    return LeadClient(mocked_upstream(router, "leads")), route


def sent(route: respx.Route) -> httpx.Request:
    return route.calls.last.request


async def failure(ask: Awaitable[Any]) -> BffError:
    try:
        found: Mapping[Any, Any] = await ask
    except BffError as error:
        return error
    (value,) = found.values()
    assert isinstance(value, BffError)
    return value


# Requests


async def test_stores_of_one_span_are_asked_for_together() -> None:
    client, route = answered("GET", "/test-drive-slots", ok("slots"))
    context = entered_context()
    other = TestDriveSlotQuery(centre="BJ0101", from_day=DAY, to_day=DAY)
    await client.slots([QUERY, other, QUERY])
    assert route.call_count == 1
    path = b"/test-drive-slots?centre=SH0217&centre=BJ0101&from=2026-03-10&to=2026-03-10"
    assert sent(route).url.raw_path == path
    assert [(r.operation, r.keys) for r in context.calls.records] == [("GetTestDriveSlots", ["SH0217", "BJ0101"])]


async def test_test_drives_are_asked_for_in_bulk() -> None:
    client, route = answered("GET", "/test-drives", ok("test_drives"))
    await client.test_drives(["DR00001", "DR00002"])
    assert sent(route).url.raw_path == b"/test-drives?id=DR00001&id=DR00002"
    await client.test_drives_of(["C0001", "C0002"])
    assert sent(route).url.raw_path == b"/test-drives?customer=C0001&customer=C0002"


async def test_leads_are_asked_for_by_store_state_and_limit() -> None:
    client, route = answered("GET", "/leads", ok("leads"))
    await client.leads_of_store("SH0217", state=None, limit=20)
    assert sent(route).url.raw_path == b"/leads?centre=SH0217&limit=20"
    await client.leads_of_store("SH0217", state=LeadState.NEW, limit=5)
    assert sent(route).url.raw_path == b"/leads?centre=SH0217&state=NEW&limit=5"


async def test_a_booking_sends_what_is_known_and_the_idempotency_key() -> None:
    client, route = answered("POST", "/test-drives", httpx.Response(201, json=items("test_drives")[0]))
    await book(client)
    common = {"slotId": "TD-SH0217-D01-1", "modelCode": "A5", "name": "周䶮", "channel": "WEB"}
    assert json.loads(sent(route).content) == common | {"phone": "13812345678"}
    assert sent(route).headers["idempotency-key"] == "key-1"
    await book(client, phone=None, customer="C0001")
    assert json.loads(sent(route).content) == common | {"customerId": "C0001"}


async def test_a_cancellation_names_the_drive_in_its_path() -> None:
    client, route = answered("POST", "/test-drives/", httpx.Response(200, json=items("test_drives")[0]))
    await client.cancel_test_drive("DR/1", idempotency_key="key-1")
    assert sent(route).url.raw_path == b"/test-drives/DR%2F1/cancel"
    assert sent(route).headers["idempotency-key"] == "key-1"


async def test_nothing_is_sent_where_nothing_is_asked() -> None:
    client = LeadClient(mocked_upstream(respx.Router(), "leads"))
    assert await client.slots([]) == {}
    assert await client.test_drives([]) == {}
    assert await client.test_drives_of([]) == {}


# Replies


async def test_slots_are_read_in_utc_whatever_zone_they_came_in() -> None:
    slots = (await answered("GET", "/test-drive-slots", ok("slots"))[0].slots([QUERY]))[QUERY]
    assert isinstance(slots, list)
    assert [(slot.start, slot.capacity_left) for slot in slots] == [
        (datetime(2026, 3, 10, 1, 30, tzinfo=UTC), 2),
        (datetime(2026, 3, 10, 3, 0, tzinfo=UTC), 0),
    ]
    assert all(slot.centre == "SH0217" and slot.start.tzinfo is UTC for slot in slots)


async def test_test_drives_are_read_and_an_unknown_state_stays_unknown() -> None:
    found = await answered("GET", "/test-drives", ok("test_drives"))[0].test_drives(["DR00001", "DR00002", "DR3"])
    states = {key: drive.state for key, drive in found.items() if isinstance(drive, TestDrive)}
    assert states == {"DR00001": TestDriveState.BOOKED, "DR00002": TestDriveState.UNKNOWN}


async def test_a_customer_without_test_drives_has_an_empty_list() -> None:
    found = await answered("GET", "/test-drives", ok("test_drives"))[0].test_drives_of(["C0001", "C0003"])
    assert found.keys() == {"C0001", "C0003"}
    mine = found["C0001"]
    assert isinstance(mine, list)
    assert [drive.id for drive in mine] == ["DR00001"]
    assert found["C0003"] == []


async def test_leads_are_read_with_masked_phones() -> None:
    leads = await answered("GET", "/leads", ok("leads"))[0].leads_of_store("SH0217", state=None, limit=20)
    assert [(lead.name, lead.phone_masked, lead.state) for lead in leads] == [
        ("周䶮", "138****5678", LeadState.CONTACTED),
        ("周䶮", "912****4567", LeadState.UNKNOWN),
    ]
    assert "12345678" not in repr(leads)


@each_write
async def test_a_write_answers_the_drive_as_it_now_is(path: str, ask: Ask) -> None:
    client, _ = answered("POST", path, httpx.Response(200, json=items("test_drives")[0]))
    outcome = await ask(client)
    assert (outcome.entity.id, outcome.entity.lead_id, outcome.refusals) == ("DR00001", "LD00001", [])


# Business errors


@each_write
@pytest.mark.parametrize(
    "code", ["SLOT_TAKEN", "SLOT_UNKNOWN", "MODEL_UNKNOWN", "CENTRE_UNKNOWN", "PHONE_INVALID", "NOT_CANCELLABLE"]
)
async def test_a_refusal_is_told_in_our_words(path: str, ask: Ask, code: str) -> None:
    client, _ = answered("POST", path, problem(code))
    outcome = await ask(client)
    (refusal,) = outcome.refusals
    assert (outcome.entity, refusal.code) == (None, code)
    assert "said the upstream" not in refusal.message


@each_write
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("IDEMPOTENCY_KEY_REUSED", 422, InvalidInput),
        ("NOT_FOUND", 404, NotFound),
        ("CUSTOMER_UNKNOWN", 422, UpstreamRejected),
    ],
)
async def test_a_write_that_was_asked_wrongly_is_an_error(
    path: str, ask: Ask, code: str, status: int, kind: type[BffError]
) -> None:
    client, _ = answered("POST", path, problem(code, status))
    with pytest.raises(kind) as caught:
        await ask(client)
    assert "said the upstream" not in caught.value.message


@each_read
async def test_a_refused_read_is_an_error(path: str, fixture: str, ask: Ask) -> None:
    client, _ = answered("GET", path, problem("BAD_REQUEST", 400))
    assert isinstance(await failure(ask(client)), UpstreamRejected)


async def test_a_store_that_does_not_exist_has_no_leads() -> None:
    client, _ = answered("GET", "/leads", problem("CENTRE_UNKNOWN", 422))
    assert await client.leads_of_store("NONE", state=None, limit=20) == []


# Broken replies


@each_read
@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"[]", b'{"items": {}}', None])
async def test_an_answer_that_is_none_is_a_broken_contract(
    path: str, fixture: str, ask: Ask, body: bytes | None
) -> None:
    truncated = (FIXTURES / f"{fixture}.json").read_bytes()[:-30]
    client, _ = answered("GET", path, httpx.Response(200, content=truncated if body is None else body))
    assert isinstance(await failure(ask(client)), UpstreamContractBroken)


@each_read
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(404), UpstreamContractBroken),
        (httpx.Response(500, text="Traceback"), UpstreamUnavailable),
        (httpx.ReadTimeout("slow"), UpstreamTimeout),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
    ],
)
async def test_an_unreachable_service_is_the_error_of_what_was_asked(
    path: str, fixture: str, ask: Ask, reply: httpx.Response | Exception, kind: type[BffError]
) -> None:
    client, _ = answered("GET", path, reply)
    assert isinstance(await failure(ask(client)), kind)


@each_write
async def test_a_write_without_an_answer_has_an_unknown_outcome(path: str, ask: Ask) -> None:
    for reply in (httpx.ReadTimeout("slow"), httpx.Response(502)):
        client, _ = answered("POST", path, reply)
        with pytest.raises(OutcomeUnknown):
            await ask(client)


async def test_a_store_whose_slots_cannot_be_read_leaves_the_others() -> None:
    other = TestDriveSlotQuery(centre="BJ0101", from_day=DAY, to_day=DAY)
    naive = {"id": "X", "start": "2026-03-10T09:30:00", "end": "2026-03-10T10:30:00", "capacityLeft": 1}
    body = {"items": [{"centre": "BJ0101", "slots": [naive]}, *items("slots")]}
    found = await answered("GET", "/test-drive-slots", httpx.Response(200, json=body))[0].slots([QUERY, other])
    assert isinstance(found[QUERY], list)
    assert isinstance(found[other], UpstreamContractBroken)


async def test_a_drive_that_cannot_be_read_is_its_customers_error_alone() -> None:
    first, second = items("test_drives")
    body = {"items": [first | {"start": 7}, second, first]}
    found = await answered("GET", "/test-drives", httpx.Response(200, json=body))[0].test_drives_of(["C0001", "C0002"])
    assert isinstance(found["C0001"], UpstreamContractBroken)
    assert isinstance(found["C0002"], list)


async def test_a_lead_that_cannot_be_read_is_left_out() -> None:
    body = {"items": [{"id": "LD9"}, *items("leads")]}
    client, _ = answered("GET", "/leads", httpx.Response(200, json=body))
    assert [lead.id for lead in await client.leads_of_store("SH0217", state=None, limit=20)] == ["LD00001", "LD00002"]
