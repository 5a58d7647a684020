"""Reading many records, each by itself: one that cannot be read never spoils the others.

Adapters declare a `Records` for each kind of record and a `Codes` for each code list, beside their wire types.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from adapters.transport.rest import (
    Items,
    ProblemReply,
    RestClient,
    WireEdge,
    WirePage,
    nothing_of,
    page_parameters,
    query,
)
from adapters.transport.upstream import Operation
from bff.calls import in_parallel
from bff.domain.base import Outcome, Page, PageArgs, PartialList, Refusal
from bff.errors import BffError, InvalidInput, NotFound, OutcomeUnknown, UpstreamContractBroken

T = TypeVar("T")
W = TypeVar("W")
V = TypeVar("V")
E = TypeVar("E", bound=Enum)

logger = logging.getLogger(__name__)

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time on the wire, with its zone."""

_MOST_REMEMBERED = 200


def utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


class Codes(Generic[E]):
    """A code list: the upstream's words → an enum that has UNKNOWN. A word that is not listed is logged once."""

    def __init__(self, upstream: str, kind: type[E], table: Mapping[str, E] | None = None) -> None:
        self._upstream = upstream
        self._unknown = kind["UNKNOWN"]
        self._name = kind.__name__
        self._table = dict(table) if table is not None else {str(member.value): member for member in kind}
        self._told: set[str] = set()

    def __call__(self, raw: str) -> E:
        found = self._table.get(raw)
        return found if found is not None else self._miss(raw)

    def _miss(self, raw: str) -> E:
        if raw not in self._told and len(self._told) < _MOST_REMEMBERED:
            self._told.add(raw)
            logger.warning("%s sent an unknown %s: %r", self._upstream, self._name, raw[:60])
        return self._unknown


class Records(Generic[W, V]):
    """One kind of record: its type on the wire, what it means, and the member that names it."""

    def __init__(self, wire: type[W], read: Callable[[W], V], *, key: str) -> None:
        self._decoder = msgspec.json.Decoder(wire)
        self._read = read
        self._key = key

    def one(self, upstream: str, raw: msgspec.Raw) -> V:
        try:
            return self._read(self._decoder.decode(raw))
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:  # a moment that is none in UTC overflows
            raise UpstreamContractBroken(upstream, detail=str(error)) from error

    def several(self, upstream: str, raws: Sequence[msgspec.Raw]) -> list[V]:
        """A list inside a record: a `PartialList` where one cannot be read, an error where there is nothing to show."""
        values: list[V] = []
        broken: UpstreamContractBroken | None = None
        for raw in raws:
            try:
                values.append(self.one(upstream, raw))
            except UpstreamContractBroken as error:
                logger.error("%s sent a list with an unreadable record: %s", upstream, error.detail)
                broken = error
        if broken is None:
            return values
        if not values:
            raise broken
        return PartialList(values, broken)

    def found(
        self, upstream: str, answer: Items[msgspec.Raw] | None, asked: Sequence[str], key_of: Callable[[V], str]
    ) -> dict[str, V | BffError]:
        """By key. A record that cannot be read is its key's error; if it does not even tell its key, it is the error
        of all keys that nothing else answers, since it may be any of them.
        """
        found: dict[str, V | BffError] = {}
        nameless: BffError | None = None
        for raw in answer.items if answer is not None else ():
            try:
                value = self.one(upstream, raw)
                found[key_of(value)] = value
            except UpstreamContractBroken as error:
                key = self._key_of_broken(raw)
                if key is None:
                    nameless = error
                else:
                    found[key] = error
        if nameless is not None:
            for key in asked:
                found.setdefault(key, nameless)
        return found

    def page(self, upstream: str, answer: WirePage[msgspec.Raw] | None) -> Page[V]:
        """A page has no place for an error: a record that cannot be read is logged and left out."""
        if answer is None:
            return Page(items=[], cursors=[], total=0)
        items: list[V] = []
        cursors: list[str] = []
        for edge in answer.items:
            try:
                items.append(self.one(upstream, edge.node))
                cursors.append(edge.cursor)
            except UpstreamContractBroken as error:
                logger.error("%s sent a page with an unreadable record: %s", upstream, error.detail)
        return Page(
            items=items,
            cursors=cursors,
            has_next=answer.has_next,
            has_previous=answer.has_previous,
            total=answer.total,
        )

    def _key_of_broken(self, raw: msgspec.Raw) -> str | None:
        try:
            key = msgspec.json.decode(raw).get(self._key)
        except (msgspec.MsgspecError, AttributeError):
            return None
        return key if isinstance(key, str) else None


async def by_chunks(
    keys: Sequence[str], most: int, ask: Callable[[list[str]], Awaitable[Mapping[str, V | BffError]]]
) -> dict[str, V | BffError]:
    """Ask for each key once, at most `most` in a call, all calls side by side. A failed call fails its keys only."""
    wanted = list(dict.fromkeys(keys))
    chunks = [wanted[start : start + most] for start in range(0, len(wanted), most)]
    found: dict[str, V | BffError] = {}
    if len(chunks) == 1:
        try:
            found.update(await ask(wanted))
        except BffError as error:
            found = dict.fromkeys(wanted, error)
        return found
    for chunk, answer in zip(chunks, await in_parallel(*(ask(chunk) for chunk in chunks)), strict=True):
        if isinstance(answer, BffError):
            found.update(dict.fromkeys(chunk, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found.update(answer)
    return found


class Refusals:
    """The business outcomes of an operation: problem code → (message, path of the input it is about).

    A message may name members of the problem in braces (`{available}`); only numbers are put in, never upstream words.
    """

    def __init__(self, table: Mapping[str, tuple[str, list[str] | None]]) -> None:
        self._table = table

    def of(self, reply: ProblemReply, numbers: Mapping[str, object] | None = None) -> Refusal:
        """The refusal that a problem means. Raises `UpstreamRejected` for a code that is not in the table."""
        known = self._table.get(reply.problem.code)
        if known is None:
            raise reply.rejected() from reply
        told = {**reply.problem.extra, **(numbers or {})}
        shown = _Numbers({name: value for name, value in told.items() if isinstance(value, int)})
        item = told.get("productId")
        return Refusal(
            code=reply.problem.code,
            message=known[0].format_map(shown),
            field=known[1],
            item=item if isinstance(item, str) else None,
            left=shown.get("available"),
        )

    def all_of(self, reply: ProblemReply) -> list[Refusal]:
        """One refusal for each of the problem's `lines`, as a cart is refused; one where it has none."""
        lines = reply.problem.extra.get("lines")
        told = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
        return [self.of(reply, line) for line in told] or [self.of(reply)]


class _Numbers(dict[str, int]):
    def __missing__(self, key: str) -> str:
        return "?"


class RecordClient(RestClient):
    """The four things that most operations of a JSON service are: a list, a bulk read, a page, a write."""

    async def listed(self, operation: Operation, path: str, records: Records[W, V]) -> list[V]:
        """A whole list, as short ones are. A record that cannot be read is logged and left out."""
        answer = await self._get(operation, path, Items[msgspec.Raw], [])
        edges = [WireEdge(cursor="", node=raw) for raw in answer.items]
        return records.page(self.upstream.name, WirePage(items=edges, has_next=False, has_previous=False)).items

    async def found(
        self,
        operation: Operation,
        path: str,
        parameter: str,
        keys: Sequence[str],
        records: Records[W, V],
        key_of: Callable[[V], str],
        most: int = 100,
        *,
        parameters: Sequence[tuple[str, str | int | None]] = (),
    ) -> dict[str, V | BffError]:
        """By key: `path?parameter=a&parameter=b`, at most `most` keys in a call; `parameters` go with every call."""

        async def ask(chunk: list[str]) -> dict[str, V | BffError]:
            target = path + query([*((parameter, key) for key in chunk), *parameters])
            answer = await self._get(operation, target, Items[msgspec.Raw], chunk)
            return records.found(self.upstream.name, answer, chunk, key_of)

        return await by_chunks(keys, most, ask)

    async def page(
        self,
        operation: Operation,
        path: str,
        page: PageArgs,
        records: Records[W, V],
        *,
        parameters: Sequence[tuple[str, str | int | None]] = (),
        keys: Sequence[str] = (),
    ) -> Page[V]:
        """One page; an empty one where its owner does not exist. Raises `InvalidInput` for a cursor that is not one.

        A page of nothing (`first: 0`, which asks how many there are) is read off a page of one, the smallest there is.
        """
        if 0 in (page.first, page.last):
            one = replace(page, first=1) if page.last is None else replace(page, last=1)
            found = await self.page(operation, path, one, records, parameters=parameters, keys=keys)
            return nothing_of(found, backward=page.last is not None)
        try:
            target = path + query([*parameters, *page_parameters(page)])
            answer = await self.fetch(operation, "GET", target, WirePage[msgspec.Raw], keys=keys)
        except ProblemReply as reply:
            if reply.problem.code == "BAD_CURSOR":
                field = "before" if page.after is None else "after"
                raise InvalidInput("The cursor is not one that this list gave out.", field=field) from reply
            raise reply.rejected() from reply
        return records.page(self.upstream.name, answer)

    async def write(
        self,
        operation: Operation,
        method: str,
        path: str,
        body: object,
        records: Records[W, V],
        refusals: Refusals,
        *,
        idempotency_key: str,
        missing: str,
        keys: Sequence[str] = (),
    ) -> Outcome[V]:
        """A write and the entity that it leaves. Raises `NotFound(missing)` for a 404, `InvalidInput` for a reused key,
        and `OutcomeUnknown` where the answer says it was done but cannot be read.
        """
        headers = {"idempotency-key": idempotency_key}
        try:
            raw = await self.fetch(operation, method, path, msgspec.Raw, keys=keys, body=body, headers=headers)
            if raw is None:
                raise NotFound(missing)
            return Outcome(entity=records.one(self.upstream.name, raw))
        except ProblemReply as reply:
            if reply.problem.code == "IDEMPOTENCY_KEY_REUSED":
                said = "This idempotency key was used for another request."
                raise InvalidInput(said, field="input.idempotencyKey") from reply
            return Outcome(refusals=refusals.all_of(reply))
        except UpstreamContractBroken as error:
            raise OutcomeUnknown(self.upstream.name, detail=error.detail) from error

    async def _get(self, operation: Operation, path: str, answer: type[T], keys: Sequence[str]) -> T:
        """A list exists even when it is empty: a 404 means that this is not the service, not that there is nothing."""
        try:
            got = await self.fetch(operation, "GET", path, answer, keys=keys)
        except ProblemReply as reply:
            raise reply.rejected() from reply
        if got is None:
            raise UpstreamContractBroken(self.upstream.name, detail=f"404 for {operation.name}")
        return got
