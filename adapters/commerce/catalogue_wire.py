"""Products and entitlements on the wire of commerce (docs/contracts/commerce.openapi.json)."""

from __future__ import annotations

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc_or_none
from bff.domain.base import Int, Money, Text
from bff.domain.catalogue import (
    Category,
    Entitlement,
    EntitlementState,
    FeatureTerms,
    Product,
    ProductFilter,
    ProductKind,
)
from bff.errors import InvalidInput

product_kind = Codes("commerce", ProductKind)
entitlement_state = Codes("commerce", EntitlementState)

REVOKE_REFUSALS = Refusals({"ALREADY_ACTIVE": ("The car has confirmed this feature: it stays.", None)})


class WireCategory(msgspec.Struct, rename="camel"):
    id: str
    name: Text
    parent_id: str | None


class WireFeature(msgspec.Struct, rename="camel"):
    hardware_code: str
    minimum_software: str
    term_days: Int | None


class WireProduct(msgspec.Struct, rename="camel"):
    id: str
    kind: str
    category_id: str
    name: Text
    description: Text
    price: Money
    images: list[str]
    on_sale: bool
    in_stock: bool | None
    brand: str | None
    model_codes: list[str]
    feature: WireFeature | None
    points_price: Int | None


class WireEntitlement(msgspec.Struct, rename="camel"):
    id: str
    vin: str
    product_id: str
    state: str
    starts_at: Moment | None
    ends_at: Moment | None
    order_number: str | None = None
    activation_deadline: Moment | None = None


class RevokeBody(msgspec.Struct):
    """Nothing to say."""


class WireVehicleEntitlements(msgspec.Struct, rename="camel"):
    vin: str
    entitlements: list[WireEntitlement]


def read_category(wire: WireCategory) -> Category:
    return Category(id=wire.id, name=wire.name, parent_id=wire.parent_id)


def read_product(wire: WireProduct) -> Product:
    feature = None
    if wire.feature is not None:
        feature = FeatureTerms(
            hardware_code=wire.feature.hardware_code,
            minimum_software=wire.feature.minimum_software,
            term_days=wire.feature.term_days,
        )
    return Product(
        id=wire.id,
        kind=product_kind(wire.kind),
        category_id=wire.category_id,
        name=wire.name,
        description=wire.description,
        price=wire.price,
        image_paths=wire.images,
        in_stock=wire.in_stock,
        brand=wire.brand,
        model_codes=wire.model_codes,
        feature=feature,
        points_price=wire.points_price,
        on_sale=wire.on_sale,
    )


def read_entitlements(wire: WireVehicleEntitlements) -> tuple[str, list[Entitlement]]:
    return wire.vin, [read_entitlement(entitlement) for entitlement in wire.entitlements]


def read_entitlement(wire: WireEntitlement) -> Entitlement:
    return Entitlement(
        id=wire.id,
        vin=wire.vin,
        product_id=wire.product_id,
        state=entitlement_state(wire.state),
        starts_at=utc_or_none(wire.starts_at),
        ends_at=utc_or_none(wire.ends_at),
        order_number=wire.order_number,
        activation_deadline=utc_or_none(wire.activation_deadline),
    )


def search_parameters(wanted: ProductFilter) -> list[tuple[str, str | int | None]]:
    if wanted.kind is ProductKind.UNKNOWN:
        raise InvalidInput("UNKNOWN is not a kind that can be searched for.", field="filter.kind")
    return [
        ("categoryId", wanted.category_id),
        ("kind", wanted.kind.value if wanted.kind is not None else None),
        ("brand", wanted.brand),
        ("text", wanted.search),
    ]


CATEGORY = Records(WireCategory, read_category, key="id")
PRODUCT = Records(WireProduct, read_product, key="id")
ENTITLEMENT = Records(WireEntitlement, read_entitlement, key="id")
ENTITLEMENTS = Records(WireVehicleEntitlements, read_entitlements, key="vin")
