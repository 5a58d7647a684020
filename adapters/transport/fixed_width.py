"""Fixed-width records: a layout is declared once, and what is wrong is reported by its byte position.

Positions count from 0 over the whole body, so that they can be looked up in the file as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec


class BadRecord(ValueError):
    """A record that does not fit its layout. `position` is the byte in the body; `fields` are those read before it."""

    def __init__(self, position: int, reason: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"byte {position}: {reason}")
        self.position = position
        self.fields = fields


class Field(msgspec.Struct, frozen=True):
    """`width` bytes, blank-padded on the right; what is left without the padding must match `pattern` in full."""

    name: str
    width: int
    pattern: str


class Line(msgspec.Struct, frozen=True):
    """One line of a body without its end, and where it begins."""

    position: int
    content: bytes


class Layout:
    """Fields side by side, nothing between them."""

    def __init__(self, *fields: Field) -> None:
        ends = list(accumulate(field.width for field in fields))
        self.width = ends[-1]
        self._parts = [
            (field.name, end - field.width, end, re.compile(field.pattern))
            for field, end in zip(fields, ends, strict=True)
        ]

    def read(self, line: Line) -> tuple[str, ...]:
        """The fields without their padding, in order. Raises BadRecord at the first byte that is wrong."""
        values: list[str] = []
        for name, start, end, pattern in self._parts:
            raw = line.content[start:end]
            at = line.position + start
            try:
                value = raw.decode("ascii").rstrip(" ")
            except UnicodeDecodeError as error:
                raise BadRecord(at + error.start, f"{name} has a byte beyond ASCII", tuple(values)) from None
            if len(raw) < end - start:
                raise BadRecord(at + len(raw), f"the record ends inside {name}", tuple(values))
            if pattern.fullmatch(value) is None:
                raise BadRecord(at, f"{name} is malformed: {value!r}", tuple(values))
            values.append(value)
        if len(line.content) > self.width:
            raise BadRecord(line.position + self.width, f"more than {self.width} bytes", tuple(values))
        return tuple(values)


def lines(body: bytes) -> Sequence[Line]:
    """The CRLF-ended lines of a body. Raises BadRecord where the last one has no end: the body was cut."""
    return list(_lines(body))


def _lines(body: bytes) -> Iterator[Line]:
    start = 0
    while start < len(body):
        end = body.find(b"\r\n", start)
        if end < 0:
            raise BadRecord(len(body), "the body ends inside a record")
        yield Line(start, body[start:end])
        start = end + 2
