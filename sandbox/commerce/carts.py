"""Carts: one ACTIVE a customer, guarded by a version that rises with every write."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import Endpoint, Items, body_as, keys, keys_of
from sandbox.kit.rest import Idempotency, Refused
from sandbox.world import World
from sandbox.world.entities import Cart, CartLine, Product

from . import contract, show
from .features import check_vehicle

MOST_OF_A_LINE = 99


class Carts:
    def __init__(self, world: World, clock: Clock, once: Idempotency) -> None:
        self._world, self._clock, self._once = world, clock, once

    def endpoints(self) -> list[Endpoint]:
        lines = "/customers/{customerId}/cart/lines"
        return [
            Endpoint(
                method="GET", path="/carts", id="GetCarts", handler=self.carts,
                summary="The ACTIVE cart of each customer; who has none has an empty one of version 0.",
                parameters=[keys("customerId")], answer=Items[contract.Cart],
            ),
            Endpoint(
                method="POST", path=lines, id="AddCartLine", handler=self._once(self.add_line),
                summary="Put a product in; the same product for the same car adds to its line.",
                body=contract.AddLine, answer=contract.Cart,
                refusals=["NOT_FOUND", "CART_VERSION_CONFLICT", "PRODUCT_NOT_FOUND", "NOT_ON_SALE", "QUANTITY_INVALID",
                          "VEHICLE_REQUIRED", "HARDWARE_MISSING", "SOFTWARE_TOO_OLD", "ALREADY_ENTITLED"],
            ),
            Endpoint(
                method="PATCH", path=lines + "/{lineId}", id="SetCartLineQuantity",
                handler=self._once(self.set_quantity), summary="Change how many; 0 takes the line out.",
                body=contract.SetQuantity, answer=contract.Cart,
                refusals=["NOT_FOUND", "CART_VERSION_CONFLICT", "LINE_NOT_FOUND", "QUANTITY_INVALID"],
            ),
        ]  # fmt: skip

    async def carts(self, request: Request) -> Response:
        known = [key for key in keys_of(request, "customerId") if key in self._world.customers]
        return show.items([show.cart(self._world, self.of(key)) for key in known])

    async def add_line(self, request: Request) -> Response:
        customer_id = self._customer(request)
        asked = await body_as(request, contract.AddLine)
        cart = self.of(customer_id)
        expect_version(cart, asked.version)
        product = self._world.products.get(asked.product_id)
        if product is None:
            raise Refused("PRODUCT_NOT_FOUND", f"there is no product {asked.product_id}", 422)
        if not product.on_sale:
            raise Refused("NOT_ON_SALE", f"{product.id} is not on sale")
        check_vehicle(self._world, customer_id, product, asked.vin)
        same = (line for line in cart.lines if (line.product_id, line.vin) == (product.id, asked.vin))
        line = next(same, None)
        quantity = asked.quantity + (line.quantity if line is not None else 0)
        if asked.quantity < 1:
            raise Refused("QUANTITY_INVALID", "at least one", 422, most=MOST_OF_A_LINE)
        _check_quantity(product, quantity)
        if line is None:
            line_id = f"{cart.id}-v{cart.version + 1}"
            cart.lines.append(CartLine(line_id, product.id, quantity, product.price_fen, asked.vin))
        else:
            line.quantity = quantity
        return self._changed(cart)

    async def set_quantity(self, request: Request) -> Response:
        customer_id = self._customer(request)
        asked = await body_as(request, contract.SetQuantity)
        cart = self.of(customer_id)
        line = next((line for line in cart.lines if line.id == request.path_params["lineId"]), None)
        expect_version(cart, asked.version)
        if line is None:
            raise Refused("LINE_NOT_FOUND", "the cart has no such line", 422)
        if asked.quantity == 0:
            cart.lines.remove(line)
        else:
            _check_quantity(self._world.products[line.product_id], asked.quantity)
            line.quantity = asked.quantity
        return self._changed(cart)

    def of(self, customer_id: str) -> Cart:
        """The ACTIVE cart, or a new one that is kept once something is put in."""
        cart = self._world.active_cart_of(customer_id)
        if cart is not None:
            return cart
        turn = sum(1 for c in self._world.carts.values() if c.customer_id == customer_id) + 1
        since = self._world.customers[customer_id].registered_at
        return Cart(f"CA-{customer_id}-{turn}", customer_id, "ACTIVE", 0, "CNY", since)

    def _customer(self, request: Request) -> str:
        customer_id = str(request.path_params["customerId"])
        if customer_id not in self._world.customers:
            raise Refused("NOT_FOUND", "there is no such customer", 404)
        return customer_id

    def _changed(self, cart: Cart) -> Response:
        cart.version += 1
        cart.updated_at = self._clock()
        self._world.carts[cart.id] = cart
        return show.answer(show.cart(self._world, cart))


def expect_version(cart: Cart, version: int | None) -> None:
    if version is not None and version != cart.version:
        detail = f"the cart is at version {cart.version}"
        raise Refused("CART_VERSION_CONFLICT", detail, currentVersion=cart.version)


def _check_quantity(product: Product, quantity: int) -> None:
    most = 1 if product.kind == "FEATURE" else MOST_OF_A_LINE
    if not 1 <= quantity <= most:
        raise Refused("QUANTITY_INVALID", f"1 to {most}", 422, most=most)
