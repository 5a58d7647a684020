"""The five REST services behind the benchmark's schema: what they send, and how they are asked.

Ports are `base` (posts, users), +1 (customer), +2 (orders), +3 (services, centres), +4 (cart). A list of keys is one
call: `/orders?vin=A&vin=B`. Only the members that the schema shows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

import msgspec

from adapters.transport.http import Engine
from adapters.transport.rest import RestClient, key_query
from adapters.transport.upstream import Audience, Operation, Upstream, UpstreamState
from bff.context import RequestContext
from bff.domain.base import Found
from bff.errors import UpstreamContractBroken

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

GET_POSTS = Operation(name="getPosts", audience=Audience.PUBLIC)
GET_USERS = Operation(name="getUsers", audience=Audience.PUBLIC)
GET_ME = Operation(name="getMe")
GET_ORDERS = Operation(name="getOrders")
GET_SERVICES = Operation(name="getServices")
GET_CENTERS = Operation(name="getCenters", audience=Audience.PUBLIC)
GET_CART = Operation(name="getCart")


class Wire(msgspec.Struct, rename="camel", gc=False):
    """What every body has in common: camelCase names; members that are not declared are skipped; trees, no cycles."""


class User(Wire):
    id: int
    name: str
    username: str
    email: str
    phone: str | None
    website: str | None


class Post(Wire):
    id: int
    user_id: int
    title: str
    body: str


class Milestone(Wire):
    code: str
    at: str


class Order(Wire):
    vin: str
    id: str
    status: str
    milestones: list[Milestone]


class ServiceVisit(Wire):
    vin: str
    id: str
    at: str
    center_id: str


class Center(Wire):
    id: str
    name: str
    city: str


class Vehicle(Wire):
    vin: str
    model: str


class Customer(Wire):
    id: str
    name: str
    email: str
    vehicles: list[Vehicle]


class Money(Wire):
    amount: float
    currency: str


class Line(Wire):
    sku: str
    title: str
    qty: int
    price: Money


class Cart(Wire):
    id: str
    lines: list[Line]
    total: Money


class Estate:
    """The services as a client sees them. `engine` makes the engine of one of them."""

    def __init__(self, base_port: int, engine: Callable[[str], Engine]) -> None:
        def service(name: str, offset: int) -> RestClient:
            url = f"http://127.0.0.1:{base_port + offset}"
            return RestClient(Upstream(name, url, engine(url), timeout=5.0))

        self._posts = service("posts", 0)
        self._customer = service("customer", 1)
        self._orders = service("orders", 2)
        self._service = service("service", 3)
        self._cart = service("cart", 4)
        self._clients = (self._posts, self._customer, self._orders, self._service, self._cart)

    async def posts(self) -> list[Post]:
        return await _one(self._posts, GET_POSTS, "/posts", list[Post])

    async def me(self) -> Customer:
        return await _one(self._customer, GET_ME, "/customer/me", Customer)

    async def cart(self) -> Cart:
        return await _one(self._cart, GET_CART, "/cart", Cart)

    async def users(self, ids: Sequence[int]) -> Found[int, User]:
        rows = await _one(self._posts, GET_USERS, _path("/users", "id", ids), list[User])
        return {row.id: row for row in rows}

    async def orders(self, vins: Sequence[str]) -> Found[str, Order]:
        rows = await _one(self._orders, GET_ORDERS, _path("/orders", "vin", vins), list[Order])
        return {row.vin: row for row in rows}

    async def services(self, vins: Sequence[str]) -> Found[str, ServiceVisit]:
        rows = await _one(self._service, GET_SERVICES, _path("/services", "vin", vins), list[ServiceVisit])
        return {row.vin: row for row in rows}

    async def centers(self, ids: Sequence[str]) -> Found[str, Center]:
        rows = await _one(self._service, GET_CENTERS, _path("/centers", "id", ids), list[Center])
        return {row.id: row for row in rows}

    @property
    def states(self) -> dict[str, UpstreamState]:
        return {each.upstream.name: each.upstream.state for each in self._clients}

    async def aclose(self) -> None:
        for client in self._clients:
            await client.upstream.aclose()


async def _one(client: RestClient, operation: Operation, path: str, answer: type[V]) -> V:
    value = await client.fetch(operation, "GET", path, answer)
    if value is None:
        raise UpstreamContractBroken(client.upstream.name, detail=f"404 for {path}")
    return value


def _path(path: str, name: str, keys: Sequence[str | int]) -> str:
    return path + key_query(name, keys)


def estate_of(context: RequestContext) -> Estate:
    """The benchmark has one port where the service has many."""
    return cast(Estate, context.ports)
