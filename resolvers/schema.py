"""The schema, assembled: every domain's queries and mutations on two roots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, Undefined
from strawberry.schema.config import StrawberryConfig

from resolvers.cart import CartMutation
from resolvers.catalogue import CatalogueQuery
from resolvers.centres import CentreQuery
from resolvers.commerce import CommerceMutation
from resolvers.common import MINOR_UNITS, MinorUnits
from resolvers.community import CommunityMutation, CommunityQuery
from resolvers.configuration import ConfigurationMutation, ConfigurationQuery
from resolvers.configurator import ConfiguratorQuery
from resolvers.content import ContentQuery
from resolvers.cost import declare_costs
from resolvers.customer import CustomerMutation, CustomerQuery
from resolvers.leads import LeadMutation, LeadQuery
from resolvers.login import LoginMutation
from resolvers.payment import PaymentMutation
from resolvers.relay import NodeQuery
from resolvers.rights import STRONG, enforce
from resolvers.scalars import DATE, DATE_TIME
from resolvers.service import ServiceMutation
from resolvers.subscriptions import EventQuery, Subscription
from resolvers.vehicle import VehicleQuery
from resolvers.vehicle_order import VehicleOrderMutation
from resolvers.viewer import ViewerQuery
from resolvers.weights import LOAD_WEIGHTS, SIZES


@strawberry.type(
    description="What can be asked. A field that another system answers is null, with an error, when it cannot."
)
class Query(
    ViewerQuery,
    NodeQuery,
    CustomerQuery,
    VehicleQuery,
    ConfiguratorQuery,
    ConfigurationQuery,
    CatalogueQuery,
    CentreQuery,
    EventQuery,
    LeadQuery,
    CommunityQuery,
    ContentQuery,
):
    pass


@strawberry.type(
    description="What can be changed. Every mutation takes one `input` and answers `entity`, `userErrors`, `warnings`."
)
class Mutation(
    LoginMutation,
    CustomerMutation,
    ConfigurationMutation,
    CartMutation,
    CommerceMutation,
    VehicleOrderMutation,
    PaymentMutation,
    ServiceMutation,
    LeadMutation,
    CommunityMutation,
):
    pass


def build_schema(*, strong: Sequence[str] = STRONG) -> strawberry.Schema:
    """A fresh schema. Building takes about a tenth of a second; do it once a process.

    `strong` are the `acr` values of the deployment's strong logins.
    """
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(
            scalar_map={MinorUnits: MINOR_UNITS, date: DATE, datetime: DATE_TIME},
            enable_experimental_incremental_execution=True,
        ),
    )
    _defer_only(schema)
    _drop_null_defaults(schema)
    declare_costs(schema._schema, LOAD_WEIGHTS, SIZES)
    enforce(schema._schema, strong=strong)
    return schema


def _defer_only(schema: strawberry.Schema) -> None:
    """`@defer` without `@stream`: lists come whole from their systems, so that streaming them gains nobody time."""
    schema._schema.directives = tuple(each for each in schema._schema.directives if each.name != "stream")


def _drop_null_defaults(schema: strawberry.Schema) -> None:
    """`after: String`, not `after: String = null`: left out and null mean the same to every resolver here."""
    for kind in schema._schema.type_map.values():
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for field in kind.fields.values():
                for argument in field.args.values():
                    if argument.default_value is None:
                        argument.default_value = Undefined
