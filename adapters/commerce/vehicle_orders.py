"""Vehicle orders from commerce: every method is one call, or one for each hundred keys, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.transport.records import RecordClient
from adapters.transport.rest import segment
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Found, Money, Outcome, Page, PageArgs
from bff.domain.order_steps import PendingStep
from bff.domain.payment import refuse_card_number
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderPlacement

from .cart_wire import CancelBody
from .vehicle_orders_wire import (
    ATTACH_REFUSALS,
    CANCEL_REFUSALS,
    LOCK_REFUSALS,
    PLACE_REFUSALS,
    VEHICLE_ORDER,
    AttachBody,
    CancelUnpaidBody,
    LockBody,
    PlaceBody,
)

LIST_VEHICLE_ORDERS = Operation(name="ListVehicleOrders")
GET_VEHICLE_ORDERS = Operation(name="GetVehicleOrders")
PLACE_VEHICLE_ORDER = Operation(name="PlaceVehicleOrder", effect=Effect.WRITE)
LOCK_VEHICLE_ORDER = Operation(name="LockVehicleOrder", effect=Effect.WRITE)
CANCEL_VEHICLE_ORDER = Operation(name="CancelVehicleOrder", effect=Effect.WRITE)
ATTACH_SALES_ORDER = Operation(name="AttachSalesOrder", effect=Effect.WRITE)

_NO_ORDER = "There is no such order."


class CommerceVehicleOrders:
    """`VehicleOrderSystem` over commerce, which is a `VehicleOrderPort` as well."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[VehicleOrder]:
        path = f"/customers/{segment(customer_id)}/vehicle-orders"
        return await self._client.page(LIST_VEHICLE_ORDERS, path, page, VEHICLE_ORDER, keys=[customer_id])

    async def orders(self, numbers: Sequence[str]) -> Found[str, VehicleOrder]:
        return await self._client.found(
            GET_VEHICLE_ORDERS, "/vehicle-orders", "number", numbers, VEHICLE_ORDER, lambda order: order.number
        )

    async def place(
        self, customer_id: str, share_code: str, *, delivery_centre: str, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        return await self._client.write(
            PLACE_VEHICLE_ORDER,
            "POST",
            "/vehicle-orders",
            PlaceBody(
                customer_id=customer_id,
                share_code=share_code,
                delivery_centre=delivery_centre,
                terms_version=terms_version,
            ),
            VEHICLE_ORDER,
            PLACE_REFUSALS,
            idempotency_key=idempotency_key,
            missing="There is no saved configuration under this share code.",
            keys=[customer_id, share_code],
        )

    async def lock(
        self, number: str, *, configuration_hash: str, total: Money, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        return await self._client.write(
            LOCK_VEHICLE_ORDER,
            "POST",
            f"/vehicle-orders/{segment(number)}/lock",
            LockBody(configuration_hash=configuration_hash, total=total, terms_version=terms_version),
            VEHICLE_ORDER,
            LOCK_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_ORDER,
            keys=[number],
        )

    async def cancel(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[VehicleOrder]:
        refuse_card_number(reason, "input.reason")
        return await self._client.write(
            CANCEL_VEHICLE_ORDER,
            "POST",
            f"/vehicle-orders/{segment(number)}/cancel",
            CancelUnpaidBody(reason=reason, only_unpaid=True) if only_unpaid else CancelBody(reason=reason),
            VEHICLE_ORDER,
            CANCEL_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_ORDER,
            keys=[number],
        )

    async def attach_sales_order(self, number: str, sales_order: str) -> Outcome[VehicleOrder]:
        return await self._client.write(
            ATTACH_SALES_ORDER,
            "PUT",
            f"/vehicle-orders/{segment(number)}/sales-order",
            AttachBody(sales_order=sales_order),
            VEHICLE_ORDER,
            ATTACH_REFUSALS,
            idempotency_key=f"{number}-{sales_order}",
            missing=_NO_ORDER,
            keys=[number, sales_order],
        )

    async def placements(self, customer_id: str) -> list[VehicleOrderPlacement]:
        """Commerce has made an order or it has not."""
        return []

    async def pending(self, numbers: Sequence[str]) -> Found[str, list[PendingStep]]:
        return {number: [] for number in numbers}
