"""One request's run of a compiled operation: its values, its errors, its end.

Everything synchronous happens in the first turn; what remains is real asyncio tasks, one for each resolver that
awaits and one for each batch call. A task puts its own value in place when it ends, in its own context, so the round
that its upstream calls reached (bff.calls) is what the next batch begins from. A batch is put together when its
parents are there and waits for nobody else: a slow task delays what lies under its own field and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from time import monotonic
from types import CoroutineType
from typing import Any

from graphql import FieldNode, GraphQLError, located_error
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues

from bff.errors import DeadlineExceeded
from bff.execution import batches, interpret, loading
from bff.execution.batches import Column, Group
from bff.execution.info import resolve_info
from bff.execution.model import FieldPlan, ObjectPlan, Reading, ValuePlan
from bff.execution.places import Place, Places
from bff.execution.settings import Settings
from bff.execution.shape import Shape
from bff.execution.tasks import GRACE_SECONDS, Tasks, Waiting
from bff.freshness import StaleRead, collect
from resolvers.fields import KeyCache, forget


class Run(Tasks):
    """State of one request. `result[0]` is the data; `errors` are located and raw."""

    __slots__ = (
        "arguments",
        "batch_arguments",
        "borrowed",
        "columns",
        "context",
        "deadline",
        "detached",
        "errors",
        "field_resolver",
        "generated",
        "groups",
        "infos",
        "is_async_iterable",
        "is_awaitable",
        "operation_extensions",
        "own_loads",
        "prune_planned",
        "result",
        "root_value",
        "schema",
        "serial",
        "settings",
        "shape",
        "type_resolver",
        "variable_values",
    )

    def __init__(
        self, shape: Shape, settings: Settings, root_value: Any, context: Any, variable_values: VariableValues
    ) -> None:
        super().__init__()
        self.shape = shape
        self.serial = shape.serial
        self.schema = shape.schema
        self.settings = settings
        self.generated = shape.generated
        self.field_resolver = settings.field_resolver
        self.type_resolver = settings.type_resolver
        self.is_awaitable: Callable[[Any], bool] = settings.is_awaitable
        self.is_async_iterable: Callable[[Any], bool] = settings.is_async_iterable
        self.root_value = root_value
        self.context = context
        self.variable_values = variable_values
        self.operation_extensions: dict[str, Any] | None = None
        self.result: list[Any] = [None]
        self.errors: list[GraphQLError] = []
        self.arguments: dict[Any, dict[str, Any]] = {}
        self.batch_arguments: dict[FieldPlan, dict[str, Any]] = {}
        self.infos: dict[Reading, Any] = {}
        self.columns: list[Column] = []
        self.groups: dict[Any, Group] = {}
        # Columns that wait for a call of somebody else.
        self.borrowed: list[Column] = []
        self.prune_planned = False
        # Whether anything may have lost its place in the response: only then places are looked at.
        self.detached = False
        self.deadline: float | None = getattr(context, "deadline", None)
        self.own_loads: dict[Any, Any] = {}

    # --- the whole

    def execute(self) -> Awaitable[None] | None:
        """Begin. None means that nothing had to be awaited and the result stands; else await what is returned."""
        root = self.shape.root
        place = Place(self.result, 0, None, True, None)
        row: dict[str, Any] = {}
        self.result[0] = row
        if self.serial:
            return self._execute_serially(root, row, place)
        try:
            interpret.select(self, root, self.root_value, place, into=row)
        except GraphQLError as error:
            self._fail_whole(error)
        return self._drive() if self._is_busy() else None

    def _is_busy(self) -> bool:
        if self.detached:
            self.drop_spawned(dead_only=True)
        return bool(self.spawned or self.columns)

    def _execute_serially(self, root: ObjectPlan, row: dict[str, Any], place: Place) -> Awaitable[None] | None:
        """Root fields of a mutation, each with all that lies under it, one after the other (section 6.3.1)."""
        fields = iter(root.fields)

        def proceed() -> bool:
            for field in fields:
                if self.result[0] is not row:
                    break
                row[field.response_key] = None
                if self.expired:
                    late = Place(row, field.response_key, place, field.value.catches, field.reading.parent_type.name)
                    self.fail(field, late, DeadlineExceeded())
                    continue
                try:
                    interpret.execute_field(self, field, self.root_value, row, place)
                except GraphQLError as error:
                    self._fail_whole(error)
                if self._is_busy():
                    return True
                self._forget_loads()
            return False

        async def rest() -> None:
            await self._drive()
            self._forget_loads()
            while proceed():
                await self._drive()
                self._forget_loads()

        return rest() if proceed() else None

    def _forget_loads(self) -> None:
        """The next mutation may change what was read; it and what follows must see the change."""
        forget(self.loads)

    def _fail_whole(self, error: GraphQLError) -> None:
        self.errors.append(error)
        self.result[0] = None
        self.detached = True

    @property
    def loads(self) -> dict[Any, Any]:
        """The request's batch cache, shared with resolvers that load a key alone."""
        return getattr(self.context, "loads", self.own_loads)

    async def _drive(self) -> None:
        """Until nothing is outstanding. A cancelled run cancels all that it started and waits for it."""
        self.loop = asyncio.get_running_loop()
        self.base = copy_context()
        self.done = self.loop.create_future()
        timer = None
        if self.deadline is not None:
            timer = self.loop.call_later(self.deadline - monotonic(), self._expire)
        try:
            self._start()
            loading.gather(self)
            loading.flush(self)
            self.proceed()
            if self.outstanding or self.flush_planned:
                await self.done
        finally:
            if timer is not None:
                timer.cancel()
            ended = self.done.done() and not self.done.cancelled()
            self.done = None
            if self.tasks or self.spawned or self.cancelled:
                for cache in self.loads.values():
                    if isinstance(cache, KeyCache):
                        cache.give_up()
                await self.reap(GRACE_SECONDS if ended else None)

    # --- resolvers that await

    def spawn(self, value: Awaitable[Any], field: FieldPlan, plan: ValuePlan, place: Place) -> None:
        """Await `value`, then complete it into its place."""

        def put(resolved: Any) -> None:
            self.deliver(field, plan, resolved, place)

        self._spawn(value, put, field, place)

    def spawn_then(self, value: Awaitable[Any], then: Callable[[Any], Any], field: FieldPlan, place: Place) -> None:
        """Await `value`; what `then` makes of it is completed already."""

        def put(resolved: Any) -> None:
            if place.is_alive():
                completed = then(resolved)
                place.container[place.key] = None if completed is interpret.PENDING else completed

        self._spawn(value, put, field, place)

    def spawn_put(self, value: Awaitable[Any], field: FieldPlan, place: Place) -> None:
        self.spawn_then(value, lambda completed: completed, field, place)

    def spawn_walk(self, walk: Coroutine[Any, Any, None], field: FieldPlan, place: Place) -> None:
        self._spawn(walk, lambda _: None, field, place)

    def abandon(self, value: Any) -> None:
        """An awaitable whose place is gone already."""
        if isinstance(value, CoroutineType):
            value.close()

    def _spawn(self, value: Awaitable[Any], put: Callable[[Any], None], field: FieldPlan, place: Place) -> None:
        self.spawned.append((self._resolve(value, put, field, place), Waiting(value, field, place)))

    async def _resolve(self, value: Awaitable[Any], put: Callable[[Any], None], field: FieldPlan, place: Place) -> None:
        """The body of a resolver's task."""
        reads = collect()
        try:
            resolved = await value
            if not self.expired:
                put(resolved)
                if reads:
                    self.note_stale(place, reads)
        except Exception as raw:
            self.fail(field, place, raw)
        except asyncio.CancelledError as cancelled:
            self.ended_cancelled(cancelled)
            raise
        self.ended()

    def deliver(self, field: FieldPlan, plan: ValuePlan, value: Any, place: Place) -> None:
        """Complete a value that was waited for."""
        if self.detached and not place.is_alive():
            return
        try:
            completed = interpret.complete(self, field, plan, value, place)
        except Exception as raw:
            self.fail(field, place, raw)
        else:
            place.container[place.key] = None if completed is interpret.PENDING else completed

    def note_stale(self, place: Place, reads: list[StaleRead]) -> None:
        """What stands at this place came from old answers."""
        noted = getattr(self.context, "stale", None)
        if noted is not None and place.is_alive():
            noted.extend((place.path(), read) for read in reads)

    def fail(self, field: FieldPlan, place: Place, raw: Exception) -> None:
        """Null at the place, or above it, and an error; nothing if the place is gone."""
        if not place.is_alive():
            return
        self.errors.append(located_error(raw, self.nodes(place), place.path()))
        place.put_null()
        if not place.catches:
            self.detached = True
            if not self.prune_planned and not self.expired:
                self.prune_planned = True
                self.loop.call_soon(self._prune)

    def _prune(self) -> None:
        """Nobody will read what lies under a null: stop working on it."""
        self.prune_planned = False
        if self.done is None or self.done.done():
            return
        for task, what in list(self.tasks.items()):
            if isinstance(what, Group):
                if not what.is_wanted():
                    self.give_up(task)
            elif not what.place.is_alive():
                self.give_up(task)
        self.settle()

    # --- batches

    def ask(self, field: FieldPlan, keys: list[Any], rows: Sequence[dict[str, Any]], places: Places) -> None:
        """Called by generated functions: a batch field of a whole level."""
        self.columns.append(Column(field, keys, rows, places))

    def nest(self, field: FieldPlan, values: list[Any], rows: Sequence[dict[str, Any]], places: Places) -> None:
        """Called by generated functions: objects inside the objects of a level."""
        batches.nest(self, field, values, rows, places)

    def each(self, field: FieldPlan, sources: list[Any], rows: Sequence[dict[str, Any]], places: Places) -> None:
        """Called by generated functions: a field that is resolved for one source at a time."""
        for index, source in enumerate(sources):
            interpret.execute_field(self, field, source, rows[index], places.at(index))

    def mark(self) -> tuple[int, int, int]:
        """Where a generated function begins, for `roll_back`."""
        return len(self.errors), len(self.spawned), len(self.columns)

    def roll_back(self, mark: tuple[int, int, int]) -> None:
        """Forget what a generated function did before it refused: the interpreter does it again."""
        errors, spawned, columns = mark
        del self.errors[errors:]
        if len(self.spawned) > spawned:
            self.drop_spawned(spawned)
        del self.columns[columns:]

    def proceed(self) -> None:
        """Start what has become ready. Called at the end of each turn of work."""
        while self.spawned or self.columns or self.groups:
            self._start()
            loading.gather(self)
            if not self.groups:
                return
            if self.outstanding:
                # Another task may end in this very turn of the loop and ask the same load: one call for both.
                if not self.flush_planned:
                    self.flush_planned = True
                    self.loop.call_soon(self._flush_planned, context=self.base)
                return
            loading.flush(self)

    def _start(self) -> None:
        spawned, self.spawned = self.spawned, []
        for coroutine, waiting in spawned:
            if self.detached and not waiting.place.is_alive():
                coroutine.close()
                waiting.close()
            else:
                self.start(coroutine, waiting)

    def _flush_planned(self) -> None:
        self.flush_planned = False
        if self.done is None or self.expired:
            return
        try:
            loading.flush(self)
            self.proceed()
        except Exception as bug:
            self.crash(bug)
        self.settle()

    def _expire(self) -> None:
        """The deadline: what is still pending is null, each with its error; the rest is answered."""
        self.expired = True
        pending = [*self.tasks.values(), *self.groups.values()]
        self.groups.clear()
        for what in pending:
            if isinstance(what, Waiting):
                is_write = self.serial and what.place.container is self.result[0]
                self.fail(what.field, what.place, DeadlineExceeded(began_write=is_write))
        columns = [column for what in pending if isinstance(what, Group) for column in what.columns]
        for column in [*columns, *self.borrowed]:
            loading.fail(self, column, DeadlineExceeded())
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def counted_exact(self, plan: ObjectPlan | ValuePlan) -> None:
        """A generated function refused a value; rows that it had begun are not in the response."""
        self.detached = True
        name = plan.type.name if isinstance(plan, ObjectPlan) else plan.type_name
        self.shape.fallbacks.add(f"unusual value, completed exactly: {name}")

    def info(self, field: FieldPlan, place: Place) -> Any:
        return resolve_info(self, field, place)

    def details(self, place: Place) -> list[FieldDetails]:
        """What of the operation is selected at a place."""
        return self.shape.details(place, self.variable_values)

    def nodes(self, place: Place) -> list[FieldNode]:
        return self.shape.nodes(place, self.variable_values)
