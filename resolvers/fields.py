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

import asyncio
import dataclasses
import inspect
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, cast

from aiodataloader import DataLoader
from strawberry import Info
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField

from bff.calls import advance_to, current_round
from bff.context import RequestContext
from bff.domain.base import Found
from bff.errors import UpstreamUnavailable
from bff.freshness import StaleRead, collect, note
from bff.trace import recording

if TYPE_CHECKING:
    from bff.ports import Ports

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class BatchLoad(Generic[K, V_co]):
    """A named function from keys to values. `parameters` are the field arguments it takes besides."""

    __slots__ = ("function", "name", "parameters")

    def __init__(self, function: Callable[..., Awaitable[Found[K, V_co]]]) -> None:
        self.function = function
        self.name = function.__name__
        self.parameters = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]

    def __call__(self, context: RequestContext, keys: Sequence[K], **arguments: Any) -> Awaitable[Found[K, V_co]]:
        return self.function(context, keys, **arguments)


def port_load(name: str, method: Callable[[Ports], Callable[[Sequence[K]], Awaitable[Found[K, V]]]]) -> BatchLoad[K, V]:
    """A batch load that is one port method: `port_load("centres", lambda ports: ports.centres.centres)`."""

    def call(context: RequestContext, keys: Sequence[K]) -> Awaitable[Found[K, V]]:
        return method(context.ports)(keys)

    call.__name__ = name
    return BatchLoad(call)


def batch_load(function: Callable[..., Awaitable[Found[K, V]]]) -> BatchLoad[K, V]:
    """Declare a batch load: `async (context, keys, *, arguments…) -> Found[key, value]`."""
    return BatchLoad(function)


class BatchField(StrawberryField):
    """A field answered by a batch load. Executors look for `load` and `key`; the resolver below serves all others."""

    load: BatchLoad[Any, Any]
    key: Callable[[Any], Hashable | None]

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.load, copied.key = self.load, self.key
        return copied


def batch_of(field: StrawberryField) -> tuple[BatchLoad[Any, Any], Callable[[Any], Hashable | None]] | None:
    """The load and the key of a batch field, None for any other."""
    return (field.load, field.key) if isinstance(field, BatchField) else None


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
    cache = cache_of(context.loads, context, load, arguments)
    call = cache.calls.get(key)
    if call is not None and call.is_done:
        value, reached = call.answer(key), call.reached
    else:
        value, reached = await cache.loader.load(key)
    advance_to(reached)
    if isinstance(value, Exception):
        raise value
    call = cache.calls.get(key)
    if call is not None and call.stale:
        note(*call.stale)
    return cast("V | None", value)


class Call:
    """One call of a load: its keys' values when it is done, or one error for them all; `reached` is its round.

    `stale` are the old answers that it was given.
    """

    __slots__ = ("_waiting", "error", "found", "is_done", "reached", "stale")

    def __init__(self) -> None:
        self.found: Found[Any, Any] = {}
        self.error: Exception | None = None
        self.is_done = False
        self.reached = 0
        self.stale: list[StaleRead] = []
        self._waiting: list[Callable[[Call], None]] = []

    def answer(self, key: Any) -> Any:
        return self.error if self.error is not None else self.found.get(key)

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits besides the one who asked."""
        return bool(self._waiting)

    def when_done(self, callback: Callable[[Call], None]) -> None:
        self._waiting.append(callback)

    def finish(self) -> None:
        self.is_done = True
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback(self)

    async def wait(self) -> None:
        if not self.is_done:
            done = asyncio.get_running_loop().create_future()
            self.when_done(lambda _: None if done.done() else done.set_result(None))
            await done


class KeyCache:
    """What one request has asked one load, with the same arguments: no key is asked twice, by whoever."""

    __slots__ = ("_loader", "_loading", "arguments", "calls", "context", "load")

    def __init__(self, context: Any, load: BatchLoad[Any, Any], arguments: dict[str, Any]) -> None:
        self.context = context
        self.load = load
        self.arguments = arguments
        self.calls: dict[Any, Call] = {}
        self._loader: DataLoader[Any, Any] | None = None
        self._loading: set[asyncio.Task[Any]] = set()

    def begin(self, keys: Iterable[Any]) -> Call:
        """From now on these keys are being asked; `fetch` must follow."""
        call = Call()
        self.calls.update(dict.fromkeys(keys, call))
        return call

    async def fetch(self, call: Call, keys: Sequence[Any]) -> None:
        """Ask. An error is kept in the call, as it belongs to every key of it."""
        if (spans := recording.get()) is None:
            await self._ask(call, keys)
        else:
            with spans.batch(self.load.name, len(keys)) as span:
                await self._ask(call, keys)
                span.error = call.error

    async def _ask(self, call: Call, keys: Sequence[Any]) -> None:
        call.stale = collect()
        try:
            call.found = await self.load(self.context, keys, **self.arguments)
        except Exception as error:
            call.error = error
        except BaseException:
            # Cancelled: whoever waits besides gets an error, and the keys may be asked anew.
            for key in keys:
                self.calls.pop(key, None)
            call.error = UpstreamUnavailable(self.load.name, "The request was cancelled.")
            raise
        finally:
            call.reached = current_round.get()
            call.finish()

    @property
    def loader(self) -> DataLoader[Any, Any]:
        """For keys that are loaded alone; made on demand, since it must be made inside a running loop."""
        if self._loader is None:
            self._loader = DataLoader(self._fetch_positional, cache=False)
        return self._loader

    async def _fetch_positional(self, keys: list[Any]) -> list[Any]:
        """aiodataloader wants a list in the order of the keys; a call's round travels with each value."""
        keys_once = dict.fromkeys(keys)
        missing = [key for key in keys_once if key not in self.calls]
        if missing:
            task = asyncio.current_task()
            assert task is not None
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)
            await self.fetch(self.begin(missing), missing)
        calls = [self.calls[key] for key in keys]
        for call in calls:
            await call.wait()
        return [_Answer(call.answer(key), call.reached) for key, call in zip(keys, calls, strict=True)]

    def close(self) -> None:
        """No key is asked any more; what is in flight goes on."""
        self._loader = None

    def give_up(self) -> None:
        """Cancel what the data loader has in flight: those who waited for it are gone."""
        for task in self._loading:
            task.cancel()


class _Answer(NamedTuple):
    value: Any
    reached: int


def cache_of(loads: dict[Any, Any], context: Any, load: BatchLoad[Any, Any], arguments: dict[str, Any]) -> KeyCache:
    """The request's cache of a load; `loads` is the request's `context.loads`."""
    identity = identity_of(load, arguments)
    cache = loads.get(identity)
    if cache is None:
        cache = loads[identity] = KeyCache(context, load, arguments)
    return cast(KeyCache, cache)


def forget(loads: dict[Any, Any]) -> None:
    """Nothing that was loaded counts any more. A cache and its data loader know each other: they are parted here.

    Else they, and the request with them, would stay until the collector comes.
    """
    for cache in loads.values():
        if isinstance(cache, KeyCache):
            cache.close()
    loads.clear()


def identity_of(load: BatchLoad[Any, Any], arguments: dict[str, Any]) -> Hashable:
    """Loads with equal arguments are one; lists and input objects count by their content."""
    return (load, *((name, _frozen(arguments[name])) for name in sorted(arguments))) if arguments else load


def _frozen(value: Any) -> Hashable:
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple((name, _frozen(value[name])) for name in sorted(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), *(_frozen(getattr(value, field.name)) for field in dataclasses.fields(value)))
    return cast(Hashable, value)
