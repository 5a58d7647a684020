"""A Strawberry schema with every kind of field that is compiled apart, over data that is a function of its seed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Annotated, Any

import msgspec
import strawberry

from bff.errors import UpstreamTimeout
from resolvers.fields import batch_field, batch_load, load_one


class Thing(msgspec.Struct, frozen=True):
    """One source; its attributes are drawn from its seed, faults included."""

    seed: str
    name: Any
    size: Any
    mood: Any
    parts: Any
    other: Any
    mixed: Any
    ref: Any


class Robot(Thing, frozen=True):
    pass


class Mood(Enum):
    GLAD = "glad"
    SAD = "sad"


class World:
    """One request's context: both executors get their own, of the same seed and fault rate."""

    def __init__(self, seed: int, fault: float) -> None:
        self.seed = seed
        self.fault = fault
        self.loads: dict[Any, Any] = {}
        self.language = "en"

    def rnd(self, key: object) -> Random:
        return Random(f"{self.seed}/{key}")

    def thing(self, seed: str, depth: int = 2) -> Any:
        rnd = self.rnd(seed)

        def maybe(value: Any) -> Any:
            if rnd.random() >= self.fault:
                return value
            return rnd.choice([None, ValueError("broken attribute"), 7, "word", [], object, UpstreamTimeout("dms")])

        cls = Robot if rnd.random() < 0.4 else Thing
        inner = [self.thing(f"{seed}.{n}", depth - 1) for n in range(rnd.randrange(3))] if depth else []
        return cls(
            seed=seed,
            name=maybe(rnd.choice(["a", "汉", ""])),
            size=maybe(rnd.randrange(9)),
            mood=maybe(rnd.choice(list(Mood))),
            parts=maybe([maybe(each) for each in inner]),
            other=maybe(inner[0] if inner else None),
            mixed=maybe(inner[::-1]),
            ref=rnd.choice([None, *(f"k{n}" for n in range(6))]),
        )


@batch_load
async def things(context: World, keys: Sequence[str], *, tone: str = "low") -> Any:
    rnd = context.rnd(f"call {tone}")
    for _ in range(rnd.randrange(3)):
        await asyncio.sleep(0)
    if rnd.random() < context.fault:
        raise UpstreamTimeout("erp")
    found: dict[str, Any] = {}
    for key in keys:
        fate = context.rnd(f"{key} {tone}").random()
        if fate < context.fault:
            found[key] = UpstreamTimeout("dms")
        elif fate < 0.9:
            found[key] = context.thing(f"{key}{tone}")
    return found


@batch_load
async def lists(context: World, keys: Sequence[str]) -> Any:
    await asyncio.sleep(0)
    return {
        key: [context.thing(f"{key}-{n}", 1) for n in range(context.rnd(key).randrange(3))]
        for key in keys
        if key != "k1"
    }


@strawberry.interface
class Named:
    name: str
    size: int | None


def _loud(root: Any) -> str | None:
    return f"{root.name}!"


def _spoken(root: Any, info: strawberry.Info[World, None]) -> str:
    return f"{info.context.language}:{root.name}"


async def _slowly(root: Any, info: strawberry.Info[World, None], times: int = 1) -> str | None:
    for _ in range(times % 3):
        await asyncio.sleep(0)
    if info.context.rnd(f"slow {root.seed}").random() < info.context.fault:
        raise ValueError("broken resolver")
    return f"slow {root.name}"


async def _alone(
    root: Any, info: strawberry.Info[World, None]
) -> Annotated[ThingType, strawberry.lazy(__name__)] | None:
    if root.ref is None:
        return None
    found: Any = await load_one(info.context, things, root.ref)  # type: ignore[arg-type]  # a smaller context
    return found  # type: ignore[no-any-return]  # sources are domain values


_mood = strawberry.enum(Mood)


@strawberry.type(name="Thing")
class ThingType(Named):
    name: str
    size: int | None
    mood: Mood | None
    parts: list[ThingType | None] | None
    other: ThingType | None
    mixed: list[Named] | None
    loud: str | None = strawberry.field(resolver=_loud)
    spoken: str = strawberry.field(resolver=_spoken)
    slowly: str | None = strawberry.field(resolver=_slowly)
    alone: ThingType | None = strawberry.field(resolver=_alone)
    friend: ThingType | None = batch_field(things, key="ref", description="By reference.")
    friends: list[ThingType] | None = batch_field(lists, key=lambda thing: thing.ref, description="Several.")
    all: list[Named | None] | None = batch_field(lists, key="ref", description="Of any type.")

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        return type(source) is Thing or isinstance(source, Robot)


@strawberry.type(name="Robot")
class RobotType(Named):
    name: str
    size: int | None
    model: str = strawberry.field(resolver=lambda root: f"R{root.size}")
    friend: ThingType | None = batch_field(things, key="ref", description="By reference.")

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        return isinstance(source, Robot)


@strawberry.type
class Query:
    @strawberry.field
    @staticmethod
    def things(info: strawberry.Info[World, None]) -> list[ThingType]:
        return [info.context.thing(f"root{n}") for n in range(3)]

    @strawberry.field
    @staticmethod
    async def later(info: strawberry.Info[World, None]) -> list[ThingType | None] | None:
        await asyncio.sleep(0)
        return [info.context.thing(f"later{n}") for n in range(2)]

    @strawberry.field
    @staticmethod
    async def named(info: strawberry.Info[World, None]) -> list[Named]:
        return [info.context.thing(f"named{n}") for n in range(2)]

    @strawberry.field
    @staticmethod
    def one(info: strawberry.Info[World, None]) -> ThingType | None:
        return info.context.thing("one")  # type: ignore[no-any-return]  # sources are domain values


schema = strawberry.Schema(Query, types=[RobotType])
