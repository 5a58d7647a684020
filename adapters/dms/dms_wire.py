"""What all BODs of the dealer system share: the frame, return codes, and how it writes times, dates and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeVar
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from adapters.transport.codes import report_unknown
from adapters.transport.soap import RELEASE, SHANGHAI, Node, Unreadable, Xml, element
from bff.domain.base import MOST_INT, MOST_MINOR, Money, Text
from bff.domain.vehicle import VehicleRef

E = TypeVar("E", bound=Enum)

HEAD_OFFICE = "HQ0000"
"""The dealer number of questions that no single dealer can answer."""

DONE = "0000"
EMPTY = "0"
NOT_FOUND = "E1003"
NO_DEALER = "E3006"
LOCKED = "E2001"
BUSY = "E5001"
UNCERTAIN = "E9999"

_BOD_IDS = uuid5(NAMESPACE_URL, "urn:autobff:dms:bodid")


def bod_id(idempotency_key: str) -> UUID:
    """The BODID of a write: the same for the same key, so that the dealer system recognises a repetition."""
    return uuid5(_BOD_IDS, idempotency_key)


def bod(name: str, *data: Xml, dealer: str, identifier: UUID | None = None, now: datetime | None = None) -> Xml:
    """A whole BOD. Without an `identifier` it gets one of its own, as every read does."""
    created = (now or datetime.now(UTC)).astimezone(SHANGHAI)
    sender = element("Sender", element("CreatorNameCode", "BFF"), element("DealerNumberID", dealer))
    area = element(
        "ApplicationArea",
        sender,
        element("CreationDateTime", iso(created)),
        element("BODID", str(identifier or uuid4())),
    )
    return element(name, area, element(f"{name}DataArea", *data), releaseID=RELEASE, languageCode="zh-CN")


def iso(moment: datetime) -> str:
    """`2025-03-12T09:30:00`: local time of Asia/Shanghai, without a zone."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M:%S")


def moment(text: str) -> datetime:
    """`20250312093000` or `2025-03-12T09:30:00`, Asia/Shanghai, as UTC."""
    digits = text if text.isdigit() else text.replace("-", "").replace("T", "").replace(":", "")
    try:
        if len(digits) != 14:
            raise ValueError(text)
        parts = int(digits[:4]), int(digits[4:6]), int(digits[6:8]), int(digits[8:10]), int(digits[10:12])
        return datetime(*parts, int(digits[12:]), tzinfo=SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"not a time: {text[:30]!r}") from error


def day(text: str) -> date:
    """`20250312`, or the day of a 14-digit time (many date columns are such)."""
    try:
        if len(text) not in (8, 14) or not text.isdigit():
            raise ValueError(text)
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError as error:
        raise Unreadable(f"not a date: {text[:30]!r}") from error


def maybe_moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def maybe_day(text: str | None) -> date | None:
    return None if text is None else day(text)


def whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or (value := int(text)) > MOST_INT:
        raise Unreadable(f"not a whole number: {text[:30]!r}")
    return value


def maybe_whole(text: str | None) -> int | None:
    return None if not text else whole(text)


def scaled(text: str, places: int) -> int:
    """A decimal in units of its `places`th digit: `("1280.5", 2)` is 128050. Digits beyond that are unreadable."""
    try:
        value = Decimal(text).scaleb(places)
        if not -MOST_MINOR <= value <= MOST_MINOR or value != value.to_integral_value():
            raise InvalidOperation
        return int(value)
    except (ArithmeticError, ValueError) as error:  # Decimal's own are arithmetic's
        raise Unreadable(f"not a decimal of {places} places: {text[:30]!r}") from error


def yuan(text: str) -> Money:
    return Money(amount_minor=scaled(text, 2), currency="CNY")


def bilingual(zh: str, en: str | None) -> Text:
    return Text(zh=zh, en=en or None)


def meaning(table: Mapping[str, E], code: str, what: str, unknown: E) -> E:
    """The domain's word for a code. An unknown one is reported and becomes UNKNOWN; callers keep the raw code."""
    found = table.get(code)
    if found is None:
        report_unknown("dms", what, code[:20])
        return unknown
    return found


def read_ref(node: Node) -> VehicleRef:
    """The car a record is about; every record of the dealer system carries the same four elements."""
    return VehicleRef(
        vin=node.required("VehicleID"),
        region=node.required("SalesRegionCode"),
        brand=node.required("MakeCode"),
        model=node.required("ModelCode"),
    )
