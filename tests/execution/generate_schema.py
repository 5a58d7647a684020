"""Random schemas over random data: every value is a function of its seed, so that two executors see the same world.

The data is endless: a `Node` makes the value of a field when it is asked, from its own seed and the field's name.
Faults are part of the world: nulls, exceptions returned and raised, leaves of the wrong class, awaitables where
nobody expects them, iterators that can be walked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

COLOUR = GraphQLEnumType("Colour", {"RED": "r", "GREEN": "g", "BLUE": 3})


def _tick(value: Any) -> Any:
    if value == "refused":
        raise ValueError("this tick is refused")
    return None if value == "nothing" else f"tick {value}"


TICK = GraphQLScalarType("Tick", serialize=_tick, parse_value=lambda value: value)
ONE_OF = GraphQLInputObjectType(
    "OneOf", {"word": GraphQLInputField(GraphQLString), "number": GraphQLInputField(GraphQLInt)}, is_one_of=True
)
PAGE = GraphQLInputObjectType(
    "Page",
    {
        "first": GraphQLInputField(GraphQLInt, default_value=2),
        "words": GraphQLInputField(GraphQLList(GraphQLNonNull(GraphQLString))),
        "choice": GraphQLInputField(ONE_OF),
    },
)
ARGUMENTS = {
    "page": PAGE,
    "colour": COLOUR,
    "count": GraphQLInt,
    "word": GraphQLString,
    "share": GraphQLFloat,
    "key": GraphQLID,
    "flag": GraphQLBoolean,
    "one": ONE_OF,
}


@dataclass
class World:
    """How the data of one example behaves."""

    seed: int
    fault: float
    is_async: bool
    types: dict[str, GraphQLObjectType] = field(default_factory=dict)
    schema: GraphQLSchema = None  # type: ignore[assignment]  # set when the schema is built

    def value(self, seed: str, output_type: Any) -> Any:
        """The value at a seed: mostly what the type wants."""
        rnd = Random(f"{self.seed}/{seed}")
        if rnd.random() < self.fault:
            return self._fault(rnd)
        inner = output_type.of_type if is_non_null_type(output_type) else output_type
        if not is_non_null_type(output_type) and rnd.random() < 0.15:
            return None
        if is_list_type(inner):
            return self._list(rnd, seed, inner.of_type)
        if is_object_type(inner):
            return self.node(rnd, seed, inner)
        if is_abstract_type(inner):
            return self.node(rnd, seed, rnd.choice(self.schema.get_possible_types(inner)))
        return _leaf(rnd, inner)

    def node(self, rnd: Random, seed: str, object_type: GraphQLObjectType) -> Any:
        return (MappingNode if rnd.random() < 0.3 else Node)(self, seed, object_type)

    def _fault(self, rnd: Random) -> Any:
        kind = rnd.randrange(9)
        if kind == 0:
            raise ValueError(f"raised {rnd.randrange(3)}")
        faults: list[Any] = [
            None,
            ValueError("returned"),
            "text",
            12,
            [],
            {},
            3.5,
            object,
            [None],
            [ValueError("in a list")],
        ]
        return rnd.choice(faults)

    def _list(self, rnd: Random, seed: str, item_type: Any) -> Any:
        items: list[Any] = []
        for index in range(rnd.randrange(4)):
            try:
                items.append(self.value(f"{seed}.{index}", item_type))
            except ValueError as error:
                items.append(error)
        shape = rnd.random()
        if shape < 0.1:
            return tuple(items)
        if shape < 0.2:
            return _once(items, fails=rnd.random() < self.fault)
        if self.is_async and shape < 0.35:
            return _later(items, fails=rnd.random() < self.fault)
        if self.is_async and shape < 0.5:
            return [_wait(rnd.randrange(3), item) if rnd.random() < 0.5 else item for item in items]
        return items


async def _wait(turns: int, value: Any) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def _once(items: list[Any], *, fails: bool) -> Iterator[Any]:
    yield from items
    if fails:
        raise ValueError("iterator broke")


async def _later(items: list[Any], *, fails: bool) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if fails:
        raise ValueError("stream broke")


def _leaf(rnd: Random, leaf: Any) -> Any:
    odd = rnd.random() < 0.1
    if leaf is GraphQLInt:
        return rnd.choice([True, 4.0, "7", 2**31, 1.5, "x"]) if odd else rnd.randrange(-5, 2**31)
    if leaf is GraphQLFloat:
        return rnd.choice([True, 3, "2.5", float("nan"), float("inf"), "x"]) if odd else rnd.random()
    if leaf is GraphQLBoolean:
        return rnd.choice([1, 0.0, "x"]) if odd else rnd.random() < 0.5
    if leaf is GraphQLID:
        return rnd.choice([5, 2.0, True, b"x"]) if odd else f"id{rnd.randrange(9)}"
    if leaf is COLOUR:
        return "purple" if odd else rnd.choice(["r", "g", 3])
    if leaf is TICK:
        return rnd.choice(["refused", "nothing"]) if odd else rnd.randrange(9)
    return rnd.choice([5, True, 2.5, b"x", ["x"]]) if odd else rnd.choice(["a", "bé", "", "汉"])


class Node:
    """One object: its attributes are made when they are read."""

    def __init__(self, world: World, seed: str, object_type: GraphQLObjectType) -> None:
        self.world, self.seed, self.type = world, seed, object_type

    def make(self, name: str, **arguments: Any) -> Any:
        key = f"{self.seed}.{name}{sorted(arguments.items())}"
        return self.world.value(key, self.type.fields[name].type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.type.fields:
            raise AttributeError(name)
        return self.make(name)


class MappingNode(Node, Mapping[str, Any]):
    """The same as a mapping."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.type.fields:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.type.fields)

    def __len__(self) -> int:
        return len(self.type.fields)


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    return source.make(info.field_name, **arguments)


def _resolve_async(turns: int) -> Any:
    async def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        return await _wait(turns, source.make(info.field_name, **arguments))

    return resolve


def random_world(rnd: Random) -> tuple[World, GraphQLSchema]:
    """A schema of objects, interfaces and a union, and the world behind it."""
    world = World(seed=rnd.randrange(2**16), fault=rnd.choice([0.0, 0.0, 0.03, 0.15]), is_async=rnd.random() < 0.5)
    interfaces = [_interface(rnd, world, number) for number in range(rnd.randrange(3))]
    objects: list[GraphQLObjectType] = []
    union_members: list[GraphQLObjectType] = []
    union = GraphQLUnionType("Any", lambda: union_members, resolve_type=_type_resolver(rnd, world))
    leaves = [GraphQLString, GraphQLInt, GraphQLFloat, GraphQLBoolean, GraphQLID, COLOUR, TICK]

    def wrapped(inner: Any) -> Any:
        if rnd.random() < 0.35:
            inner = GraphQLNonNull(inner)
        if rnd.random() < 0.35:
            inner = GraphQLList(inner)
            if rnd.random() < 0.15:
                inner = GraphQLList(GraphQLNonNull(inner) if rnd.random() < 0.5 else inner)
            if rnd.random() < 0.35:
                inner = GraphQLNonNull(inner)
        return inner

    def new_field(composite: bool) -> GraphQLField:
        pool: list[Any] = [*objects, *interfaces, *([union] if union_members else [])] if composite else leaves
        arguments = {}
        if rnd.random() < 0.25:
            name = rnd.choice(list(ARGUMENTS))
            arguments[name] = GraphQLArgument(ARGUMENTS[name])  # type: ignore[arg-type]  # all are input types
        access = rnd.random()
        resolve: Any = _resolve
        if world.is_async and access < 0.3:
            resolve = _resolve_async(rnd.randrange(3))
        elif access < 0.7 and not arguments:
            resolve = None
        return GraphQLField(wrapped(rnd.choice(pool)), args=arguments, resolve=resolve)

    count = rnd.randint(2, 4)
    for number in range(count):
        own = rnd.sample(interfaces, rnd.randint(0, len(interfaces)))
        objects.append(
            GraphQLObjectType(f"O{number}", {}, interfaces=own, is_type_of=_predicate(rnd, world, f"O{number}"))
        )
    union_members.extend(rnd.sample(objects, rnd.randint(1, count)))
    for each in objects:
        fields = {name: field for interface in each.interfaces for name, field in interface.fields.items()}
        fields |= {f"{each.name.lower()}l{n}": new_field(False) for n in range(rnd.randint(1, 4))}
        fields |= {f"{each.name.lower()}c{n}": new_field(True) for n in range(rnd.randint(0, 3))}
        fields |= {f"l{n}": new_field(False) for n in range(2)}
        each.fields.update(fields)
    query = GraphQLObjectType("Query", {f"q{n}": new_field(n > 0) for n in range(4)})
    mutation = GraphQLObjectType("Mutation", {f"m{n}": new_field(n > 0) for n in range(3)})
    schema = GraphQLSchema(query, mutation, types=objects)
    world.schema = schema
    world.types = {each.name: each for each in objects}
    return world, schema


def _interface(rnd: Random, world: World, number: int) -> GraphQLInterfaceType:
    fields = {
        f"i{number}": GraphQLField(GraphQLString, resolve=_resolve if rnd.random() < 0.5 else None),
        f"j{number}": GraphQLField(GraphQLNonNull(GraphQLInt)),
    }
    return GraphQLInterfaceType(f"I{number}", fields, resolve_type=_type_resolver(rnd, world))


def _type_resolver(rnd: Random, world: World) -> Any:
    kind = rnd.random()
    if kind < 0.2:
        return None  # the default one, by predicates

    def resolve_type(value: Any, info: Any, abstract: Any) -> Any:
        name = value.type.name if isinstance(value, Node) else None
        if kind < 0.3 and isinstance(value, Node) and len(value.seed) % 7 == 0:
            return "Nowhere"
        return _wait(1, name) if world.is_async and kind > 0.8 else name

    return resolve_type


def _predicate(rnd: Random, world: World, name: str) -> Any:
    kind = rnd.random()
    if kind < 0.4:
        return None

    def is_type_of(value: Any, info: Any) -> Any:
        answer = isinstance(value, Node) and value.type.name == name
        if kind > 0.9:
            answer = answer and info.path is not None
        return _wait(1, answer) if world.is_async and kind < 0.55 else answer

    return is_type_of


def composite(output_type: Any) -> bool:
    named = get_named_type(output_type)
    return is_object_type(named) or is_abstract_type(named)
