"""One request's run of a compiled operation: its tasks, its batches, its errors, its end.

Everything synchronous happens in the first turn; what remains is real asyncio tasks, one for each resolver that awaits and
one for each batch call. A task puts its own value in place when it ends, in its own context, so the round that its upstream
calls reached (bff.calls) is what the next batch begins from. A batch is put together when its parents are there and waits
for nobody else: a slow task delays what lies under its own field and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from time import monotonic
from types import CoroutineType
from typing import Any, NamedTuple

from graphql import GraphQLError, located_error
from graphql.execution.values import VariableValues

from bff.calls import current_round
from bff.errors import DeadlineExceeded
from bff.execution import batches, interpret, vetting
from bff.execution.arguments import batch_arguments
from bff.execution.batches import Column, Group
from bff.execution.info import resolve_info
from bff.execution.model import FieldPlan, ObjectPlan, ValuePlan
from bff.execution.places import Place, Places
from bff.execution.shape import Settings, Shape
from resolvers.fields import Call, KeyCache, cache_of, identity_of

GRACE_SECONDS = 0.05
"""How long an answer waits for cancelled tasks to unwind."""


class Waiting(NamedTuple):
    """What a task was started for."""

    value: Any
    field: FieldPlan
    place: Place


class Run:
    """State of one request. `result[0]` is the data; `errors` are located and raw."""

    __slots__ = (
        "arguments", "base", "cancelled", "columns", "context", "deadline", "detached", "done", "errors", "expired", "field_resolver",
        "flush_planned", "generated", "groups",
        "infos", "is_async_iterable", "is_awaitable", "loop", "operation_extensions", "outstanding",
        "own_loads", "prune_planned", "result", "root_value", "schema", "serial", "settings", "shape", "spawned", "tasks", "type_resolver",
        "variable_values",
    )  # fmt: skip

    def __init__(
        self, shape: Shape, settings: Settings, root_value: Any, context: Any, variable_values: VariableValues
    ) -> None:
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
        self.arguments: dict[int, dict[str, Any]] = {}
        self.infos: dict[int, Any] = {}
        self.columns: list[Column] = []
        self.groups: dict[Any, Group] = {}
        self.spawned: list[tuple[Coroutine[Any, Any, None], Waiting]] = []
        # What each task answers, for the deadline and for places that a null took away.
        self.tasks: dict[asyncio.Task[None], Waiting | Group] = {}
        self.cancelled: dict[asyncio.Task[None], Waiting | Group] = {}
        self.outstanding = 0
        self.flush_planned = False
        self.prune_planned = False
        self.detached = False
        self.expired = False
        self.deadline: float | None = getattr(context, "deadline", None)
        self.own_loads: dict[Any, Any] = {}
        self.done: asyncio.Future[None] | None = None
        self.loop: asyncio.AbstractEventLoop
        self.base: Context

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
        if self.detached and self.spawned:
            alive = [each for each in self.spawned if each[1].place.is_alive()]
            for coroutine, waiting in self.spawned:
                if not waiting.place.is_alive():
                    coroutine.close()
                    _close(waiting.value)
            self.spawned = alive
        return bool(self.spawned or self.columns)

    def _execute_serially(self, root: ObjectPlan, row: dict[str, Any], place: Place) -> Awaitable[None] | None:
        """Root fields of a mutation, each with all that lies under it, one after the other (section 6.3.1)."""
        fields = iter(root.fields)

        def proceed() -> bool:
            for field in fields:
                if self.result[0] is not row:
                    break
                row[field.response_key] = None
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
        self.loads.clear()

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
            self.proceed(first=True)
            if self.outstanding or self.flush_planned:
                await self.done
        finally:
            if timer is not None:
                timer.cancel()
            ended = self.done.done() and not self.done.cancelled()
            self.done = None
            if self.tasks or self.spawned or self.cancelled:
                await self._reap(GRACE_SECONDS if ended else None)

    async def _reap(self, timeout: float | None) -> None:
        """Nothing stays behind: an answer waits a moment for what it gave up, a cancelled run as long as it takes."""
        for coroutine, waiting in self.spawned:
            coroutine.close()
            _close(waiting.value)
        self.spawned.clear()
        for task in list(self.tasks):
            self._cancel(task)
        if self.cancelled:
            await asyncio.wait(self.cancelled, timeout=timeout)
            for task, what in self.cancelled.items():
                if task.done() and isinstance(what, Waiting):
                    _close(what.value)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        # Accounted for here: a task that never began has no chance to do it itself.
        self.cancelled[task] = self.tasks.pop(task)
        self.outstanding -= 1
        task.cancel()

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
        if self.is_awaitable(value):
            _close(value)

    def _spawn(self, value: Awaitable[Any], put: Callable[[Any], None], field: FieldPlan, place: Place) -> None:
        self.spawned.append((self._resolve(value, put, field, place), Waiting(value, field, place)))

    async def _resolve(self, value: Awaitable[Any], put: Callable[[Any], None], field: FieldPlan, place: Place) -> None:
        """The body of a resolver's task."""
        try:
            resolved = await value
            if not self.expired:
                put(resolved)
        except Exception as raw:
            self.fail(field, place, raw)
        except asyncio.CancelledError as cancelled:
            self._end_cancelled(cancelled)
            raise
        self._end()

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

    def fail(self, field: FieldPlan, place: Place, raw: Exception) -> None:
        """Null at the place, or above it, and an error; nothing if the place is gone."""
        if not place.is_alive():
            return
        self.errors.append(located_error(raw, field.nodes, place.path()))
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
                if not any(column.living() for column in what.columns):
                    self._cancel(task)
            elif not what.place.is_alive():
                self._cancel(task)
        self._settle()

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
        for coroutine, waiting in self.spawned[spawned:]:
            coroutine.close()
            _close(waiting.value)
        del self.spawned[spawned:]
        del self.columns[columns:]

    listed = staticmethod(vetting.listed)

    def proceed(self, *, first: bool = False) -> None:
        """Start what has become ready. Called at the end of each turn of work."""
        while self.spawned or self.columns or self.groups:
            if self.spawned:
                self._start()
            if self.columns:
                self._gather()
            if self.groups:
                if self.outstanding and not first:
                    # Another task may end in this very turn of the loop and ask the same load: one call for both.
                    if not self.flush_planned:
                        self.flush_planned = True
                        self.loop.call_soon(self._flush_planned, context=self.base)
                    return
                self._flush()

    def _start(self) -> None:
        spawned, self.spawned = self.spawned, []
        for coroutine, waiting in spawned:
            if self.detached and not waiting.place.is_alive():
                coroutine.close()
                _close(waiting.value)
                continue
            task = self.loop.create_task(coroutine)
            self.tasks[task] = waiting
            self.outstanding += 1

    def _gather(self) -> None:
        """Columns → groups, under the round that the present task has reached."""
        columns, self.columns = self.columns, []
        reached = current_round.get()
        for column in columns:
            field = column.field
            try:
                arguments = batch_arguments(self, field, lambda column=column: column.place(0))  # type: ignore[misc]  # a default binds it
                identity = identity_of(field.load, arguments)
            except Exception as raw:
                for index in range(len(column.rows)):
                    self.fail(field, column.place(index), raw)
                continue
            group = self.groups.get(identity)
            if group is None:
                group = self.groups[identity] = Group(field.load, arguments)
            group.columns.append(column)
            group.round = max(group.round, reached)

    def _flush_planned(self) -> None:
        self.flush_planned = False
        if self.done is None or self.expired:
            return
        try:
            self._flush()
            self.proceed()
        except Exception as bug:
            self._crash(bug)
        self._settle()

    def _flush(self) -> None:
        groups, self.groups = self.groups, {}
        for group in groups.values():
            self._load(group)

    def _load(self, group: Group) -> None:
        if self.detached:
            group.columns = [living for column in group.columns if (living := column.living())]
        cache = cache_of(self.loads, self.context, group.load, group.arguments)
        try:
            keys = group.keys()
        except TypeError as raw:  # a key that cannot be hashed
            for column in group.columns:
                for index in range(len(column.rows)):
                    self.fail(column.field, column.place(index), raw)
            return
        missing = [key for key in keys if key not in cache.calls] if cache.calls else keys
        if missing:
            call = cache.begin(missing)
            context = self.base.copy()
            context.run(current_round.set, group.round)
            task = self.loop.create_task(self._call(cache, call, missing, group), context=context)
            self.tasks[task] = group
            self.outstanding += 1
            if len(missing) == len(keys):
                return
        self._await_known(cache, group, set(missing))

    def _await_known(self, cache: KeyCache, group: Group, missing: set[Any]) -> None:
        """Rows whose keys this request has asked before wait for that call, not for the new one."""
        parts: dict[int, tuple[Call, list[Column]]] = {}
        new: list[Column] = []
        for column in group.columns:
            by_call: dict[int, tuple[Call | None, list[int]]] = {}
            for index, key in enumerate(column.keys):
                call = None if key is None or key in missing else cache.calls[key]
                by_call.setdefault(id(call), (call, []))[1].append(index)
            for call, indexes in by_call.values():
                if call is None:
                    new.append(column.part(indexes))
                else:
                    parts.setdefault(id(call), (call, []))[1].append(column.part(indexes))
        group.columns = new
        if not missing:
            for column in new:  # keys that are None alone
                batches.deliver(self, column, {}, False)
        for call, columns in parts.values():
            self._when_done(call, columns)

    def _when_done(self, call: Call, columns: list[Column]) -> None:
        if call.is_done:
            self._receive(call, columns)
            return
        self.outstanding += 1

        def received(call: Call) -> None:
            self.outstanding -= 1
            if self.done is not None and not self.expired:
                self._receive(call, columns)
                self.proceed()
                self._settle()

        call.when_done(received)

    async def _call(self, cache: KeyCache, call: Call, keys: list[Any], group: Group) -> None:
        """The body of a batch's task."""
        try:
            await cache.fetch(call, keys)
        except asyncio.CancelledError as cancelled:
            self._end_cancelled(cancelled)
            raise
        try:
            self._receive(call, group.columns)
        except Exception as bug:
            self._crash(bug)
        self._end()

    def _receive(self, call: Call, columns: list[Column]) -> None:
        if self.expired:
            return
        for column in columns:
            if call.error is not None:
                for index in range(len(column.rows)):
                    self.fail(column.field, column.place(index), call.error)
            else:
                batches.deliver(self, column, call.found, call.has_errors)

    # --- ends

    def _end(self) -> None:
        """A task has put its value: start what waited for it, or finish."""
        if not self._leave() or self.done is None or self.expired:
            return
        try:
            self.proceed()
        except Exception as bug:
            self._crash(bug)
        self._settle()

    def _leave(self) -> bool:
        """The current task is over; False if it had been given up already."""
        task = asyncio.current_task()
        if task is None or self.tasks.pop(task, None) is None:
            return False
        self.outstanding -= 1
        return True

    def _crash(self, bug: Exception) -> None:
        """An error of ours must end the request, not leave it waiting."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(bug)

    def _end_cancelled(self, cancelled: asyncio.CancelledError) -> None:
        # Not cancelled by us: a resolver that raises the cancellation itself ends the request, as under graphql-core.
        if self._leave() and self.done is not None and not self.done.done():
            self.done.set_exception(cancelled)

    def _settle(self) -> None:
        done = self.done
        if done is not None and not done.done() and not self.outstanding and not self.flush_planned:
            done.set_result(None)

    def _expire(self) -> None:
        """The deadline: what is still pending is null, each with its error; the rest is answered."""
        self.expired = True
        for what in [*self.tasks.values(), *self.groups.values()]:
            if isinstance(what, Group):
                for column in what.columns:
                    for index in range(len(column.rows)):
                        self.fail(column.field, column.place(index), DeadlineExceeded())
            else:
                self.fail(what.field, what.place, DeadlineExceeded())
        self.groups.clear()
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def counted_exact(self, plan: ObjectPlan | ValuePlan) -> None:
        """A generated function refused a value; rows that it had begun are not in the response."""
        self.detached = True
        name = plan.type.name if isinstance(plan, ObjectPlan) else plan.type_name
        self.shape.fallbacks.add(f"unusual value, completed exactly: {name}")

    def info(self, field: FieldPlan, place: Place) -> Any:
        return resolve_info(self, field, place)


def _close(value: Any) -> None:
    if isinstance(value, CoroutineType):
        value.close()
