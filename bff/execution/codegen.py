"""Plans → Python source → functions. Only the usual case is written; see `vetting` for how the unusual one is told.

Names in the source are numbered; a GraphQL name appears only inside a string literal made by `repr`, or as the readable
tail of a function's name (the grammar of GraphQL names is a subset of Python's identifiers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from keyword import iskeyword
from operator import attrgetter
from typing import Any

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


class Generator:
    """Writes one operation's functions and puts them into its plans."""

    def __init__(self, schema: GraphQLSchema, fragments: Any, operation: Any, file_name: str) -> None:
        self.schema = schema
        self.fragments = fragments
        self.operation = operation
        self.file_name = file_name
        self.lines: list[str] = []
        self.names = 0
        self.namespace: dict[str, Any] = {
            "__name__": "bff.execution.generated",
            "__loader__": self,
            "listed": vetting.listed,
            "mappings": vetting.mappings,
            "called": vetting.vet_called,
        }
        self._leaves: dict[int, str] = {}

    @property
    def source(self) -> str:
        return "\n".join(self.lines) + "\n"

    def get_source(self, name: str) -> str:
        """How linecache finds the source for a traceback."""
        return self.source

    def generate(self, objects: Iterable[ObjectPlan], fields: Iterable[FieldPlan]) -> None:
        objects, fields = list(objects), list(fields)
        for plan in objects:
            self._row(plan)
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
        exec(compile(self.source, self.file_name, "exec"), self.namespace)  # noqa: S102  # written above, from plans alone
        for plan in objects:
            plan.row = self.namespace[_row_name(plan)]
            plan.level = self.namespace.get(_level_name(plan))
        for field in boundaries:
            field.value.function = self.namespace[f"value_{field.number}"]

    # --- functions

    def _row(self, plan: ObjectPlan) -> None:
        """Attributes of one source; a batch field's place is null until its level is asked."""
        number, write = plan.number, self.lines.append
        seen: set[type] = set()
        self.namespace[f"seen_{number}"] = seen
        self.namespace[f"admit_{number}"] = vetting.admission(seen)
        write(f"def {_row_name(plan)}(s, run):")
        write(f"    if s.__class__ not in seen_{number}: admit_{number}(s)")
        if plan.type.is_type_of is not None and plan.sample is not None:
            about = vetting.About(self.schema, plan.sample, self.fragments, self.operation)
            self.namespace[f"verify_{number}"] = vetting.verify_function(plan.type, about)
            write(f"    verify_{number}(s)")
        if any(_is_default(field) for field in plan.fields):
            write("    is_mapping = s.__class__ in mappings")
        write("    return {")
        for field in plan.fields:
            write(f"        {field.response_key!r}: {self._field(field) if field not in plan.rest else 'None'},")
        write("    }")

    def _level(self, plan: ObjectPlan) -> None:
        write = self.lines.append
        write(f"def {_level_name(plan)}(sources, run, places):")
        write(f"    rows = [{_row_name(plan)}(s, run) for s in sources]")
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

    def _value(self, field: FieldPlan) -> None:
        self.lines.append(f"def value_{field.number}(v, run):  # {field.title}")
        self.lines.append(f"    return {self._complete(field.value, 'v', field)}")

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
        name = f"fetch_{field.number}"
        if field.fetch is not None:
            self.namespace[name] = field.fetch
            return f"called({name}(s))"
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
            self.names += 1
            name, first = f"v{self.names}", f"(v{self.names} := {expression})"
        else:
            name = first = expression
        if value.kind is Kind.LEAF:
            return self._leaf(value, name, first)
        # A null in a non-null place needs no check here: neither `listed` nor a row takes it.
        argument = expression if value.non_null else name
        if value.kind is Kind.LIST:
            assert value.item is not None
            self.names += 1
            item = f"x{self.names}"
            body = f"[{self._complete(value.item, item, field)} for {item} in listed({argument})]"
        elif value.kind is Kind.OBJECT:
            body = f"{_row_name(value.object)}({argument}, run)"
        else:
            body = f"{self._pick(value, field)}({argument}, run)"
        return body if value.non_null else f"(None if {first} is None else {body})"

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
        self.names += 1
        name = f"pick_{self.names}"
        about = vetting.About(self.schema, field, self.fragments, self.operation)
        resolve_type: Callable[..., Any] = value.abstract.resolve_type or default_type_resolver
        self.namespace[name] = vetting.pick_function(value.abstract, value.objects, resolve_type, about)
        return name


def _attribute(expression: str, name: str) -> str:
    # A name with two leading underscores is not mangled in a function, but reads badly; a keyword is no attribute.
    if name.isidentifier() and not iskeyword(name):
        return f"{expression}.{name}"
    return f"getattr({expression}, {name!r})"


def _is_default(field: FieldPlan) -> bool:
    return field.access is Access.PLAIN and field.resolver is None


def _row_name(plan: ObjectPlan) -> str:
    return f"row_{plan.number}_{plan.type.name}"


def _level_name(plan: ObjectPlan) -> str:
    return f"level_{plan.number}_{plan.type.name}"
