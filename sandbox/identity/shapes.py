"""The service's JSON, as types: bodies are strict, answers are made from the world."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from sandbox.identity.ledger import Line, held, points
from sandbox.world import World, entities
from sandbox.world.entities.common import Channel
from sandbox.world.entities.people import ConsentPurpose, IdentityKind, PointsKind

Word = Annotated[str, msgspec.Meta(min_length=1)]


class Shape(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Identity(Shape):
    """A way to log in. Kind, issuer and subject are unique together."""

    id: str
    kind: IdentityKind
    issuer: str
    subject: str
    linked_at: datetime


class Consent(Shape):
    """Where one purpose stands. `separate` ones are asked for apart from all others (PIPL, articles 29 and 39)."""

    purpose: ConsentPurpose
    policy_version: str
    separate: bool
    granted_at: datetime | None
    withdrawn_at: datetime | None
    channel: str

    @classmethod
    def of(cls, consent: entities.Consent) -> Consent:
        return cls(
            purpose=consent.purpose,
            policy_version=consent.policy_version,
            separate=consent.separate,
            granted_at=consent.granted_at,
            withdrawn_at=consent.withdrawn_at,
            channel=consent.channel,
        )


class Points(Shape):
    """`balance` can be spent now; `held` is set aside for orders under way."""

    balance: int
    held: int


class Customer(Shape):
    """`askedId` is the id that was asked for: another than `id` where that account was merged into this one.

    `phone` is E.164. `consents` has one entry a purpose, the latest.
    """

    asked_id: str
    id: str
    display_name: str
    phone: str | None
    avatar_path: str | None
    language: str
    registered_at: datetime
    identities: list[Identity]
    consents: list[Consent]
    points: Points

    @classmethod
    def of(cls, asked_id: str, customer: entities.Customer) -> Customer:
        lines = points(customer)
        latest = {consent.purpose: consent for consent in customer.consents}
        return cls(
            asked_id=asked_id,
            id=customer.id,
            display_name=customer.display_name,
            phone=customer.phone,
            avatar_path=customer.avatar,
            language=customer.language,
            registered_at=customer.registered_at,
            identities=[
                Identity(
                    id=f"ID-{customer.id}-{number}",
                    kind=identity.kind,
                    issuer=identity.issuer,
                    subject=identity.subject,
                    linked_at=customer.registered_at,
                )
                for number, identity in enumerate(customer.identities, 1)
            ],
            consents=[Consent.of(consent) for consent in latest.values()],
            points=Points(balance=lines[-1].balance_after if lines else 0, held=held(customer)),
        )


class VehicleReference(Shape):
    vin: str
    region: str
    brand: str
    model: str


class GarageEntry(Shape):
    """A car in a garage now. Entries that a transfer has closed are not shown."""

    vehicle: VehicleReference
    role: str
    since: datetime
    nickname: str | None


class Garage(Shape):
    """A customer's cars, oldest first. `askedId` is the id that was asked for."""

    asked_id: str
    customer_id: str
    entries: list[GarageEntry]

    @classmethod
    def of(cls, world: World, asked_id: str, customer: entities.Customer) -> Garage:
        entries = []
        for entry in sorted(world.garage_of(customer.id), key=lambda entry: (entry.since, entry.id)):
            car = world.vehicles[entry.vin]
            reference = VehicleReference(vin=car.vin, region=car.region, brand=car.brand, model=car.model_id)
            entries.append(GarageEntry(vehicle=reference, role=entry.role, since=entry.since, nickname=entry.nickname))
        return cls(asked_id=asked_id, customer_id=customer.id, entries=entries)


class PointsEntry(Shape):
    """A line of the ledger. `delta` is what it did to the balance: a CAPTURE does nothing, its HOLD already has."""

    id: str
    kind: PointsKind
    delta: int
    balance_after: int
    reason: str
    at: datetime

    @classmethod
    def of(cls, line: Line) -> PointsEntry:
        entry = line.entry
        return cls(
            id=entry.id,
            kind=entry.kind,
            delta=line.delta,
            balance_after=line.balance_after,
            reason=entry.text,
            at=entry.at,
        )


class ConsentChange(Shape):
    """`policyVersion` is the version that the customer saw."""

    granted: bool
    policy_version: Word
    channel: Channel


class CustomerChange(Shape):
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
