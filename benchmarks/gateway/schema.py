"""The benchmark's schema, written as the service's own is: plain fields, batch fields where systems meet."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry

from benchmarks.gateway import estate
from benchmarks.gateway.estate import estate_of
from bff.context import RequestContext
from bff.domain.base import Found
from resolvers.common import Request, field, prop
from resolvers.fields import batch_field, batch_load


@batch_load
async def users(context: RequestContext, keys: Sequence[int]) -> Found[int, estate.User]:
    return await estate_of(context).users(keys)


@batch_load
async def orders(context: RequestContext, keys: Sequence[str]) -> Found[str, estate.Order]:
    return await estate_of(context).orders(keys)


@batch_load
async def services(context: RequestContext, keys: Sequence[str]) -> Found[str, estate.ServiceVisit]:
    return await estate_of(context).services(keys)


@batch_load
async def centers(context: RequestContext, keys: Sequence[str]) -> Found[str, estate.Center]:
    return await estate_of(context).centers(keys)


@strawberry.type
class User:
    id: int
    name: str
    username: str
    email: str
    phone: str | None
    website: str | None


@strawberry.type
class Post:
    id: int
    user_id: int
    title: str
    body: str
    user: User | None = batch_field(users, key="user_id", description="Who wrote it.")


@strawberry.type
class Milestone:
    code: str
    at: str


@strawberry.type
class Order:
    id: strawberry.ID
    status: str
    milestones: list[Milestone]


@strawberry.type
class Center:
    id: strawberry.ID
    name: str
    city: str


@strawberry.type
class ServiceVisit:
    id: strawberry.ID
    at: str
    center: Center | None = batch_field(centers, key="center_id", description="Where it takes place.")


@strawberry.type
class Vehicle:
    vin: strawberry.ID
    model: str
    order: Order | None = batch_field(orders, key="vin", description="The order it was built for.")
    next_service: ServiceVisit | None = batch_field(services, key="vin", description="The next visit.")


@strawberry.type
class Customer:
    id: strawberry.ID
    name: str
    email: str
    vehicles: list[Vehicle]


@strawberry.type
class Money:
    amount: float
    currency: str


@strawberry.type
class Line:
    sku: str
    title: str
    qty: int
    price: Money


@strawberry.type
class Cart:
    id: strawberry.ID
    lines: list[Line]
    total: Money = prop("What all lines cost together.")


@strawberry.type
class Query:
    @field("A constant.", returns=str)
    @staticmethod
    def greet() -> str:
        return "Hello World!"

    @field("All posts.", returns=list[Post])
    @staticmethod
    async def posts(info: Request) -> list[estate.Post]:
        return await estate_of(info.context).posts()

    @field("The customer who asks.", returns=Customer)
    @staticmethod
    async def me(info: Request) -> estate.Customer:
        return await estate_of(info.context).me()

    @field("The customer's cart.", returns=Cart)
    @staticmethod
    async def cart(info: Request) -> estate.Cart:
        return await estate_of(info.context).cart()


schema = strawberry.Schema(Query)
