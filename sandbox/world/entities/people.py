"""Customers, the identities and consents they hold, their points, staff and personas."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .common import Address, Channel, Language, RegionCode

IdentityKind = Literal["PHONE", "WECHAT_MINI", "WECHAT_UNION", "OIDC", "APPLE"]
ConsentPurpose = Literal[
    "MARKETING", "ANALYTICS", "LOCATION", "CROSS_BORDER", "SERVICE_MESSAGES", "PERSONALISATION", "VEHICLE_DATA"
]
PointsKind = Literal["EARN", "HOLD", "CAPTURE", "RELEASE", "REDEEM"]
PersonaKind = Literal["guest", "owner", "adviser", "head-unit"]


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to sign in; unique on all three parts."""

    kind: IdentityKind
    issuer: str
    subject: str


@dataclass(slots=True)
class Consent:
    """One grant for one purpose; a later grant of the same purpose is a new entry."""

    purpose: ConsentPurpose
    policy_version: str
    separate: bool
    granted_at: datetime
    withdrawn_at: datetime | None
    channel: Channel


@dataclass(frozen=True, slots=True)
class PointsEntry:
    """One line of the append-only points ledger.

    ``points`` is always positive. EARN and REDEEM move the balance at once. HOLD reserves; CAPTURE spends and
    RELEASE gives back what the entry named by ``hold_id`` reserved.
    """

    id: str
    customer_id: str
    kind: PointsKind
    points: int
    at: datetime
    text: str
    reference: str | None = None
    hold_id: str | None = None


@dataclass(slots=True)
class Customer:
    """A person with an account. ``phone`` is E.164 (``+86138…``); ``merged_into`` is set on an account that was folded
    into another.
    """

    id: str
    name_zh: str
    name_latin: str
    display_name: str
    phone: str
    email: str
    language: Language
    region: RegionCode
    home_centre_id: str
    registered_at: datetime
    erp_business_partner: str
    address: Address
    identities: list[Identity] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    points: list[PointsEntry] = field(default_factory=list)
    avatar: str | None = None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Staff:
    """An adviser or technician at one centre; ``wecom_id`` is the WeCom account."""

    id: str
    name: str
    centre_id: str
    role: Literal["ADVISER", "TECHNICIAN", "MANAGER"]
    wecom_id: str


@dataclass(frozen=True, slots=True)
class Persona:
    """Who a demonstration token speaks for; exactly the ids that its kind needs are set."""

    id: PersonaKind
    title: str
    channel: Channel
    language: Language
    customer_id: str | None = None
    staff_id: str | None = None
    centre_id: str | None = None
    vin: str | None = None
