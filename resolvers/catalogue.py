"""The shop's catalogue, and the features that a car is entitled to."""

from __future__ import annotations

from datetime import datetime

import strawberry

from bff.context import RequestContext
from bff.domain import catalogue as domain
from resolvers import loads
from resolvers.common import Money, Request, enum, field, known, localised, prop, text_of
from resolvers.fields import batch_field, load_one
from resolvers.privacy import FREE_TEXT
from resolvers.relay import Connection, ConnectionValue, Node, connection, global_id, node_of, page_args

enum(
    domain.ProductKind,
    "What kind of thing is sold.",
    {"FEATURE": "A function of the car, such as heated seats.", "SERVICE": "Work at a service centre."},
)
enum(
    domain.EntitlementState,
    "Where a bought feature stands.",
    {
        "ACTIVATING": "Paid; the car has not confirmed yet.",
        "ACTIVATION_FAILED": "The car refused; the money goes back.",
    },
)


@strawberry.type(description="A shelf of the shop.")
class ProductCategory:
    id: strawberry.ID = prop("The category's code; `products` takes it.")
    name: str = localised("Name.", "name")
    parent_id: strawberry.ID | None = prop("The category above; null at the top.")


@strawberry.type(description="What a feature needs, and how long it lasts.")
class FeatureTerms:
    hardware_code: str = prop("Option code of the hardware that must be in the car.")
    minimum_software: str = prop("Software version that must run at least.")
    term_days: int | None = prop("Days that it lasts; null where it is bought for good.")


async def _product_by_key(context: RequestContext, key: str) -> domain.Product | None:
    return await load_one(context, loads.products, key)


@strawberry.type(description="Something that the shop sells.")
@node_of(domain.Product, _product_by_key)
class Product(Node):
    id: strawberry.ID = global_id("Product", lambda product: product.id)
    code: str = strawberry.field(resolver=lambda root: root.id, description="Article number.", graphql_type=str)
    kind: domain.ProductKind = prop("What kind of thing it is.")
    category_id: strawberry.ID = prop("The category it is in.")
    name: str = localised("Name.", "name")
    description: str = localised("A few sentences about it.", "description")
    price: Money = prop("Price with VAT.")
    image_paths: list[str] = prop("Pictures, as paths on the content host, the main one first.")
    on_sale: bool = prop("Whether it can be bought; an old link may lead to something that no longer can.")
    in_stock: bool | None = prop("Whether there are any; null where nothing is counted (services, features).")
    brand: str | None = prop("The brand whose cars it is for; null for all.")
    model_codes: list[str] = prop("Models that it fits; empty for all.")
    feature: FeatureTerms | None = prop("What a feature needs; null for everything else.")
    points_price: int | None = prop("What it costs in points instead; null where it cannot be had for points.")


@strawberry.type(description="A feature on a car.")
class Entitlement:
    id: strawberry.ID = prop("The entitlement's number.")
    state: domain.EntitlementState = prop("Where it stands.")
    starts_at: datetime | None = prop("From when it can be used.")
    ends_at: datetime | None = prop("Until when; null where it was bought for good.")
    activation_deadline: datetime | None = prop(
        "Until when the car is to confirm a feature that is ACTIVATING: then it is withdrawn, and the money goes back."
    )
    product: Product | None = batch_field(loads.products, key="product_id", description="The feature.")


@strawberry.input(description="Which products to show. What is left out does not narrow the list.")
class ProductFilter:
    category_id: strawberry.ID | None = strawberry.field(description="Of this category.", default=None)
    kind: domain.ProductKind | None = strawberry.field(description="Of this kind.", default=None)
    brand: str | None = strawberry.field(description="For cars of this brand.", default=None)
    search: str | None = strawberry.field(
        description="Words in name or description, in any language.", default=None, directives=[FREE_TEXT]
    )

    def to_domain(self) -> domain.ProductFilter:
        return domain.ProductFilter(
            category_id=self.category_id,
            kind=known(self.kind, "filter.kind") if self.kind else None,
            brand=self.brand,
            search=text_of(self.search, "filter.search", most=64) if self.search else None,
        )


@strawberry.type
class CatalogueQuery:
    @field("The shelves of the shop, in the order to show.", returns=list[ProductCategory] | None)
    @staticmethod
    async def product_categories(info: Request) -> list[domain.Category]:
        return await info.context.ports.catalogue.categories()

    @field("Products on sale; 20 by default, 100 at most.", returns=Connection[Product] | None)
    @staticmethod
    async def products(
        info: Request,
        filter: ProductFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ConnectionValue:
        wanted = filter.to_domain() if filter else domain.ProductFilter()
        page = page_args(first, after, last, before)
        return connection(await info.context.ports.catalogue.search(wanted, page))
