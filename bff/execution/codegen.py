"""Plans → Python source → functions. Only the usual case is written; see `vetting` for how the unusual one is told.

What a function needs besides its arguments — functions of other plans, serialisers, fields — stands after them as
parameters with defaults: a look-up of a local variable, no name shared with anybody, and equal texts are equal code,
whichever operations they belong to (`library.code_of`). A GraphQL name appears in the source only inside a string
literal made by `repr`, or as the readable tail of a name (the grammar of GraphQL names is a subset of Python's).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from keyword import iskeyword
from operator import attrgetter
from types import FunctionType
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLSchema,
    GraphQLString,
)
from graphql.execution.execute import default_type_resolver

from bff.execution import vetting
from bff.execution.library import code_of
from bff.execution.model import Access, FieldPlan, Kind, Mode, ObjectPlan, Reading, ValuePlan

# What makes a built-in scalar's value its own JSON. Whatever is not so is serialised by graphql-core's function.
_ITSELF: dict[GraphQLLeafType, str] = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLBoolean: "{v}.__class__ is bool",
    GraphQLInt: "{v}.__class__ is int and -2147483648 <= {v} <= 2147483647",
    GraphQLFloat: "{v}.__class__ is float and {v} - {v} == 0.0",
}

_GLOBALS: dict[str, Any] = {
    "__name__": "bff.execution.generated",
    "__builtins__": builtins,
    "listed": vetting.listed,
    "mappings": vetting.mappings,
    "seen": vetting.seen,
    "admit": vetting.admit,
    "called": vetting.vet_called,
}


def generate_object(plan: ObjectPlan, schema: GraphQLSchema) -> None:
    """Write what a new plan is run by at its level. Its rows are written when it is known who asks for them."""
    if plan.mode is Mode.LEVEL:
        plan.level = _Writer(schema).level(plan).build()


def generate_value(field: FieldPlan, schema: GraphQLSchema) -> None:
    """Write how a new field's value is completed, where it does not come with its object's row.

    Where it does, rows below it are written all the same: level by level, deep operations need no deep stack.
    """
    access = field.reading.access
    if field.value.mode is Mode.ROW and access is not Access.TYPENAME:
        is_boundary = access is not Access.PLAIN or field.value.kind is Kind.LIST
        if is_boundary or field.value.objects:
            writer = _Writer(schema).value(field)
            if is_boundary:
                field.value.function = writer.build()


def generate_missing(root: ObjectPlan, schema: GraphQLSchema) -> None:
    """Write rows for the plans that no other function has asked for: the root, and what the interpreter leads to."""
    for plan in _reachable(root):
        if plan.row is None and plan.rows is None:
            _row_of(plan, schema)


def source_of(root: ObjectPlan, schema: GraphQLSchema) -> str:
    """The text of all functions of an operation, for people: those that are called before those that call them."""
    texts: dict[str, None] = {}
    for plan in reversed(list(_reachable(root))):
        writers = [_Writer(schema).value(field) for field in plan.fields if field.value.function is not None]
        if plan.row is not None:
            writers.append(_Writer(schema).row(plan))
        if plan.rows is not None:
            writers.append(_Writer(schema).rows(plan))
        if plan.level is not None:
            writers.append(_Writer(schema).level(plan))
        texts.update(dict.fromkeys([writer.source for writer in writers]))
    return "\n".join(texts)


def _reachable(root: ObjectPlan) -> Iterator[ObjectPlan]:
    """Each plan of an operation once, callers first."""
    known: dict[int, ObjectPlan] = {}
    stack = [root]
    while stack:
        plan = stack.pop()
        if id(plan) not in known:
            known[id(plan)] = plan
            stack += [below for field in plan.fields for below in field.value.objects.values()]
    return iter(known.values())


def _row_of(plan: ObjectPlan, schema: GraphQLSchema) -> Callable[[Any, Any], dict[str, Any]]:
    if plan.row is None:
        plan.row = _Writer(schema).row(plan).build()
    return plan.row


def _rows_of(plan: ObjectPlan, schema: GraphQLSchema) -> Callable[[Any, Any], list[dict[str, Any]]]:
    if plan.rows is None:
        plan.rows = _Writer(schema).rows(plan).build()
    return plan.rows


class _Writer:
    """Writes one function."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._name = ""
        self._parameters: tuple[str, ...] = ()
        self._lines: list[str] = []
        self._given: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._locals = 0

    @property
    def source(self) -> str:
        head = f"def {self._name}({', '.join([*self._parameters, *self._given])}):"
        return "\n".join([head, *self._lines, ""])

    def build(self) -> Any:
        code = code_of(self.source, f"bff.execution/{self._name}.generated")
        return FunctionType(code, _GLOBALS, code.co_name, tuple(self._given.values()) or None)

    def _give(self, name: str, thing: Any) -> str:
        """The name under which the function has a thing: this one, or this one with a number."""
        known = self._names.get(id(thing))
        if known is None:
            known, number = name, self._numbers.get(name, 1)
            while known in self._given:
                number += 1
                known = f"{name}_{number}"
            self._numbers[name] = number  # or a thousand aliases of one field were tried a thousand times
            self._given[known] = thing
            self._names[id(thing)] = known
        return known

    def _local(self, letter: str) -> str:
        self._locals += 1
        return f"{letter}{self._locals}"

    # --- functions

    def row(self, plan: ObjectPlan) -> _Writer:
        """One source → its part of the response."""
        self._name, self._parameters = f"row_{plan.type.name}", ("s", "run")
        checks, entries = self._parts(plan)
        self._lines = [*_indented(checks, 1), "    return {", *_indented(entries, 2), "    }"]
        return self

    def rows(self, plan: ObjectPlan) -> _Writer:
        """The same for many, as a loop and not as a comprehension of calls: a small row costs no more than the call."""
        self._name, self._parameters = f"rows_{plan.type.name}", ("sources", "run")
        checks, entries = self._parts(plan)
        head = ["    rows = []", "    for s in sources:", *_indented(checks, 2), "        rows.append({"]
        self._lines = [*head, *_indented(entries, 3), "        })", "    return rows"]
        return self

    def level(self, plan: ObjectPlan) -> _Writer:
        """All sources of a level at once: their rows, and the fields that are asked for all of them together."""
        self._name, self._parameters = f"level_{plan.type.name}", ("sources", "run", "places")
        rows = self._give(f"rows_{plan.type.name}", _rows_of(plan, self.schema))
        lines = self._lines = [f"    rows = {rows}(sources, run)", "    places.begin(rows)"]
        for field in plan.rest:
            name = self._give(f"field_{field.response_key}", field)
            access = field.reading.access
            if access is Access.BATCH:
                lines.append(f"    run.ask({name}, [{self._key(field)} for s in sources], rows, places)")
            elif access is not Access.PLAIN or field.value.mode is Mode.EXACT:
                lines.append(f"    run.each({name}, sources, rows, places)")
            elif _is_default(field):
                lines.append(f"    values = [{self._fetched(field, 's.__class__ in mappings')} for s in sources]")
                lines.append(f"    run.nest({name}, values, rows, places)")
            else:
                lines.append(f"    run.nest({name}, [{self._fetched(field)} for s in sources], rows, places)")
        lines.append("    return rows")
        return self

    def value(self, field: FieldPlan) -> _Writer:
        """A raw value → JSON."""
        self._name, self._parameters = f"value_{field.reading.parent_type.name}_{field.reading.name}", ("v", "run")
        self._lines = [f"    return {self._complete(field.value, 'v', field)}"]
        return self

    def _parts(self, plan: ObjectPlan) -> tuple[list[str], list[str]]:
        """What is checked of one source `s`, and its attributes; a batch field's place is null until it is asked."""
        checks = ["if s.__class__ not in seen: admit(s)"]
        if plan.type.is_type_of is not None:
            verify = vetting.verify_function(plan.type, vetting.About(self.schema))
            checks.append(f"{self._give(f'verify_{plan.type.name}', verify)}(s)")
        if any(_is_default(field) for field in plan.fields):
            checks.append("is_mapping = s.__class__ in mappings")
        later = {id(field) for field in plan.rest}
        entries = [
            f"{field.response_key!r}: {'None' if id(field) in later else self._field(field)}," for field in plan.fields
        ]
        return checks, entries

    # --- expressions

    def _field(self, field: FieldPlan) -> str:
        if field.reading.access is Access.TYPENAME:
            return repr(field.reading.parent_type.name)
        return self._complete(field.value, self._fetched(field), field)

    def _fetched(self, field: FieldPlan, is_mapping: str = "is_mapping") -> str:
        """The expression that reads a field from the source `s`."""
        reading = field.reading
        if reading.attribute is not None:
            return _attribute("s", reading.attribute)
        if _is_default(field):
            return f"(s.get({reading.name!r}) if {is_mapping} else getattr(s, {reading.name!r}, None))"
        if reading.fetch is not None:
            return f"called({self._give(f'fetch_{reading.name}', reading.fetch)}(s))"
        return f"called({self._give(f'fetch_{reading.name}', _asking(reading))}(s, run))"

    def _key(self, field: FieldPlan) -> str:
        key: Any = field.reading.batch_key
        if isinstance(key, attrgetter):
            paths = key.__reduce__()[1]
            assert isinstance(paths, tuple)
            if len(paths) == 1:
                expression = "s"
                for part in paths[0].split("."):
                    expression = _attribute(expression, part)
                return expression
        return f"{self._give(f'key_{field.response_key}', key)}(s)"

    def _complete(self, value: ValuePlan, expression: str, field: FieldPlan) -> str:
        """The expression that makes JSON of `expression`, which is evaluated once."""
        if not expression.isidentifier():
            name = self._local("v")
            first = f"({name} := {expression})"
        else:
            name = first = expression
        if value.kind is Kind.LEAF:
            return self._leaf(value, name, first)
        # A null in a non-null place needs no check here: neither `listed` nor a row takes it.
        argument = expression if value.non_null else name
        if value.kind is Kind.LIST:
            body = self._list(value.item, argument, field)
        elif value.kind is Kind.OBJECT:
            row = _row_of(value.object, self.schema)
            body = f"{self._give(f'row_{value.type_name}', row)}({argument}, run)"
        else:
            body = f"{self._pick(value, field)}({argument}, run)"
        return body if value.non_null else f"(None if {first} is None else {body})"

    def _list(self, item: ValuePlan | None, argument: str, field: FieldPlan) -> str:
        assert item is not None
        if item.kind is Kind.OBJECT and item.non_null:
            rows = _rows_of(item.object, self.schema)
            return f"{self._give(f'rows_{item.type_name}', rows)}(listed({argument}), run)"
        name = self._local("x")
        return f"[{self._complete(item, name, field)} for {name} in listed({argument})]"

    def _leaf(self, value: ValuePlan, name: str, first: str) -> str:
        leaf = value.leaf
        assert leaf is not None
        serialise = self._give(f"serialise_{leaf.name}", vetting.serialiser(leaf))
        itself = _ITSELF.get(leaf)
        if itself is not None:
            if value.non_null:
                check = itself.format(v=name).replace(name, first, 1)
                return f"({name} if {check} else {serialise}({name}))"
            return f"({name} if {first} is None or {itself.format(v=name)} else {serialise}({name}))"
        if value.non_null:
            return f"{serialise}({first})"
        return f"(None if {first} is None else {serialise}({name}))"

    def _pick(self, value: ValuePlan, field: FieldPlan) -> str:
        assert value.abstract is not None
        rows = {name: _row_of(plan, self.schema) for name, plan in value.objects.items()}
        resolve_type: Callable[..., Any] = value.abstract.resolve_type or default_type_resolver
        about = vetting.About(self.schema, field.reading)
        pick = vetting.pick_function(value.abstract, rows, resolve_type, about)
        return self._give(f"pick_{value.type_name}", pick)


def _asking(reading: Reading) -> Callable[[Any, Any], Any]:
    """A resolver of the source and of info: one info serves all sources of a request."""
    ask, info_of = reading.ask_with_info, reading.info_of
    assert ask is not None
    assert info_of is not None

    def fetch(source: Any, run: Any) -> Any:
        info = run.infos.get(reading)
        if info is None:
            info = run.infos[reading] = info_of(_raw_info=vetting.AboutRequest(run, reading))
        return ask(source, info)

    return fetch


def _indented(lines: Iterable[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


def _attribute(expression: str, name: str) -> str:
    # A name with two leading underscores is not mangled in a function, but reads badly; a keyword is no attribute.
    if name.isidentifier() and not iskeyword(name):
        return f"{expression}.{name}"
    return f"getattr({expression}, {name!r})"


def _is_default(field: FieldPlan) -> bool:
    return field.reading.access is Access.PLAIN and field.reading.resolver is None
