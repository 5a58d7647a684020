"""How long a list is said to be: `@listSize` of the IBM GraphQL Cost Directives specification, for one field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphql import FieldNode, NullValueNode, VariableNode, value_from_ast_untyped

from bff.operations.refusals import limit_exceeded, refusal
from resolvers.cost import SizeRule

SHORT_LIST = 5
"""A list without `@listSize`: what belongs to an entity and is short by nature (docs/adr/0001-schema-style.md)."""

Variables = Mapping[str, Any]
Size = Callable[[Variables], int]


def size_of(rule: SizeRule, node: FieldNode, defaults: Mapping[str, Any], most: int) -> Size | int:
    """The greatest of the slicing arguments that are given, else as assumed; a function where a variable decides.

    `defaults` are those of the variables. Raises InvalidOperation (and so does the function) where more than
    `most` are asked, and where the rule wants exactly one argument.
    """
    given = {each.name.value: each.value for each in node.arguments or () if each.name.value in rule.arguments}
    said = [value for value in given.values() if not isinstance(value, NullValueNode)]
    if rule.requires_one and rule.arguments and len(said) != 1:
        names = ", ".join(f"`{name}`" for name in rule.arguments)
        raise refusal("GRAPHQL_VALIDATION_FAILED", f"Send exactly one of {names} with `{node.name.value}`.", node)
    assumed = rule.assumed if rule.assumed is not None else SHORT_LIST
    sizes = [_size(default) for name, default in rule.arguments.items() if name not in given]
    sizes += [_size(value_from_ast_untyped(value)) for value in said if not isinstance(value, VariableNode)]
    fixed = [_allowed(size, most, node) for size in sizes if size is not None]
    variables = [
        (value.name.value, defaults.get(value.name.value)) for value in said if isinstance(value, VariableNode)
    ]
    if not variables:
        return max(fixed, default=assumed)

    def asked(values: Variables) -> int:
        sizes = [_size(values.get(name, default)) for name, default in variables]
        return max([*fixed, *(_allowed(size, most, node) for size in sizes if size is not None)], default=assumed)

    return asked


def _size(value: Any) -> int | None:
    """A number, or the length of a list of keys; None for what coercion will refuse."""
    if isinstance(value, list):
        return len(value)
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else None


def _allowed(size: int, most: int, node: FieldNode) -> int:
    if size > most:
        raise limit_exceeded("listSize", size, most, f"A list has at most {most} entries; {size} are asked.", node)
    return size
