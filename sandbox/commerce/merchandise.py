"""Orders of the shop: placed from the cart, price and stock checked and stock taken in one step."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import PAGING, Endpoint, Items, Page, body_as, key_required, keys, keys_of
from sandbox.kit.rest import Idempotency, PageQuery, Refused, page
from sandbox.payment.ledger import give_all_back
from sandbox.world import World
from sandbox.world.entities import Address, Cart, Entitlement, MerchandiseOrder, OrderLine, Product

from . import contract, show
from .carts import Carts, expect_version
from .entitlements import confirm_due
from .features import check_vehicle
from .reservations import end, release_due, reserve
from .settlement import refunded


class Merchandise:
    def __init__(self, world: World, clock: Clock, once: Idempotency, carts: Carts) -> None:
        self._world, self._clock, self._once, self._carts = world, clock, once, carts

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET", path="/customers/{customerId}/merchandise-orders", id="ListMerchandiseOrders",
                summary="A customer's orders, newest first.", handler=self.of_customer, parameters=PAGING,
                answer=Page[contract.MerchandiseOrder], refusals=["NOT_FOUND", "BAD_CURSOR"],
            ),
            Endpoint(
                method="GET", path="/merchandise-orders", id="GetMerchandiseOrders", summary="Orders by number.",
                handler=self.orders, parameters=[keys("number")], answer=Items[contract.MerchandiseOrder],
            ),
            Endpoint(
                method="POST", path="/merchandise-orders", id="PlaceMerchandiseOrder", status=201, idempotent=True,
                summary="Order the ACTIVE cart. OUT_OF_STOCK and NOT_ON_SALE tell in `lines` which, and what is left.",
                handler=self._once(self.place), body=contract.PlaceMerchandiseOrder, answer=contract.MerchandiseOrder,
                refusals=["NOT_FOUND", "CART_VERSION_CONFLICT", "CART_EMPTY", "ADDRESS_REQUIRED", "NOT_ON_SALE",
                          "OUT_OF_STOCK", "PRICE_CHANGED", "VEHICLE_REQUIRED", "HARDWARE_MISSING", "SOFTWARE_TOO_OLD",
                          "ALREADY_ENTITLED", "IDEMPOTENCY_KEY_REUSED"],
            ),
            Endpoint(
                method="POST", path="/merchandise-orders/{number}/cancel", id="CancelMerchandiseOrder", idempotent=True,
                summary="Cancel what has not been shipped; what was paid is given back.",
                handler=self._once(self.cancel), body=contract.CancelMerchandiseOrder, answer=contract.MerchandiseOrder,
                refusals=["NOT_FOUND", "NOT_CANCELLABLE", "IDEMPOTENCY_KEY_REUSED"],
            ),
        ]  # fmt: skip

    async def of_customer(self, request: Request) -> Response:
        customer_id = request.path_params["customerId"]
        if customer_id not in self._world.customers:
            raise Refused("NOT_FOUND", "there is no such customer", 404)
        release_due(self._world, self._clock())
        mine = self._world.merchandise_orders_of(customer_id)
        return page(mine, PageQuery.of(request), lambda order: show.plain(show.merchandise_order(self._world, order)))

    async def orders(self, request: Request) -> Response:
        release_due(self._world, self._clock())
        found = (self._world.merchandise_orders.get(key) for key in keys_of(request, "number"))
        return show.items([show.merchandise_order(self._world, order) for order in found if order is not None])

    async def place(self, request: Request) -> Response:
        key = key_required(request)
        asked = await body_as(request, contract.PlaceMerchandiseOrder)
        if asked.customer_id not in self._world.customers:
            raise Refused("NOT_FOUND", "there is no such customer", 404)
        # No await from here on: checks and changes are one step.
        release_due(self._world, self._clock())
        cart = self._carts.of(asked.customer_id)
        expect_version(cart, asked.cart_version)
        self._check(cart, asked)
        order = self._create(cart, asked.customer_id, _address(asked.address), key)
        cart.state, cart.version, cart.updated_at = "ORDERED", cart.version + 1, order.created_at
        return show.answer(show.merchandise_order(self._world, order), 201)

    def _check(self, cart: Cart, asked: contract.PlaceMerchandiseOrder) -> None:
        products = self._world.products
        if not cart.lines:
            raise Refused("CART_EMPTY", "the cart is empty")
        if asked.address is None and any(products[line.product_id].kind == "PHYSICAL" for line in cart.lines):
            raise Refused("ADDRESS_REQUIRED", "goods are sent to an address", 422)
        gone = [
            _line(line.id, products[line.product_id]) for line in cart.lines if not products[line.product_id].on_sale
        ]
        if gone:
            raise Refused("NOT_ON_SALE", "some products are not sold any more", lines=gone)
        wanted: dict[str, int] = {}
        for line in cart.lines:
            check_vehicle(self._world, asked.customer_id, products[line.product_id], line.vin)
            wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
        short = [
            _line(line.id, product)
            for line in cart.lines
            if (product := products[line.product_id]).stock is not None and product.stock < wanted[product.id]
        ]
        if short:
            raise Refused("OUT_OF_STOCK", "some products are out of stock", lines=short)
        total = show.lines_total(self._world, cart.lines) + show.shipping_of(self._world, cart.lines)
        if (asked.expected_total.amount_minor, asked.expected_total.currency) != (total, cart.currency):
            raise Refused("PRICE_CHANGED", f"the total is {total}", totalMinor=total)

    def _create(self, cart: Cart, customer_id: str, address: Address | None, key: str) -> MerchandiseOrder:
        world, now = self._world, self._clock()
        number = f"MO{max((int(n[2:]) for n in world.merchandise_orders), default=500000) + 1}"
        lines: list[OrderLine] = []
        for turn, line in enumerate(cart.lines, 1):
            product = world.products[line.product_id]
            lines.append(
                OrderLine(f"{number}-{turn}", product.id, product.name, line.quantity, product.price_fen, line.vin)
            )
            if product.kind == "FEATURE" and line.vin is not None:
                entitlement_id = f"EN{len(world.entitlements) + 1:05d}"
                world.entitlements[entitlement_id] = Entitlement(
                    entitlement_id, line.vin, product.id, customer_id, "PENDING_PAYMENT", None, None, number
                )
        items, shipping = show.lines_total(world, cart.lines), show.shipping_of(world, cart.lines)
        order = MerchandiseOrder(
            number=number,
            customer_id=customer_id,
            lines=tuple(lines),
            items_fen=items,
            shipping_fen=shipping,
            discount_fen=0,
            total_fen=items + shipping,
            currency=cart.currency,
            order_state="CREATED",
            payment_state="UNPAID",
            fulfilment_state="NONE",
            created_at=now,
            updated_at=now,
            address=address,
            cart_id=cart.id,
            idempotency_key=key,
        )
        world.merchandise_orders[number] = order
        reserve(world, order)
        return order

    async def cancel(self, request: Request) -> Response:
        key_required(request)
        asked = await body_as(request, contract.CancelMerchandiseOrder)
        world, now = self._world, self._clock()
        order = world.merchandise_orders.get(request.path_params["number"])
        if order is None:
            raise Refused("NOT_FOUND", "there is no such order", 404)
        release_due(world, now)
        for vin in {line.vin for line in order.lines if line.vin is not None}:
            confirm_due(world, vin, now)
        used = any(e.order_number == order.number and e.state == "ACTIVE" for e in world.entitlements.values())
        standing = order.order_state in ("CREATED", "CONFIRMED")
        if used or not standing or order.fulfilment_state not in ("NONE", "PENDING", "PACKED"):
            raise Refused("NOT_CANCELLABLE", f"the order is {order.order_state}, {order.fulfilment_state}")
        if asked.only_unpaid and order.payment_state != "UNPAID":
            raise Refused("NOT_CANCELLABLE", f"the order is {order.payment_state}")
        end(world, order, now)
        give_all_back(world, order.number, asked.reason or "order cancelled", now)
        if not world.direct_payments_of(order.number):
            refunded(world, order.number, now)
        return show.answer(show.merchandise_order(world, order))


def _line(line_id: str, product: Product) -> dict[str, str | int]:
    return {"lineId": line_id, "productId": product.id, "available": product.stock or 0}


def _address(value: contract.Address | None) -> Address | None:
    if value is None:
        return None
    return Address(
        value.recipient, value.phone, value.province, value.city, value.district, value.line, value.postcode or ""
    )
