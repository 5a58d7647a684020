"""Where a value goes in the response, and where a null travels when it must not stay.

A `Place` is a slot in a result container and knows the place above it. It gives a path for errors and tells whether the
place still belongs to the response: a container that was replaced by null is no longer found from above. Level batches
keep their places folded (`Places`): one object for the whole level, unfolded only for a row that went wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Protocol

from graphql.pyutils import Path

from bff.execution.model import FieldPlan, ValuePlan

Step = tuple[str, str]
"""The name of an object type, and a response key selected on it."""


class Place:
    """`container[key]` is null until the value comes. The root place has nothing above and is no part of a path."""

    __slots__ = ("above", "catches", "container", "key", "typename")

    def __init__(self, container: Any, key: Any, above: Place | None, catches: bool, typename: str | None) -> None:
        self.container = container
        self.key = key
        self.above = above
        self.catches = catches
        self.typename = typename

    def path(self) -> list[str | int]:
        keys: list[str | int] = []
        place = self
        while place.above is not None:
            keys.append(place.key)
            place = place.above
        keys.reverse()
        return keys

    def steps(self) -> tuple[Step, ...]:
        """The path without the numbers of items: what leads through the operation."""
        steps: list[Step] = []
        place = self
        while place.above is not None:
            if place.typename is not None:
                steps.append((place.typename, place.key))
            place = place.above
        steps.reverse()
        return tuple(steps)

    def core_path(self) -> Path:
        """The same as graphql-core's linked list, for resolve info."""
        if self.above is None or self.above.above is None:
            return Path(None, self.key, self.typename)
        return Path(self.above.core_path(), self.key, self.typename)

    def is_alive(self) -> bool:
        """Whether the value still reaches the client: no container above was replaced by null."""
        place = self
        try:
            while place.above is not None:
                above = place.above
                if above.container[above.key] is not place.container:
                    return False
                place = above
        except IndexError:  # a list that was given up before this item's turn
            return False
        return True

    def put_null(self) -> None:
        """Null here, or at the nearest place above that may be null (GraphQL specification, section 6.4.4)."""
        place = self
        while not place.catches and place.above is not None:
            place = place.above
        place.container[place.key] = None


class Places(Protocol):
    """The places of a level's rows, by index. `begin` is told the rows before any place is asked for."""

    def begin(self, rows: list[dict[str, Any]]) -> None: ...

    def at(self, index: int) -> Place: ...


class OnePlace:
    """A level of one object."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place

    def begin(self, rows: list[dict[str, Any]]) -> None:
        pass

    def at(self, index: int) -> Place:
        return self.place


class ItemPlaces:
    """The items of one list, which is the level's rows."""

    __slots__ = ("catches", "items", "place")

    def __init__(self, place: Place, catches: bool) -> None:
        self.place = place
        self.catches = catches
        self.items: list[Any] = []

    def begin(self, rows: list[dict[str, Any]]) -> None:
        self.items = rows

    def at(self, index: int) -> Place:
        return Place(self.items, index, self.place, self.catches, None)


class FieldPlaces:
    """One field of every row of a level."""

    __slots__ = ("above", "field", "rows")

    def __init__(self, rows: Sequence[dict[str, Any]], field: FieldPlan, above: Places) -> None:
        self.rows = rows
        self.field = field
        self.above = above

    def begin(self, rows: list[dict[str, Any]]) -> None:
        pass

    def at(self, index: int) -> Place:
        field = self.field
        return Place(
            self.rows[index],
            field.response_key,
            self.above.at(index),
            field.value.catches,
            field.reading.parent_type.name,
        )


class SomePlaces:
    """Those of a level that have a value."""

    __slots__ = ("indexes", "places")

    def __init__(self, places: Places, indexes: list[int]) -> None:
        self.places = places
        self.indexes = indexes

    def begin(self, rows: list[dict[str, Any]]) -> None:
        pass

    def at(self, index: int) -> Place:
        return self.places.at(self.indexes[index])


class FlatPlaces:
    """The items of all lists of a level, one list after the other. `starts[n]` is where list n begins."""

    __slots__ = ("item", "lists", "places", "starts")

    def __init__(self, places: Places, item: ValuePlan, starts: list[int]) -> None:
        self.places = places
        self.item = item
        self.starts = starts
        self.lists: list[list[Any]] = []

    def begin(self, rows: list[dict[str, Any]]) -> None:
        ends = [*self.starts[1:], len(rows)]
        self.lists = [rows[start:end] for start, end in zip(self.starts, ends, strict=True)]

    def at(self, index: int) -> Place:
        number = bisect_right(self.starts, index) - 1
        start = self.starts[number]
        return Place(self.lists[number], index - start, self.places.at(number), self.item.catches, None)
