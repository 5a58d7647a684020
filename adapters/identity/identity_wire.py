"""The identity service's JSON and what it means (docs/contracts/identity.openapi.json). Pure: no I/O.

Full phone numbers and login names end here: what leaves this module is masked.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc, utc_or_none
from bff.domain.base import Int
from bff.domain.customer import (
    Consent,
    ConsentPurpose,
    Customer,
    GarageEntry,
    GarageRole,
    Identity,
    IdentityKind,
    Points,
    PointsEntry,
    PointsKind,
)
from bff.domain.vehicle import VehicleRef
from bff.errors import InvalidInput

NAME = "identity"
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_MAINLAND = re.compile(r"1[0-9]{10}")
_SHOWN = 4

_kind = Codes(NAME, IdentityKind)
_purpose = Codes(NAME, ConsentPurpose)
_points_kind = Codes(NAME, PointsKind)
_role = Codes(NAME, GarageRole)


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class WireIdentity(Wire, frozen=True):
    id: str
    kind: str
    issuer: str
    subject: str
    linked_at: Moment


class WireConsent(Wire, frozen=True):
    purpose: str
    policy_version: str
    separate: bool
    granted_at: Moment | None
    withdrawn_at: Moment | None
    channel: str


class WireCustomer(Wire, frozen=True):
    asked_id: str
    id: str
    display_name: str
    phone: str | None
    avatar_path: str | None
    language: str
    registered_at: Moment
    identities: list[WireIdentity]
    consents: list[WireConsent]
    points: Points


class WireGarageEntry(Wire, frozen=True):
    vehicle: VehicleRef
    role: str
    since: Moment
    nickname: str | None


class WireGarage(Wire, frozen=True):
    asked_id: str
    entries: list[msgspec.Raw]


class WirePointsEntry(Wire, frozen=True):
    id: str
    kind: str
    delta: Int
    balance_after: Int
    reason: str
    at: Moment


def e164(phone: str) -> str:
    """A number as the service knows it; eleven digits are a mobile number in mainland China."""
    number = re.sub(r"[\s-]", "", phone)
    if _MAINLAND.fullmatch(number):
        return f"+86{number}"
    if not _E164.fullmatch(number):
        raise InvalidInput("This is no phone number: give eleven digits, or + and the country code.", field="phone")
    return number


def mask_phone(phone: str) -> str:
    """`138****1234`; of a foreign number no more than the country code and the end."""
    number = phone.removeprefix("+86")
    return f"{number[:3]}****{number[-_SHOWN:]}" if len(number) >= 11 else "****"


def mask_subject(subject: str) -> str:
    """The last four characters; none of a subject that is too short to hide anything."""
    return f"****{subject[-_SHOWN:]}" if len(subject) >= 2 * _SHOWN else "****"


def read_customer(wire: WireCustomer) -> tuple[str, Customer]:
    """The id that was asked for, and the customer, whose own id differs after a merge."""
    return wire.asked_id, Customer(
        id=wire.id,
        display_name=wire.display_name,
        phone_masked=mask_phone(wire.phone) if wire.phone is not None else None,
        avatar_path=wire.avatar_path,
        language=wire.language,
        member_since=utc(wire.registered_at),
        identities=[
            Identity(
                id=identity.id,
                kind=_kind(identity.kind),
                issuer=identity.issuer,
                subject_masked=mask_subject(identity.subject),
                linked_at=utc(identity.linked_at),
            )
            for identity in wire.identities
        ],
        consents=[read_consent(consent) for consent in wire.consents],
        points=wire.points,
    )


def read_consent(wire: WireConsent) -> Consent:
    return Consent(
        purpose=_purpose(wire.purpose),
        policy_version=wire.policy_version,
        separate=wire.separate,
        granted_at=utc_or_none(wire.granted_at),
        withdrawn_at=utc_or_none(wire.withdrawn_at),
        channel=wire.channel,
    )


def read_points_entry(wire: WirePointsEntry) -> PointsEntry:
    return PointsEntry(
        id=wire.id,
        kind=_points_kind(wire.kind),
        delta=wire.delta,
        balance_after=wire.balance_after,
        reason=wire.reason,
        at=utc(wire.at),
    )


def read_garage(wire: WireGarage) -> tuple[str, list[GarageEntry]]:
    """The id that was asked for, and its cars; a `PartialList` where one could not be read."""
    return wire.asked_id, ENTRIES.several(NAME, wire.entries)


def _read_entry(wire: WireGarageEntry) -> GarageEntry:
    return GarageEntry(vehicle=wire.vehicle, role=_role(wire.role), since=utc(wire.since), nickname=wire.nickname)


def read_openids(wire: WireCustomer) -> tuple[str, dict[str, str]]:
    """Openids by the app that they are for; an openid means nothing to another app."""
    return wire.asked_id, {each.issuer: each.subject for each in wire.identities if each.kind == "WECHAT_MINI"}


CUSTOMERS = Records(WireCustomer, read_customer, key="askedId")
CUSTOMER = Records(WireCustomer, lambda wire: read_customer(wire)[1], key="id")
OPENIDS = Records(WireCustomer, read_openids, key="askedId")
CONSENTS = Records(WireConsent, read_consent, key="purpose")
POINTS = Records(WirePointsEntry, read_points_entry, key="id")
GARAGES = Records(WireGarage, read_garage, key="askedId")
ENTRIES = Records(WireGarageEntry, _read_entry, key="vehicle")

CONSENT_REFUSALS = Refusals(
    {
        "POLICY_OUTDATED": (
            "Another version of the policy is in force: show it and ask again.",
            ["policyVersion"],
        )
    }
)
RENAME_REFUSALS = Refusals(
    {
        "NAME_REFUSED": (
            "This name cannot be used: it is too long, not printable, or kept for the brand.",
            ["displayName"],
        )
    }
)


def consent_body(granted: bool, policy_version: str, channel: str) -> dict[str, Any]:
    return {"granted": granted, "policyVersion": policy_version, "channel": channel}


def customer_body(display_name: str) -> dict[str, Any]:
    return {"displayName": display_name}
