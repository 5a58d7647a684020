"""Relay's server specification: global ids, `node`, and connections with a bound.

An id is `base64url(Type:key)`: opaque to clients, and it carries what routing needs (a booking's id names the system
that it was made on). A type that can be refetched registers how its key is found, and by whom it may be seen.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import strawberry

from bff.calls import in_parallel
from bff.context import RequestContext
from bff.domain.base import NO_KEYS, Page, PageArgs
from bff.errors import BffError, InvalidInput
from resolvers.common import Request, field, prop
from resolvers.privacy import ID
from resolvers.rights import Guard, guard_of

T = TypeVar("T")
V = TypeVar("V")

DEFAULT_PAGE = 20
LONGEST_PAGE = 100
MOST_NODES = 50


@strawberry.interface(description="Something with an id of its own, that can be fetched again by `node`.")
class Node:
    id: strawberry.ID = prop("Globally unique and opaque. Store it, compare it, never take it apart.")


def global_id(type_name: str, key_of: Callable[[Any], str], *, directives: Sequence[object] = ()) -> Any:
    """The `id` field of a Node type."""

    def resolve(root: Any) -> strawberry.ID:
        return encode_id(type_name, key_of(root))

    return strawberry.field(
        resolver=resolve,
        description="Globally unique and opaque; fetch it again with `node`.",
        directives=directives,
    )


def encode_id(type_name: str, key: str) -> strawberry.ID:
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).decode().rstrip("="))


def split_id(text: str) -> tuple[str, str] | None:
    """Type name and key, or None where it is not an id of ours."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, binascii.Error):
        return None
    name, colon, key = raw.partition(":")
    return (name, key) if colon and name and key not in NO_KEYS else None


def decode_id(text: str, type_name: str, argument: str) -> str:
    """The key of an id that must be of this type. Raises InvalidInput that says what is wrong."""
    parts = split_id(text)
    if parts is None:
        raise InvalidInput(
            f"{argument} is not an id. Use the `id` of a {type_name} as the API gave it.", field=argument
        )
    if parts[0] != type_name:
        raise InvalidInput(f"{argument} is the id of a {parts[0]}; a {type_name} is needed.", field=argument)
    return parts[1]


Fetch = Callable[[RequestContext, str], Awaitable[Any]]
"""Finds an object by its key. None: not there, or not to be seen by this caller."""

REFETCH: dict[str, Fetch] = {}
_TYPES: dict[str, Any] = {}


def node_of(value: type, fetch: Fetch) -> Callable[[type[T]], type[T]]:
    """Class decorator for a Node type that publishes domain values of type `value`, found again by `fetch`."""

    def register(cls: type[T]) -> type[T]:
        REFETCH[cls.__name__] = fetch
        _TYPES[cls.__name__] = cls
        cls.is_type_of = classmethod(lambda _cls, source, _info: isinstance(source, value))  # type: ignore[attr-defined]
        return cls

    return register


@cache
def guard_of_type(name: str) -> Guard | None:
    """What a Node type asks of whoever fetches it by id."""
    return guard_of(_TYPES[name].__strawberry_definition__.directives or ())


async def fetch_node(context: RequestContext, text: str) -> Any:
    """The object of an id. Raises NotAllowed for a type that the caller may not read, before anything is asked."""
    parts = split_id(text)
    fetch = REFETCH.get(parts[0]) if parts else None
    if parts is None or fetch is None:
        return None
    guard = guard_of_type(parts[0])
    if guard is not None and (refusal := guard.refusal(context)) is not None:
        raise refusal
    return await fetch(context, parts[1])


async def _fetch_or_error(context: RequestContext, text: str) -> Any:
    """One of many: its error is a value, and so stays at its own place in the list."""
    try:
        return await fetch_node(context, text)
    except BffError as error:
        return error


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = prop("Whether there is more after `endCursor`.")
    has_previous_page: bool = prop("Whether there is more before `startCursor`.")
    start_cursor: str | None = prop("Cursor of the first edge; null where the page is empty.")
    end_cursor: str | None = prop("Cursor of the last edge; send it as `after` for the next page.")


@strawberry.type(description="One entry of a list, with its place in it.")
class Edge(Generic[T]):
    node: T = prop("The entry itself.")
    cursor: str = prop("Its place in the list: send it as `after` or `before`.")


@strawberry.type(description="A page of a list (Relay Cursor Connections).")
class Connection(Generic[T]):
    edges: list[Edge[T]] = prop("The entries of this page, in order.")
    page_info: PageInfo = prop("Where this page stands in the list.")
    total_count: int | None = prop(
        "How many entries the whole list has, where that is known without counting for long."
    )


class EdgeValue(NamedTuple):
    node: Any
    cursor: str


class PageInfoValue(NamedTuple):
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class ConnectionValue(NamedTuple):
    edges: list[EdgeValue]
    page_info: PageInfoValue
    total_count: int | None


def connection(page: Page[Any]) -> ConnectionValue:
    """A domain page in Relay's shape."""
    cursors = page.cursors
    info = PageInfoValue(
        page.has_next, page.has_previous, cursors[0] if cursors else None, cursors[-1] if cursors else None
    )
    edges = [EdgeValue(node, cursor) for node, cursor in zip(page.items, cursors, strict=True)]
    return ConnectionValue(edges, info, page.total)


def page_args(
    first: int | None, after: str | None, last: int | None, before: str | None, *, default: int = DEFAULT_PAGE
) -> PageArgs:
    """Relay's arguments, checked and bounded (Relay Cursor Connections, section 4). Raises InvalidInput."""
    if first is not None and last is not None:
        raise InvalidInput("Send `first` or `last`, not both.", field="first")
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 0 <= value <= LONGEST_PAGE:
            raise InvalidInput(f"`{name}` is 0 to {LONGEST_PAGE}; {value} was sent.", field=name)
    if last is None and first is None:
        first = default
    return PageArgs(first=first, after=after, last=last, before=before)


FetchPage = Callable[[RequestContext, Any, PageArgs], Awaitable[Page[Any]]]
"""Reads a page of what hangs on a parent. Arguments have been checked; errors go to the client."""


def connection_field(node: type, description: str, fetch: FetchPage, *, directives: Sequence[object] = ()) -> Any:
    """A field with Relay's four arguments that gives a page of `node`, null where it cannot be read."""

    async def resolve(
        root: Any,
        info: Request,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ConnectionValue:
        wanted = page_args(first, after, last, before)
        return connection(await fetch(info.context, root, wanted))

    page_of: Any = Connection[node] | None  # type: ignore[valid-type]  # a type known at run time
    return strawberry.field(resolver=resolve, graphql_type=page_of, description=description, directives=directives)


def slice_of(items: Sequence[V], args: PageArgs, key_of: Callable[[V], str]) -> Page[V]:
    """A page of a list that is here as a whole. Cursors name entries, so that a list that grew keeps its places."""
    keys = [key_of(item) for item in items]
    start = _place(keys, args.after, "after") + 1 if args.after is not None else 0
    end = _place(keys, args.before, "before") if args.before is not None else len(keys)
    if args.first is not None:
        end = min(end, start + args.first)
    elif args.last is not None:
        start = max(start, end - args.last)
    end = max(start, end)
    return Page(
        items=list(items[start:end]),
        cursors=[str(encode_id("c", key)) for key in keys[start:end]],
        has_next=end < len(keys),
        has_previous=start > 0,
        total=len(keys),
    )


def _place(keys: Sequence[str], cursor: str, argument: str) -> int:
    key = split_id(cursor)
    if key is None or key[0] != "c" or key[1] not in keys:
        raise InvalidInput(
            f"`{argument}` is not a cursor of this list. Use a cursor that the list gave.", field=argument
        )
    return keys.index(key[1])


@strawberry.type(description="Fetching by id.")
class NodeQuery:
    @field("The object with this id; null where there is none, or where it is not yours to see.", returns=Node | None)
    @staticmethod
    async def node(info: Request, id: Annotated[strawberry.ID, strawberry.argument(directives=[ID])]) -> Any:
        return await fetch_node(info.context, id)

    @field(f"Several objects by id, in the order asked for; at most {MOST_NODES}.", returns=list[Node | None])
    @staticmethod
    async def nodes(
        info: Request, ids: Annotated[list[strawberry.ID], strawberry.argument(directives=[ID])]
    ) -> list[Any]:
        if len(ids) > MOST_NODES:
            raise InvalidInput(f"At most {MOST_NODES} ids at once; {len(ids)} were sent.", field="ids")
        return await in_parallel(*[_fetch_or_error(info.context, text) for text in ids])
