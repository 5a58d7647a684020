"""A shop of one mutation, over an upstream that outlives its callers: a folder in which each key orders once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import strawberry

from bff.context import Caller, CallerKind, RequestContext
from bff.durability.database import Database
from bff.durability.once import Once
from bff.errors import BffError
from bff.execution import Plans
from bff.ports import Ports
from bff.serving.incremental import in_one_piece
from bff.serving.results import to_bytes

Point = Callable[[], None]

PLACE = """mutation($key: String!, $item: String!) {
  place(input: {item: $item, idempotencyKey: $key}) { number receipt refusal note } }"""


class Upstream:
    """Deduplicates by key, as ours do. `fails` are raised in turn: (before anything was done?, error)."""

    def __init__(self, folder: Path, point: Point = lambda: None) -> None:
        self.folder = folder
        (folder / "orders").mkdir(parents=True, exist_ok=True)
        self.point = point
        self.fails: list[tuple[bool, BffError]] = []
        self.gate: Awaitable[Any] | None = None
        self.refusal: str | None = None

    @property
    def orders(self) -> int:
        return len(list((self.folder / "orders").iterdir()))

    @property
    def calls(self) -> int:
        log = self.folder / "calls"
        return len(log.read_text().splitlines()) if log.exists() else 0

    async def place(self, key: str, item: str) -> str:
        with (self.folder / "calls").open("a") as log:
            log.write(f"{key}\n")
        early, error = self.fails.pop(0) if self.fails else (False, None)
        if early and error is not None:
            raise error
        self.point()
        number = self._order(self.folder / "orders" / key.replace("/", "_"), item)
        self.point()
        if self.gate is not None:
            await self.gate
        if error is not None:
            raise error
        return number

    def _order(self, path: Path, item: str) -> str:
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return path.read_text()
        number = f"{item}-{uuid4().hex[:8]}"
        os.write(file, number.encode())
        os.close(file)
        return number


@strawberry.input
class PlaceInput:
    item: str
    idempotency_key: str
    quantity: int = 1


@strawberry.type
class Placed:
    number: str | None
    receipt: str
    refusal: str | None

    @strawberry.field
    async def note(self, info: strawberry.Info[RequestContext, None]) -> str | None:
        if error := info.context.state.get("note"):
            raise error
        return None


@strawberry.type
class Query:
    hello: str = "hello"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def place(self, info: strawberry.Info[RequestContext, None], input: PlaceInput) -> Placed | None:
        upstream: Upstream = info.context.state["upstream"]
        if upstream.refusal is not None:
            return Placed(number=None, receipt=uuid4().hex, refusal=upstream.refusal)
        number = await upstream.place(f"{info.context.caller.subject} {input.idempotency_key}", input.item)
        return Placed(number=number, receipt=uuid4().hex, refusal=None)

    @strawberry.mutation
    async def touch(self, info: strawberry.Info[RequestContext, None]) -> str | None:
        return await cast("Upstream", info.context.state["upstream"]).place("touch", "touch")


PLANS = Plans(strawberry.Schema(Query, Mutation))


class Clock:
    """Seconds since 1970 that tests move."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.now = 1_790_000_000.0 + ahead

    def __call__(self) -> float:
        return self.now


class Shop:
    """One process of the service, as far as a mutation is concerned."""

    def __init__(self, database: Database, upstream: Upstream, clock: Callable[[], float], margin: float = 5.0) -> None:
        self.once = Once(database, in_one_piece, clock=clock, margin=margin)
        self.upstream = upstream

    async def ask(
        self,
        document: str = PLACE,
        *,
        subject: str = "C0001",
        budget: float = 5.0,
        note: BffError | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The members of the response, `bytes` among them: what of it must never change."""
        caller = Caller(kind=CallerKind.CUSTOMER, subject=subject, customer_id=subject)
        context = RequestContext(ports=cast("Ports", None), caller=caller, budget_seconds=budget)
        context.state |= {"upstream": self.upstream, "note": note}
        result = await self.once.run(PLANS.plan(document), context, {"key": "key-0001", "item": "car"} | variables)
        body: dict[str, Any] = {"data": result.data, "errors": [error.formatted for error in result.errors or ()]}
        body["codes"] = [error["extensions"]["code"] for error in body["errors"]]
        body["bytes"] = to_bytes({"data": body["data"], "errors": body["errors"]})
        return body

    async def together(self, count: int, key: str = "key-0001") -> list[bytes]:
        answers = await asyncio.gather(*[self.ask(key=key, budget=20.0) for _ in range(count)])
        return [answer["bytes"] for answer in answers]
