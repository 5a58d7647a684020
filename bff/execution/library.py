"""What operations have in common, kept once: equal selections are one plan, equal functions one piece of code.

Screens of one app repeat each other, and a client's operations often differ in a name or a number alone. So a plan is
looked for by what it consists of before a new one is made (hash consing), from the leaves up: an object's identity are
its fields, a field's are its names, its arguments and the plans of the objects below it. Entries are weak: what no
operation uses any more is gone at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import CodeType
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary, ref

from graphql import GraphQLSchema, VariableDefinitionNode, print_ast

from bff.execution.model import FieldPlan, ObjectPlan, Reading
from bff.execution.variables import Variables

T = TypeVar("T")


class _Entry(ref[T]):
    """A weak reference that knows where it is kept, and what was weighed for it."""

    __slots__ = ("digest", "weight")

    digest: bytes
    weight: int


class _Shelf(Generic[T]):
    """Things by the digest of their identity, for as long as somebody else holds them."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry[T]] = {}
        self._forget: Callable[[Any], None] = self._gone
        self.weight = 0

    def get(self, digest: bytes) -> T | None:
        entry = self._entries.get(digest)
        return None if entry is None else entry()

    def put(self, digest: bytes, thing: T, weight: int) -> None:
        entry = _Entry(thing, self._forget)
        entry.digest, entry.weight = digest, weight
        self._entries[digest] = entry
        self.weight += weight

    def _gone(self, entry: _Entry[T]) -> None:
        self.weight -= entry.weight
        if self._entries.get(entry.digest) is entry:
            del self._entries[entry.digest]


class Library:
    """Plans of one schema, compiled under the same settings."""

    def __init__(self) -> None:
        self._readings: dict[tuple[str, ...], Reading] = {}
        """By type and field, and by whether it is refused: as many as the schema has, and so kept for good."""
        self._fields: _Shelf[FieldPlan] = _Shelf()
        self._objects: _Shelf[ObjectPlan] = _Shelf()
        self._variables: _Shelf[Variables] = _Shelf()

    @property
    def weight(self) -> int:
        """Compiled fields, those that operations share counted once."""
        return self._objects.weight

    def reading(self, identity: tuple[str, ...], make: Callable[[], Reading]) -> Reading:
        reading = self._readings.get(identity)
        if reading is None:
            reading = self._readings[identity] = make()
        return reading

    def field(self, identity: tuple[Any, ...], make: Callable[[], FieldPlan]) -> FieldPlan:
        """The field of this identity; what it holds while it lives is named by its id."""
        digest = digest_of(identity)
        field = self._fields.get(digest)
        if field is None:
            field = make()
            self._fields.put(digest, field, 1)
        return field

    def object(self, plan: ObjectPlan) -> tuple[ObjectPlan, bool]:
        """The plan that equals this one, and whether it was here before. Fields are those of this library."""
        digest = digest_of((plan.type.name, *map(id, plan.fields)))
        known = self._objects.get(digest)
        if known is not None:
            return known, True
        self._objects.put(digest, plan, len(plan.fields))
        return plan, False

    def variables(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> Variables:
        digest = digest_of([print_ast(definition) for definition in definitions])
        variables = self._variables.get(digest)
        if variables is None:
            variables = Variables(schema, definitions)
            self._variables.put(digest, variables, 0)
        return variables


_codes: WeakValueDictionary[bytes, CodeType] = WeakValueDictionary()


def code_of(source: str, file_name: str) -> CodeType:
    """The code of the one function that `source` defines; the same text is compiled once for as long as it is used."""
    digest = digest_of(source)
    code = _codes.get(digest)
    if code is None:
        module = compile(source, file_name, "exec")
        code = _codes[digest] = next(each for each in module.co_consts if isinstance(each, CodeType))
    return code


def digest_of(identity: Any) -> bytes:
    return blake2b(repr(identity).encode(), digest_size=16).digest()
