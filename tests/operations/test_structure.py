"""Counts are of the document with its spreads written out, and what fits passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from bff.execution import InvalidOperation
from bff.operations.scan import check_text
from bff.operations.structure import check_structure
from bff.profiles import Limits

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "operations").glob("*.graphql"))


def refused(
    document: str, limits: dict[str, int] | None = None, *, introspection: bool = True
) -> dict[str, Any] | None:
    """The refusal's extensions; None where the document passes."""
    try:
        check_structure(parse(document), msgspec.structs.replace(Limits(), **limits or {}), introspection=introspection)
    except InvalidOperation as invalid:
        return invalid.errors[0].extensions
    return None


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_screens_have_room_to_grow_threefold(file: Path) -> None:
    limits = Limits()
    third = {name: getattr(limits, name) // 3 for name in limits.__struct_fields__ if name != "depth"}
    smaller = Limits(**third | {"directives_per_field": 5, "depth": 10})
    check_text(file.read_text(), smaller)
    check_structure(parse(file.read_text()), smaller, introspection=False)


def test_standard_introspection_query_fits() -> None:
    text = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
    check_text(text, Limits())
    assert refused(text) is None


@pytest.mark.parametrize(
    ("document", "limit", "found"),
    [
        ("{a{b{c}}}", "depth", 3),
        ("{a{...F}}fragment F on T{b{c}}", "depth", 3),
        ("{...on Query{a{...{b}}}}", "depth", 2),
        ("{x:a y:b}", "aliases", 2),
        ("{...F ...F}fragment F on Query{x:a}", "aliases", 2),
        ("{a b ...F}fragment F on Query{c{d e}}", "rootFields", 3),
        ("{a @x b @y c{d @z}}", "directives", 3),
        ("query @x{a}", "directives", 1),
        ("{a b{c d}}", "selections", 4),
        ("{...F ...F}fragment F on Query{a b}", "selections", 6),
        ("query A{a} query B{b}", "selections", 2),
        ("{a a a}", "overlaps", 3),
        ("{a{b} a{b}}", "overlaps", 2),
        ("{...F ...G}fragment F on Query{a}fragment G on Query{a}", "overlaps", 1),
        ("{a}fragment Unused on Query{b b}", "overlaps", 1),
        ("{a}fragment Unused on Query{x:b y:b}", "aliases", 2),
    ],
)
def test_count_is_told_where_it_is_one_too_many(document: str, limit: str, found: int) -> None:
    name = {"rootFields": "root_fields"}.get(limit, limit)
    assert refused(document, {name: found}) is None
    told = refused(document, {name: found - 1})
    assert told is not None
    assert (told["limit"], told["found"], told["allowed"]) == (limit, found, found - 1)


def test_fragment_spread_twice_is_merged_as_execution_merges_it() -> None:
    assert refused("{...F ...F}fragment F on Query{a{b}}", {"overlaps": 0}) is None


@pytest.mark.parametrize(
    "document",
    ["{__schema{types{name}}}", '{x:__type(name:"Q"){name}}', "{...F}fragment F on Query{...{__schema{types{name}}}}"],
)
def test_introspection_is_refused_where_it_is_off(document: str) -> None:
    told = refused(document, introspection=False)
    assert told is not None
    assert told["code"] == "INTROSPECTION_DISABLED"
    assert refused(document) is None


def test_typename_is_no_introspection() -> None:
    assert refused("{__typename viewer{__typename}}", introspection=False) is None


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3))
def test_written_out_count_is_what_writing_out_gives(levels: int, spreads: int, fields: int) -> None:
    """Against the document with every spread replaced by its text."""
    own = " ".join(f"f{i}" for i in range(fields))
    inner, total = own, fields
    chain = f"fragment F{levels} on Query{{{own}}}"
    for level in reversed(range(levels)):
        chain += f"fragment F{level} on Query{{{f'...F{level + 1} ' * spreads}}}"
        total = spreads * (1 + total)
        if total < 2_000:
            inner = " ".join([inner] * spreads)
    document = f"{{...F0}}{chain}"
    told = refused(document, {"selections": 0, "root_fields": 10**9, "spreads": 10**9})
    assert told is not None
    assert told["found"] == total + 1
    if total < 2_000:
        plain = refused(f"{{{inner}}}", {"root_fields": 0})
        assert plain is not None
        assert plain["found"] == fields * spreads**levels
