"""The shop's catalogue from commerce: every method is one call, or one for each hundred keys, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.transport.records import RecordClient
from adapters.transport.rest import segment
from adapters.transport.upstream import Audience, CachePolicy, Effect, Operation, Upstream
from bff.domain.base import Found, Outcome, Page, PageArgs
from bff.domain.catalogue import Category, Entitlement, Product, ProductFilter
from bff.domain.payment import refuse_card_number
from bff.errors import BffError

from .catalogue_wire import (
    CATEGORY,
    ENTITLEMENT,
    ENTITLEMENTS,
    PRODUCT,
    REVOKE_REFUSALS,
    RevokeBody,
    search_parameters,
)

_TREE = CachePolicy(fresh=600, stale_while_revalidate=600, stale_if_error=86_400, tags=("catalogue", "categories"))
# Products say whether they are in stock, which must not lag: kept for seconds, and old only where the shop is down.
_PRODUCTS = CachePolicy(fresh=5, stale_if_error=3_600, tags=("catalogue", "products"))

LIST_CATEGORIES = Operation(name="ListCategories", audience=Audience.PUBLIC, cache=_TREE)
SEARCH_PRODUCTS = Operation(name="SearchProducts", audience=Audience.PUBLIC, cache=_PRODUCTS)
GET_PRODUCTS = Operation(name="GetProducts", audience=Audience.PUBLIC, cache=_PRODUCTS)
GET_ENTITLEMENTS = Operation(name="GetEntitlements")
REVOKE_ENTITLEMENT = Operation(name="RevokeEntitlement", effect=Effect.WRITE)


class CommerceCatalogue:
    """`CataloguePort` over commerce."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def categories(self) -> list[Category]:
        return await self._client.listed(LIST_CATEGORIES, "/categories", CATEGORY)

    async def search(self, wanted: ProductFilter, page: PageArgs) -> Page[Product]:
        refuse_card_number(wanted.search, "filter.search")
        parameters = search_parameters(wanted)
        return await self._client.page(SEARCH_PRODUCTS, "/products/search", page, PRODUCT, parameters=parameters)

    async def products(self, ids: Sequence[str]) -> Found[str, Product]:
        return await self._client.found(GET_PRODUCTS, "/products", "id", ids, PRODUCT, lambda product: product.id)

    async def entitlements(self, vins: Sequence[str]) -> Found[str, list[Entitlement]]:
        """A car that commerce does not know is absent; one without features has an empty list."""
        answered = await self._client.found(
            GET_ENTITLEMENTS, "/entitlements", "vin", vins, ENTITLEMENTS, lambda entry: entry[0]
        )
        return {vin: entry if isinstance(entry, BffError) else entry[1] for vin, entry in answered.items()}

    async def revoke(self, entitlement_id: str, *, idempotency_key: str) -> Outcome[Entitlement]:
        return await self._client.write(
            REVOKE_ENTITLEMENT,
            "POST",
            f"/entitlements/{segment(entitlement_id)}/revoke",
            RevokeBody(),
            ENTITLEMENT,
            REVOKE_REFUSALS,
            idempotency_key=idempotency_key,
            missing="There is no such feature.",
            keys=[entitlement_id],
        )
