"""Customers: who they are, how they log in, what they agreed to, their points and their garage. Source: identity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Outcome, Page, PageArgs, Value
from bff.domain.vehicle import VehicleRef


class IdentityKind(Enum):
    PHONE = "PHONE"
    WECHAT_MINI = "WECHAT_MINI"
    WECHAT_UNION = "WECHAT_UNION"
    OIDC = "OIDC"
    APPLE = "APPLE"
    UNKNOWN = "UNKNOWN"


class Identity(Value, frozen=True, kw_only=True):
    """A way to log in. `subject_masked` shows the end of it only; kind, issuer and subject are unique together."""

    id: str
    kind: IdentityKind
    issuer: str
    subject_masked: str
    linked_at: datetime


class ConsentPurpose(Enum):
    MARKETING = "MARKETING"
    ANALYTICS = "ANALYTICS"
    LOCATION = "LOCATION"
    CROSS_BORDER = "CROSS_BORDER"
    PERSONALISATION = "PERSONALISATION"
    SERVICE_MESSAGES = "SERVICE_MESSAGES"
    VEHICLE_DATA = "VEHICLE_DATA"
    UNKNOWN = "UNKNOWN"


class Consent(Value, frozen=True, kw_only=True):
    """What the customer agreed to, under which policy. `separate` consents stand apart (PIPL articles 29 and 39)."""

    purpose: ConsentPurpose
    policy_version: str
    separate: bool
    granted_at: datetime | None
    withdrawn_at: datetime | None
    channel: str

    @property
    def granted(self) -> bool:
        return self.granted_at is not None and self.withdrawn_at is None


class PointsKind(Enum):
    EARN = "EARN"
    HOLD = "HOLD"
    CAPTURE = "CAPTURE"
    RELEASE = "RELEASE"
    REDEEM = "REDEEM"
    UNKNOWN = "UNKNOWN"


class PointsEntry(Value, frozen=True, kw_only=True):
    """A line of the append-only ledger. `delta` changes the balance; a HOLD is returned by a RELEASE."""

    id: str
    kind: PointsKind
    delta: int
    balance_after: int
    reason: str
    at: datetime


class Points(Value, frozen=True, kw_only=True):
    balance: int
    held: int


class GarageRole(Enum):
    OWNER = "OWNER"
    DRIVER = "DRIVER"
    FAMILY = "FAMILY"
    UNKNOWN = "UNKNOWN"


class GarageEntry(Value, frozen=True, kw_only=True):
    """A car in a garage. `until` is set on a closed entry: what came after it is not this customer's to see."""

    vehicle: VehicleRef
    role: GarageRole
    since: datetime
    until: datetime | None = None
    nickname: str | None = None


class CustomerRef(Value, frozen=True, kw_only=True):
    """A customer by id: what hangs on a customer is asked for by it, without waiting for the profile."""

    id: str


class Customer(Value, frozen=True, kw_only=True):
    """`phone_masked` is `138****1234`: the full number never leaves the identity service."""

    id: str
    display_name: str
    phone_masked: str | None
    avatar_path: str | None
    language: str
    member_since: datetime
    identities: list[Identity]
    consents: list[Consent]
    points: Points


class CustomerPort(Protocol):
    """Reads are by customer id. A merged customer's id answers with the customer it was merged into."""

    async def customers(self, ids: Sequence[str]) -> Found[str, Customer]: ...

    async def garages(self, customer_ids: Sequence[str]) -> Found[str, list[GarageEntry]]:
        """Entries open now, oldest first. A customer without cars has an empty list."""
        ...

    async def points_entries(self, customer_id: str, page: PageArgs) -> Page[PointsEntry]:
        """The ledger, newest first."""
        ...

    async def find_by_phone(self, phone: str) -> Customer | None:
        """Exact match on an E.164 or national number; for advisers."""
        ...

    async def payer(self, customer_id: str, app_id: str) -> str | None:
        """The customer's openid with a WeChat app, for the payment provider; never shown to a client or a log."""
        ...

    async def set_consent(
        self, customer_id: str, purpose: ConsentPurpose, *, granted: bool, policy_version: str, channel: str
    ) -> Outcome[Consent]: ...

    async def rename(self, customer_id: str, display_name: str) -> Outcome[Customer]: ...
