"""The shop: from coffee cups to a heated-seat feature, and the features a car is entitled to. Source: commerce."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Money, Outcome, Page, PageArgs, Text, Value


class ProductKind(Enum):
    PHYSICAL = "PHYSICAL"
    SERVICE = "SERVICE"
    FEATURE = "FEATURE"
    VOUCHER = "VOUCHER"
    UNKNOWN = "UNKNOWN"


class Category(Value, frozen=True, kw_only=True):
    id: str
    name: Text
    parent_id: str | None


class FeatureTerms(Value, frozen=True, kw_only=True):
    """A feature needs the hardware on the car and at least this software. `term_days` None: bought for good."""

    hardware_code: str
    minimum_software: str
    term_days: int | None


class Product(Value, frozen=True, kw_only=True):
    """`in_stock` None where nothing is counted (services, features). `points_price`: its price in points instead.
    What is no longer `on_sale` can still be shown: carts and orders name it.
    """

    id: str
    kind: ProductKind
    category_id: str
    name: Text
    description: Text
    price: Money
    image_paths: list[str]
    in_stock: bool | None
    brand: str | None
    model_codes: list[str]
    feature: FeatureTerms | None
    points_price: int | None
    on_sale: bool = True


class ProductFilter(Value, frozen=True, kw_only=True):
    category_id: str | None = None
    kind: ProductKind | None = None
    brand: str | None = None
    search: str | None = None


class EntitlementState(Enum):
    PENDING_PAYMENT = "PENDING_PAYMENT"
    ACTIVATING = "ACTIVATING"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    ACTIVATION_FAILED = "ACTIVATION_FAILED"
    UNKNOWN = "UNKNOWN"


class Entitlement(Value, frozen=True, kw_only=True):
    """A feature on a car. At most one is ACTIVE per VIN and product.

    `order_number` is the order that bought it; `activation_deadline` until when the car is to confirm one that is
    ACTIVATING: then it is revoked, and the money given back.
    """

    id: str
    vin: str
    product_id: str
    state: EntitlementState
    starts_at: datetime | None
    ends_at: datetime | None
    order_number: str | None = None
    activation_deadline: datetime | None = None


class CataloguePort(Protocol):
    async def categories(self) -> list[Category]: ...

    async def search(self, wanted: ProductFilter, page: PageArgs) -> Page[Product]: ...

    async def products(self, ids: Sequence[str]) -> Found[str, Product]: ...

    async def entitlements(self, vins: Sequence[str]) -> Found[str, list[Entitlement]]: ...

    async def revoke(self, entitlement_id: str, *, idempotency_key: str) -> Outcome[Entitlement]:
        """Withdraw a feature that the car has not confirmed; repeatable. One that has failed stays as it is.

        Refusal code: ALREADY_ACTIVE, the car was quicker. Raises NotFound.
        """
        ...
