"""Strawberry as documented: its ASGI view, a data loader for each key, httpx with its defaults."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import strawberry
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL

BASE = int(os.environ.get("BENCH_UPSTREAM_BASE", "18100"))
client = httpx.AsyncClient()
Row = dict[str, Any]
Info = strawberry.Info[dict[str, DataLoader[Any, Any]], None]


async def get(service: int, path: str, params: Any = None) -> Any:
    reply = await client.get(f"http://127.0.0.1:{BASE + service}{path}", params=params)
    reply.raise_for_status()
    return reply.json()


def loader(service: int, path: str, key: str, read: Callable[[Row], Any]) -> DataLoader[Any, Any]:
    async def load(keys: list[Any]) -> list[Any]:
        rows = {row[key]: row for row in await get(service, path, {key: keys})}
        return [read(rows[wanted]) if wanted in rows else None for wanted in keys]

    return DataLoader(load)


@strawberry.type
class User:
    id: int
    name: str
    username: str
    email: str
    phone: str | None
    website: str | None

    @staticmethod
    def read(row: Row) -> User:
        names = ("id", "name", "username", "email", "phone", "website")
        return User(**{name: row[name] for name in names})


@strawberry.type
class Post:
    id: int
    user_id: int
    title: str
    body: str

    @strawberry.field
    async def user(self, info: Info) -> User | None:
        return await info.context["users"].load(self.user_id)  # type: ignore[no-any-return]  # loaders are untyped


@strawberry.type
class Milestone:
    code: str
    at: str


@strawberry.type
class Order:
    id: strawberry.ID
    status: str
    milestones: list[Milestone]

    @staticmethod
    def read(row: Row) -> Order:
        milestones = [Milestone(code=stage["code"], at=stage["at"]) for stage in row["milestones"]]
        return Order(id=row["id"], status=row["status"], milestones=milestones)


@strawberry.type
class Center:
    id: strawberry.ID
    name: str
    city: str

    @staticmethod
    def read(row: Row) -> Center:
        return Center(id=row["id"], name=row["name"], city=row["city"])


@strawberry.type
class ServiceVisit:
    id: strawberry.ID
    at: str
    center_id: strawberry.Private[str]

    @strawberry.field
    async def center(self, info: Info) -> Center | None:
        return await info.context["centers"].load(self.center_id)  # type: ignore[no-any-return]  # loaders are untyped

    @staticmethod
    def read(row: Row) -> ServiceVisit:
        return ServiceVisit(id=row["id"], at=row["at"], center_id=row["centerId"])


@strawberry.type
class Vehicle:
    vin: strawberry.ID
    model: str

    @strawberry.field
    async def order(self, info: Info) -> Order | None:
        return await info.context["orders"].load(self.vin)  # type: ignore[no-any-return]  # loaders are untyped

    @strawberry.field
    async def next_service(self, info: Info) -> ServiceVisit | None:
        return await info.context["services"].load(self.vin)  # type: ignore[no-any-return]  # loaders are untyped


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
    total: Money


@strawberry.type
class Query:
    @strawberry.field
    def greet(self) -> str:
        return "Hello World!"

    @strawberry.field
    async def posts(self) -> list[Post]:
        rows = await get(0, "/posts")
        return [Post(id=row["id"], user_id=row["userId"], title=row["title"], body=row["body"]) for row in rows]

    @strawberry.field
    async def me(self) -> Customer:
        row = await get(1, "/customer/me")
        vehicles = [Vehicle(vin=vehicle["vin"], model=vehicle["model"]) for vehicle in row["vehicles"]]
        return Customer(id=row["id"], name=row["name"], email=row["email"], vehicles=vehicles)

    @strawberry.field
    async def cart(self) -> Cart:
        row = await get(4, "/cart")
        lines = [
            Line(sku=line["sku"], title=line["title"], qty=line["qty"], price=Money(**line["price"]))
            for line in row["lines"]
        ]
        return Cart(id=row["id"], lines=lines, total=Money(**row["total"]))


class App(GraphQL[Any, None]):
    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        return {
            "users": loader(0, "/users", "id", User.read),
            "orders": loader(2, "/orders", "vin", Order.read),
            "services": loader(3, "/services", "vin", ServiceVisit.read),
            "centers": loader(3, "/centers", "id", Center.read),
        }


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = Starlette(
    lifespan=lifespan, routes=[Route("/graphql", App(strawberry.Schema(Query), graphql_ide=None), methods=["POST"])]
)
