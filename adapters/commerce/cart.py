"""Carts and merchandise orders from commerce: every method is one call, or one for each hundred keys, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from adapters.transport.records import RecordClient
from adapters.transport.rest import segment
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Found, Money, Outcome, Page, PageArgs
from bff.domain.commerce import Address, Cart, MerchandiseOrder, refuse_card_in_address
from bff.domain.order_steps import PendingStep
from bff.domain.payment import refuse_card_number
from bff.errors import BffError

from .cart_wire import (
    ADD_REFUSALS,
    CANCEL_REFUSALS,
    CARTS,
    MERCHANDISE_ORDER,
    OWN_CART,
    PLACE_REFUSALS,
    QUANTITY_REFUSALS,
    AddLineBody,
    CancelOrderBody,
    PlaceOrderBody,
    SetQuantityBody,
)

GET_CARTS = Operation(name="GetCarts")
ADD_CART_LINE = Operation(name="AddCartLine", effect=Effect.WRITE)
SET_CART_LINE_QUANTITY = Operation(name="SetCartLineQuantity", effect=Effect.WRITE)
LIST_ORDERS = Operation(name="ListMerchandiseOrders")
GET_ORDERS = Operation(name="GetMerchandiseOrders")
PLACE_ORDER = Operation(name="PlaceMerchandiseOrder", effect=Effect.WRITE)
CANCEL_ORDER = Operation(name="CancelMerchandiseOrder", effect=Effect.WRITE)

_NO_CUSTOMER = "There is no such customer."


class CommerceCarts:
    """`CommercePort` over commerce."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def carts(self, customer_ids: Sequence[str]) -> Found[str, Cart]:
        answered = await self._client.found(
            GET_CARTS, "/carts", "customerId", customer_ids, CARTS, lambda entry: entry[0]
        )
        return {key: entry if isinstance(entry, BffError) else entry[1] for key, entry in answered.items()}

    async def add_line(
        self, customer_id: str, product_id: str, quantity: int, *, vin: str | None, version: int | None
    ) -> Outcome[Cart]:
        return await self._client.write(
            ADD_CART_LINE,
            "POST",
            f"/customers/{segment(customer_id)}/cart/lines",
            AddLineBody(product_id=product_id, quantity=quantity, vin=vin, version=version),
            OWN_CART,
            ADD_REFUSALS,
            idempotency_key=str(uuid4()),
            missing=_NO_CUSTOMER,
            keys=[customer_id, product_id],
        )

    async def set_quantity(
        self, customer_id: str, line_id: str, quantity: int, *, version: int | None
    ) -> Outcome[Cart]:
        return await self._client.write(
            SET_CART_LINE_QUANTITY,
            "PATCH",
            f"/customers/{segment(customer_id)}/cart/lines/{segment(line_id)}",
            SetQuantityBody(quantity=quantity, version=version),
            OWN_CART,
            QUANTITY_REFUSALS,
            idempotency_key=str(uuid4()),
            missing=_NO_CUSTOMER,
            keys=[customer_id, line_id],
        )

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[MerchandiseOrder]:
        path = f"/customers/{segment(customer_id)}/merchandise-orders"
        return await self._client.page(LIST_ORDERS, path, page, MERCHANDISE_ORDER, keys=[customer_id])

    async def orders(self, numbers: Sequence[str]) -> Found[str, MerchandiseOrder]:
        return await self._client.found(
            GET_ORDERS, "/merchandise-orders", "number", numbers, MERCHANDISE_ORDER, lambda order: order.number
        )

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        """Commerce answers when it has done."""
        return {number: [] for number in numbers}

    async def place_order(
        self,
        customer_id: str,
        *,
        cart_version: int,
        address: Address | None,
        expected_total: Money,
        idempotency_key: str,
    ) -> Outcome[MerchandiseOrder]:
        refuse_card_in_address(address)
        body = PlaceOrderBody(
            customer_id=customer_id, cart_version=cart_version, expected_total=expected_total, address=address
        )
        return await self._client.write(
            PLACE_ORDER,
            "POST",
            "/merchandise-orders",
            body,
            MERCHANDISE_ORDER,
            PLACE_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_CUSTOMER,
            keys=[customer_id],
        )

    async def cancel_order(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[MerchandiseOrder]:
        refuse_card_number(reason, "input.reason")
        return await self._client.write(
            CANCEL_ORDER,
            "POST",
            f"/merchandise-orders/{segment(number)}/cancel",
            CancelOrderBody(reason=reason, only_unpaid=only_unpaid),
            MERCHANDISE_ORDER,
            CANCEL_REFUSALS,
            idempotency_key=idempotency_key,
            missing="There is no such order.",
            keys=[number],
        )
