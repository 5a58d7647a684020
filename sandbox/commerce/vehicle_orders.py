"""Vehicle orders: placed from a share code, locked by the customer or by time, cancelled while that is allowed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import PAGING, Endpoint, Items, Page, body_as, key_required, keys, keys_of
from sandbox.kit.rest import Idempotency, PageQuery, Refused, page
from sandbox.payment.ledger import give_all_back, paid_for
from sandbox.world import World
from sandbox.world.entities import SavedConfiguration, VehicleOrder
from sandbox.world.orders import TERMS_VERSION
from sandbox.world.pricing import configure, price_lines, total_of
from sandbox.world.rules import broken_rules

from . import contract, show
from .progress import attach, end, feed, move, refresh, reserve

_REUSED = "IDEMPOTENCY_KEY_REUSED"


class VehicleOrders:
    def __init__(self, world: World, clock: Clock, once: Idempotency) -> None:
        self._world, self._clock, self._once = world, clock, once

    def endpoints(self) -> list[Endpoint]:
        one = "/vehicle-orders/{number}"
        return [
            Endpoint(
                method="GET", path="/customers/{customerId}/vehicle-orders", id="ListVehicleOrders",
                summary="A customer's vehicle orders, newest first.", handler=self.of_customer, parameters=PAGING,
                answer=Page[contract.VehicleOrder], refusals=["NOT_FOUND", "BAD_CURSOR"],
            ),
            Endpoint(
                method="GET", path="/vehicle-orders", id="GetVehicleOrders", summary="Vehicle orders by number.",
                handler=self.orders, parameters=[keys("number")], answer=Items[contract.VehicleOrder],
            ),
            Endpoint(
                method="POST", path="/vehicle-orders", id="PlaceVehicleOrder", status=201, idempotent=True,
                summary="A DRAFT at today's price from a saved configuration, which must still be buildable.",
                handler=self._once(self.place), body=contract.PlaceVehicleOrder, answer=contract.VehicleOrder,
                refusals=["NOT_FOUND", "CENTRE_UNKNOWN", "TERMS_CHANGED", "NOT_BUILDABLE", "SOLD_OUT", _REUSED],
            ),
            Endpoint(
                method="POST", path=one + "/lock", id="LockVehicleOrder", idempotent=True,
                summary="The customer confirms configuration, price and terms before the 168 hours end.",
                handler=self._once(self.lock), body=contract.LockVehicleOrder, answer=contract.VehicleOrder,
                refusals=["NOT_FOUND", "ALREADY_LOCKED", "NOT_LOCKABLE", "CONFIGURATION_CHANGED", "PRICE_CHANGED",
                          "TERMS_CHANGED", _REUSED],
            ),
            Endpoint(
                method="POST", path=one + "/cancel", id="CancelVehicleOrder", idempotent=True,
                summary="Cancel before the order is locked; what was paid is given back.",
                handler=self._once(self.cancel), body=contract.CancelVehicleOrder, answer=contract.VehicleOrder,
                refusals=["NOT_FOUND", "NOT_CANCELLABLE", _REUSED],
            ),
            Endpoint(
                method="PUT", path=one + "/sales-order", id="AttachSalesOrder", handler=self.attach,
                summary="The sales order that the ERP made, where another party takes the payments; repeatable.",
                body=contract.AttachSalesOrder, answer=contract.VehicleOrder,
                refusals=["NOT_FOUND", "NOT_AMENDABLE", "SALES_ORDER_EXISTS"],
            ),
        ]  # fmt: skip

    async def of_customer(self, request: Request) -> Response:
        customer_id = request.path_params["customerId"]
        if customer_id not in self._world.customers:
            raise Refused("NOT_FOUND", "there is no such customer", 404)
        mine = self._world.orders_of(customer_id)
        return page(mine, PageQuery.of(request), lambda order: show.plain(self._shown(order)))

    async def orders(self, request: Request) -> Response:
        found = (self._world.vehicle_orders.get(key) for key in keys_of(request, "number"))
        return show.items([self._shown(order) for order in found if order is not None])

    async def place(self, request: Request) -> Response:
        key_required(request)
        asked = await body_as(request, contract.PlaceVehicleOrder)
        world, now = self._world, self._clock()
        saved = world.saved_configurations.get(asked.share_code)
        if saved is None or asked.customer_id not in world.customers:
            raise Refused("NOT_FOUND", "there is no such configuration or customer", 404)
        trim = world.trims[saved.trim_id]
        centre = world.centres.get(asked.delivery_centre)
        if centre is None or world.models[trim.model_id].brand not in centre.brands:
            raise Refused("CENTRE_UNKNOWN", "no centre that sells this brand", 422)
        if asked.terms_version != TERMS_VERSION:
            raise Refused("TERMS_CHANGED", f"the terms are {TERMS_VERSION}")
        if trim.availability == "SOLD_OUT" or trim.stock < 1:
            raise Refused("SOLD_OUT", f"{trim.id} is sold out")
        _check_buildable(world, saved)
        reserve(world, trim, 1)
        configuration = configure(trim, saved.options, saved.packages)
        lines = price_lines(world, configuration)
        number = max((int(known[2:]) for known in world.vehicle_orders), default=4710) + 1
        order = VehicleOrder(
            number=f"VO{number:08d}",
            customer_id=asked.customer_id,
            model_id=trim.model_id,
            trim_id=trim.id,
            configuration=configuration,
            status="DRAFT",
            milestone=None,
            price_lines=lines,
            total_fen=total_of(lines),
            currency="CNY",
            delivery_centre_id=centre.id,
            created_at=now,
            updated_at=now,
            terms_version=asked.terms_version,
        )
        world.vehicle_orders[order.number] = order
        return show.answer(self._shown(order), 201)

    async def lock(self, request: Request) -> Response:
        key_required(request)
        asked = await body_as(request, contract.LockVehicleOrder)
        order, now = self._order(request), self._clock()
        if order.locked_at is not None and order.status != "CANCELLED":
            raise Refused("ALREADY_LOCKED", "the order is locked")
        if order.status != "DEPOSIT_PAID":
            raise Refused("NOT_LOCKABLE", f"the order is {order.status}")
        if asked.configuration_hash != order.configuration.hash:
            raise Refused("CONFIGURATION_CHANGED", "the order has another configuration")
        if (asked.total.amount_minor, asked.total.currency) != (order.total_fen, order.currency):
            raise Refused("PRICE_CHANGED", f"the total is {order.total_fen}", totalMinor=order.total_fen)
        if asked.terms_version != order.terms_version:
            raise Refused("TERMS_CHANGED", f"the terms are {order.terms_version}")
        if not move(order, ("DEPOSIT_PAID",), "LOCKED", now):
            raise Refused("NOT_LOCKABLE", f"the order is {order.status}")
        order.locked_at = now
        feed(self._world, order, "1102", now)
        return show.answer(self._shown(order))

    async def cancel(self, request: Request) -> Response:
        key_required(request)
        asked = await body_as(request, contract.CancelVehicleOrder)
        order, world, now = self._order(request), self._world, self._clock()
        if (asked.only_unpaid and order.status != "DRAFT") or not end(world, order, now):
            raise Refused("NOT_CANCELLABLE", f"the order is {order.status}")
        give_all_back(world, order.number, asked.reason or "order cancelled", now)
        return show.answer(self._shown(order))

    async def attach(self, request: Request) -> Response:
        asked = await body_as(request, contract.AttachSalesOrder)
        order = self._order(request)
        if order.status in ("DRAFT", "CANCELLED"):
            raise Refused("NOT_AMENDABLE", f"the order is {order.status}")
        if order.sales_order not in (None, asked.sales_order):
            raise Refused("SALES_ORDER_EXISTS", f"the order has the sales order {order.sales_order}")
        if order.sales_order is None:
            attach(self._world, order, asked.sales_order, self._clock())
        return show.answer(self._shown(order))

    def _order(self, request: Request) -> VehicleOrder:
        order = self._world.vehicle_orders.get(request.path_params["number"])
        if order is None:
            raise Refused("NOT_FOUND", "there is no such order", 404)
        refresh(self._world, order, self._clock())
        return order

    def _shown(self, order: VehicleOrder) -> contract.VehicleOrder:
        refresh(self._world, order, self._clock())
        return show.vehicle_order(self._world, order, paid_for(self._world, order.number))


def _check_buildable(world: World, saved: SavedConfiguration) -> None:
    """Every option must still be offered on the trim, and no rule in force may object."""
    trim = world.trims[saved.trim_id]
    chosen = set(saved.options).union(*(world.packages[code].includes for code in saved.packages))
    gone = [
        code
        for code in chosen
        if code not in trim.options or ((ends := world.options[code].withdrawn_on) is not None and ends <= world.today)
    ]
    if gone:
        raise Refused("NOT_BUILDABLE", f"not offered any more: {', '.join(sorted(gone))}")
    fixed = {code for code, offered in trim.options.items() if offered.fixed}
    if broken_rules(world, chosen | fixed, world.today, saved.market):
        raise Refused("NOT_BUILDABLE", "a rule objects")
