"""Level batches: parents are gathered by what they ask, and each question is put once.

A `Column` is one batch field of all rows of a level. Columns that ask the same load with the same arguments are a
`Group`, wherever in the operation they stand; its keys are asked in one call, except those that this request asked
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bff.execution.model import FieldPlan, Kind, Mode, ValuePlan
from bff.execution.places import FieldPlaces, FlatPlaces, Place, Places, SomePlaces
from bff.execution.vetting import Unusual, listed
from resolvers.fields import Call

if TYPE_CHECKING:
    from bff.execution.run import Run


class Column:
    """One batch field of a level: `keys[i]` belongs to `rows[i]`, whose place is `places.at(i)`."""

    __slots__ = ("field", "keys", "places", "rows")

    def __init__(self, field: FieldPlan, keys: list[Any], rows: Sequence[dict[str, Any]], places: Places) -> None:
        self.field = field
        self.keys = keys
        self.rows = rows
        self.places = places

    def place(self, index: int) -> Place:
        return FieldPlaces(self.rows, self.field, self.places).at(index)

    def part(self, indexes: list[int]) -> Column:
        return Column(
            self.field,
            [self.keys[index] for index in indexes],
            [self.rows[index] for index in indexes],
            SomePlaces(self.places, indexes),
        )

    def living(self) -> Column | None:
        """Without the rows that a null has taken out of the response meanwhile."""
        alive = [index for index in range(len(self.rows)) if self.place(index).is_alive()]
        if len(alive) == len(self.rows):
            return self
        return self.part(alive) if alive else None


class Group:
    """Columns that ask one load with the same arguments, and the furthest round that led to any of them."""

    __slots__ = ("arguments", "call", "columns", "load", "round")

    def __init__(self, load: Any, arguments: dict[str, Any]) -> None:
        self.load = load
        self.arguments = arguments
        self.columns: list[Column] = []
        self.round = 0
        self.call: Call | None = None

    def is_wanted(self) -> bool:
        """Whether anybody still reads what the call will find."""
        others = self.call is not None and self.call.is_awaited
        return others or any(column.living() for column in self.columns)

    def keys(self) -> list[Any]:
        """Each key once, in the order of the response."""
        keys = dict.fromkeys(self.columns[0].keys) if self.columns else {}
        for column in self.columns[1:]:
            keys.update(dict.fromkeys(column.keys))
        keys.pop(None, None)
        return list(keys)


def deliver(run: Run, column: Column, found: Any) -> None:
    """Put what a load found into all rows of a column."""
    if run.detached:
        living = column.living()
        if living is None:
            return
        column = living
    if run.generated:
        mark = run.mark()
        try:
            _deliver_generated(run, column, found)
            return
        except Exception:
            run.roll_back(mark)
    failed = {index for index, key in enumerate(column.keys) if isinstance(found.get(key), Exception)}
    if failed:
        for index in failed:
            run.fail(column.field, column.place(index), found[column.keys[index]])
        rest = [index for index in range(len(column.keys)) if index not in failed]
        if rest:
            deliver(run, column.part(rest), found)
        return
    run.counted_exact(column.field.value)
    for index, key in enumerate(column.keys):
        run.deliver(column.field, column.field.value, None if key is None else found.get(key), column.place(index))


def _deliver_generated(run: Run, column: Column, found: Any) -> None:
    field = column.field
    value = field.value
    key = field.response_key
    if value.mode is Mode.ROW:
        complete = value.function
        assert complete is not None
        # The same key means the same value: it is completed once and shared. None is no key, whatever was found for it.
        done = {asked: complete(found.get(asked), run) for asked in dict.fromkeys(column.keys) if asked is not None}
        if len(done) < len(column.keys) and None in column.keys:
            done[None] = complete(None, run)
        for asked, row in zip(column.keys, column.rows, strict=True):
            row[key] = done[asked]
    elif value.mode is Mode.LEVEL:
        values = [None if asked is None else found.get(asked) for asked in column.keys]
        nest(run, field, values, column.rows, column.places)
    else:
        raise Unusual


def nest(run: Run, field: FieldPlan, values: list[Any], rows: Sequence[dict[str, Any]], places: Places) -> None:
    """Complete a level inside a level: `values[i]` goes to `rows[i]`. Raises where anything is unusual."""
    value = field.value
    key = field.response_key
    present = [index for index, each in enumerate(values) if each is not None]
    inside: Places = FieldPlaces(rows, field, places)
    if len(present) < len(values):
        if value.non_null:
            raise Unusual
        values = [values[index] for index in present]
        rows = [rows[index] for index in present]
        inside = SomePlaces(inside, present)
    if not values:
        return
    if value.kind is Kind.OBJECT:
        level = value.object.level
        assert level is not None
        for row, completed in zip(rows, level(values, run, inside), strict=True):
            row[key] = completed
        return
    for row, items in zip(rows, _nest_lists(run, value, values, inside), strict=True):
        row[key] = items


def _nest_lists(run: Run, value: ValuePlan, values: list[Any], places: Places) -> list[list[Any]]:
    """All lists of a level as one list of sources, and back."""
    item = value.item
    assert item is not None
    level = item.object.level
    assert level is not None
    sources: list[Any] = []
    starts: list[int] = []
    for each in values:
        starts.append(len(sources))
        sources.extend(listed(each))
    inside = FlatPlaces(places, item, starts)
    level(sources, run, inside)
    return inside.lists
