"""A decided event as it leaves the service: for which streams, under what name, without personal data. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import msgspec

from bff.domain.cloud_events import CloudEvent, EventStream
from bff.durability.flow import DomainEvent
from bff.durability.flow_store import moment
from bff.durability.outbox_store import Entry

OPERATIONAL = ("order.", "payment.", "booking.", "feature.")
"""Types that begin so are needed to do what was ordered: for `orders` and `insight`. All others: `insight` only."""

PERSONAL = frozenset({
    "address", "avatar", "birthday", "contactname", "customer", "customerid", "customername", "displayname", "email",
    "idnumber", "licenseplate", "licenceplate", "mobile", "name", "nickname", "note", "openid", "payer", "phone",
    "plate", "recipient", "unionid", "vin",
})  # fmt: skip
"""Members of `data` that are left out wherever they stand, in whatever spelling (`customer_id`, `customerId`)."""

_TYPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class Unreadable(Exception):
    """An entry that cannot be sent as it is."""


class Pseudonyms:
    """`key` is at least 32 bytes; `name` tells pseudonyms of one key from those of the next."""

    def __init__(self, name: str, key: bytes) -> None:
        self._name = name
        self._key = key

    def of(self, customer_id: str) -> str:
        """The same for the same customer as long as the key is; nobody without the key finds the customer by it."""
        return f"{self._name}.{hmac.new(self._key, customer_id.encode(), hashlib.sha256).hexdigest()}"


def streams_of(type_: str) -> frozenset[EventStream]:
    if type_.startswith(OPERATIONAL):
        return frozenset({EventStream.ORDERS, EventStream.INSIGHT})
    return frozenset({EventStream.INSIGHT})


def decided(entry: Entry) -> DomainEvent:
    """Raises Unreadable."""
    try:
        event = msgspec.json.decode(entry.body, type=DomainEvent)
    except msgspec.DecodeError as error:
        raise Unreadable(f"it cannot be read: {error}") from error
    if not _TYPE.fullmatch(event.type):
        raise Unreadable(f"its type is none: {event.type!r}")
    return event


def envelope(entry: Entry, event: DomainEvent, stream: EventStream, source: str, pseudonyms: Pseudonyms) -> CloudEvent:
    """The same for an entry whenever it is made, so that what is sent again is the same event.

    The two streams have a source each: one event in both is two events by CloudEvents' identity.
    """
    return CloudEvent(
        id=event.id,
        source=f"{source}/{stream.value}",
        type=event.type,
        subject=pseudonyms.of(event.customer_id),
        time=moment(entry.at),
        partitionkey=event.order_number,
        sequence=f"{entry.position:020}",
        data=impersonal(event.data),
    )


def impersonal(value: Any) -> Any:
    """Without the members that name a person or their car."""
    if isinstance(value, dict):
        return {key: impersonal(held) for key, held in value.items() if _plain(key) not in PERSONAL}
    if isinstance(value, list):
        return [impersonal(held) for held in value]
    return value


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()
