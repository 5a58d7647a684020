"""Sales orders and availability from the ERP: many keys in one `$batch`, changes in one changeset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from adapters.erp.erp_wire import (
    CHANGED_MEANWHILE,
    DUPLICATE_REFERENCE,
    REFUSALS,
    WireAvailability,
    WireSalesOrder,
    availability_part,
    by_reference,
    cancel_entries,
    create_entries,
    read_availability,
    read_order,
    reschedule_entries,
    sales_order_part,
)
from adapters.transport.http import HttpReply
from adapters.transport.odata import ODataClient, ODataRefusal, Results
from adapters.transport.odata_batch import ChangeSet, Part
from adapters.transport.upstream import Audience, Effect, Operation, Upstream
from bff.calls import in_parallel
from bff.domain.base import Found, Outcome
from bff.domain.vehicle_order import RejectionReason, SalesOrder, SalesOrderDraft
from bff.errors import BffError, NotFound, OutcomeUnknown, UpstreamContractBroken

V = TypeVar("V")

ROOT = "/sap/opu/odata/sap/API_SALES_ORDER_SRV"
BATCH_PARTS = 100

READ_ORDERS = Operation(name="A_SalesOrder")
READ_AVAILABILITY = Operation(name="ZC_AvailableToPromise", audience=Audience.PUBLIC)
CREATE = Operation(name="A_SalesOrder create", effect=Effect.WRITE)
CHANGE = Operation(name="A_SalesOrder change", effect=Effect.WRITE)


class ErpClient:
    """Implements SalesOrderPort. A `$batch` carries at most 100 keys; more keys go in several, side by side."""

    def __init__(self, upstream: Upstream) -> None:
        self._odata = ODataClient(upstream, ROOT)
        self._name = upstream.name

    async def sales_orders(self, numbers: Sequence[str]) -> Found[str, SalesOrder]:
        def read(number: str, reply: HttpReply) -> SalesOrder:
            order = read_order(self._odata.read(READ_ORDERS, reply, WireSalesOrder))
            if order.number != number:
                raise ValueError(f"asked for {number}, answered {order.number}")
            return order

        return await self._read_many(READ_ORDERS, numbers, sales_order_part, read)

    async def available_to_promise(self, materials: Sequence[str]) -> Found[str, int]:
        def read(material: str, reply: HttpReply) -> int | None:
            rows = self._odata.read(READ_AVAILABILITY, reply, Results[WireAvailability]).results
            return read_availability(material, rows)

        return await self._read_many(READ_AVAILABILITY, materials, availability_part, read)

    async def create(self, draft: SalesOrderDraft) -> Outcome[SalesOrder]:
        existing = await self.find(draft.reference)
        if existing is not None:
            return Outcome(entity=existing)
        try:
            written, after = await self._odata.batch(CREATE, create_entries(draft), keys=[draft.reference])
            if isinstance(written, HttpReply):
                raise self._odata.refusal(CREATE, written)
            found = self._odata.read(CREATE, _single(after), Results[WireSalesOrder]).results
            return Outcome(entity=read_order(found[0]))
        except ODataRefusal as refusal:
            if DUPLICATE_REFERENCE in refusal.codes and (existing := await self.find(draft.reference)) is not None:
                return Outcome(entity=existing)
            return self._refused(refusal)
        except (ValueError, IndexError) as error:
            raise OutcomeUnknown(self._name, detail=f"created, but not confirmed: {error}") from error

    async def reschedule(self, order: SalesOrder, requested_delivery_on: date) -> Outcome[SalesOrder]:
        return await self._change(order.number, reschedule_entries(order, requested_delivery_on))

    async def cancel(self, order: SalesOrder, reason: RejectionReason) -> Outcome[SalesOrder]:
        if order.rejected:
            return Outcome(entity=order)
        return await self._change(order.number, cancel_entries(order, reason))

    async def find(self, reference: str) -> SalesOrder | None:
        try:
            found = await self._odata.get(
                READ_ORDERS, by_reference(reference), Results[WireSalesOrder], keys=[reference]
            )
            return read_order(found.results[0]) if found is not None and found.results else None
        except ODataRefusal as refusal:
            raise refusal.rejected() from refusal
        except ValueError as error:
            raise UpstreamContractBroken(self._name, detail=str(error)) from error

    async def _change(self, number: str, entries: Sequence[Part | ChangeSet]) -> Outcome[SalesOrder]:
        try:
            written, after = await self._odata.batch(CHANGE, entries, keys=[number])
            if isinstance(written, HttpReply):
                raise self._odata.refusal(CHANGE, written)
            return Outcome(entity=read_order(self._odata.read(CHANGE, _single(after), WireSalesOrder)))
        except ODataRefusal as refusal:
            if refusal.status == 404:
                raise NotFound("There is no such sales order.", detail=refusal.detail) from refusal
            return self._refused(refusal)
        except ValueError as error:
            raise OutcomeUnknown(self._name, detail=f"changed, but not confirmed: {error}") from error

    def _refused(self, refusal: ODataRefusal) -> Outcome[SalesOrder]:
        if refusal.status == 412:
            return Outcome(refusals=[CHANGED_MEANWHILE])
        known = [REFUSALS[code] for code in refusal.codes if code in REFUSALS]
        if not known:
            raise refusal.rejected() from refusal
        return Outcome(refusals=known)

    async def _read_many(
        self,
        operation: Operation,
        keys: Sequence[str],
        part: Callable[[str], Part],
        read: Callable[[str, HttpReply], V | None],
    ) -> dict[str, V | BffError]:
        """A key whose batch failed carries that error, a key whose part failed the part's; a 404 part is absent."""
        wanted = list(dict.fromkeys(keys))
        if len(wanted) == 1:
            alone = await self._read_alone(operation, wanted[0], part, read)
            return {} if alone is None else {wanted[0]: alone}
        chunks = [wanted[start : start + BATCH_PARTS] for start in range(0, len(wanted), BATCH_PARTS)]
        batches = [self._odata.batch(operation, [part(key) for key in chunk], keys=chunk) for chunk in chunks]
        found: dict[str, V | BffError] = {}
        for chunk, replies in zip(chunks, await in_parallel(*batches), strict=True):
            if isinstance(replies, BffError):
                found |= dict.fromkeys(chunk, replies)
            elif isinstance(replies, BaseException):
                raise replies
            else:
                for key, reply in zip(chunk, replies, strict=True):
                    value = self._read_one(key, reply, read)
                    if value is not None:
                        found[key] = value
        return found

    async def _read_alone(
        self,
        operation: Operation,
        key: str,
        part: Callable[[str], Part],
        read: Callable[[str, HttpReply], V | None],
    ) -> V | BffError | None:
        """One key without a batch. A 404 is absence only in the ERP's own words: a proxy may say it as well."""
        reply = await self._odata.send(operation, part(key), keys=[key])
        if reply.status == 404 and not isinstance(refused := self._odata.refusal(operation, reply), ODataRefusal):
            return refused
        return self._read_one(key, reply, read)

    def _read_one(self, key: str, reply: object, read: Callable[[str, HttpReply], V | None]) -> V | BffError | None:
        try:
            single = _single(reply)
            return None if single.status == 404 else read(key, single)
        except ODataRefusal as refusal:
            return refusal.rejected()
        except BffError as error:
            return error
        except ValueError as error:
            return UpstreamContractBroken(self._name, detail=str(error))


def _single(reply: object) -> HttpReply:
    """The reply to a read; a changeset's replies in its place break the order of the batch."""
    if not isinstance(reply, HttpReply):
        raise ValueError("a changeset was answered where a read was asked")
    return reply
