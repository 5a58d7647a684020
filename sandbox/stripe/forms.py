"""Form-encoded nested parameters (`metadata[a]=1&expand[]=b&items[0][c]=2`) into dictionaries and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from .refusals import bad_parameter

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(text: str) -> dict[str, Any]:
    """Every value is a string. Refuses a name that is none, and one that is given twice."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        parsed = _NAME.fullmatch(name)
        if parsed is None:
            raise bad_parameter(name, f"Invalid parameter name: {name}")
        path = [parsed[1], *re.findall(r"\[([^\[\]]*)\]", parsed[2])]
        _put(tree, path, value, name)
    return {key: _lists(member) for key, member in tree.items()}


def _put(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise bad_parameter(name, f"Invalid object: {name}")
    key = path[-1] or str(len(tree))
    if key in tree:
        raise bad_parameter(name, f"Received {name} more than once")
    tree[key] = value


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = {key: _lists(member) for key, member in value.items()}
    if members and all(key.isdigit() for key in members):
        return [members[key] for key in sorted(members, key=int)]
    return members


def check_names(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in parameters:
        if name not in known:
            raise bad_parameter(name, f"Received unknown parameter: {name}", code="parameter_unknown")


def required(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not value:
        raise bad_parameter(name, f"Missing required param: {name}.", code="parameter_missing")
    return value


def amount_of(parameters: Mapping[str, Any], name: str) -> int:
    value = required(parameters, name)
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise bad_parameter(name, f"Invalid integer: {value}", code="parameter_invalid_integer")
    if int(value) < 1:
        raise bad_parameter(name, "This value must be greater than or equal to 1.", code="parameter_invalid_integer")
    return int(value)


def metadata_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """At most 50 keys of 40 characters, with values of 500 (docs.stripe.com/api/metadata)."""
    said = parameters.get("metadata") or {}
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise bad_parameter("metadata", "Invalid object")
    for key, value in said.items():
        if len(key) > 40 or len(value) > 500 or len(said) > 50:
            raise bad_parameter(f"metadata[{key}]", "Metadata is 50 keys of 40 characters, values of 500 characters")
    return said
