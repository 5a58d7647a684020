"""A service told once: its endpoints make both its routes and its OpenAPI document, so that neither can drift."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .rest import Refused

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class Items(msgspec.Struct, Generic[T]):
    """Only what exists of what was asked for."""

    items: list[T]


class Edge(msgspec.Struct, Generic[T]):
    cursor: str
    node: T


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """A page; cursors are opaque."""

    items: list[Edge[T]]
    has_next: bool
    has_previous: bool
    total: int


class Problem(msgspec.Struct):
    """RFC 9457 problem details with the estate's `code`; some codes add members of their own."""

    type: str
    title: str
    status: int
    detail: str
    code: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; `many` ones are repeated (`?id=a&id=b`)."""

    name: str
    schema: dict[str, Any]
    required: bool = False
    many: bool = False


def keys(name: str, most: int = 100) -> Parameter:
    """The keys of a bulk read: at least one, at most `most`."""
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
    return Parameter(name, schema, required=True, many=True)


def word(name: str, *allowed: str) -> Parameter:
    return Parameter(name, {"type": "string", **({"enum": list(allowed)} if allowed else {})})


PAGING = (
    Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    word("after"),
    word("before"),
    word("direction", "forward", "backward"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation of a service. `refusals` are the problem codes beyond BAD_REQUEST that it may answer."""

    method: str
    path: str
    id: str
    summary: str
    handler: Handler
    answer: Any
    status: int = 200
    parameters: Sequence[Parameter] = ()
    body: Any = None
    refusals: Sequence[str] = ()
    idempotent: bool = False
    media_type: str = "application/json"


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    return [Route(endpoint.path, endpoint.handler, methods=[endpoint.method]) for endpoint in endpoints]


def document(title: str, description: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service."""
    types = [kind for e in endpoints for kind in (e.answer, e.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template="#/components/schemas/{name}")
    shown = dict(zip(map(repr, [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shown)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": description},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, shown: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in endpoint.path.split("/")
        if part.startswith("{")
    ]
    parameters += [
        {"name": p.name, "in": "query", "required": p.required, "schema": p.schema}
        | ({"explode": True} if p.many else {})
        for p in endpoint.parameters
    ]
    if endpoint.idempotent:
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string"}})
    answer = {"schema": shown[repr(endpoint.answer)]} if endpoint.answer is not None else {}
    problem = {"application/problem+json": {"schema": shown[repr(Problem)]}}
    told = ", ".join(["BAD_REQUEST", *endpoint.refusals])
    operation: dict[str, Any] = {
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {
            str(endpoint.status): {"description": "Done.", "content": {endpoint.media_type: answer}},
            "4XX": {"description": f"Refused; `code` is one of {told}.", "content": problem},
        },
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": shown[repr(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


async def body_as(request: Request, kind: type[T]) -> T:
    """The body as `kind`, or a 400 that says what is wrong with it."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise Refused("BAD_REQUEST", str(error), 400) from error


def keys_of(request: Request, name: str, most: int = 100) -> list[str]:
    """The keys of a bulk read, each once."""
    asked = list(dict.fromkeys(request.query_params.getlist(name)))
    if not 1 <= len(asked) <= most:
        raise Refused("BAD_REQUEST", f"{name} is repeated 1 to {most} times", 400)
    return asked


def key_required(request: Request) -> str:
    """The Idempotency-Key of a request that must have one."""
    found = request.headers.get("idempotency-key")
    if not found:
        raise Refused("BAD_REQUEST", "Idempotency-Key is required", 400)
    return found
