"""Customers from the identity service: every method is one call, bulk reads one for each hundred ids, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import uuid4

import msgspec

from adapters.identity import identity_wire as wire
from adapters.transport.records import RecordClient
from adapters.transport.rest import ProblemReply, query, segment
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Found, Outcome, Page, PageArgs
from bff.domain.customer import Consent, ConsentPurpose, Customer, GarageEntry, PointsEntry
from bff.errors import BffError

V = TypeVar("V")

CUSTOMERS = Operation(name="GetCustomers")
GARAGES = Operation(name="GetGarages")
POINTS = Operation(name="GetPoints")
FIND_BY_PHONE = Operation(name="FindCustomerByPhone")
PUT_CONSENT = Operation(name="PutConsent", effect=Effect.WRITE)
RENAME = Operation(name="ChangeCustomer", effect=Effect.WRITE)

_NO_CUSTOMER = "There is no such customer."


class IdentityAdapter:
    """Implements `CustomerPort`."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def customers(self, ids: Sequence[str]) -> Found[str, Customer]:
        answered = await self._client.found(CUSTOMERS, "/customers", "id", ids, wire.CUSTOMERS, lambda pair: pair[0])
        return _values(answered)

    async def garages(self, customer_ids: Sequence[str]) -> Found[str, list[GarageEntry]]:
        answered = await self._client.found(
            GARAGES, "/garages", "customerId", customer_ids, wire.GARAGES, lambda pair: pair[0]
        )
        return _values(answered)

    async def points_entries(self, customer_id: str, page: PageArgs) -> Page[PointsEntry]:
        return await self._client.page(POINTS, _path(customer_id, "points"), page, wire.POINTS, keys=[customer_id])

    async def find_by_phone(self, phone: str) -> Customer | None:
        """Raises `InvalidInput` for what cannot be a number. Logs see no more of it than customers do."""
        number = wire.e164(phone)
        path = "/customers/by-phone" + query([("phone", number)])
        try:
            raw = await self._client.fetch(FIND_BY_PHONE, "GET", path, msgspec.Raw, keys=[wire.mask_phone(number)])
        except ProblemReply as reply:
            raise reply.rejected() from reply
        return None if raw is None else wire.CUSTOMER.one(wire.NAME, raw)

    async def payer(self, customer_id: str, app_id: str) -> str | None:
        answered = await self._client.found(
            CUSTOMERS, "/customers", "id", [customer_id], wire.OPENIDS, lambda pair: pair[0]
        )
        found = answered.get(customer_id)
        if isinstance(found, BffError):
            raise found
        return None if found is None else found[1].get(app_id)

    async def set_consent(
        self, customer_id: str, purpose: ConsentPurpose, *, granted: bool, policy_version: str, channel: str
    ) -> Outcome[Consent]:
        return await self._client.write(
            PUT_CONSENT,
            "PUT",
            _path(customer_id, "consents", purpose.value),
            wire.consent_body(granted, policy_version, channel),
            wire.CONSENTS,
            wire.CONSENT_REFUSALS,
            idempotency_key=str(uuid4()),
            missing=_NO_CUSTOMER,
            keys=[customer_id, purpose.value],
        )

    async def rename(self, customer_id: str, display_name: str) -> Outcome[Customer]:
        return await self._client.write(
            RENAME,
            "PATCH",
            _path(customer_id),
            wire.customer_body(display_name),
            wire.CUSTOMER,
            wire.RENAME_REFUSALS,
            idempotency_key=str(uuid4()),
            missing=_NO_CUSTOMER,
            keys=[customer_id],
        )


def _path(customer_id: str, *rest: str) -> str:
    return "/".join(["/customers", *(segment(part) for part in (customer_id, *rest))])


def _values(answered: Mapping[str, tuple[str, V] | BffError]) -> dict[str, V | BffError]:
    return {key: pair if isinstance(pair, BffError) else pair[1] for key, pair in answered.items()}
