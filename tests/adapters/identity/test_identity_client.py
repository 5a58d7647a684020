"""The identity adapter: what it sends, reads, refuses, and makes of broken answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.identity.client import IdentityAdapter
from bff.domain.base import PageArgs, PartialList, Refusal
from bff.domain.customer import ConsentPurpose, Customer, GarageRole, IdentityKind, Points, PointsKind
from bff.domain.vehicle import VehicleRef
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support import entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
CONSENT = {
    "purpose": "MARKETING",
    "policyVersion": "2025-03",
    "separate": False,
    "grantedAt": "2026-03-09T01:00:00Z",
    "withdrawnAt": None,
    "channel": "APP",
}

Ask = Callable[[IdentityAdapter], Awaitable[Any]]


def consent(identity: IdentityAdapter) -> Awaitable[Any]:
    return identity.set_consent(
        "C0001", ConsentPurpose.MARKETING, granted=True, policy_version="2025-03", channel="APP"
    )


READS: list[tuple[str, Ask]] = [
    ("customers", lambda c: c.customers(["C0001"])),
    ("garages", lambda c: c.garages(["C0001"])),
    ("points", lambda c: c.points_entries("C0001", PageArgs(first=2))),
]
WRITES: list[tuple[str, str, Ask]] = [
    ("PUT", "/customers/C0001/consents/MARKETING", consent),
    ("PATCH", "/customers/C0001", lambda c: c.rename("C0001", "小林")),
]
each_read = pytest.mark.parametrize(("fixture", "ask"), READS, ids=[read[0] for read in READS])
each_write = pytest.mark.parametrize(("method", "path", "ask"), WRITES, ids=["consent", "rename"])


def answered(reply: httpx.Response | Exception) -> tuple[IdentityAdapter, respx.Route]:
    router = respx.Router()
    route = router.route()
    if isinstance(reply, Exception):
        route.mock(side_effect=reply)
    else:
        route.mock(return_value=reply)
    return IdentityAdapter(mocked_upstream(router, "identity")), route


def fixture_reply(name: str) -> httpx.Response:
    return httpx.Response(200, content=(FIXTURES / f"{name}.json").read_bytes())


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_bytes())["items"][0]
    return found


def problem(code: str, status: int) -> httpx.Response:
    body = {"code": code, "status": status, "detail": "said by the upstream"}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


async def failure(asked: Awaitable[Any]) -> BffError:
    """The error of a read, thrown or under its key."""
    try:
        found = await asked
    except BffError as thrown:
        return thrown
    (error,) = found.values()
    assert isinstance(error, BffError)
    return error


# Requests


@pytest.mark.parametrize(
    ("ask", "target"),
    [
        (lambda c: c.customers(["C0001", "C0199", "C0001"]), "/customers?id=C0001&id=C0199"),
        (lambda c: c.garages(["C0001", "a/b&c"]), "/garages?customerId=C0001&customerId=a%2Fb%26c"),
        (lambda c: c.points_entries("C0001", PageArgs(first=2)), "/customers/C0001/points?limit=2"),
        (
            lambda c: c.points_entries("C/1", PageArgs(last=5, before="bzk")),
            "/customers/C%2F1/points?limit=5&before=bzk&direction=backward",
        ),
    ],
)
async def test_read_is_one_call_in_one_round(ask: Ask, target: str) -> None:
    identity, route = answered(httpx.Response(200, json={"items": [], "hasNext": False, "hasPrevious": False}))
    context = entered_context()
    await ask(identity)
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)
    request = route.calls.last.request
    assert (request.method, request.url.raw_path.decode()) == ("GET", target)


async def test_more_than_a_hundred_customers_are_asked_side_by_side() -> None:
    identity, route = answered(httpx.Response(200, json={"items": []}))
    context = entered_context()
    await identity.customers([f"C{number:04d}" for number in range(250)])
    assert (len(context.calls.records), context.calls.rounds) == (3, 1)
    assert max(len(call.request.url.params.get_list("id")) for call in route.calls) == 100


@pytest.mark.parametrize("phone", ["13812341234", "+8613812341234", "138 1234 1234"])
async def test_phone_is_asked_in_full_and_logged_masked(phone: str) -> None:
    identity, route = answered(httpx.Response(200, json=record("customers")))
    context = entered_context()
    assert await identity.find_by_phone(phone) is not None
    assert route.calls.last.request.url.raw_path == b"/customers/by-phone?phone=%2B8613812341234"
    assert context.calls.records[0].keys == ["138****1234"]


async def test_consent_is_put_with_what_the_customer_saw() -> None:
    identity, route = answered(httpx.Response(200, json=CONSENT))
    outcome = await consent(identity)
    request = route.calls.last.request
    assert (request.method, request.url.path) == ("PUT", "/customers/C0001/consents/MARKETING")
    assert json.loads(request.content) == {"granted": True, "policyVersion": "2025-03", "channel": "APP"}
    assert len(request.headers["idempotency-key"]) == 36
    assert outcome.entity.granted


async def test_rename_sends_the_name_alone() -> None:
    identity, route = answered(httpx.Response(200, json=record("customers")))
    outcome = await identity.rename("C0001", "小林")
    request = route.calls.last.request
    assert (request.method, request.url.path) == ("PATCH", "/customers/C0001")
    assert json.loads(request.content) == {"displayName": "小林"}
    assert isinstance(outcome.entity, Customer)


async def test_what_is_no_phone_number_is_never_asked() -> None:
    identity, route = answered(httpx.Response(500))
    with pytest.raises(InvalidInput):
        await identity.find_by_phone("nobody")
    assert not route.called


# Replies


async def test_customer_is_read_and_masked() -> None:
    found = await answered(fixture_reply("customers"))[0].customers(["C0001"])
    customer = found["C0001"]
    assert isinstance(customer, Customer)
    assert (customer.id, customer.display_name, customer.phone_masked) == ("C0001", "林晓", "138****1234")
    assert customer.member_since == datetime(2023, 7, 16, 23, tzinfo=UTC)
    assert customer.points == Points(balance=7550, held=300)
    assert [(one.kind, one.subject_masked) for one in customer.identities] == [
        (IdentityKind.PHONE, "****1234"),
        (IdentityKind.WECHAT_MINI, "****48ce"),
        (IdentityKind.UNKNOWN, "****"),
    ]
    assert customer.identities[1].linked_at == datetime(2024, 1, 2, 0, 30, tzinfo=UTC)
    assert [(one.purpose, one.granted, one.separate) for one in customer.consents] == [
        (ConsentPurpose.MARKETING, True, False),
        (ConsentPurpose.LOCATION, False, True),
    ]
    assert "13812341234" not in repr(customer)
    assert "oX2650953736bfb8591c3e9b48ce" not in repr(customer)


async def test_merged_customer_answers_under_the_id_that_was_asked_for() -> None:
    found = await answered(fixture_reply("customers"))[0].customers(["C0199", "C0404"])
    merged = found["C0199"]
    assert isinstance(merged, Customer)
    assert (merged.id, merged.phone_masked) == ("C0012", None)
    assert "C0404" not in found


async def test_garage_is_read_with_what_routing_needs() -> None:
    found = await answered(fixture_reply("garages"))[0].garages(["C0001", "C0191"])
    garage = found["C0001"]
    assert isinstance(garage, list)
    assert garage[0].vehicle == VehicleRef(vin="LDCA1AB5XSB000008", region="SOUTH", brand="ASTER", model="A5")
    assert [(entry.role, entry.nickname) for entry in garage] == [
        (GarageRole.OWNER, "阿福"),
        (GarageRole.FAMILY, None),
    ]
    assert garage[0].since == datetime(2023, 11, 24, 9, tzinfo=UTC)
    assert found["C0191"] == []


async def test_ledger_page_is_read() -> None:
    page = await answered(fixture_reply("points"))[0].points_entries("C0001", PageArgs(first=2))
    assert [(entry.kind, entry.delta, entry.balance_after) for entry in page.items] == [
        (PointsKind.HOLD, -300, 7550),
        (PointsKind.EARN, 1600, 7850),
    ]
    assert page.items[1].at == datetime(2025, 9, 15, 11, tzinfo=UTC)
    assert (page.cursors, page.has_next, page.has_previous, page.total) == (["bzA", "bzE"], True, False, 13)


async def test_ledger_of_nobody_is_empty() -> None:
    page = await answered(problem("NOT_FOUND", 404))[0].points_entries("C0404", PageArgs(first=2))
    assert (page.items, page.has_next) == ([], False)


async def test_phone_that_nobody_has_finds_nobody() -> None:
    assert await answered(problem("NOT_FOUND", 404))[0].find_by_phone("13812341234") is None


# Business errors


async def test_outdated_policy_is_a_refusal() -> None:
    outcome = await consent(answered(problem("POLICY_OUTDATED", 409))[0])
    assert outcome.entity is None
    assert outcome.refusals == [
        Refusal(
            code="POLICY_OUTDATED",
            message="Another version of the policy is in force: show it and ask again.",
            field=["policyVersion"],
        )
    ]


async def test_refused_name_is_a_refusal() -> None:
    outcome = await answered(problem("NAME_REFUSED", 422))[0].rename("C0001", "官方")
    assert [(refusal.code, refusal.field) for refusal in outcome.refusals] == [("NAME_REFUSED", ["displayName"])]


@each_write
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NOT_FOUND", 404, NotFound),
        ("BAD_REQUEST", 400, UpstreamRejected),
        ("SOMETHING_NEW", 409, UpstreamRejected),
        ("IDEMPOTENCY_KEY_REUSED", 422, InvalidInput),
        ("", 429, UpstreamBusy),
    ],
)
async def test_refused_write_is_told_without_the_words_of_the_upstream(
    method: str, path: str, ask: Ask, code: str, status: int, kind: type[BffError]
) -> None:
    with pytest.raises(kind) as caught:
        await ask(answered(problem(code, status))[0])
    assert "said by" not in caught.value.message


async def test_foreign_cursor_is_bad_input() -> None:
    with pytest.raises(InvalidInput) as caught:
        await answered(problem("BAD_CURSOR", 400))[0].points_entries("C0001", PageArgs(first=2, after="x"))
    assert caught.value.field == "after"


# Broken replies


@each_read
@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"[]", b'{"items": {}}', None])
async def test_answer_that_is_none_is_a_broken_contract(fixture: str, ask: Ask, body: bytes | None) -> None:
    truncated = (FIXTURES / f"{fixture}.json").read_bytes()[:-20]
    reply = httpx.Response(200, content=truncated if body is None else body)
    assert isinstance(await failure(ask(answered(reply)[0])), UpstreamContractBroken)


@each_read
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(500, text="Traceback"), UpstreamUnavailable),
        (httpx.ReadTimeout("slow"), UpstreamTimeout),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
        (problem("BAD_REQUEST", 400), UpstreamRejected),
    ],
)
async def test_failed_read_is_the_error_of_what_was_asked(
    fixture: str, ask: Ask, reply: httpx.Response | Exception, kind: type[BffError]
) -> None:
    assert isinstance(await failure(ask(answered(reply)[0])), kind)


@each_write
async def test_write_without_a_readable_answer_has_an_unknown_outcome(method: str, path: str, ask: Ask) -> None:
    html = httpx.Response(200, text="<html>")
    for reply in (httpx.ReadTimeout("slow"), httpx.Response(502), html):
        with pytest.raises(OutcomeUnknown):
            await ask(answered(reply)[0])


@pytest.mark.parametrize(
    ("member", "wrong"),
    [("displayName", None), ("points", {"balance": "7", "held": 0}), ("registeredAt", "2023-07-16T23:00:00")],
)
async def test_customer_that_cannot_be_read_leaves_the_others(member: str, wrong: Any) -> None:
    good = record("customers")
    bad = good | {"askedId": "C0002", member: wrong}
    found = await answered(httpx.Response(200, json={"items": [bad, good]}))[0].customers(["C0001", "C0002"])
    assert isinstance(found["C0001"], Customer)
    assert isinstance(found["C0002"], UpstreamContractBroken)


async def test_car_that_cannot_be_read_leaves_the_rest_of_the_garage() -> None:
    garage = record("garages")
    garage["entries"][0]["since"] = "yesterday"
    found = await answered(httpx.Response(200, json={"items": [garage]}))[0].garages(["C0001"])
    cars = found["C0001"]
    assert isinstance(cars, PartialList)
    assert [entry.vehicle.vin for entry in cars] == ["LDCV1AE37SD000015"]
    assert isinstance(cars.missing, UpstreamContractBroken)


async def test_garage_without_a_readable_car_is_an_error_and_not_empty() -> None:
    garage = record("garages")
    for entry in garage["entries"]:
        del entry["vehicle"]
    found = await answered(httpx.Response(200, json={"items": [garage]}))[0].garages(["C0001"])
    assert isinstance(found["C0001"], UpstreamContractBroken)


async def test_unknown_code_is_kept_as_unknown_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    garage = record("garages")
    for entry in garage["entries"]:
        entry["role"] = "LESSEE"
    identity, _ = answered(httpx.Response(200, json={"items": [garage]}))
    for _ in range(2):
        cars = (await identity.garages(["C0001"]))["C0001"]
        assert isinstance(cars, list)
        assert {entry.role for entry in cars} == {GarageRole.UNKNOWN}
    assert [message for message in caplog.messages if "LESSEE" in message] == [
        "identity sent an unknown GarageRole: 'LESSEE'"
    ]
