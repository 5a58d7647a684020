"""The exact way: one value at a time, as the GraphQL specification's section 6.4 and graphql-core have it.

It resolves fields with arguments or I/O, and it completes again whatever a generated function refused, so it decides
every error, path and null. Subtrees that are ordinary after all go back to generated functions. A synchronous error
travels as an exception to the nearest place that may be null; what must be awaited is handed to the run, which comes
back with the value (`deliver`), so nothing here is a coroutine except the walk over an asynchronous iterable.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, located_error
from graphql.execution.executor import Executor, invalid_return_type_error
from graphql.pyutils import Undefined, inspect, is_iterable

from bff.execution.arguments import ArgumentsRefused, located
from bff.execution.errors import BrokenValue
from bff.execution.model import Access, FieldPlan, Kind, Mode, ObjectPlan, ValuePlan
from bff.execution.places import ItemPlaces, OnePlace, Place
from bff.execution.vetting import listed

if TYPE_CHECKING:
    from bff.execution.run import Run

PENDING: Any = object()
"""In place of a completed value that will be put into its place later."""


def select(run: Run, plan: ObjectPlan, source: Any, place: Place, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """All fields of one object; an error that this object cannot hold is raised, already located."""
    row: Any = None
    fields = plan.fields
    # The root has no source as a rule; its resolvers need none.
    if source is not None and len(plan.rest) < len(fields) and (whole := plan.row_of_one) is not None:
        try:
            row = whole(source, run)
        except Exception:
            run.counted_exact(plan)
        else:
            fields = plan.rest
    if row is None:
        row = dict.fromkeys([field.response_key for field in fields])
    if into is not None:
        into.update(row)
        row = into
    for field in fields:
        execute_field(run, field, source, row, place)
    return row  # type: ignore[no-any-return]  # a row is a dict by construction


def execute_field(run: Run, field: FieldPlan, source: Any, row: dict[str, Any], above: Place) -> None:
    key, reading = field.response_key, field.reading
    if reading.access is Access.TYPENAME:
        row[key] = reading.parent_type.name
        return
    place = Place(row, key, above, field.value.catches, reading.parent_type.name)
    try:
        if reading.access is Access.BATCH:
            assert reading.batch_key is not None
            run.ask(field, [reading.batch_key(source)], [row], OnePlace(above))
            return
        value = resolve(run, field, source, place)
        if run.is_awaitable(value):
            run.spawn(value, field, field.value, place)
            return
        completed = complete(run, field, field.value, value, place)
    except Exception as raw:
        error = located_error(raw, run.nodes(place), place.path())
        if not place.catches:
            raise error from raw
        run.errors.append(error)
        row[key] = None
    else:
        row[key] = None if completed is PENDING else completed


def resolve(run: Run, field: FieldPlan, source: Any, place: Place) -> Any:
    reading = field.reading
    if reading.fetch is not None:
        return reading.fetch(source)
    resolver = reading.resolver or run.field_resolver
    if field.arguments is None:
        return resolver(source, run.info(field, place))
    try:
        arguments = field.arguments(run)
    except ArgumentsRefused:
        raise located(run, field, place) from None
    return resolver(source, run.info(field, place), **arguments)


def complete(run: Run, field: FieldPlan, plan: ValuePlan, value: Any, place: Place) -> Any:
    """JSON of `value`, or PENDING, or an exception: first as generated, then exactly."""
    if value is not None and run.generated:
        mark = run.mark()
        try:
            if plan.function is not None:
                return plan.function(value, run)
            if plan.mode is Mode.LEVEL:
                return complete_level(run, plan, value, place)
            if plan.kind is Kind.OBJECT and plan.mode is Mode.ROW:
                return plan.object.row_of_one(value, run)  # type: ignore[misc]  # a generated plan has a row
        except Exception:
            run.roll_back(mark)
            run.counted_exact(plan)
    if isinstance(value, Exception):
        raise value
    if value is None or value is Undefined:
        if plan.non_null:
            raise null_error(field)
        return None
    if plan.kind is Kind.LEAF:
        try:
            completed = Executor.complete_leaf_value(plan.leaf, value)  # type: ignore[arg-type]  # a LEAF plan has one
        except GraphQLError as refusal:
            raise BrokenValue.of(refusal) from refusal
        if run.is_awaitable(completed):
            run.spawn_put(completed, field, place)
            return PENDING
        return completed
    if plan.kind is Kind.LIST:
        return complete_list(run, field, plan, value, place)
    if plan.kind is Kind.OBJECT:
        return complete_object(run, field, plan.object, value, place)
    return complete_abstract(run, field, plan, value, place)


def null_error(field: FieldPlan) -> TypeError:
    return TypeError(f"Cannot return null for non-nullable field {field.reading.title}.")


def complete_level(run: Run, plan: ValuePlan, value: Any, place: Place) -> Any:
    """One object, or one list of objects, of which batch fields are asked together."""
    if plan.kind is Kind.OBJECT:
        level = plan.object.level
        assert level is not None
        return level([value], run, OnePlace(place))[0]
    item = plan.item
    assert item is not None
    level = item.object.level
    assert level is not None
    places = ItemPlaces(place, item.catches)
    # Rows refuse a null among the sources, so a list with nulls is walked item by item instead.
    return level(listed(value), run, places)


def complete_list(run: Run, field: FieldPlan, plan: ValuePlan, value: Any, place: Place) -> Any:
    if run.is_async_iterable(value):
        items: list[Any] = []
        run.spawn_walk(walk(run, field, plan, value, items, place), field, place)
        return items
    if not is_iterable(value):
        raise BrokenValue(f"Expected Iterable, but did not find one for field '{field.reading.title}'.")
    completed: list[Any] = []
    iterator = iter(value)
    try:
        for item in iterator:
            complete_item(run, field, plan, item, completed, place)
    except Exception:
        # Awaitables that nobody will wait for are taken over, so that none is left never awaited.
        with suppress(Exception):
            for item in iterator:
                run.abandon(item)
        raise
    return completed


def complete_item(run: Run, field: FieldPlan, plan: ValuePlan, item: Any, items: list[Any], above: Place) -> None:
    item_plan = plan.item
    assert item_plan is not None
    place = Place(items, len(items), above, item_plan.catches, None)
    try:
        if run.is_awaitable(item):
            run.spawn(item, field, item_plan, place)
            items.append(None)
            return
        completed = complete(run, field, item_plan, item, place)
    except Exception as raw:
        error = located_error(raw, run.nodes(place), place.path())
        if not place.catches:
            raise error from raw
        run.errors.append(error)
        items.append(None)
    else:
        items.append(None if completed is PENDING else completed)


async def walk(
    run: Run, field: FieldPlan, plan: ValuePlan, value: AsyncIterable[Any], items: list[Any], place: Place
) -> None:
    """Complete the items of an asynchronous iterable as they come, into a list that is already in its place."""
    iterator: AsyncIterator[Any] = aiter(value)
    try:
        async for item in iterator:
            complete_item(run, field, plan, item, items, place)
            run.proceed()
    except BaseException:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            with suppress(Exception):
                await close()
        raise


def complete_object(run: Run, field: FieldPlan, plan: ObjectPlan, value: Any, place: Place) -> Any:
    is_type_of = plan.type.is_type_of
    if is_type_of is not None:
        answer: Any = is_type_of(value, run.info(field, place))
        if run.is_awaitable(answer):

            def judge(is_of_type: bool) -> Any:
                if not is_of_type:
                    raise BrokenValue.of(invalid_return_type_error(plan.type, value, run.details(place)))
                return select(run, plan, value, place)

            run.spawn_then(answer, judge, field, place)
            return PENDING
        if not answer:
            raise BrokenValue.of(invalid_return_type_error(plan.type, value, run.details(place)))
    return select(run, plan, value, place)


def complete_abstract(run: Run, field: FieldPlan, plan: ValuePlan, value: Any, place: Place) -> Any:
    abstract = plan.abstract
    assert abstract is not None
    info = run.info(field, place)
    resolve_type = abstract.resolve_type or run.type_resolver
    name: Any = resolve_type(value, info, abstract)

    def as_type(name: Any) -> Any:
        known = plan.objects.get(name) if isinstance(name, str) else None
        if known is None:
            # Always an error here; graphql-core words it.
            try:
                Executor.ensure_valid_runtime_type(
                    run,  # type: ignore[arg-type]  # only its schema is looked at
                    name,
                    abstract,
                    run.details(place),
                    info,
                    value,
                )
            except GraphQLError as refusal:
                raise BrokenValue.of(refusal) from refusal
            raise TypeError(f"'{inspect(name)}' is no possible type of '{abstract}'.")
        if run.generated and (row := known.row_of_one) is not None:
            mark = run.mark()
            try:
                return row(value, run) if known.level is None else known.level([value], run, OnePlace(place))[0]
            except Exception:
                run.roll_back(mark)
                run.counted_exact(known)
        return complete_object(run, field, known, value, place)

    if run.is_awaitable(name):
        run.spawn_then(name, as_type, field, place)
        return PENDING
    return as_type(name)
