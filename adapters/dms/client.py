"""Questions to and orders for the dealer system: one BOD out, its data area or an error of ours back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from adapters.dms.dms_wire import (
    BUSY,
    DONE,
    EMPTY,
    HEAD_OFFICE,
    LOCKED,
    NO_DEALER,
    NOT_FOUND,
    UNCERTAIN,
    bod,
    bod_id,
)
from adapters.dms.reads import ask_once, forget_answers
from adapters.transport.soap import BodRefused, Node, SoapClient, Unreadable, Xml
from adapters.transport.upstream import Operation, Upstream
from bff.calls import in_parallel
from bff.errors import (
    BffError,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class DmsClient:
    """Shared by the adapters of the dealer system. The upstream caps what is under way (`max_in_flight`)."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self._soap = SoapClient(upstream, "/ws/star")

    async def show(self, operation: Operation, criteria: Xml, key: str, *, dealer: str = HEAD_OFFICE) -> Node | None:
        """The data area of the Show BOD for these criteria. None: there is no such thing."""
        answer = "Show" + operation.name.removeprefix("Get")

        async def ask() -> Node | None:
            question = bod(operation.name, criteria, dealer=dealer)
            try:
                return self._area(await self._soap.exchange(operation, question, answer, [key]))
            except BodRefused as refused:
                if refused.code in (NOT_FOUND, NO_DEALER):
                    return None
                raise self.failure(operation, refused) from refused
            except Unreadable as error:
                raise self.unreadable(error) from error

        return await ask_once((operation.name, dealer, criteria), ask)

    async def process(
        self, operation: Operation, data: tuple[Xml, Xml], key: str, *, dealer: str, idempotency_key: str
    ) -> Node:
        """The data area of the Acknowledge BOD. Raises BodRefused for business codes, OutcomeUnknown as Upstream does.

        The BODID follows from the idempotency key, so a repetition gets the first outcome and does nothing.
        """
        answer = "Acknowledge" + operation.name.removeprefix("Process")
        order = bod(operation.name, *data, dealer=dealer, identifier=bod_id(idempotency_key))
        forget_answers()
        try:
            area = self._area(await self._soap.exchange(operation, order, answer, [key]))
            if area is None:
                raise Unreadable(f"{answer} has an empty body")
            return area
        except BodRefused as refused:
            if refused.code in (LOCKED, BUSY, UNCERTAIN):
                raise self.failure(operation, refused) from refused
            raise
        except Unreadable as error:
            raise self._soap.lost(operation, UpstreamContractBroken, str(error)) from error
        finally:
            forget_answers()

    def _area(self, answer: Node) -> Node | None:
        area = answer.child(f"{answer.name}DataArea")
        if area is None:
            raise Unreadable(f"{answer.name} has no data area")
        code = area.required("RetCode")
        if code == DONE:
            return area
        if code == EMPTY:
            return None
        raise BodRefused(code, area.text("RetMsg") or "")

    def failure(self, operation: Operation, refused: BodRefused) -> BffError:
        """A return code that no payload says: what it means for a caller (codes: docs/contracts/dms.md)."""
        name, detail = self.upstream.name, str(refused)
        if refused.code == LOCKED:
            message = "The dealer is working on this record at the moment. Try again in a few minutes."
            return UpstreamBusy(name, message, detail=detail)
        if refused.code == BUSY:
            return UpstreamBusy(name, detail=detail)
        if refused.code == UNCERTAIN:
            return self._soap.lost(operation, UpstreamUnavailable, detail)
        return UpstreamRejected(name, detail=detail)

    def unreadable(self, error: Unreadable) -> UpstreamContractBroken:
        return UpstreamContractBroken(self.upstream.name, detail=str(error))

    def unconfirmed(self, operation: Operation, error: Unreadable) -> BffError:
        """A write was acknowledged by a record that cannot be read."""
        return self._soap.lost(operation, UpstreamContractBroken, str(error))

    async def each(self, keys: Sequence[K], ask: Callable[[K], Awaitable[V | None]]) -> dict[K, V | BffError]:
        """`ask` for every key, side by side. A failed key carries its own error, a missing one is left out."""
        unique = list(dict.fromkeys(keys))
        found: dict[K, V | BffError] = {}
        for key, answer in zip(unique, await in_parallel(*map(ask, unique)), strict=True):
            if isinstance(answer, Unreadable):
                found[key] = self.unreadable(answer)
            elif isinstance(answer, BaseException) and not isinstance(answer, BffError):
                raise answer
            elif answer is not None:
                found[key] = answer
        return found
