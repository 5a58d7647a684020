"""Test drives and leads from the leads service."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from adapters.leads import leads_wire as wire
from adapters.transport.records import by_chunks
from adapters.transport.rest import Items, ProblemReply, RestClient, query, segment
from adapters.transport.upstream import Audience, Effect, Operation, Upstream
from bff.calls import in_parallel
from bff.domain.base import Found, Outcome
from bff.domain.leads import Lead, LeadState, TestDrive, TestDriveSlot, TestDriveSlotQuery
from bff.errors import BffError, InvalidInput, NotFound, UpstreamContractBroken

GET_SLOTS = Operation(name="GetTestDriveSlots", audience=Audience.PUBLIC)
GET_TEST_DRIVES = Operation(name="GetTestDrives")
GET_LEADS = Operation(name="GetLeads")
BOOK_TEST_DRIVE = Operation(name="BookTestDrive", effect=Effect.WRITE)
CANCEL_TEST_DRIVE = Operation(name="CancelTestDrive", effect=Effect.WRITE)

MOST_KEYS = 100
MOST_DAYS = 31

logger = logging.getLogger(__name__)


class LeadClient:
    """Implements `LeadPort`: each read is one call for up to 100 keys; slots take one call for each span of days."""

    def __init__(self, upstream: Upstream) -> None:
        self._rest = RestClient(upstream)
        self._name = upstream.name

    async def slots(self, queries: Sequence[TestDriveSlotQuery]) -> Found[TestDriveSlotQuery, list[TestDriveSlot]]:
        """An unknown store is absent."""
        found: dict[TestDriveSlotQuery, list[TestDriveSlot] | BffError] = {}
        spans: dict[tuple[date, date], list[str]] = {}
        for wanted in queries:
            if not wanted.from_day <= wanted.to_day < wanted.from_day + timedelta(days=MOST_DAYS):
                found[wanted] = InvalidInput(f"The days span 1 to {MOST_DAYS}.", field="toDay")
            else:
                spans.setdefault((wanted.from_day, wanted.to_day), []).append(wanted.centre)
        answers = await in_parallel(*(self._span(*span, centres) for span, centres in spans.items()))
        for (first, last), answer in zip(spans, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            for centre, slots in answer.items():
                found[TestDriveSlotQuery(centre=centre, from_day=first, to_day=last)] = slots
        return found

    async def _span(self, first: date, last: date, centres: list[str]) -> Found[str, list[TestDriveSlot]]:
        async def ask(some: list[str]) -> Found[str, tuple[str, list[TestDriveSlot]]]:
            days = [("from", first.isoformat()), ("to", last.isoformat())]
            path = "/test-drive-slots" + query([*(("centre", centre) for centre in some), *days])
            return wire.SLOTS.found(self._name, await self._read(GET_SLOTS, path, some), some, lambda pair: pair[0])

        found = await by_chunks(centres, MOST_KEYS, ask)
        return {centre: pair if isinstance(pair, BffError) else pair[1] for centre, pair in found.items()}

    async def test_drives_of(self, customer_ids: Sequence[str]) -> Found[str, list[TestDrive]]:
        """Newest first; a customer without any has an empty list."""

        async def ask(some: list[str]) -> Found[str, list[TestDrive]]:
            answer = await self._read(GET_TEST_DRIVES, "/test-drives" + query(("customer", c) for c in some), some)
            drives: dict[str, list[TestDrive] | BffError] = {customer: [] for customer in some}
            for raw in answer.items:
                single = Items(items=[raw])
                for customer, drive in wire.TEST_DRIVES_OF.found(self._name, single, some, _customer).items():
                    known = drives.get(customer)
                    if isinstance(drive, BffError):
                        drives[customer] = drive
                    elif isinstance(known, list):
                        known.append(drive)
            return drives

        return await by_chunks(customer_ids, MOST_KEYS, ask)

    async def test_drives(self, ids: Sequence[str]) -> Found[str, TestDrive]:
        async def ask(some: list[str]) -> Found[str, TestDrive]:
            answer = await self._read(GET_TEST_DRIVES, "/test-drives" + query(("id", key) for key in some), some)
            return wire.TEST_DRIVES.found(self._name, answer, some, lambda drive: drive.id)

        return await by_chunks(ids, MOST_KEYS, ask)

    async def book_test_drive(
        self,
        *,
        customer_id: str | None,
        name: str,
        phone: str | None,
        model_code: str,
        slot_id: str,
        channel: str,
        idempotency_key: str,
    ) -> Outcome[TestDrive]:
        body = wire.booking_body(
            customer_id=customer_id, name=name, phone=phone, model_code=model_code, slot_id=slot_id, channel=channel
        )
        return await self._write(BOOK_TEST_DRIVE, "/test-drives", slot_id, idempotency_key, body)

    async def cancel_test_drive(self, test_drive_id: str, *, idempotency_key: str) -> Outcome[TestDrive]:
        path = f"/test-drives/{segment(test_drive_id)}/cancel"
        return await self._write(CANCEL_TEST_DRIVE, path, test_drive_id, idempotency_key, None)

    async def leads_of_store(self, centre: str, *, state: LeadState | None, limit: int) -> list[Lead]:
        """A lead that cannot be read is logged and left out; an unknown store has none."""
        path = "/leads" + query([("centre", centre), ("state", state.value if state else None), ("limit", limit)])
        try:
            answer = await self._items(GET_LEADS, path, [centre])
        except ProblemReply as reply:
            if reply.problem.code == "CENTRE_UNKNOWN":
                return []
            raise reply.rejected() from reply
        leads = []
        for raw in answer.items:
            try:
                leads.append(wire.LEADS.one(self._name, raw))
            except UpstreamContractBroken as error:
                logger.error("%s sent an unreadable lead: %s", self._name, error.detail)
        return leads

    async def _read(self, operation: Operation, path: str, keys: Sequence[str]) -> Items[msgspec.Raw]:
        try:
            return await self._items(operation, path, keys)
        except ProblemReply as reply:
            raise reply.rejected() from reply

    async def _items(self, operation: Operation, path: str, keys: Sequence[str]) -> Items[msgspec.Raw]:
        answer = await self._rest.fetch(operation, "GET", path, Items[msgspec.Raw], keys=keys)
        if answer is None:  # a list is never a 404: the address is wrong
            raise UpstreamContractBroken(self._name, detail=f"{path} is not there")
        return answer

    async def _write(
        self, operation: Operation, path: str, key: str, idempotency_key: str, body: Any
    ) -> Outcome[TestDrive]:
        headers = {"idempotency-key": idempotency_key}
        try:
            drive = await self._rest.fetch(
                operation, "POST", path, wire.WireTestDrive, keys=[key], body=body, headers=headers
            )
        except ProblemReply as reply:
            if (mistake := wire.MISTAKES.get(reply.problem.code)) is not None:
                raise InvalidInput(mistake[0], field=mistake[1], detail=reply.problem.detail) from reply
            return Outcome(refusals=[wire.REFUSALS.of(reply)])
        if drive is None:
            raise NotFound("There is no such test drive.")
        return Outcome(entity=wire.read_test_drive(drive))


def _customer(drive: TestDrive) -> str:
    return drive.customer_id or ""
