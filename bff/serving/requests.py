"""From bytes to the members of a GraphQL request (GraphQL over HTTP, section 5).

JSON is read as RFC 8259 has it: UTF-8 without a mark, no NaN, no Infinity, no lone surrogate; of a member that is given
twice the last one stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from bff.serving.limits import HttpLimits
from bff.serving.refusals import HttpRefusal

T = TypeVar("T")

LARGEST_INTEGER = 2**63 - 1
MOST_PARAMETERS = 32


class GraphQLRequest(msgspec.Struct):
    """A request's members (GraphQL over HTTP, section 5.1 and appendix A); others are ignored, as it asks."""

    query: str | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = msgspec.field(default=None, name="documentId")


_read_one = msgspec.json.Decoder(GraphQLRequest).decode
_read_many = msgspec.json.Decoder(list[GraphQLRequest]).decode
_read_object = msgspec.json.Decoder(dict[str, Any]).decode


def decode_body(body: bytes, limits: HttpLimits) -> GraphQLRequest | list[GraphQLRequest]:
    """One request, or the operations of a batch where batches are served. Raises HttpRefusal 400."""
    if body.lstrip(b" \t\r\n")[:1] == b"[":
        return _batch(body, limits)
    return _checked(_read(_read_one, body), limits)


def _batch(body: bytes, limits: HttpLimits) -> list[GraphQLRequest]:
    if not limits.batch:
        raise HttpRefusal(400, "BATCHING_DISABLED", "Send one operation a request: batches are not served here.")
    requests = _read(_read_many, body)
    if not 0 < len(requests) <= limits.batch:
        raise HttpRefusal(400, "BATCH_TOO_LARGE", f"A batch has 1 to {limits.batch} operations.")
    return [_checked(request, limits) for request in requests]


def request_of_value(value: Any, limits: HttpLimits) -> GraphQLRequest:
    """The same from JSON that was read already."""
    try:
        return _checked(msgspec.convert(value, GraphQLRequest), limits)
    except msgspec.ValidationError as error:
        raise HttpRefusal(400, "BAD_REQUEST", f"The request is not as it should be: {error}.") from error


def request_of_query(query_string: bytes, limits: HttpLimits) -> GraphQLRequest:
    """A GET request's members from its URL (GraphQL over HTTP, section 6.2.1)."""
    try:
        given = parse_qs(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query_string),
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError as error:
        raise HttpRefusal(400, "BAD_REQUEST", "The query string cannot be read.") from error
    members = {name: value for name in ("query", "operationName", "documentId") if (value := single(given, name))}
    request = GraphQLRequest(members.get("query"), members.get("operationName"), document_id=members.get("documentId"))
    for name in ("variables", "extensions"):
        if text := single(given, name):
            setattr(request, name, _read(_read_object_or_null, text.encode()))
    return _checked(request, limits)


def single(given: Mapping[str, list[str]], name: str) -> str | None:
    """A parameter's value. Raises HttpRefusal 400 where it is given twice."""
    values = given.get(name, [])
    if len(values) > 1:
        raise HttpRefusal(400, "BAD_REQUEST", f"`{name}` is given more than once.")
    return values[0] if values else None


def _read_object_or_null(text: bytes) -> dict[str, Any] | None:
    return None if text.strip() == b"null" else _read_object(text)


def _read(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise HttpRefusal(400, "BAD_REQUEST", f"The request is not as it should be: {error}.") from error
    except RecursionError as error:
        raise HttpRefusal(400, "BAD_REQUEST", "The request is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HttpRefusal(400, "BAD_REQUEST", "The request is not valid JSON in UTF-8.") from error


def _checked(request: GraphQLRequest, limits: HttpLimits) -> GraphQLRequest:
    for member in (request.variables, request.extensions):
        if member:
            _walk(member, limits)
    return request


def _walk(value: dict[str, Any], limits: HttpLimits) -> None:
    """Refuse what is too deep or too much, and integers of more than 64 bits. Level by level, without recursion."""
    level: list[Any] = [value]
    count = 0
    for _ in range(limits.nesting):
        below: list[Any] = []
        count += sum(map(len, level))
        if count > limits.values:
            raise HttpRefusal(400, "BAD_REQUEST", f"The request has more than {limits.values} values.")
        for container in level:
            for item in container.values() if type(container) is dict else container:
                kind = type(item)
                if kind is dict or kind is list:
                    below.append(item)
                elif kind is int and not -LARGEST_INTEGER <= item <= LARGEST_INTEGER:
                    raise HttpRefusal(400, "BAD_REQUEST", "The request has an integer of more than 64 bits.")
        if not below:
            return
        level = below
    raise HttpRefusal(400, "BAD_REQUEST", f"The request is nested more than {limits.nesting} deep.")
