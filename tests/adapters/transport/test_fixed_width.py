"""Fixed-width layouts: what fits is read, what does not is pointed at by its byte."""

from __future__ import annotations

import pytest

from adapters.transport.fixed_width import BadRecord, Field, Layout, Line, lines

LAYOUT = Layout(Field("order", 4, "[0-9]{1,4}"), Field("code", 2, "[A-Z]{2}"), Field("note", 3, "[a-z]*"))


def test_fields_come_without_their_padding() -> None:
    assert LAYOUT.width == 9
    assert LAYOUT.read(Line(0, b"47  AB   ")) == ("47", "AB", "")


@pytest.mark.parametrize(
    ("content", "position", "fields"),
    [
        (b"4x  ABabc", 100, ()),
        (b"4711A-abc", 104, ("4711",)),
        (b"4711A", 105, ("4711",)),
        (b"4711AB\xe4bc", 106, ("4711", "AB")),
        (b"4711ABabcd", 109, ("4711", "AB", "abc")),
        (b"", 100, ()),
    ],
)
def test_the_first_wrong_byte_is_named(content: bytes, position: int, fields: tuple[str, ...]) -> None:
    with pytest.raises(BadRecord) as raised:
        LAYOUT.read(Line(100, content))
    assert (raised.value.position, raised.value.fields) == (position, fields)


def test_lines_know_where_they_begin() -> None:
    assert [(line.position, line.content) for line in lines(b"ab\r\n\r\ncd\r\n")] == [(0, b"ab"), (4, b""), (6, b"cd")]


def test_a_last_line_without_its_end_means_a_cut_body() -> None:
    with pytest.raises(BadRecord, match="byte 6: the body ends inside a record"):
        lines(b"ab\r\ncd")
