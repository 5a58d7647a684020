"""Addresses and system query options: the documented subset, refused as strictly as the real service does.

path     A_SalesOrder | A_SalesOrder('4711') | A_SalesOrder('4711')/to_Item, keys with one property or by name
$filter  `name eq 'text'` with and, or and parentheses, over string properties
$expand, $top, $skip, $inlinecount=allpages|none, $format=json
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sandbox.erp.errors import bad_request, not_found, not_implemented
from sandbox.erp.schema import ENTITY_SETS

_RESOURCE = re.compile(r"(\w+)(?:\((.*)\))?(?:/(\w+))?", re.DOTALL)
_KEY = re.compile(r"(?:(\w+)=)?'((?:[^']|'')*)'")
_TOKEN = re.compile(r"\s*(?:(\()|(\))|'((?:[^']|'')*)'|([A-Za-z_]\w*))")
Test = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Resource:
    entity_set: str
    key: dict[str, str] | None
    navigation: str | None


@dataclass(frozen=True, slots=True)
class Options:
    test: Test
    expand: frozenset[str]
    top: int | None
    skip: int
    count: bool


def resource(path: str) -> Resource:
    """`path` is relative to the service root and still percent-encoded."""
    match = _RESOURCE.fullmatch(unquote(path))
    if match is None or match[1] not in ENTITY_SETS:
        raise not_found(path)
    kind = ENTITY_SETS[match[1]]
    if match[3] is not None and (match[3] not in kind.navigations or match[2] is None):
        raise not_found(match[3])
    return Resource(match[1], None if match[2] is None else _key(match[1], match[2]), match[3])


def _key(entity_set: str, text: str) -> dict[str, str]:
    names, found, position = ENTITY_SETS[entity_set].key, {}, 0
    while match := _KEY.match(text, position):
        name = match[1] or (names[0] if len(names) == 1 else "")
        found[name] = match[2].replace("''", "'")
        position = match.end()
        if position == len(text):
            break
        if text[position] != ",":
            raise bad_request("Malformed URI literal syntax in key")
        position += 1
    if position != len(text) or found.keys() != set(names):
        raise bad_request(f"Invalid key predicate: the key is {', '.join(names)}")
    return found


def options(query: str, entity_set: str) -> Options:
    """`query` is the raw query string: a `+` is a plus, never a blank."""
    given = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        given[unquote(name)] = unquote(value)
    if unknown := given.keys() - {"$filter", "$expand", "$top", "$skip", "$inlinecount", "$format", "sap-client"}:
        raise not_implemented(f"System query option '{min(unknown)}' is not supported")
    if given.get("$format", "json") != "json":
        raise not_implemented("$format is json")
    if given.get("$inlinecount", "none") not in ("allpages", "none"):
        raise bad_request("$inlinecount is allpages or none")
    expand = frozenset(filter(None, given.get("$expand", "").split(",")))
    if not expand <= ENTITY_SETS[entity_set].navigations.keys():
        raise bad_request(f"Invalid navigation property in $expand: {', '.join(expand)}")
    top, skip = (_count(given[name]) if name in given else None for name in ("$top", "$skip"))
    test = _Filter(given["$filter"], entity_set).read() if "$filter" in given else lambda _row: True
    return Options(test, expand, top, skip or 0, given.get("$inlinecount") == "allpages")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise bad_request("$top and $skip are whole numbers")
    return int(text)


def _either(left: Test, right: Test) -> Test:
    return lambda row: left(row) or right(row)


def _both(left: Test, right: Test) -> Test:
    return lambda row: left(row) and right(row)


class _Filter:
    """Recursive descent over: or := and ('or' and)*; and := term ('and' term)*; term := '(' or ')' | name eq 'text'."""

    def __init__(self, text: str, entity_set: str) -> None:
        self.properties = ENTITY_SETS[entity_set].properties
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise bad_request(f"Invalid token detected at position {position} of $filter")
            self.tokens.append((("(", ")", "text", "word")[(match.lastindex or 1) - 1], match[match.lastindex or 1]))
            position = match.end()

    def read(self) -> Test:
        test = self._or()
        if self.tokens:
            raise bad_request(f"$filter does not end at '{self.tokens[0][1]}'")
        return test

    def _or(self) -> Test:
        test = self._and()
        while self._word("or"):
            test = _either(test, self._and())
        return test

    def _and(self) -> Test:
        test = self._term()
        while self._word("and"):
            test = _both(test, self._term())
        return test

    def _term(self) -> Test:
        kind, value = self._next()
        if kind == "(":
            test = self._or()
            if self._next()[0] != ")":
                raise bad_request("$filter lacks a closing parenthesis")
            return test
        if kind != "word" or value not in self.properties:
            raise bad_request(f"Property {value} not found in $filter")
        if self.properties[value].type != "Edm.String":
            raise not_implemented("$filter compares string properties only")
        if not self._word("eq"):
            raise not_implemented("$filter knows eq, and, or")
        kind, literal = self._next()
        if kind != "text":
            raise bad_request("$filter compares with a text in single quotes")
        wanted = literal.replace("''", "'")
        return lambda row: bool(row[value] == wanted)

    def _next(self) -> tuple[str, str]:
        if not self.tokens:
            raise bad_request("$filter ends too early")
        return self.tokens.pop(0)

    def _word(self, word: str) -> bool:
        if self.tokens and self.tokens[0] == ("word", word):
            self.tokens.pop(0)
            return True
        return False
