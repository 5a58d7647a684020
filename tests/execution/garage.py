"""A small schema with batch fields, and upstreams that write down what they were asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import strawberry

from bff.calls import CallLog
from bff.errors import BffError, UpstreamTimeout
from resolvers.fields import batch_field, batch_load, load_one


class Car(msgspec.Struct, frozen=True):
    vin: str
    model: str | None = "Aurora"
    centre_id: str | None = "c1"


class Visit(msgspec.Struct, frozen=True):
    id: str
    centre_id: str


class Centre(msgspec.Struct, frozen=True):
    id: str
    name: str | None = "Pudong"


class Estate:
    """One request's context and all upstreams: `asked` lists each call as (load, keys, arguments)."""

    def __init__(self, *, cars: int = 3, deadline: float | None = None) -> None:
        self.cars = [Car(f"v{n}", centre_id=f"c{n % 2}") for n in range(cars)]
        self.loads: dict[Any, Any] = {}
        self.calls = CallLog()
        self.deadline = deadline
        self.asked: list[tuple[str, list[Any], dict[str, Any]]] = []
        self.answers: dict[Any, Any] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.finished: list[str] = []
        self.cancelled: list[str] = []
        self.written: list[str] = []

    async def call(self, name: str, keys: Sequence[Any], **arguments: Any) -> None:
        """One upstream call: a round of its own, and as slow as its gate is closed."""
        self.asked.append((name, list(keys), arguments))
        record = self.calls.begin(name, name, [str(key) for key in keys], 1)
        try:
            gate = self.gates.get(name)
            if gate is not None:
                await gate.wait()
            else:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        self.calls.end(record, "OK")
        self.finished.append(name)

    @property
    def rounds(self) -> dict[str, int]:
        return {record.operation: record.round for record in self.calls.records}


@batch_load
async def visits(context: Estate, keys: Sequence[str]) -> Any:
    await context.call("visits", keys)
    made: dict[str, Visit | BffError] = {key: Visit(f"visit-{key}", f"c{key[1:]}") for key in keys if key != "v9"}
    return made | {key: answer for key, answer in context.answers.items() if key in keys}


@batch_load
async def centres(context: Estate, keys: Sequence[str]) -> Any:
    await context.call("centres", keys)
    if "all" in context.answers:
        raise context.answers["all"]
    return {key: context.answers.get(key, Centre(key)) for key in keys}


@batch_load
async def mileage(context: Estate, keys: Sequence[str], *, unit: str = "KM") -> Any:
    await context.call("mileage", keys, unit=unit)
    return dict.fromkeys(keys, 100 if unit == "KM" else 62)


@strawberry.type(name="Centre")
class CentreType:
    id: strawberry.ID
    name: str


@strawberry.type(name="Visit")
class VisitType:
    id: strawberry.ID
    centre: CentreType | None = batch_field(centres, key="centre_id", description="Where.")


@strawberry.type(name="Car")
class CarType:
    vin: strawberry.ID
    model: str
    visit: VisitType | None = batch_field(visits, key="vin", description="The next visit.")
    home: CentreType | None = batch_field(centres, key=lambda car: car.centre_id, description="The usual centre.")
    mileage: int | None = batch_field(mileage, key="vin", description="Driven.")

    @strawberry.field
    @staticmethod
    def shout(root: strawberry.Parent[Car]) -> str:
        return root.vin.upper()

    @strawberry.field
    @staticmethod
    async def alone(root: strawberry.Parent[Car], info: strawberry.Info[Estate, None]) -> str | None:
        found: Any = await load_one(info.context, visits, root.vin)  # type: ignore[arg-type]  # a smaller context
        return found.id if found else None


class Denied(strawberry.BasePermission):
    message = "not yours"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return False


@strawberry.type
class Query:
    @strawberry.field
    @staticmethod
    async def cars(info: strawberry.Info[Estate, None]) -> list[CarType]:
        await info.context.call("cars", [])
        return info.context.cars  # type: ignore[return-value]  # sources are domain values

    @strawberry.field
    @staticmethod
    def parked(info: strawberry.Info[Estate, None]) -> list[CarType]:
        return info.context.cars  # type: ignore[return-value]  # sources are domain values

    @strawberry.field
    @staticmethod
    async def slow(info: strawberry.Info[Estate, None]) -> str | None:
        await info.context.call("slow", [])
        return "at last"

    @strawberry.field
    @staticmethod
    def broken() -> str | None:
        raise ValueError("secret words")

    @strawberry.field
    @staticmethod
    def refused() -> str | None:
        raise UpstreamTimeout("dms")

    @strawberry.field(permission_classes=[Denied])  # type: ignore[untyped-decorator]  # as Strawberry declares it
    @staticmethod
    def private() -> str | None:
        return "never seen"


@strawberry.type
class Mutation:
    @strawberry.mutation
    @staticmethod
    async def drive(info: strawberry.Info[Estate, None], name: str) -> CarType:
        info.context.written.append(f"begin {name}")
        await asyncio.sleep(0)
        info.context.written.append(f"end {name}")
        return Car("v0")  # type: ignore[return-value]  # sources are domain values

    @strawberry.mutation
    @staticmethod
    async def park(info: strawberry.Info[Estate, None], name: str) -> str | None:
        info.context.written.append(f"begin {name}")
        await info.context.call("park", [name])
        info.context.written.append(f"end {name}")
        return name


@strawberry.type
class Subscription:
    @strawberry.subscription
    @staticmethod
    async def passing(info: strawberry.Info[Estate, None], count: int = 2) -> AsyncIterator[CarType]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield Car(f"v{number}")  # type: ignore[misc]  # sources are domain values
        finally:
            info.context.finished.append("stream")


schema = strawberry.Schema(Query, Mutation, Subscription)
