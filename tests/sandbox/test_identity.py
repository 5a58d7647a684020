"""The adapter against the simulated identity service: what the world knows, what the service enforces."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from adapters.identity.client import IdentityAdapter
from bff.domain.base import Outcome, PageArgs
from bff.domain.customer import Consent, ConsentPurpose, Customer, PointsEntry
from bff.errors import BffError, InvalidInput, NotFound
from sandbox.identity import app, oidc, tokens
from sandbox.world import World
from sandbox.world.entities import PointsEntry as LedgerLine
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "identity.openapi.json"
CURRENT = app.POLICY_VERSION


@pytest.fixture
def identity(world: World) -> IdentityAdapter:
    return IdentityAdapter(sandbox_upstream(app.create(world)))


def client(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app.create(world)), base_url=BASE)


async def customer(identity: IdentityAdapter, customer_id: str) -> Customer:
    found = (await identity.customers([customer_id]))[customer_id]
    assert isinstance(found, Customer)
    return found


async def ledger(identity: IdentityAdapter, customer_id: str) -> list[PointsEntry]:
    return (await identity.points_entries(customer_id, PageArgs(first=100))).items


async def set_consent(
    identity: IdentityAdapter, granted: bool, version: str = CURRENT, purpose: ConsentPurpose = ConsentPurpose.MARKETING
) -> Outcome[Consent]:
    return await identity.set_consent("C0001", purpose, granted=granted, policy_version=version, channel="APP")


# Coherence with the world


async def test_everybody_is_who_the_world_knows(identity: IdentityAdapter, world: World) -> None:
    context = entered_context()
    found = await identity.customers([*world.customers, "C9999"])
    assert (len(context.calls.records), context.calls.rounds) == (3, 1)
    assert found.keys() == world.customers.keys()
    for asked, shown in found.items():
        truth = world.customer(asked)
        assert truth is not None
        assert isinstance(shown, Customer)
        assert (shown.id, shown.display_name, shown.member_since) == (
            truth.id,
            truth.display_name,
            truth.registered_at,
        )
        assert shown.phone_masked == f"{truth.phone[3:6]}****{truth.phone[-4:]}"
        assert [one.kind.value for one in shown.identities] == [one.kind for one in truth.identities]
        assert {one.purpose.value for one in shown.consents} == {one.purpose for one in truth.consents}


async def test_merged_account_answers_as_the_one_it_became(identity: IdentityAdapter, world: World) -> None:
    assert world.customers["C0199"].merged_into == "C0012"
    assert await customer(identity, "C0199") == await customer(identity, "C0012")
    assert await ledger(identity, "C0199") == await ledger(identity, "C0012")
    garages = await identity.garages(["C0199", "C0012"])
    assert garages["C0199"] == garages["C0012"]


async def test_every_garage_holds_the_cars_that_are_there_now(identity: IdentityAdapter, world: World) -> None:
    assert any(entry.until is not None for entry in world.garage.values())
    found = await identity.garages(list(world.customers))
    assert found.keys() == world.customers.keys()
    for asked, garage in found.items():
        truth = world.customer(asked)
        assert truth is not None
        assert isinstance(garage, list)
        assert {(entry.vehicle.vin, entry.role.value) for entry in garage} == {
            (entry.vin, entry.role) for entry in world.garage_of(truth.id)
        }
        assert [entry.since for entry in garage] == sorted(entry.since for entry in garage)
        for entry in garage:
            car = world.vehicles[entry.vehicle.vin]
            assert (entry.vehicle.region, entry.vehicle.brand, entry.vehicle.model) == (
                car.region,
                car.brand,
                car.model_id,
            )


async def test_transferred_car_leaves_the_garage(identity: IdentityAdapter, world: World) -> None:
    entry = world.garage_of("C0001")[0]
    entry.until = world.now
    garage = (await identity.garages(["C0001"]))["C0001"]
    assert isinstance(garage, list)
    assert len(garage) == 2
    assert entry.vin not in {one.vehicle.vin for one in garage}


async def test_balance_of_everybody_is_what_the_ledger_adds_up_to(identity: IdentityAdapter, world: World) -> None:
    found = await identity.customers(list(world.customers))
    for customer_id, shown in found.items():
        assert isinstance(shown, Customer)
        lines = await ledger(identity, customer_id)
        assert shown.points.balance == sum(line.delta for line in lines) == world.points_balance(shown.id)
        assert shown.points.balance == lines[0].balance_after
        assert all(line.balance_after >= 0 for line in lines)


async def test_hold_sets_points_aside_until_it_is_settled(identity: IdentityAdapter, world: World) -> None:
    before = (await customer(identity, "C0001")).points
    hold = world.customers["C0001"].points[-1]
    assert (hold.kind, hold.points, before.held) == ("HOLD", 300, 300)
    settled = LedgerLine("PT-X", "C0001", "RELEASE", 300, world.now, "订单取消，积分退回", None, hold.id)
    world.customers["C0001"].points.append(settled)
    after = (await customer(identity, "C0001")).points
    assert (after.balance, after.held) == (before.balance + 300, 0)


async def test_ledger_pages_forward_and_backward_meet(identity: IdentityAdapter) -> None:
    whole = await ledger(identity, "C0001")
    assert [line.at for line in whole] == sorted((line.at for line in whole), reverse=True)
    first = await identity.points_entries("C0001", PageArgs(first=5))
    second = await identity.points_entries("C0001", PageArgs(first=100, after=first.cursors[-1]))
    assert first.items + second.items == whole
    assert (first.has_next, second.has_next, second.has_previous) == (True, False, True)
    last = await identity.points_entries("C0001", PageArgs(last=3))
    assert last.items == whole[-3:]
    with pytest.raises(InvalidInput):
        await identity.points_entries("C0001", PageArgs(first=5, after="no cursor"))


async def test_phone_finds_the_customer_who_has_it(identity: IdentityAdapter, world: World) -> None:
    assert await identity.find_by_phone("13800000042") == await customer(identity, "C0042")
    assert await identity.find_by_phone("13999999999") is None
    merged = world.customers["C0199"].phone
    assert await identity.find_by_phone(merged) is None


# Writes


async def test_consent_is_given_and_withdrawn(identity: IdentityAdapter, world: World) -> None:
    purpose = ConsentPurpose.CROSS_BORDER
    given = (await set_consent(identity, True, purpose=purpose)).entity
    assert given is not None
    assert (given.granted, given.separate, given.policy_version) == (True, True, CURRENT)
    assert given in (await customer(identity, "C0001")).consents
    withdrawn = (await set_consent(identity, False, purpose=purpose)).entity
    assert withdrawn is not None
    assert (withdrawn.granted, withdrawn.granted_at) == (False, given.granted_at)
    mine = [one for one in (await customer(identity, "C0001")).consents if one.purpose is purpose]
    assert mine == [withdrawn]
    assert [one.purpose for one in world.customers["C0001"].consents].count("CROSS_BORDER") == 1


async def test_giving_what_holds_changes_nothing(identity: IdentityAdapter, world: World) -> None:
    first = await set_consent(identity, True)
    count = len(world.customers["C0001"].consents)
    assert await set_consent(identity, True) == first
    assert len(world.customers["C0001"].consents) == count


async def test_newer_policy_opens_a_new_entry_and_shows_one(identity: IdentityAdapter, world: World) -> None:
    entries = world.customers["C0001"].consents
    entries[:] = [one for one in entries if one.purpose == "MARKETING"]
    entries[0].policy_version = "2023-11"
    await set_consent(identity, True)
    assert [one.policy_version for one in entries] == ["2023-11", CURRENT]
    (shown,) = (await customer(identity, "C0001")).consents
    assert shown.policy_version == CURRENT


async def test_only_the_policy_in_force_can_be_agreed_to(identity: IdentityAdapter, world: World) -> None:
    outcome = await set_consent(identity, True, "2023-11", ConsentPurpose.CROSS_BORDER)
    assert [refusal.code for refusal in outcome.refusals] == ["POLICY_OUTDATED"]
    assert all(one.purpose != "CROSS_BORDER" for one in world.customers["C0001"].consents)


async def test_consent_can_be_withdrawn_whatever_the_policy(identity: IdentityAdapter) -> None:
    outcome = await set_consent(identity, False, "2023-11")
    assert outcome.entity is not None
    assert not outcome.entity.granted


async def test_withdrawing_what_was_never_given_is_no_consent(identity: IdentityAdapter) -> None:
    outcome = await set_consent(identity, False, purpose=ConsentPurpose.PERSONALISATION)
    assert outcome.entity is not None
    assert (outcome.entity.granted_at, outcome.entity.withdrawn_at) == (None, None)


async def test_name_is_changed_for_all_to_see(identity: IdentityAdapter, world: World) -> None:
    outcome = await identity.rename("C0001", " 小林 ")
    assert outcome.entity is not None
    assert outcome.entity.display_name == world.customers["C0001"].display_name == "小林"


@pytest.mark.parametrize("name", ["  ", "ASTER 官方", "Admin", "a" * 33, "a\u0000b", "a\u202eb"])
async def test_name_that_may_not_be_used_is_refused(identity: IdentityAdapter, world: World, name: str) -> None:
    outcome = await identity.rename("C0001", name)
    assert [refusal.code for refusal in outcome.refusals] == ["NAME_REFUSED"]
    assert world.customers["C0001"].display_name == "林晓"


async def test_nobody_can_be_changed(identity: IdentityAdapter) -> None:
    with pytest.raises(NotFound):
        await identity.rename("C9999", "x")


# What the service enforces


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/customers", None),
        ("GET", "/customers?" + "&".join(f"id={n}" for n in range(101)), None),
        ("GET", "/customers/by-phone?phone=13800000001", None),
        ("GET", "/customers/C0001/points?limit=0", None),
        ("GET", "/customers/C0001/points?after=x", None),
        ("PATCH", "/customers/C0001", {"displayName": "x", "phone": "1"}),
        ("PATCH", "/customers/C0001", {}),
        ("PUT", "/customers/C0001/consents/SELLING", {"granted": True, "policyVersion": CURRENT, "channel": "APP"}),
        ("PUT", "/customers/C0001/consents/MARKETING", {"granted": True, "policyVersion": CURRENT, "channel": "FAX"}),
        ("PUT", "/customers/C0001/consents/MARKETING", {"granted": "yes", "policyVersion": CURRENT, "channel": "APP"}),
    ],
)
async def test_what_is_not_agreed_is_a_bad_request(world: World, method: str, path: str, body: Any) -> None:
    async with client(world) as http:
        reply = await http.request(method, path, json=body)
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/problem+json"


async def test_ping_says_what_it_is(world: World) -> None:
    async with client(world) as http:
        reply = await http.get("/_ping")
    assert reply.json() == {"system": "identity", "simulated": True}


# OpenID Connect


async def test_discovery_leads_to_a_token_that_its_keys_verify(world: World) -> None:
    async with client(world) as http:
        found = (await http.get("/.well-known/openid-configuration")).json()
        keys = (await http.get(found["jwks_uri"])).json()
        form = {"grant_type": found["grant_types_supported"][0], "persona": "owner"}
        reply = await http.post(found["token_endpoint"], data=form)
    assert reply.headers["cache-control"] == "no-store"
    given = reply.json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", timedelta(hours=12).total_seconds())
    token = jwt.decode(given["access_token"], KeySet.import_key_set(keys), algorithms=["ES256"])
    assert (token.claims["iss"], token.claims["customer_id"]) == (found["issuer"], "C0001")
    assert token.claims["scope"] == given["scope"]
    assert set(given["scope"].split()) <= set(found["scopes_supported"])
    assert found["issuer"] == tokens.ISSUER


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password", "persona": "owner"}, "unsupported_grant_type"),
        ({"grant_type": oidc.PERSONA_GRANT}, "invalid_request"),
        ({"grant_type": oidc.PERSONA_GRANT, "persona": ["owner", "guest"]}, "invalid_request"),
        ({"grant_type": oidc.PERSONA_GRANT, "persona": "C9999"}, "invalid_grant"),
        ({"grant_type": oidc.PERSONA_GRANT, "persona": "root"}, "invalid_grant"),
    ],
)
async def test_token_is_refused_in_the_words_of_oauth(world: World, form: dict[str, Any], error: str) -> None:
    async with client(world) as http:
        reply = await http.post("/token", data=form)
    assert (reply.status_code, reply.json()["error"]) == (400, error)


# The contract


def test_contract_is_the_one_that_is_published(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))


@pytest.mark.parametrize(
    ("endpoint_id", "path"),
    [
        ("GetDiscovery", "/.well-known/openid-configuration"),
        ("GetKeys", "/.well-known/jwks.json"),
        ("GetCustomers", "/customers?id=C0001&id=C0199&id=X"),
        ("FindCustomerByPhone", "/customers/by-phone?phone=%2B8613800000001"),
        ("GetPoints", "/customers/C0001/points?limit=3"),
        ("GetGarages", "/garages?customerId=C0001&customerId=C0191"),
    ],
)
async def test_answers_are_of_the_published_type(world: World, endpoint_id: str, path: str) -> None:
    (endpoint,) = [endpoint for endpoint in app.endpoints(world) if endpoint.id == endpoint_id]
    async with client(world) as http:
        reply = await http.get(path)
    assert reply.status_code == endpoint.status
    msgspec.json.decode(reply.content, type=endpoint.answer)


async def test_failure_of_the_service_is_told_for_every_key(world: World) -> None:
    system = app.create(world)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE) as http:
        await http.put("/_faults", json={"faults": [{"kind": "maintenance", "match": "garages"}]})
    adapter = IdentityAdapter(sandbox_upstream(system))
    garages = await adapter.garages(["C0001", "C0002"])
    assert all(isinstance(value, BffError) for value in garages.values())
    assert isinstance(await customer(adapter, "C0001"), Customer)
