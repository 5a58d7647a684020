"""Random operations of the service's own schema, with values that answers have shown, and with odd ones."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInputType,
    GraphQLSchema,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)

from tests.execution.generate_operation import Operations

CONDITIONS = {"yes": "$yes: Boolean! = true", "no": "$no: Boolean! = false"}
ODD: Mapping[str, list[Any]] = {
    "String": ["", "  ", "\0", "a\0b", "x" * 500, "\U0001f697" * 20, "../../etc", "%00%0a", "' OR 1=1--", "<a>&amp;",
               "\n", "\u202e", "\\", "{}", "-1", "9" * 30, "\ufffe", "\x7f", "\u2028"],
    "ID": ["", "x", "VmVoaWNsZTo=", "\0", "U2VydmljZUJvb2tpbmc6AAAA", "x" * 3000],
    "Int": [0, -1, 2**31 - 1, -(2**31)],
    "Date": ["0001-01-01", "9999-12-31", "2026-02-30", "x", ""],
    "DateTime": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2026-11-22T10:00:00", "0001-01-01", "x", ""],
}  # fmt: skip
ORDINARY: Mapping[str, list[Any]] = {
    "String": ["x", "zh", "CN", "phone"],
    "ID": ["nothing"],
    "Int": [1, 2, 3, 5, 10],
    "Float": [1.5],
    "Boolean": [True, False],
    "Date": ["2026-11-23", "2026-11-28"],
    "DateTime": ["2026-11-23T10:00:00+08:00"],
}


class Shown:
    """Values by the name under which an answer showed them: an argument of that name takes one."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, part: Any) -> None:
        if isinstance(part, list):
            for each in part:
                self.note(each)
        elif isinstance(part, dict):
            for name, each in part.items():
                if isinstance(each, str):
                    known = self._values[name]
                    if each not in known and len(known) < 50:
                        known.append(each)
                else:
                    self.note(each)

    def for_argument(self, name: str) -> list[str]:
        lower = name.lower()
        if lower.endswith(("id", "ids", "booking")):
            return self._values["id"]
        return self._values.get(name) or (self._values["code"] if "code" in lower else [])


class RealOperations(Operations):
    """`odd` is the share of arguments that have a value which nobody sends by intention."""

    def __init__(self, rnd: Random, schema: GraphQLSchema, shown: Shown, *, odd: float = 0.0) -> None:
        super().__init__(rnd, schema)
        self.shown = shown
        self.odd = odd
        self.budget = rnd.choice([15, 40, 90])
        self.variables: dict[str, Any] = {}
        """What is to be sent with the operation."""
        self._definitions: list[str] = []

    def query(self) -> str:
        return self._declared("query", self.selections(self.schema.query_type, self.rnd.randint(2, 7)))

    def mutation(self) -> str:
        """One root field with all of its arguments."""
        root = self.schema.mutation_type
        assert root is not None
        return self._declared("mutation", "{ " + self.field(root, self.rnd.choice(list(root.fields)), 3) + " }")

    def arguments(self, definition: GraphQLField) -> list[str]:
        rnd = self.rnd
        return [
            f"{name}: {self._argument(argument.type, name)}"
            for name, argument in definition.args.items()
            if is_required_argument(argument) or rnd.random() < (0.03 if name in ("after", "before", "last") else 0.4)
        ]

    def _argument(self, of: GraphQLInputType, name: str) -> str:
        value = self._value(of, name)
        if self.rnd.random() < 0.6:
            return _written(value)
        variable = f"v{len(self.variables)}"
        self._definitions.append(f"${variable}: {of}")
        self.variables[variable] = value
        return f"${variable}"

    def _declared(self, kind: str, body: str) -> str:
        text = "\n".join([body, *self.fragments])
        for name, written in CONDITIONS.items():
            if f"${name})" in text:
                self._definitions.append(written)
                self.variables[name] = self.rnd.random() < 0.5
        return f"{kind} Example{'(' + ', '.join(self._definitions) + ')' if self._definitions else ''} {text}"

    def _value(self, of: GraphQLInputType, name: str) -> Any:
        rnd = self.rnd
        if is_non_null_type(of):
            return self._value(of.of_type, name)
        if is_list_type(of):
            return [self._value(of.of_type, name) for _ in range(rnd.randint(1, 2))]
        if is_enum_type(of):
            return _Word(rnd.choice(list(of.values)))
        if is_input_object_type(of):
            return {
                key: self._value(member.type, key)
                for key, member in of.fields.items()
                if is_required_input_field(member) or rnd.random() < 0.4
            }
        return self._scalar(get_named_type(of).name, name)

    def _scalar(self, scalar: str, name: str) -> Any:
        rnd = self.rnd
        if name == "idempotencyKey":
            return f"key-{rnd.randrange(10**12):012}"
        if rnd.random() < self.odd and scalar in ODD:
            return rnd.choice(ODD[scalar])
        shown = self.shown.for_argument(name) if scalar in ("String", "ID") else []
        if shown and rnd.random() < 0.85:
            return rnd.choice(shown)
        return rnd.choice(ORDINARY.get(scalar) or ["x"])


class _Word(str):
    """The name of an enum's value: a string as JSON, without quotes as a literal."""


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_written(each)}" for name, each in value.items()) + "}"
    return str(value) if isinstance(value, _Word) else json.dumps(value)
