"""Who is asking: the root of every personal screen."""

from __future__ import annotations

import strawberry

from bff.context import Caller, CallerKind
from bff.domain.customer import CustomerRef
from resolvers import loads
from resolvers.centres import ServiceCentre
from resolvers.common import Request, enum, field, prop
from resolvers.customer import Customer
from resolvers.fields import batch_field
from resolvers.rights import scopes
from resolvers.vehicle import Vehicle

enum(
    CallerKind,
    "What kind of caller the token stands for.",
    {
        "GUEST": "Nobody in particular: the public part of the API.",
        "ADVISER": "A dealer's adviser, who acts for a customer named by the header BFF-Act-For.",
        "DEVICE": "A head unit, bound to one car.",
    },
)


@strawberry.type(description="The caller, as the token proved it.")
class Viewer:
    kind: CallerKind = prop("What kind of caller this is.")
    store: ServiceCentre | None = batch_field(loads.centres, key="store", description="An adviser's store.")
    vehicle: Vehicle | None = batch_field(
        loads.located_vehicles,
        key="vin",
        description="The car of a head unit.",
        directives=[scopes("vehicle:read")],
    )

    @field(
        "The customer whose data this is; null for guests, head units, and advisers who act for nobody.",
        returns=Customer | None,
        directives=[scopes("customer:read")],
    )
    @staticmethod
    def customer(root: strawberry.Parent[Caller]) -> CustomerRef | None:
        return CustomerRef(id=root.customer_id) if root.customer_id is not None else None


@strawberry.type
class ViewerQuery:
    @field("Who is asking. Every personal screen begins here.", returns=Viewer)
    @staticmethod
    def viewer(info: Request) -> Caller:
        return info.context.caller
