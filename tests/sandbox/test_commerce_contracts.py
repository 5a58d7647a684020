"""The contracts of commerce and payment are what the services say and accept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.commerce import app as commerce
from sandbox.kit.openapi import Endpoint, Problem
from sandbox.payment import app as payment
from sandbox.world import World

pytestmark = pytest.mark.anyio
CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
SERVICES = pytest.mark.parametrize("service", [commerce, payment], ids=lambda service: service.NAME)

# Something that each operation answers: path parameters, query, body.
ASKED: dict[str, tuple[dict[str, str], dict[str, Any], Any]] = {
    "ListCategories": ({}, {}, None),
    "GetProducts": ({}, {"id": ["P1001", "F4001", "P9999"]}, None),
    "SearchProducts": ({}, {"text": "cup", "limit": 2}, None),
    "GetEntitlements": ({}, {"vin": ["LDCA1AB57SB000001"]}, None),
    "RevokeEntitlement": ({"entitlementId": "EN00007"}, {}, {}),
    "Acknowledge": ({"entitlementId": "EN00006"}, {}, {"result": "ACTIVE"}),
    "GetCarts": ({}, {"customerId": ["C0001", "C0191"]}, None),
    "AddCartLine": ({"customerId": "C0121"}, {}, {"productId": "P1002", "version": None}),
    "SetCartLineQuantity": ({"customerId": "C0121", "lineId": "CA00002-1"}, {}, {"quantity": 3}),
    "ListMerchandiseOrders": ({"customerId": "C0001"}, {"limit": 1}, None),
    "GetMerchandiseOrders": ({}, {"number": ["MO500001", "MO500007"]}, None),
    "PlaceMerchandiseOrder": (
        {},
        {},
        {
            "customerId": "C0001",
            "cartVersion": 7,
            "expectedTotal": {"amountMinor": 219100},
            "address": dict.fromkeys(("recipient", "phone", "province", "city", "district", "line"), "x"),
        },
    ),
    "CancelMerchandiseOrder": ({"number": "MO500001"}, {}, {"reason": "x"}),
    "ListVehicleOrders": ({"customerId": "C0001"}, {"limit": 1}, None),
    "GetVehicleOrders": ({}, {"number": ["VO00004711", "VO00004766"]}, None),
    "PlaceVehicleOrder": (
        {},
        {},
        {
            "customerId": "C0001",
            "shareCode": "A7Q2FAM1",
            "deliveryCentre": "SH0217",
            "termsVersion": "2025-10",
        },
    ),
    "LockVehicleOrder": ({"number": "VO00004721"}, {}, {}),
    "CancelVehicleOrder": ({"number": "VO00004722"}, {}, {}),
    "AttachSalesOrder": ({"number": "VO00004720"}, {}, {"salesOrder": "4720"}),
    "GetDue": ({}, {"orderNumber": "VO00004785", "purpose": "INTENT"}, None),
    "Settle": (
        {},
        {},
        {"paymentId": "P1", "orderNumber": "VO00004784", "purpose": "INTENT", "amount": {"amountMinor": 100000}},
    ),
    "CountRefund": ({"paymentId": "P1"}, {}, {"refundId": "R1", "amount": {"amountMinor": 100000}}),
    "GetIntents": ({}, {"id": ["PI700001", "PI700002", "PI700010"]}, None),
    "GetIntentsOfOrders": ({}, {"orderNumber": ["VO00004762", "X"]}, None),
    "CreateIntent": (
        {},
        {},
        {
            "customerId": "C0011",
            "orderNumber": "VO00004783",
            "purpose": "INTENT",
            "provider": "WECHAT_PAY",
            "scene": "NATIVE",
            "amount": {"amountMinor": 100000},
        },
    ),
    "CloseIntent": ({"intentId": "PI700002"}, {}, {}),
    "CreateRefund": ({"intentId": "PI700007"}, {}, {"amount": {"amountMinor": 100}, "reason": "x"}),
    "Simulate": ({"intentId": "PI700002"}, {}, {"result": "SUCCEEDED"}),
    "Cashier": ({"intentId": "PI700002"}, {}, None),
    "SigningKey": ({}, {}, None),
}


@SERVICES
def test_checked_in_contract_is_the_services_own(world: World, service: ModuleType) -> None:
    kept = json.loads((CONTRACTS / f"{service.NAME}.openapi.json").read_text())
    assert kept == service.openapi(world), f"python -m tools.contracts {service.NAME}"


@SERVICES
def test_every_route_is_in_the_contract_and_every_reference_leads_somewhere(world: World, service: ModuleType) -> None:
    document = service.openapi(world)
    routes = {
        (method, route.path)
        for route in service.create(world).faulty.app.routes
        for method in route.methods - {"HEAD"}
        if not route.path.startswith("/_")
    }
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes == told
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])


@SERVICES
async def test_answers_are_what_the_contract_says(world: World, service: ModuleType) -> None:
    endpoints: list[Endpoint] = service.endpoints(world)
    order = world.vehicle_orders["VO00004721"]
    confirmed = {
        "configurationHash": order.configuration.hash,
        "total": {"amountMinor": order.total_fen},
        "termsVersion": order.terms_version,
    }
    system = service.create(world)
    transport = httpx.ASGITransport(app=system)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        for endpoint in sorted(endpoints, key=lambda endpoint: endpoint.method):
            path, query, body = ASKED[endpoint.id]
            reply = await client.request(
                endpoint.method,
                endpoint.path.format(**path),
                params=query,
                json=confirmed if endpoint.id == "LockVehicleOrder" else body,
                headers={"idempotency-key": endpoint.id},
            )
            assert reply.status_code == endpoint.status, (endpoint.id, reply.text)
            assert reply.headers["content-type"].split(";")[0] == endpoint.media_type
            if endpoint.answer is not None:
                read = msgspec.json.decode(reply.content, type=endpoint.answer)
                assert msgspec.to_builtins(read) == reply.json(), endpoint.id


@SERVICES
async def test_what_the_contract_does_not_allow_is_refused(world: World, service: ModuleType) -> None:
    system = service.create(world)
    transport = httpx.ASGITransport(app=system)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        for endpoint in service.endpoints(world):
            path, query, body = ASKED[endpoint.id]
            for spoil in spoilt(endpoint, query, body):
                reply = await client.request(endpoint.method, endpoint.path.format(**path), **spoil)
                problem = msgspec.json.decode(reply.content, type=Problem)
                assert (reply.status_code, problem.code) == (400, "BAD_REQUEST"), (endpoint.id, spoil, reply.text)


def spoilt(endpoint: Endpoint, query: dict[str, Any], body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    key = {"idempotency-key": "k"}
    if endpoint.body is not None:
        found += [
            {"json": {**body, "surprise": 1}, "headers": key},
            {"content": b"{", "headers": key},
        ]
    if endpoint.idempotent:
        found.append({"json": body})
    for name in (parameter.name for parameter in endpoint.parameters if parameter.many):
        found += [{"params": {}}, {"params": {name: [f"x{turn}" for turn in range(101)]}}]
    if any(parameter.name == "limit" for parameter in endpoint.parameters):
        found += [{"params": query | {"limit": "0"}}, {"params": query | {"limit": "many"}}]
    return found


async def test_ping_says_that_it_is_simulated(world: World) -> None:
    for service in (commerce, payment):
        transport = httpx.ASGITransport(app=service.create(world))
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
            reply = await client.get("/_ping")
        assert reply.json() == {"system": service.NAME, "simulated": True}
