"""Identity over REST (docs/contracts/identity.openapi.json): customers, consents, points, garages, OIDC."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.identity import ledger, oidc, shapes
from sandbox.identity.wechat import WeChat
from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import PAGING, Endpoint, Items, Page, Parameter, body_as, document, keys, keys_of, routes
from sandbox.kit.rest import HANDLERS, Handler, Idempotency, PageQuery, Refused, page, reply
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import Consent, Customer
from sandbox.world.entities.people import ConsentPurpose

T = TypeVar("T")
NAME = "identity"
POLICY_VERSION = "2025-03"
PURPOSES: tuple[ConsentPurpose, ...] = get_args(ConsentPurpose)
SEPARATE = {"LOCATION", "CROSS_BORDER", "VEHICLE_DATA"}
RESERVED_NAMES = ("官方", "客服", "admin", "aster", "vela", "系统")
MOST_CHARACTERS = 32
E164 = re.compile(r"\+[1-9][0-9]{7,14}")


def create(world: World, clock: Clock | None = None) -> System:
    """The system over `world`; without a clock, time begins at the world's `now`."""
    wechat = WeChat(world, clock or running_from(world.now))
    own = [*routes(endpoints(world, clock)), *wechat.routes(), Route("/_ping", _ping)]
    app = Starlette(routes=own, exception_handlers=HANDLERS)
    return System(NAME, app)


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/identity.openapi.json."""
    described = "Customers, their consents, points and garages, and OpenID Connect. Times are UTC."
    whole = document("Identity", described, endpoints(world))
    form = {"application/x-www-form-urlencoded": {"schema": oidc.TOKEN_FORM}}
    whole["paths"]["/token"]["post"]["requestBody"] = {"required": True, "content": form}
    return whole


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    now, once = clock or running_from(world.now), Idempotency()

    def of_customers(parameter: str, shape: Callable[[str, Customer], T]) -> Handler:
        async def read(request: Request) -> Response:
            asked = ((key, world.customer(key)) for key in keys_of(request, parameter))
            return _show(Items([shape(key, customer) for key, customer in asked if customer is not None]))

        return read

    async def by_phone(request: Request) -> Response:
        phones = request.query_params.getlist("phone")
        if len(phones) != 1 or not E164.fullmatch(phones[0]):
            raise Refused("BAD_REQUEST", "give one phone, in E.164 as in +8613800000000", 400)
        customer = world.customer_by_phone(phones[0])
        if customer is None:
            raise Refused("NOT_FOUND", "nobody has this phone", 404)
        return _show(shapes.Customer.of(customer.id, customer))

    async def points(request: Request) -> Response:
        newest_first = ledger.points(_customer(world, request))[::-1]
        return page(newest_first, PageQuery.of(request), lambda line: msgspec.to_builtins(shapes.PointsEntry.of(line)))

    async def put_consent(request: Request) -> Response:
        customer, change = _customer(world, request), await body_as(request, shapes.ConsentChange)
        purpose = next((known for known in PURPOSES if known == request.path_params["purpose"]), None)
        if purpose is None:
            raise Refused("BAD_REQUEST", f"a purpose is one of {', '.join(PURPOSES)}", 400)
        return _show(_change(customer, purpose, change, now))

    async def rename(request: Request) -> Response:
        customer = _customer(world, request)
        name = (await body_as(request, shapes.CustomerChange)).display_name.strip()
        reserved = any(word in name.casefold() for word in RESERVED_NAMES)
        if not 1 <= len(name) <= MOST_CHARACTERS or reserved or not name.isprintable():
            raise Refused("NAME_REFUSED", "the name is too long, reserved, or not printable", 422)
        customer.display_name = name
        return _show(shapes.Customer.of(request.path_params["id"], customer))

    return [
        *oidc.endpoints(world),
        Endpoint(method="GET", path="/customers", id="GetCustomers", parameters=(keys("id"),),
                 handler=of_customers("id", shapes.Customer.of), answer=Items[shapes.Customer],
                 summary="Customers by id. The id of a merged account answers with the account it was merged into."),
        Endpoint(method="GET", path="/customers/by-phone", id="FindCustomerByPhone", handler=by_phone,
                 parameters=(Parameter("phone", {"type": "string", "pattern": f"^{E164.pattern}$"}, required=True),),
                 answer=shapes.Customer, refusals=("NOT_FOUND",), summary="The customer with this phone, exactly."),
        Endpoint(method="PATCH", path="/customers/{id}", id="ChangeCustomer", handler=once(rename),
                 body=shapes.CustomerChange, answer=shapes.Customer, refusals=("NOT_FOUND", "NAME_REFUSED"),
                 summary="Change what a customer is called."),
        Endpoint(method="GET", path="/customers/{id}/points", id="GetPoints", handler=points, parameters=PAGING,
                 answer=Page[shapes.PointsEntry], refusals=("NOT_FOUND", "BAD_CURSOR"),
                 summary="The points ledger, newest line first."),
        Endpoint(method="PUT", path="/customers/{id}/consents/{purpose}", id="PutConsent", handler=once(put_consent),
                 body=shapes.ConsentChange, answer=shapes.Consent, refusals=("NOT_FOUND", "POLICY_OUTDATED"),
                 summary="Give or withdraw a consent. Only giving needs the policy version that is in force."),
        Endpoint(method="GET", path="/garages", id="GetGarages", parameters=(keys("customerId"),),
                 handler=of_customers("customerId", lambda key, customer: shapes.Garage.of(world, key, customer)),
                 answer=Items[shapes.Garage], summary="The cars of each customer; only entries that are open."),
    ]  # fmt: skip


def _change(customer: Customer, purpose: ConsentPurpose, change: shapes.ConsentChange, now: Clock) -> shapes.Consent:
    """A grant opens an entry and a withdrawal closes it; what holds already stays as it was."""
    latest = next((consent for consent in reversed(customer.consents) if consent.purpose == purpose), None)
    holds = latest is not None and latest.withdrawn_at is None
    if not change.granted:
        if latest is None:
            return shapes.Consent(
                purpose=purpose,
                policy_version=change.policy_version,
                separate=purpose in SEPARATE,
                granted_at=None,
                withdrawn_at=None,
                channel=change.channel,
            )
        if holds:
            latest.withdrawn_at, latest.channel = now(), change.channel
        return shapes.Consent.of(latest)
    if change.policy_version != POLICY_VERSION:
        raise Refused("POLICY_OUTDATED", "another version of the policy is in force", 409)
    if latest is None or not holds or latest.policy_version != POLICY_VERSION:
        latest = Consent(purpose, POLICY_VERSION, purpose in SEPARATE, now(), None, change.channel)
        customer.consents.append(latest)
    return shapes.Consent.of(latest)


def _customer(world: World, request: Request) -> Customer:
    customer = world.customer(request.path_params["id"])
    if customer is None:
        raise Refused("NOT_FOUND", "no such customer", 404)
    return customer


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


def _show(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
