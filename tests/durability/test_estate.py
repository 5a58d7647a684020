"""Keys over the whole service: what a client sees by HTTP, and after the service was started anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.app import Application
from bff.composition import Services
from bff.production import refuse_forgetful
from bff.settings import SettingsError, load
from sandbox.identity.tokens import issue
from tests.estate.house import House

pytestmark = pytest.mark.anyio

BOOK = """mutation($slot: ID!, $start: DateTime!, $note: String) { bookService(input: {vin: "LDCA1AB5XSB000008",
    centreCode: "SZ0412", slotId: $slot, start: $start, note: $note, idempotencyKey: "book-0001"}) {
    entity { id status centre { code name } vehicle { vin } } userErrors { code message } warnings { code } } }"""
DEFERRED = BOOK.replace("warnings { code }", "... on ServiceBookingPayload @defer { warnings { code } }")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = House(BFF_STATE_URL=f"sqlite:///{tmp_path}/state.sqlite3")
    yield built
    await built.aclose()


async def _slot(house: House) -> dict[str, Any]:
    found = await house.ask('{ serviceCentre(code: "SZ0412") { slots(vin: "LDCA1AB5XSB000008") { id start } } }')
    slot = found.data["serviceCentre"]["slots"][0]
    return {"slot": slot["id"], "start": slot["start"]}


async def _post(app: Application, query: str, variables: dict[str, Any]) -> bytes:
    headers = {"authorization": f"Bearer {issue('owner')}", "accept": "application/graphql-response+json"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bff.test") as client:
        reply = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        return reply.content


async def test_answer_is_the_same_after_the_service_was_started_anew(house: House) -> None:
    given = await _slot(house)
    before = len(house.world.bookings)
    first = await _post(house.app, BOOK, given)
    assert b'"userErrors":[]' in first
    await house.services.state.aclose()
    services = Services(house.settings, engine=house._engine)
    try:
        again = await _post(Application(house.settings, services=services), BOOK, given)
    finally:
        await services.aclose()
    assert again == first
    assert len(house.world.bookings) == before + 1


async def test_answer_is_told_again_without_asking_any_system(house: House) -> None:
    given = await _slot(house)
    first, again = await house.ask(BOOK, given), await house.ask(BOOK, given)
    assert first.count()
    assert again.count() == {}
    assert again.data == first.data


async def test_key_for_another_input_is_an_error_with_a_code(house: House) -> None:
    given = await _slot(house)
    await house.ask(BOOK, given)
    other = await house.ask(BOOK, given | {"note": "Please wash it."})
    assert other.status == 200
    assert other.codes() == {"bookService": "IDEMPOTENCY_KEY_REUSED"}
    assert other.errors[0]["extensions"]["argument"] == "input.idempotencyKey"
    assert other.count() == {}


async def test_caller_who_may_not_is_not_told_what_another_was(house: House) -> None:
    given = await _slot(house)
    first = await house.ask(BOOK, given)
    guest = await house.ask(BOOK, given, persona="guest")
    assert first.errors == []
    assert guest.data == {"bookService": None}
    assert set(guest.codes().values()) <= {"UNAUTHENTICATED", "FORBIDDEN"}
    assert guest.errors != []


async def test_another_document_with_the_same_input_finds_the_same_booking(house: House) -> None:
    given = await _slot(house)
    first = await house.ask(BOOK, given)
    two = f"mutation($slot: ID!, $start: DateTime!, $note: String) {{ a: __typename {BOOK.partition('{')[2]}"
    again = await house.ask(two, given)
    assert again.data["bookService"]["entity"]["id"] == first.data["bookService"]["entity"]["id"]


async def test_deferred_parts_of_a_keyed_mutation_come_in_one_piece(house: House) -> None:
    given = await _slot(house)
    login = {"authorization": f"Bearer {issue('owner')}"}  # one: what a later one may see is looked at anew
    first, again = [await house.ask(DEFERRED, given, persona=None, headers=login) for _ in range(2)]
    assert first.data["bookService"]["warnings"] == []
    assert again.data == first.data
    assert again.count() == {}


def _problems(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load({"BFF_MODE": "production", **environ})
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize("url", ["mysql://db/x", "sqlite://", "/var/lib/state", "sqlite:///"])
def test_production_refuses_state_that_would_not_outlive_it(url: str) -> None:
    assert "BFF_STATE_URL" in _problems(BFF_STATE_URL=url)


def test_production_of_several_hosts_needs_a_database_that_they_share() -> None:
    assert "BFF_STATE_URL is a postgresql:// address" in _problems(BFF_HOSTS="2")
    assert "BFF_STATE_URL" not in _problems(BFF_HOSTS="1")


def test_production_does_not_start_on_a_file_that_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings = load({"BFF_STATE_URL": f"sqlite:///{tmp_path}/file/state.sqlite3"})
    with pytest.raises(SettingsError, match="BFF_STATE_URL"):
        refuse_forgetful(settings)
    refuse_forgetful(load({"BFF_STATE_URL": f"sqlite:///{tmp_path}/state.sqlite3"}))
    refuse_forgetful(load({"BFF_STATE_URL": "postgresql://bff@127.0.0.1:1/bff"}))


def test_development_forgets_with_the_sandbox() -> None:
    assert load({}).state_url == "sqlite://"


@pytest.mark.parametrize("days", ["1", "365", "a year"])
def test_payments_are_not_forgotten_while_a_provider_may_give_them_back(days: str) -> None:
    assert "BFF_FLOW_RETENTION_DAYS" in _problems(BFF_FLOW_RETENTION_DAYS=days)


def test_ended_orders_are_kept_for_400_days_unless_settings_say_otherwise() -> None:
    assert load({}).flow_retention_days == 400
    assert [load({"BFF_FLOW_RETENTION_DAYS": days}).flow_retention_days for days in ("0", "366")] == [0, 366]
