"""From columns to calls: what is asked, what this request knows already, and who waits for which call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bff.calls import current_round
from bff.execution import batches
from bff.execution.arguments import batch_arguments
from bff.execution.batches import Column, Group
from resolvers.fields import Call, KeyCache, cache_of, identity_of

if TYPE_CHECKING:
    from bff.execution.run import Run


def gather(run: Run) -> None:
    """Columns → groups, under the round that the present task has reached."""
    columns, run.columns = run.columns, []
    reached = current_round.get()
    for column in columns:
        field = column.field
        try:
            arguments = batch_arguments(run, field, column) if field.arguments is not None else {}
            identity = identity_of(field.reading.load, arguments)
        except Exception as raw:
            for index in range(len(column.rows)):
                run.fail(field, column.place(index), raw)
            continue
        group = run.groups.get(identity)
        if group is None:
            group = run.groups[identity] = Group(field.reading.load, arguments)
        group.columns.append(column)
        if reached > group.round:
            group.round = reached


def flush(run: Run) -> None:
    """Ask every group that is ready."""
    groups, run.groups = run.groups, {}
    for group in groups.values():
        _load(run, group)


def fail(run: Run, column: Column, error: Exception) -> None:
    """An error at every place that asked; a parent without a key asked nothing."""
    for index, key in enumerate(column.keys):
        if key is not None:
            run.fail(column.field, column.place(index), error)


def _load(run: Run, group: Group) -> None:
    if run.detached:
        group.columns = [living for column in group.columns if (living := column.living())]
    cache = cache_of(run.loads, run.context, group.load, group.arguments)
    try:
        keys = group.keys()
    except TypeError as raw:  # a key that cannot be hashed
        for column in group.columns:
            fail(run, column, raw)
        return
    missing = [key for key in keys if key not in cache.calls] if cache.calls else keys
    if missing:
        call = group.call = cache.begin(missing)
        context = run.base.copy()
        context.run(current_round.set, group.round)
        run.start(_call(run, cache, call, missing, group), group, context)
        if len(missing) == len(keys):
            return
    _await_known(run, cache, group, set(missing))


def _await_known(run: Run, cache: KeyCache, group: Group, missing: set[Any]) -> None:
    """Rows whose keys this request has asked before wait for that call, not for the new one."""
    known: dict[int, tuple[Call, list[Column]]] = {}
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
                known.setdefault(id(call), (call, []))[1].append(column.part(indexes))
    group.columns = new
    if not missing:
        for column in new:  # keys that are None, and nothing else
            batches.deliver(run, column, {})
    for call, columns in known.values():
        _when_done(run, call, columns)


def _when_done(run: Run, call: Call, columns: list[Column]) -> None:
    if call.is_done:
        _receive(run, call, columns)
        return
    run.outstanding += 1

    def received(call: Call) -> None:
        run.outstanding -= 1
        for column in columns:
            run.borrowed.remove(column)
        if run.done is None or run.expired:
            return
        try:
            _receive(run, call, columns)
            run.proceed()
        except Exception as bug:
            run.crash(bug)
        run.settle()

    call.when_done(received)
    run.borrowed.extend(columns)


async def _call(run: Run, cache: KeyCache, call: Call, keys: list[Any], group: Group) -> None:
    """The body of a batch's task."""
    try:
        await cache.fetch(call, keys)
    except asyncio.CancelledError as cancelled:
        run.ended_cancelled(cancelled)
        raise
    try:
        _receive(run, call, group.columns)
    except Exception as bug:
        run.crash(bug)
    run.ended()


def _receive(run: Run, call: Call, columns: list[Column]) -> None:
    if run.expired:
        return
    for column in columns:
        if call.error is not None:
            fail(run, column, call.error)
        else:
            batches.deliver(run, column, call.found)
            if call.stale:
                for index, key in enumerate(column.keys):
                    if key is not None:
                        run.note_stale(column.place(index), call.stale)
