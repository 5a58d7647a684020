"""The customer: identities, consents, points, garage, and what hangs on a customer."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from bff.context import CallerKind, RequestContext
from bff.domain import customer as domain
from bff.domain.base import Outcome
from bff.domain.vehicle_order import VehicleOrderPlacement as VehicleOrderPlacementValue
from bff.errors import InvalidInput
from resolvers import loads
from resolvers.cart import Cart
from resolvers.commerce import MerchandiseOrder
from resolvers.common import (
    Request,
    customer_id_of,
    enum,
    field,
    known,
    may_see_customer,
    mutation,
    prop,
    text_of,
)
from resolvers.fields import batch_field, load_one
from resolvers.leads import TestDrive
from resolvers.payloads import UserError, entity, payload, refusal_code
from resolvers.points import Points, PointsEntry
from resolvers.privacy import ACCOUNT, FREE_TEXT, ID, NAME, PHONE
from resolvers.relay import Node, connection_field, decode_id, global_id, node_of
from resolvers.rights import Owner, audience, owned, scopes, step_up
from resolvers.vehicle import Vehicle
from resolvers.vehicle_order import VehicleOrder, VehicleOrderPlacement

enum(
    domain.IdentityKind,
    "A way to log in.",
    {
        "WECHAT_MINI": "The WeChat mini-program's open id.",
        "WECHAT_UNION": "The WeChat union id, shared by all our WeChat apps.",
    },
)
enum(
    domain.ConsentPurpose,
    "What a customer's data may be used for.",
    {
        "CROSS_BORDER": "Sending personal data abroad (a separate consent under PIPL article 39).",
        "SERVICE_MESSAGES": "Messages about what the customer ordered or booked, and about their car.",
        "VEHICLE_DATA": "Using what the car reports.",
    },
)
enum(domain.GarageRole, "What the customer is to the car.")


@strawberry.type(description="A way this customer logs in.")
class Identity:
    id: strawberry.ID = prop("Stable within this customer.")
    kind: domain.IdentityKind = prop("Which kind of login.")
    issuer: str = prop("Who vouches for it: our own service, WeChat's app id, Apple.")
    subject_masked: str = prop("The end of the login's name, for recognition only.", directives=[ACCOUNT])
    linked_at: datetime = prop("When it was linked to this account.")


@strawberry.type(description="What the customer agreed to, or no longer does.")
class Consent:
    purpose: domain.ConsentPurpose = prop("What the data may be used for.")
    policy_version: str = prop("The version of the policy that was shown.")
    separate: bool = prop("Whether the law asks for this consent to be given apart from all others.")
    granted: bool = prop("Whether it holds now.")
    granted_at: datetime | None = prop("When it was given; null if never.")
    withdrawn_at: datetime | None = prop("When it was withdrawn; null while it holds.")
    channel: str = prop("Where it was given or withdrawn.")


@strawberry.type(description="A car in the customer's garage.")
class GarageEntry:
    vehicle: Vehicle = prop("The car.")
    role: domain.GarageRole = prop("What the customer is to the car.")
    since: datetime = prop("Since when; nothing from before is shown to this customer.")
    nickname: str | None = prop("What the customer calls the car.", directives=[FREE_TEXT])


FRESH_SECONDS = 3600
"""How old a login may be that opens the ways to log in."""


@strawberry.type(description="What the identity service knows of a customer.")
class CustomerProfile:
    display_name: str = prop("How the customer wants to be called.", directives=[NAME])
    phone_masked: str | None = prop("`138****1234`; the whole number is never given out.", directives=[PHONE])
    avatar_path: str | None = prop("Picture, as a path on the content host.")
    language: str = prop("Preferred language, a BCP 47 tag.")
    member_since: datetime = prop("When the account was made.")
    identities: list[Identity] | None = prop(
        "Ways to log in that are linked to this account.", directives=[scopes("customer:read"), step_up(FRESH_SECONDS)]
    )
    consents: list[Consent] = prop("What was agreed to, one entry a purpose.")
    points: Points = prop("Loyalty points.")


async def customer_by_id(context: RequestContext, customer_id: str) -> domain.CustomerRef | None:
    """The customer, where the caller may see them. One's own id is known to exist; another's is looked up."""
    if not may_see_customer(context, customer_id):
        return None
    if context.caller.customer_id != customer_id and await load_one(context, loads.customers, customer_id) is None:
        return None
    return domain.CustomerRef(id=customer_id)


@strawberry.type(
    description="A customer. Customers see themselves; advisers see whom they serve.",
    directives=[scopes("customer:read"), owned(Owner.CUSTOMER)],
)
@node_of(domain.CustomerRef, customer_by_id)
class Customer(Node):
    id: strawberry.ID = global_id("Customer", lambda customer: customer.id)
    profile: CustomerProfile | None = batch_field(
        loads.customers, key="id", description="Name, logins, consents, points. Null while they cannot be read."
    )
    garage: list[GarageEntry] | None = batch_field(
        loads.garages,
        key="id",
        description="The customer's cars, oldest first. Null while the garage cannot be read.",
        directives=[scopes("vehicle:read")],
    )
    cart: Cart | None = batch_field(
        loads.carts,
        key="id",
        description="The shopping cart; empty at first. Null while the shop cannot be reached.",
        directives=[scopes("order:read")],
    )
    test_drives: list[TestDrive] | None = batch_field(
        loads.test_drives_of_customers, key="id", description="Test drives, newest first."
    )

    points_ledger = connection_field(
        PointsEntry,
        "The points ledger, newest line first; 20 by default.",
        lambda context, customer, page: context.ports.customers.points_entries(customer.id, page),
    )
    vehicle_orders = connection_field(
        VehicleOrder,
        "Orders of cars, newest first; 20 by default.",
        lambda context, customer, page: context.ports.vehicle_orders.orders_of(customer.id, page),
        directives=[scopes("order:read")],
    )

    @field(
        "Orders of cars that `placeVehicleOrder` could not confirm in time and that are still being placed.",
        returns=list[VehicleOrderPlacement] | None,
        directives=[scopes("order:read")],
    )
    @staticmethod
    async def vehicle_orders_being_placed(
        root: strawberry.Parent[domain.CustomerRef], info: Request
    ) -> list[VehicleOrderPlacementValue]:
        return await info.context.ports.vehicle_orders.placements(root.id)

    merchandise_orders = connection_field(
        MerchandiseOrder,
        "Orders from the shop, newest first; 20 by default.",
        lambda context, customer, page: context.ports.commerce.orders_of(customer.id, page),
        directives=[scopes("order:read")],
    )


@strawberry.type
class CustomerQuery:
    @field(
        "A customer by id, for advisers; customers find themselves at `viewer.customer`.",
        returns=Customer | None,
        directives=[scopes("customer:read")],
    )
    @staticmethod
    async def customer(
        info: Request, id: Annotated[strawberry.ID, strawberry.argument(directives=[ID])]
    ) -> domain.CustomerRef | None:
        return await customer_by_id(info.context, decode_id(id, "Customer", "id"))

    @field(
        "A customer by exact phone number, for advisers. Null where nobody has it.",
        returns=Customer | None,
        directives=[scopes("customer:read"), audience(CallerKind.ADVISER)],
    )
    @staticmethod
    async def customer_by_phone(
        info: Request, phone: Annotated[str, strawberry.argument(directives=[PHONE])]
    ) -> domain.CustomerRef | None:
        digits = phone.strip().removeprefix("+86").replace(" ", "").replace("-", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) == 11):
            raise InvalidInput("A mobile number in mainland China has 11 digits.", field="phone")
        found = await info.context.ports.customers.find_by_phone(digits)
        return domain.CustomerRef(id=found.id) if found else None


class CustomerErrorCode(Enum):
    NAME_REFUSED = "NAME_REFUSED"
    POLICY_OUTDATED = "POLICY_OUTDATED"
    OTHER = "OTHER"


enum(
    CustomerErrorCode,
    "Why a customer's data was not changed.",
    {
        "POLICY_OUTDATED": "Another version of the policy is in force: show it and ask again.",
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why a customer's data was not changed.")
class CustomerUserError(UserError):
    code: CustomerErrorCode = refusal_code(CustomerErrorCode)


@payload("What became of a change to a customer.", errors=CustomerUserError)
class CustomerPayload:
    entity: Customer | None = entity("The customer as it is now.")


@payload("What became of a change to a consent.", errors=CustomerUserError)
class ConsentPayload:
    entity: Consent | None = entity("The consent as it is now.")


@strawberry.input(description="How the customer wants to be called.")
class RenameCustomerInput:
    display_name: str = strawberry.field(description="1 to 32 characters.", directives=[NAME])


@strawberry.input(description="A consent given or withdrawn.")
class SetConsentInput:
    purpose: domain.ConsentPurpose = strawberry.field(description="What the data may be used for.")
    granted: bool = strawberry.field(description="True to give it, false to withdraw it.")
    policy_version: str = strawberry.field(description="The version of the policy that the customer saw.")


@strawberry.type
class CustomerMutation:
    @mutation(
        "Change how the customer is called.",
        returns=CustomerPayload,
        directives=[scopes("customer:write")],
    )
    @staticmethod
    async def rename_customer(info: Request, input: RenameCustomerInput) -> Outcome[domain.CustomerRef]:
        customer_id = customer_id_of(info)
        name = text_of(input.display_name, "input.displayName", most=32)
        outcome = await info.context.ports.customers.rename(customer_id, name)
        renamed = domain.CustomerRef(id=outcome.entity.id) if outcome.entity else None
        return Outcome(entity=renamed, refusals=outcome.refusals, warnings=outcome.warnings)

    @mutation(
        "Give or withdraw a consent. Withdrawing takes effect at once.",
        returns=ConsentPayload,
        directives=[scopes("customer:write")],
    )
    @staticmethod
    async def set_consent(info: Request, input: SetConsentInput) -> Outcome[domain.Consent]:
        return await info.context.ports.customers.set_consent(
            customer_id_of(info),
            known(input.purpose, "input.purpose"),
            granted=input.granted,
            policy_version=text_of(input.policy_version, "input.policyVersion", most=32),
            channel=info.context.channel.value,
        )
