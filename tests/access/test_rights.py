"""Rights at the field: what is refused is null with a code and a path, the rest stands, and nobody was asked for it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type, is_non_null_type

from bff.context import ANONYMOUS, RequestContext
from bff.errors import NotAllowed, NotAuthenticated
from resolvers.relay import REFETCH, encode_id
from resolvers.rights import Guard, Owned, RequiresScopes, directives_of, guard_on, table
from resolvers.schema import build_schema
from tests.access.house import token_with, without
from tests.estate.house import House

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = build_schema()
HOME = """{ viewer { customer { id
    profile { displayName }
    garage { vehicle { vin } }
    vehicleOrders(first: 1) { edges { node { number } } }
    cart { id }
} } serviceCentre(code: "SH0217") { code } }"""
IDENTITIES = "{ viewer { customer { id profile { displayName identities { kind subjectMasked } } } } }"


@pytest.fixture
async def strict() -> AsyncIterator[House]:
    built = House(BFF_RIGHTS_MODE="reject")
    yield built
    await built.aclose()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    await built.aclose()


async def test_refused_fields_are_null_and_the_rest_stands(house: House) -> None:
    answer = await house.ask(HOME, persona=None, headers=without("order:read", "vehicle:read"))
    assert answer.status == 200
    assert answer.codes() == {
        "viewer.customer.garage": "FORBIDDEN",
        "viewer.customer.vehicleOrders": "FORBIDDEN",
        "viewer.customer.cart": "FORBIDDEN",
    }
    customer = answer.data["viewer"]["customer"]
    assert customer["profile"]["displayName"]
    assert customer["garage"] is customer["vehicleOrders"] is customer["cart"] is None
    assert answer.data["serviceCentre"] == {"code": "SH0217"}
    assert {call["system"] for call in answer.calls} == {"identity", "booking"}
    assert [call["operation"] for call in answer.calls if call["system"] == "identity"] == ["GetCustomers"]


async def test_guest_is_asked_to_log_in(house: House) -> None:
    answer = await house.ask(HOME, persona=None)
    assert answer.codes() == {"viewer.customer": "UNAUTHENTICATED"}
    assert answer.data["serviceCentre"] == {"code": "SH0217"}


async def test_the_same_operation_is_run_for_each_caller_by_their_own_rights(house: House) -> None:
    for _ in range(2):
        assert (await house.ask(HOME, persona="owner")).codes() == {}
        assert len((await house.ask(HOME, persona=None, headers=without("order:read"))).codes()) == 2
        assert len((await house.ask(HOME, persona=None, headers=without("vehicle:read"))).codes()) == 1


async def test_refused_batch_field_of_many_fails_at_each_place_and_asks_nobody(house: House) -> None:
    query = "{ viewer { customer { garage { vehicle { vin serviceBookings { isComplete } } } } } }"
    answer = await house.ask(query, persona=None, headers=without("service:read"))
    cars = answer.data["viewer"]["customer"]["garage"]
    assert len(cars) == 3
    assert [car["vehicle"]["serviceBookings"] for car in cars] == [None] * 3
    assert set(answer.codes()) == {f"viewer.customer.garage.{n}.vehicle.serviceBookings" for n in range(3)}
    assert {call["system"] for call in answer.calls} == {"identity"}


async def test_refused_mutation_does_not_run_and_leaves_the_others(house: House) -> None:
    query = """mutation {
      setConsent(input: {purpose: MARKETING, granted: false, policyVersion: "2025-03"}) { entity { granted } }
      likePost(input: {postId: "UG9zdDox"}) { entity { id } }
    }"""
    answer = await house.ask(query, persona=None, headers=without("community:write"))
    assert answer.data["setConsent"]["entity"] == {"granted": False}
    assert answer.data["likePost"] is None
    assert answer.codes() == {"likePost": "FORBIDDEN"}
    assert "community" not in {call["system"] for call in answer.calls}


async def test_node_keeps_types_to_those_who_may_read_them(house: House) -> None:
    ids = [str(encode_id("Customer", "C0001")), str(encode_id("Vehicle", "LDCA1AB57SB000001"))]
    answer = await house.ask(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        {"ids": ids},
        persona=None,
        headers=without("vehicle:read"),
    )
    assert answer.data["nodes"] == [{"id": ids[0]}, None]
    assert answer.codes() == {"nodes.1": "FORBIDDEN"}


async def test_phone_search_is_for_advisers(house: House) -> None:
    query = 'query { customerByPhone(phone: "13800000000") { id } storeLeads { id } }'
    assert set((await house.ask(query, persona="owner")).codes().values()) == {"FORBIDDEN"}
    assert set((await house.ask(query, persona=None)).codes().values()) == {"UNAUTHENTICATED"}
    assert (await house.ask(query, persona="adviser")).codes() == {}


async def test_deferred_fields_meet_the_same_guards(house: House) -> None:
    query = "{ viewer { customer { id ... @defer { cart { id } } } } }"
    answer = await house.ask(query, persona=None, headers=without("order:read"))
    assert answer.data["viewer"]["customer"]["cart"] is None
    assert answer.codes() == {"viewer.customer.cart": "FORBIDDEN"}
    assert answer.count() == {}


# --- step-up


@pytest.mark.parametrize(
    "login",
    [
        {"acr": "1"},
        {"acr": ...},
        {"acr": 2},
        {"auth_time": ...},
        {"auth_time": int(time.time()) - 3700},
        {"auth_time": int(time.time()) + 3600},
    ],
    ids=str,
)
async def test_personal_data_asks_for_a_fresh_and_strong_login(house: House, login: dict[str, Any]) -> None:
    answer = await house.ask(IDENTITIES, persona=None, headers=token_with(**login))
    profile = answer.data["viewer"]["customer"]["profile"]
    assert profile["displayName"]
    assert profile["identities"] is None
    (error,) = answer.errors
    assert error["path"] == ["viewer", "customer", "profile", "identities"]
    assert error["extensions"] == {
        "code": "STEP_UP_REQUIRED",
        "retryable": False,
        "challenge": {
            "scheme": "Bearer",
            "error": "insufficient_user_authentication",
            "acr_values": "2 3 4",
            "max_age": 3600,
        },
    }
    said = answer.headers["www-authenticate"]
    assert said.startswith('Bearer error="insufficient_user_authentication"')
    assert 'acr_values="2 3 4"' in said
    assert 'max_age="3600"' in said


async def test_fresh_login_opens_them(house: House) -> None:
    answer = await house.ask(IDENTITIES, persona="owner")
    assert answer.data["viewer"]["customer"]["profile"]["identities"]
    assert "www-authenticate" not in answer.headers


async def test_paying_and_locking_ask_for_it_before_anything_is_done(house: House) -> None:
    order = str(encode_id("VehicleOrder", "SO0001"))
    query = f"""mutation {{
      createPayment(input: {{orderId: "{order}", purpose: DEPOSIT, provider: WECHAT_PAY, scene: JSAPI,
        amount: {{amountMinor: 1}}, idempotencyKey: "12345678"}}) {{ entity {{ id }} }}
      lockVehicleOrder(input: {{orderId: "{order}", configurationHash: "x", total: {{amountMinor: 1}},
        termsVersion: "1", idempotencyKey: "12345678"}}) {{ entity {{ id }} }}
    }}"""
    answer = await house.ask(query, persona=None, headers=token_with(auth_time=int(time.time()) - 2000))
    assert answer.codes() == {"createPayment": "STEP_UP_REQUIRED", "lockVehicleOrder": "STEP_UP_REQUIRED"}
    assert answer.calls == []


async def test_other_failures_beside_it_leave_the_header_out(house: House) -> None:
    query = "{ viewer { customer { cart { id } profile { identities { kind } } } } }"
    held = without("order:read")["authorization"]
    assert held
    answer = await house.ask(query, persona=None, headers=token_with(acr="1", scope="customer:read"))
    assert sorted(answer.codes().values()) == ["FORBIDDEN", "STEP_UP_REQUIRED"]
    assert "www-authenticate" not in answer.headers


async def test_deployment_says_which_logins_are_strong() -> None:
    house = House(BFF_STRONG_ACR="urn:example:gold")
    try:
        assert (await house.ask(IDENTITIES, persona="owner")).codes() != {}
        golden = await house.ask(IDENTITIES, persona=None, headers=token_with(acr="urn:example:gold"))
        assert golden.codes() == {}
    finally:
        await house.aclose()


# --- reject


async def test_strict_deployment_refuses_the_whole_operation(strict: House) -> None:
    answer = await strict.ask(HOME, persona=None, headers=without("order:read"))
    assert answer.status == 403
    assert "data" not in answer.body
    assert {error["extensions"]["code"] for error in answer.errors} == {"FORBIDDEN"}
    assert (await strict.ask(HOME, persona="owner")).status == 200


async def test_strict_deployment_challenges_where_a_login_would_help(strict: House) -> None:
    guest = await strict.ask(HOME, persona=None)
    assert (guest.status, guest.headers["www-authenticate"]) == (401, "Bearer")
    stale = await strict.ask(IDENTITIES, persona=None, headers=token_with(acr="1"))
    assert stale.status == 401
    assert "insufficient_user_authentication" in stale.headers["www-authenticate"]
    assert stale.errors[0]["extensions"]["challenge"]["max_age"] == 3600


# --- ownership


def owned_types() -> list[str]:
    return [
        name
        for name, kind in SCHEMA._schema.type_map.items()
        if any(isinstance(each, Owned) for each in directives_of(kind))
    ]


MINE = """{ viewer { customer { id
  garage { vehicle { id
    serviceHistory(first: 1) { edges { node { id } } }
    serviceBookings { items { id } } } }
  vehicleOrders(first: 5) { edges { node { id payments { id } } } }
  merchandiseOrders(first: 5) { edges { node { id payments { id } } } }
  testDrives { id }
  pointsLedger(first: 1) { edges { node { id } } }
} } }"""
AGAIN = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


def ids_in(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from ids_in(item)
    if isinstance(value, dict) and "id" in value:
        yield value["id"]


async def test_nobody_but_the_owner_finds_what_is_owned(house: House) -> None:
    ids = list(dict.fromkeys(ids_in((await house.ask(MINE, persona="owner")).data)))[-50:]
    own = (await house.ask(AGAIN, {"ids": ids}, persona="owner")).data["nodes"]
    found = {node["__typename"] for node in own if node is not None}
    assert found >= set(owned_types()) - {"TestDrive"}
    stranger = await house.ask(AGAIN, {"ids": ids}, persona="C0150")
    assert stranger.data["nodes"] == [None] * len(ids)
    assert stranger.codes() == {}, "a stranger does not learn that there is something"
    car = await house.ask(AGAIN, {"ids": ids}, persona="head-unit")
    assert {node["__typename"] for node in car.data["nodes"] if node} == {"Vehicle"}
    assert len([node for node in car.data["nodes"] if node]) == 1
    guest = await house.ask(AGAIN, {"ids": ids}, persona=None)
    assert set(guest.codes().values()) == {"UNAUTHENTICATED"}
    assert guest.calls == []


def test_every_type_that_can_be_fetched_says_who_may_or_is_public() -> None:
    public = {"Post", "Product", "SavedConfiguration", "ServiceCentre", "Trim", "VehicleModel"}
    scoped = {
        name
        for name in REFETCH
        if any(isinstance(each, RequiresScopes) for each in directives_of(SCHEMA._schema.type_map[name]))
    }
    assert scoped == set(REFETCH) - public
    assert set(owned_types()) == scoped


# --- the schema's own promises


def given_types(kind: Any) -> Iterator[GraphQLNamedType]:
    """The type of a field, and of the entries if it is a page."""
    named = get_named_type(kind)
    yield named
    if named.name.endswith("Connection"):
        yield get_named_type(get_named_type(named.fields["edges"].type).fields["node"].type)


def test_every_way_to_a_type_with_scopes_is_guarded_or_lies_behind_a_guard() -> None:
    behind = {
        "GarageEntry.vehicle": "Customer.garage",
        "ServiceBooking.vehicle": "its car was checked when the booking was",
        "ServiceBookingEvent.booking": "Subscription.serviceBookingProgress",
        "ServiceBookingList.items": "Vehicle.serviceBookings",
        "VehicleOrderEvent.order": "Subscription.vehicleOrderProgress",
        "Customer.testDrives": "Viewer.customer asks for the same scope",
        "Customer.pointsLedger": "Viewer.customer asks for the same scope",
        "VehicleOrder.payments": "Payment asks for the order's scope",
        "MerchandiseOrder.payments": "Payment asks for the order's scope",
    }
    open_ways = set()
    for kind in SCHEMA._schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind.name.endswith(("Payload", "Edge", "Connection")):
            continue
        for name, field in kind.fields.items():
            scoped = any(
                isinstance(each, RequiresScopes) for given in given_types(field.type) for each in directives_of(given)
            )
            if scoped and guard_on(field) is None:
                open_ways.add(f"{kind.name}.{name}")
    assert open_ways == set(behind)


def test_every_mutation_asks_for_a_scope() -> None:
    guarded = table(SCHEMA._schema)
    mutations = SCHEMA._schema.mutation_type
    assert mutations is not None
    open_to_all = {"loginWithWechat"} & set(mutations.fields)
    assert {name for name in mutations.fields if f"Mutation.{name}" not in guarded} == open_to_all
    assert not [name for name, field in mutations.fields.items() if is_non_null_type(field.type)]


def test_what_asks_for_a_fresh_login() -> None:
    fresh = {coordinate: guard.max_age for coordinate, guard in table(SCHEMA._schema).items() if guard.max_age}
    assert fresh == {
        "CustomerProfile.identities": 3600,
        "Mutation.createPayment": 1800,
        "Mutation.lockVehicleOrder": 1800,
    }


def test_rights_are_printed_into_the_schema() -> None:
    printed = SCHEMA.as_str()
    assert (
        'createPayment(input: CreatePaymentInput!): PaymentPayload @requiresScopes(scopes: [["payment:write"]])'
        " @stepUp(maxAgeSeconds: 1800)" in printed
    )
    assert "@owned(by: CUSTOMER)" in printed


async def test_other_executors_meet_the_guard_in_front_of_the_resolver() -> None:
    context = RequestContext(ports=None, caller=ANONYMOUS)  # type: ignore[arg-type]  # nothing may be asked
    result = await SCHEMA.execute("{ viewer { customer { id } } }", context_value=context)
    assert result.data == {"viewer": {"customer": None}}
    assert result.errors is not None
    assert isinstance(result.errors[0].original_error, NotAuthenticated)


def test_guard_takes_any_alternative_but_all_of_its_words() -> None:
    def refusal(*scopes: str) -> Any:
        caller = ANONYMOUS.__class__(kind="CUSTOMER", subject="s", scopes=frozenset(scopes))  # type: ignore[arg-type]  # a word is its member
        return guard.refusal(RequestContext(ports=None, caller=caller))  # type: ignore[arg-type]  # as above

    guard = Guard([frozenset({"a", "b"}), frozenset({"c"})])
    assert refusal("a", "b") is None
    assert refusal("c", "d") is None
    assert isinstance(refusal("a"), NotAllowed)
    assert refusal() is not None
    assert isinstance(guard.refusal(object()), NotAuthenticated), "a request without a caller is a guest's"


# --- the documentation says the same


def test_table_of_rights_is_what_the_schema_says() -> None:
    said = (ROOT / "docs" / "security.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if line.startswith("| `")]
    told = {
        coordinate: (frozenset(re.findall(r"`([^`]+)`", row[0])), row[1])
        for row in rows
        if len(row) == 3
        for coordinate in re.findall(r"`(\w+\.\w+)`", row[2])
    }
    guarded = table(SCHEMA._schema)
    assert told.keys() == guarded.keys()
    for coordinate, (scopes, also) in told.items():
        guard = guarded[coordinate]
        assert scopes == {" ".join(sorted(each)) for each in guard.alternatives}, coordinate
        assert bool(guard.kinds) == ("only ADVISER" in also), coordinate
        assert (f"at most {guard.max_age} s" in also) == (guard.max_age is not None), coordinate


def test_every_setting_about_logins_is_documented() -> None:
    said = (ROOT / "docs" / "settings.md").read_text()
    names = set(re.findall(r'"(BFF_[A-Z_]+)"', (ROOT / "bff" / "logins.py").read_text()))
    assert len(names) > 10
    assert {name for name in names if name not in said} == set()
