"""Fields that cross to another upstream: one port call for a whole level of the answer.

A *batch load* is a function from the keys of all parents to a mapping of values. It is declared once, at module level:

    @batch_load
    async def warranties(context: RequestContext, keys: Sequence[VehicleRef]) -> Found[VehicleRef, list[Warranty]]:
        return await context.ports.vehicles.warranties(keys)

and a field names it, with the attribute of its parent that is the key:

    warranties: list[Warranty] | None = batch_field(warranties, key="ref", description="…")

A missing key is null; a key whose value is a `BffError` is null with that error at its own path. Keyword-only
parameters of the load become arguments of the field. `bff.execution` collects a level's keys and calls the load once;
under plain graphql-core the same field goes through one aiodataloader for the load, so the schema means the same either
way. A key that a resolver needs alone is loaded with `await load_one(context, warranties, ref)`, which shares the
request's cache.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

from aiodataloader import DataLoader
from strawberry import Info
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField

from bff.calls import advance_to, current_round
from bff.context import RequestContext
from bff.domain.base import Found
from bff.errors import BffError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BatchLoad(Generic[K, V]):
    """A named function from keys to values. `parameters` are the field arguments it takes besides."""

    __slots__ = ("function", "name", "parameters")

    def __init__(self, function: Callable[..., Awaitable[Found[K, V]]]) -> None:
        self.function = function
        self.name = function.__name__
        self.parameters = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]

    def __call__(self, context: RequestContext, keys: Sequence[K], **arguments: Any) -> Awaitable[Found[K, V]]:
        return self.function(context, keys, **arguments)


def batch_load(function: Callable[..., Awaitable[Found[K, V]]]) -> BatchLoad[K, V]:
    """Declare a batch load: `async (context, keys, *, arguments…) -> Found[key, value]`."""
    return BatchLoad(function)


class BatchField(StrawberryField):
    """A field answered by a batch load. Executors look for `load` and `key`; the resolver below serves all others."""

    load: BatchLoad[Any, Any]
    key: Callable[[Any], Hashable | None]


def batch_field(
    load: BatchLoad[K, V],
    *,
    key: str | Callable[[Any], K | None],
    description: str,
    name: str | None = None,
    graphql_type: Any = None,
    directives: Sequence[object] = (),
    deprecation_reason: str | None = None,
) -> Any:
    """A nullable field whose value is `load`'s answer for this parent's `key` (an attribute path, or a function).

    A parent whose key is None has no value and causes no call.
    """
    key_of = attrgetter(key) if isinstance(key, str) else key
    field = BatchField(
        graphql_name=name,
        description=description,
        type_annotation=StrawberryAnnotation.from_annotation(graphql_type) if graphql_type is not None else None,
        directives=directives,
        deprecation_reason=deprecation_reason,
    )
    field.load, field.key = load, key_of
    resolved = field(_one_by_one(load, key_of))
    return cast(Any, resolved)


def _one_by_one(load: BatchLoad[Any, Any], key_of: Callable[[Any], Hashable | None]) -> Callable[..., Awaitable[Any]]:
    """The field as graphql-core knows fields: one parent at a time, gathered by the request's data loader."""

    async def resolve(root: Any, info: Any, **arguments: Any) -> Any:
        wanted = key_of(root)
        return None if wanted is None else await load_one(info.context, load, wanted, **arguments)

    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    resolve.__name__ = resolve.__qualname__ = load.name
    resolve.__module__ = load.function.__module__
    resolve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Strawberry reads arguments from
        [
            inspect.Parameter("root", positional, annotation=Any),
            inspect.Parameter("info", positional, annotation=Info),
            *load.parameters,
        ]
    )
    return resolve


async def load_one(context: RequestContext, load: BatchLoad[K, V], key: K, **arguments: Any) -> V | None:
    """The value of one key, batched with others asked for in the same turn of the loop, cached for the request.

    Raises the key's error; a key that does not exist is None.
    """
    identity = (load, *sorted(arguments.items())) if arguments else load
    loader = context.loads.get(identity)
    if loader is None:
        loader = context.loads[identity] = DataLoader(_positional(context, load, arguments))
    value, reached = await loader.load(key)
    advance_to(reached)
    if isinstance(value, BffError):
        raise value
    return cast("V | None", value)


def _positional(
    context: RequestContext, load: BatchLoad[Any, Any], arguments: dict[str, Any]
) -> Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]:
    """aiodataloader wants a list in the order of the keys; the round that the call reached travels with each value."""

    async def load_keys(keys: list[Any]) -> list[Any]:
        found = await load(context, keys, **arguments)
        reached = current_round.get()
        return [(found.get(key), reached) for key in keys]

    return load_keys
