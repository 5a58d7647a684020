"""JSON over HTTP for the middle-layer services: typed bodies, RFC 9457 problems, bulk queries."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar, cast
from urllib.parse import quote

import msgspec
import orjson

from adapters.transport.http import HttpReply
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import NO_KEYS, Int, Page, PageArgs
from bff.errors import (
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)

_ACCEPT: Mapping[str, str] = {"accept": "application/json"}

T = TypeVar("T")
V = TypeVar("V")


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 problem details. `code` is the estate's extension member: a stable word for a business outcome."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""
    extra: dict[str, Any] = {}


class ProblemReply(Exception):
    """A 4xx that says why: the adapter turns the codes that it knows into business outcomes."""

    def __init__(self, upstream: str, status: int, problem: Problem) -> None:
        super().__init__(f"{upstream} answered {status} {problem.code}")
        self.upstream = upstream
        self.status = status
        self.problem = problem

    def rejected(self) -> UpstreamRejected:
        """For a code that the adapter does not know."""
        return UpstreamRejected(self.upstream, detail=f"{self.status} {self.problem.code}: {self.problem.detail}")


def query(parameters: Iterable[tuple[str, str | int | None]]) -> str:
    """`?a=1&a=2` with %20 for a space; parameters whose value is None are left out."""
    given = [(name, str(value)) for name, value in parameters if value is not None]
    if not given:
        return ""
    plain = "".join([name + value for name, value in given])
    if plain.isascii() and plain.isalnum():  # most keys are, and need no look at each of them
        return "?" + "&".join([f"{name}={value}" for name, value in given])
    return "?" + "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in given])


def key_query(name: str, keys: Iterable[str | int]) -> str:
    """`?vin=A&vin=B`, as `query` writes it; there is at least one key."""
    values = [str(key) for key in keys]
    plain = "".join(values)
    if not (plain.isascii() and plain.isalnum()):
        values = [_quoted(value) for value in values]
    return f"?{name}=" + f"&{name}=".join(values)


def segment(key: str) -> str:
    """A key as one segment of a path. Raises InvalidInput for what is none: dots lead elsewhere also where they are
    written with %, so that quoting them would not help.
    """
    if key in NO_KEYS:
        raise InvalidInput(f"{key!r} is not an id.")
    return quote(key, safe="")


def _quoted(value: str) -> str:
    return value if value.isascii() and value.isalnum() else quote(value, safe="")


class Items(msgspec.Struct, Generic[T]):
    """The estate's list: only what exists of what was asked for."""

    items: list[T]


class WireEdge(msgspec.Struct, Generic[T]):
    cursor: str
    node: T


class WirePage(msgspec.Struct, Generic[T], rename="camel"):
    """The estate's page. Read it as `WirePage[WireProduct]` and turn it into a domain `Page`."""

    items: list[WireEdge[T]]
    has_next: bool
    has_previous: bool
    total: Int | None = None

    def to(self, read: Callable[[T], V]) -> Page[V]:
        return Page(
            items=[read(edge.node) for edge in self.items],
            cursors=[edge.cursor for edge in self.items],
            has_next=self.has_next,
            has_previous=self.has_previous,
            total=self.total,
        )


def page_parameters(page: PageArgs) -> list[tuple[str, str | int | None]]:
    """Relay's arguments as the estate's REST services take them."""
    backward = page.last is not None
    return [
        ("limit", page.last if backward else page.first),
        ("after", page.after),
        ("before", page.before),
        ("direction", "backward" if backward else None),
    ]


def nothing_of(page: Page[V], *, backward: bool) -> Page[V]:
    """What lies before and behind a page of nothing, where a page of one was found instead."""
    there = bool(page.items)
    return Page(
        items=[],
        cursors=[],
        has_next=page.has_next or (there and not backward),
        has_previous=page.has_previous or (there and backward),
        total=page.total,
    )


class RestClient:
    """Calls one JSON service and reads its answers into types. `None` is a 404 problem: it does not exist."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    async def fetch(
        self,
        operation: Operation,
        method: str,
        path: str,
        answer: type[T],
        *,
        keys: Sequence[str] = (),
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        """One exchange. Raises `ProblemReply` for a 4xx that says why, `UpstreamError` for all that is broken.

        Requests that joined one call share its value as they share its reply: it is to be read, never to be changed.
        """
        sent = {**_ACCEPT, **headers} if headers else _ACCEPT
        payload = b""
        if body is not None:
            payload = msgspec.json.encode(body)
            sent = {**sent, "content-type": "application/json"}
        reply = await self.upstream.call(operation, method, path, keys=keys, headers=sent, body=payload)
        if reply.status == 404 and _problem(reply).code in ("", "NOT_FOUND"):
            if not _is_json(reply):  # a proxy's page, or a wrong address: nobody has said that it does not exist
                raise UpstreamContractBroken(self.upstream.name, detail=f"404 without a problem for {operation.name}")
            return None
        if reply.status >= 400:
            self._refuse(operation, reply)
        if reply.status == 204 or answer is type(None):
            return None
        return self._read(reply, answer)

    def _read(self, reply: HttpReply, answer: type[T]) -> T:
        shared = reply.read
        if shared is not None and answer in shared:
            return cast(T, shared[answer])
        try:
            value: T = _decoder(cast(Hashable, answer)).decode(reply.body)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UpstreamContractBroken(self.upstream.name, detail=str(error)) from error
        if shared is not None:
            shared[answer] = value
        return value

    def _refuse(self, operation: Operation, reply: HttpReply) -> NoReturn:
        name, problem = self.upstream.name, _problem(reply)
        detail = f"{reply.status} {problem.code} {problem.detail}"
        if reply.status == 401:
            raise NotAuthenticated("Your login has ended. Log in again.", detail=detail)
        if reply.status == 403:
            raise NotAllowed("You may not do this.", detail=detail)
        if reply.status in (429, 503):
            raise UpstreamBusy(name, detail=detail)
        if reply.status >= 500 and operation.effect is Effect.WRITE:
            raise OutcomeUnknown(name, detail=detail)
        if reply.status >= 500:
            raise UpstreamUnavailable(name, detail=detail)
        raise ProblemReply(name, reply.status, problem)


@lru_cache(maxsize=512)
def _decoder(answer: Hashable) -> msgspec.json.Decoder[Any]:
    """Made once for each type: `list[Order]` and `Items[Order]` are taken apart anew by every `msgspec.json.decode`."""
    return msgspec.json.Decoder(answer)


def _is_json(reply: HttpReply) -> bool:
    return "json" in reply.headers.get("content-type", "")


def _problem(reply: HttpReply) -> Problem:
    """The problem document of a refusal; an empty one where the body is something else (a proxy's HTML, nothing)."""
    if not _is_json(reply):
        return Problem()
    try:
        raw = orjson.loads(reply.body)
        if not isinstance(raw, dict):
            return Problem()
        known = {name: raw[name] for name in ("type", "title", "status", "detail", "code") if name in raw}
        return msgspec.convert(known | {"extra": {k: v for k, v in raw.items() if k not in known}}, Problem)
    except (orjson.JSONDecodeError, msgspec.ValidationError, TypeError):
        return Problem()
