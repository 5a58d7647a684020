"""What makes two requests the same: the input as it is meant, and what is asked of the outcome.

The input is compared after coercion, in canonical form: order of members, literals or variables, defaults written out
or left out are no difference, and a field that a later release adds with a default is none either. The selection is
compared as text with the values of its variables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInputType,
    Undefined,
    VariableNode,
    Visitor,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    print_ast,
    visit,
)
from graphql.utilities.coerce_input_value import coerce_default_value

_FORM = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


def digest(*parts: object) -> str:
    """SHA-256 over the canonical JSON of the parts."""
    return hashlib.sha256(orjson.dumps(parts, default=_plain, option=_FORM)).hexdigest()


def canonical(input_type: GraphQLInputType, value: Any) -> Any:
    """A coerced value with its members by their GraphQL names, those that equal their default left out."""
    if is_non_null_type(input_type):
        return canonical(input_type.of_type, value)
    if value is None:
        return None
    if is_list_type(input_type):
        return [canonical(input_type.of_type, item) for item in value]
    if not is_input_object_type(input_type):
        return value
    members: dict[str, Any] = {}
    for name, member in input_type.fields.items():
        given = value.get(member.out_name or name, Undefined)
        if given is not Undefined and given != coerce_default_value(member):
            members[name] = canonical(member.type, given)
    return members


class Selection:
    """The selections under one response key of an operation's root: their text, and the variables they mention."""

    __slots__ = ("text", "variables")

    def __init__(self, nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        mentioned = _Mentioned()
        texts: list[str] = []
        for node in nodes:
            texts.append(node.alias.value if node.alias else node.name.value)
            if node.selection_set is not None:
                visit(node.selection_set, mentioned)
                texts.append(print_ast(node.selection_set))
        known: set[str] = set()
        while ahead := mentioned.fragments - known:
            for name in sorted(ahead):
                known.add(name)
                if name in fragments:
                    visit(fragments[name], mentioned)
                    texts.append(print_ast(fragments[name]))
        self.text = digest(texts)
        self.variables = tuple(sorted(mentioned.variables))

    def with_values(self, coerced: Mapping[str, Any], *rights: object) -> str:
        return digest(self.text, [(name, coerced.get(name)) for name in self.variables], rights)


class _Mentioned(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.fragments: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.variables.add(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.fragments.add(node.name.value)


def _plain(value: Any) -> Any:
    """JSON of what scalars coerce to."""
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _moment(value: datetime) -> str:
    """In UTC, so that the zone that it is written in is no difference; as it is where UTC cannot say it."""
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError:  # within hours of the first or the last moment that there is
        return value.isoformat()
