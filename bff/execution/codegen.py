"""Plans → Python source → functions. Only the usual case is written; see `vetting` for how the unusual one is told.

Names in the source are numbered; a GraphQL name appears only inside a string literal made by `repr`, or as the readable
tail of a function's name (the grammar of GraphQL names is a subset of Python's identifiers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from keyword import iskeyword
from operator import attrgetter
from typing import Any
from zlib import compress, decompress

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLSchema,
    GraphQLString,
)
from graphql.execution.execute import default_type_resolver

from bff.execution import vetting
from bff.execution.model import Access, FieldPlan, Kind, Mode, ObjectPlan, ValuePlan

# What makes a built-in scalar's value its own JSON. Whatever is not so is serialised by graphql-core's function.
_ITSELF: dict[GraphQLLeafType, str] = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLBoolean: "{v}.__class__ is bool",
    GraphQLInt: "{v}.__class__ is int and -2147483648 <= {v} <= 2147483647",
    GraphQLFloat: "{v}.__class__ is float and {v} - {v} == 0.0",
}


_ROW, _ROWS = "row", "rows"
"""Functions of one source, and of many."""


class Generator:
    """Writes one operation's functions and puts them into its plans."""

    def __init__(self, schema: GraphQLSchema, fragments: Any, operation: Any, file_name: str) -> None:
        self.schema = schema
        self.fragments = fragments
        self.operation = operation
        self.file_name = file_name
        self.lines: list[str] = []
        self.packed = b""
        self._names = 0
        self._picks = 0
        self._functions: dict[tuple[str, int], str] = {}
        self._known: dict[tuple[str, str], str] = {}
        self.namespace: dict[str, Any] = {
            "__name__": "bff.execution.generated",
            "__loader__": self,
            "listed": vetting.listed,
            "mappings": vetting.mappings,
            "seen": vetting.seen,
            "admit": vetting.admit,
            "called": vetting.vet_called,
        }
        self._leaves: dict[int, str] = {}

    def get_source(self, name: str) -> str:
        """How linecache finds the source for a traceback."""
        return decompress(self.packed).decode()

    def generate(self, objects: Iterable[ObjectPlan], fields: Iterable[FieldPlan]) -> None:
        objects, fields = list(objects), list(fields)
        for plan in objects:
            if plan.mode is Mode.LEVEL:
                self._level(plan)
        boundaries = [
            field
            for field in fields
            if field.value.mode is Mode.ROW and field.access in (Access.BATCH, Access.RESOLVER, Access.PLAIN)
            if field.access is not Access.PLAIN or field.value.kind is Kind.LIST
        ]
        for field in boundaries:
            self._value(field)
        for plan in objects:
            if (_ROWS, plan.number) not in self._functions:
                self._name(_ROW, plan)
        source = "\n".join(self.lines) + "\n"
        exec(compile(source, self.file_name, "exec"), self.namespace)  # noqa: S102  # written above, from plans alone
        for plan in objects:
            row = self._functions.get((_ROW, plan.number))
            rows = self._functions.get((_ROWS, plan.number), "")
            plan.row = _first_of(self.namespace[rows]) if row is None else self.namespace[row]
            plan.level = self.namespace.get(_level_name(plan))
        for field in boundaries:
            field.value.function = self.namespace[f"value_{field.number}"]
        _untie(objects, fields)
        # Kept as long as the plan is: the source alone, for whoever wants to look at it.
        self.packed = compress(source.encode())
        self.lines, self._known, self._functions, self._leaves = [], {}, {}, {}

    # --- functions

    def _name(self, kind: str, plan: ObjectPlan) -> str:
        """The function of a plan. The same fields of the same type in another place are the same function."""
        name = self._functions.get((kind, plan.number))
        if name is None:
            outer, self._names = self._names, 0
            body = self._row(plan) if kind == _ROW else self._rows(plan)
            self._names = outer
            identity = (plan.type.name, body)
            name = self._known.get(identity)
            if name is None:
                name = self._known[identity] = f"{kind}_{len(self._known)}_{plan.type.name}"
                self.lines += [f"def {name}({'s' if kind == _ROW else 'sources'}, run):", body]
            self._functions[kind, plan.number] = name
        return name

    def _row(self, plan: ObjectPlan) -> str:
        checks, entries = self._parts(plan)
        return "\n".join([*_indented(checks, 1), "    return {", *_indented(entries, 2), "    }"])

    def _rows(self, plan: ObjectPlan) -> str:
        """A loop, not a comprehension of calls: a small row costs no more than the call would."""
        checks, entries = self._parts(plan)
        lines = ["    rows = []", "    for s in sources:", *_indented(checks, 2), "        rows.append({"]
        return "\n".join([*lines, *_indented(entries, 3), "        })", "    return rows"])

    def _parts(self, plan: ObjectPlan) -> tuple[list[str], list[str]]:
        """What is checked of one source `s`, and its attributes; a batch field's place is null until it is asked."""
        checks = ["if s.__class__ not in seen: admit(s)"]
        if plan.type.is_type_of is not None and plan.sample is not None:
            about = vetting.About(self.schema, plan.sample, self.fragments, self.operation)
            self.namespace[f"verify_{plan.number}"] = vetting.verify_function(plan.type, about)
            checks.append(f"verify_{plan.number}(s)")
        if any(_is_default(field) for field in plan.fields):
            checks.append("is_mapping = s.__class__ in mappings")
        later = {field.number for field in plan.rest}
        entries = [
            f"{field.response_key!r}: {'None' if field.number in later else self._field(field)},"
            for field in plan.fields
        ]
        return checks, entries

    def _level(self, plan: ObjectPlan) -> None:
        lines: list[str] = []
        write = lines.append
        write(f"def {_level_name(plan)}(sources, run, places):")
        write(f"    rows = {self._name(_ROWS, plan)}(sources, run)")
        write("    places.begin(rows)")
        for field in plan.rest:
            name = f"field_{field.number}"
            self.namespace[name] = field
            if field.access is Access.BATCH:
                write(f"    run.ask({name}, [{self._key(field)} for s in sources], rows, places)")
            elif field.access is not Access.PLAIN or field.value.mode is Mode.EXACT:
                write(f"    run.each({name}, sources, rows, places)")
            elif _is_default(field):
                write(f"    values = [{self._fetched(field, 's.__class__ in mappings')} for s in sources]")
                write(f"    run.nest({name}, values, rows, places)")
            else:
                write(f"    run.nest({name}, [{self._fetched(field)} for s in sources], rows, places)")
        write("    return rows")
        self.lines += lines

    def _value(self, field: FieldPlan) -> None:
        self._names = 0
        body = self._complete(field.value, "v", field)
        self.lines += [f"def value_{field.number}(v, run):  # {field.title}", f"    return {body}"]

    # --- expressions

    def _field(self, field: FieldPlan) -> str:
        if field.access is Access.TYPENAME:
            return repr(field.parent_type.name)
        return self._complete(field.value, self._fetched(field), field)

    def _fetched(self, field: FieldPlan, is_mapping: str = "is_mapping") -> str:
        """The expression that reads a field from the source `s`."""
        if field.attribute is not None:
            return _attribute("s", field.attribute)
        if _is_default(field):
            return f"(s.get({field.name!r}) if {is_mapping} else getattr(s, {field.name!r}, None))"
        name = f"fetch_{field.parent_type.name}_{field.name}"
        if field.fetch is not None:
            self.namespace[name] = field.fetch
            return f"called({name}(s))"
        name = f"fetch_{field.number}"
        self.namespace[name] = field.ask_with_info
        return f"called({name}(s, run))"

    def _key(self, field: FieldPlan) -> str:
        key: Any = field.batch_key
        if isinstance(key, attrgetter):
            paths = key.__reduce__()[1]
            assert isinstance(paths, tuple)
            if len(paths) == 1:
                expression = "s"
                for part in paths[0].split("."):
                    expression = _attribute(expression, part)
                return expression
        name = f"key_{field.number}"
        self.namespace[name] = key
        return f"{name}(s)"

    def _complete(self, value: ValuePlan, expression: str, field: FieldPlan) -> str:
        """The expression that makes JSON of `expression`, which is evaluated once."""
        if not expression.isidentifier():
            self._names += 1
            name, first = f"v{self._names}", f"(v{self._names} := {expression})"
        else:
            name = first = expression
        if value.kind is Kind.LEAF:
            return self._leaf(value, name, first)
        # A null in a non-null place needs no check here: neither `listed` nor a row takes it.
        argument = expression if value.non_null else name
        if value.kind is Kind.LIST:
            body = self._list(value.item, argument, field)
        elif value.kind is Kind.OBJECT:
            body = f"{self._name(_ROW, value.object)}({argument}, run)"
        else:
            body = f"{self._pick(value, field)}({argument}, run)"
        return body if value.non_null else f"(None if {first} is None else {body})"

    def _list(self, item: ValuePlan | None, argument: str, field: FieldPlan) -> str:
        assert item is not None
        if item.kind is Kind.OBJECT and item.non_null:
            return f"{self._name(_ROWS, item.object)}(listed({argument}), run)"
        self._names += 1
        name = f"x{self._names}"
        return f"[{self._complete(item, name, field)} for {name} in listed({argument})]"

    def _leaf(self, value: ValuePlan, name: str, first: str) -> str:
        leaf = value.leaf
        assert leaf is not None
        serialise = self._serialiser(leaf)
        itself = _ITSELF.get(leaf)
        if itself is not None:
            if value.non_null:
                check = itself.format(v=name).replace(name, first, 1)
                return f"({name} if {check} else {serialise}({name}))"
            return f"({name} if {first} is None or {itself.format(v=name)} else {serialise}({name}))"
        if value.non_null:
            return f"{serialise}({first})"
        return f"(None if {first} is None else {serialise}({name}))"

    def _serialiser(self, leaf: GraphQLLeafType) -> str:
        name = self._leaves.get(id(leaf))
        if name is None:
            name = self._leaves[id(leaf)] = f"serialise_{len(self._leaves)}"
            function = vetting.leaf_function(leaf)
            self.namespace[name] = (
                vetting.enum_function(leaf, function) if isinstance(leaf, GraphQLEnumType) else function
            )
        return name

    def _pick(self, value: ValuePlan, field: FieldPlan) -> str:
        assert value.abstract is not None
        self._picks += 1
        name = f"pick_{self._picks}"
        about = vetting.About(self.schema, field, self.fragments, self.operation)
        resolve_type: Callable[..., Any] = value.abstract.resolve_type or default_type_resolver
        self.namespace[name] = vetting.pick_function(value.abstract, value.objects, resolve_type, about)
        return name


def _untie(objects: list[ObjectPlan], fields: list[FieldPlan]) -> None:
    """What only the writing needed ties plans to each other: a forgotten one would wait for the collector."""
    for plan in objects:
        plan.sample = None
    for field in fields:
        field.ask_with_info = None


def _indented(lines: Iterable[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


def _first_of(rows: Callable[[Any, Any], list[dict[str, Any]]]) -> Callable[[Any, Any], dict[str, Any]]:
    """The function of one source, where only that of many was written."""
    return lambda source, run: rows((source,), run)[0]


def _attribute(expression: str, name: str) -> str:
    # A name with two leading underscores is not mangled in a function, but reads badly; a keyword is no attribute.
    if name.isidentifier() and not iskeyword(name):
        return f"{expression}.{name}"
    return f"getattr({expression}, {name!r})"


def _is_default(field: FieldPlan) -> bool:
    return field.access is Access.PLAIN and field.resolver is None


def _level_name(plan: ObjectPlan) -> str:
    return f"level_{plan.number}_{plan.type.name}"
