"""Categories and products."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import PAGING, Endpoint, Items, Page, keys, keys_of, word
from sandbox.kit.rest import PageQuery, Refused, page
from sandbox.world import World
from sandbox.world.entities import Product

from . import contract, show
from .reservations import release_due

_KINDS = ("PHYSICAL", "SERVICE", "FEATURE", "VOUCHER")


class Catalogue:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET", path="/categories", id="ListCategories", summary="All categories, in display order.",
                handler=self.categories, answer=Items[contract.Category],
            ),
            Endpoint(
                method="GET", path="/products", id="GetProducts", summary="Products by id, on sale or not.",
                handler=self.products, parameters=[keys("id")], answer=Items[contract.Product],
            ),
            Endpoint(
                method="GET", path="/products/search", id="SearchProducts",
                summary="Products on sale. A category means those below it too, a brand also what fits all brands; "
                "every word of `text` must occur.",
                handler=self.search,
                parameters=[word("categoryId"), word("kind", *_KINDS), word("brand"), word("text"), *PAGING],
                answer=Page[contract.Product], refusals=["BAD_CURSOR"],
            ),
        ]  # fmt: skip

    async def categories(self, _request: Request) -> Response:
        ordered = sorted(self._world.categories.values(), key=lambda c: (c.sort, c.id))
        return show.items([show.category(c) for c in ordered])

    async def products(self, request: Request) -> Response:
        release_due(self._world, self._clock())
        found = (self._world.products.get(key) for key in keys_of(request, "id"))
        return show.items([show.product(p) for p in found if p is not None])

    async def search(self, request: Request) -> Response:
        asked = request.query_params
        kind, brand = asked.get("kind"), asked.get("brand")
        if kind is not None and kind not in _KINDS:
            raise Refused("BAD_REQUEST", f"kind is one of {', '.join(_KINDS)}", 400)
        within = self._below(asked["categoryId"]) if "categoryId" in asked else None
        words = asked.get("text", "").lower().split()
        release_due(self._world, self._clock())
        found = [
            product
            for product in self._world.products.values()
            if product.on_sale
            and (within is None or product.category_id in within)
            and kind in (None, product.kind)
            and (brand is None or product.brand in (None, brand))
            and _mentions(product, words)
        ]
        return page(found, PageQuery.of(request), lambda product: show.plain(show.product(product)))

    def _below(self, category_id: str) -> set[str]:
        found = {category_id}
        for category in sorted(self._world.categories.values(), key=lambda c: c.sort):
            if category.parent_id in found:
                found.add(category.id)
        return found


def _mentions(product: Product, words: list[str]) -> bool:
    said = " ".join((product.name.zh, product.name.en, product.description.zh, product.description.en)).lower()
    return all(word in said for word in words)
