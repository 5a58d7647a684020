"""What may be changed: a sales order is created with its items, rescheduled, and its items are rejected.

A change needs the order's ETag in `If-Match`: none is a 428, another one a 412. Business refusals are 400s with the
message class and number that docs/contracts/erp.md lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from sandbox.erp.errors import SapError, bad_request, not_found, not_implemented
from sandbox.erp.query import Resource
from sandbox.erp.rows import Row, Rows
from sandbox.world.entities import MaterialStock, SalesOrder, SalesOrderItem
from sandbox.world.pricing import VAT_PERCENT

_HEADER = {
    "SalesOrderType", "SalesOrganization", "DistributionChannel", "OrganizationDivision", "SoldToParty",
    "PurchaseOrderByCustomer", "RequestedDeliveryDate", "to_Item",
}  # fmt: skip
_REASONS = ("Z1", "Z2")


class Changes:
    """The writes of one changeset: all of them happen, or `undo` leaves the world as it was."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.world = rows, rows.world
        self._touched: set[str] = set()
        self._undo: list[Callable[[], object]] = []

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()

    def finish(self) -> None:
        """Every touched order gets its new version, once: within a changeset the ETag that was read holds."""
        for number in self._touched:
            order = self.world.sales_orders[number]
            order.changed_at = max(datetime.now(UTC), order.changed_at + timedelta(milliseconds=1))

    def create(self, body: bytes) -> Row:
        given = _object(body)
        if unknown := given.keys() - _HEADER:
            raise bad_request(f"Property {min(unknown)} is invalid or read-only")
        reference, sold_to = str(given.get("PurchaseOrderByCustomer", "")), str(given.get("SoldToParty", ""))
        if not any(customer.erp_business_partner == sold_to for customer in self.world.customers.values()):
            raise SapError(400, "VP/199", f"Sold-to party {sold_to} not maintained for sales area CN01 10 00")
        known = next((o for o in self.world.sales_orders.values() if o.customer_reference == reference), None)
        if not reference or known is not None:
            number = known.number if known else ""
            raise SapError(400, "ZSD/021", f"Customer reference {reference} is already used by {number}")
        reserves = reference not in self.world.vehicle_orders
        items = [self._item(position, raw, reserves) for position, raw in enumerate(_results(given.get("to_Item")), 1)]
        if not items:
            raise SapError(400, "V1/320", "The order has no item")
        return self._insert(given, reference, sold_to, items)

    def _insert(self, given: dict[str, Any], reference: str, sold_to: str, items: list[SalesOrderItem]) -> Row:
        number = str(max(map(int, self.world.sales_orders), default=4710) + 1)
        self._undo.append(lambda: self.world.sales_orders.pop(number))
        now = datetime.now(UTC)
        self.world.sales_orders[number] = SalesOrder(
            number=number,
            order_type=str(given.get("SalesOrderType", "")),
            customer_reference=reference,
            sold_to=sold_to,
            sales_organisation=str(given.get("SalesOrganization", "")),
            currency="CNY",
            net_fen=sum(item.net_fen for item in items),
            tax_fen=sum(item.tax_fen for item in items),
            overall_status="A",
            rejected=False,
            created_at=now,
            changed_at=now,
            requested_delivery_on=_day(given.get("RequestedDeliveryDate")),
            items=items,
        )
        row = self.rows.one("A_SalesOrder", {"SalesOrder": number})
        assert row is not None
        return row

    def _item(self, position: int, raw: dict[str, Any], reserves: bool) -> SalesOrderItem:
        """The build place of a vehicle order was reserved when that was placed, and is commerce's to give back."""
        if raw.keys() - {"Material", "RequestedQuantity"}:
            raise bad_request("An item has Material and RequestedQuantity")
        material, amount = str(raw.get("Material", "")), str(raw.get("RequestedQuantity", ""))
        if not re.fullmatch(r"[1-9]\d{0,5}(\.0{1,3})?", amount):
            raise bad_request(f"RequestedQuantity is a decimal in a string, not {amount!r}")
        quantity = int(amount.partition(".")[0])
        prices = (c for c in self.world.price_conditions.values() if c.material == material and material)
        price = next(prices, None)
        if price is None:
            raise SapError(400, "V1/382", f"Material {material} is not defined for sales org. CN01", target="Material")
        if reserves:
            self._reserve(material, quantity)
        net = price.amount_fen * quantity
        text = self.world.trims[material].name.en if material in self.world.trims else material
        return SalesOrderItem(str(position * 10), material, text, quantity, net, _tax(net))

    def _reserve(self, material: str, quantity: int) -> None:
        """Materials that are not stocked (options, packages) can always be promised."""
        stocks = self._stocks_of(material)
        if not stocks:
            return
        stock = next((stock for stock in stocks if stock.available >= quantity), None)
        if stock is None:
            raise SapError(400, "ZSD/010", f"{quantity} EA of {material} cannot be confirmed by ATP", target="Material")
        self._set_reserved(stock, stock.reserved + quantity)

    def _set_reserved(self, stock: MaterialStock, reserved: int) -> None:
        self._undo.append(partial(setattr, stock, "reserved", stock.reserved))
        stock.reserved = reserved

    def _stocks_of(self, material: str) -> list[MaterialStock]:
        return [stock for stock in self.world.material_stock.values() if stock.material == material]

    def merge(self, target: Resource, if_match: str | None, body: bytes) -> None:
        if target.entity_set not in ("A_SalesOrder", "A_SalesOrderItem") or target.key is None or target.navigation:
            raise not_implemented(f"{target.entity_set} cannot be changed")
        row = self.rows.one(target.entity_set, target.key)
        if row is None:
            raise not_found(f"{target.entity_set}Type")
        if if_match is None:
            raise SapError(428, "/IWFND/CM_MGW/428", "Precondition required: If-Match is missing")
        if if_match not in ("*", self.rows.etag(row)):
            raise SapError(412, "/IWFND/CM_MGW/412", "Precondition failed: the entity was changed meanwhile")
        order = self.world.sales_orders[row["SalesOrder"]]
        self._undo.append(partial(self.world.sales_orders.__setitem__, order.number, replace(order)))
        self._undo.append(partial(setattr, self.rows, "rejections", dict(self.rows.rejections)))
        if order.overall_status == "C":
            raise SapError(400, "ZSD/030", f"Sales order {order.number} is completed")
        if target.entity_set == "A_SalesOrder":
            self._change_header(order, _object(body))
        else:
            self._reject(order, row["SalesOrderItem"], _object(body))
        self._touched.add(order.number)

    def _change_header(self, order: SalesOrder, given: dict[str, Any]) -> None:
        if given.keys() != {"RequestedDeliveryDate"}:
            raise bad_request("Of a sales order's header RequestedDeliveryDate can be changed")
        order.requested_delivery_on = _day(given["RequestedDeliveryDate"])

    def _reject(self, order: SalesOrder, item: str, given: dict[str, Any]) -> None:
        """An order whose items are all rejected is completed; what was reserved is free again."""
        if given.keys() != {"SalesDocumentRjcnReason"} or given["SalesDocumentRjcnReason"] not in _REASONS:
            raise bad_request(f"Of an item SalesDocumentRjcnReason can be changed, to one of {', '.join(_REASONS)}")
        is_first = (order.number, item) not in self.rows.rejections
        if is_first and order.customer_reference not in self.world.vehicle_orders:
            line = next(line for line in order.items if line.item == item)
            for stock in self._stocks_of(line.material)[:1]:
                self._set_reserved(stock, max(0, stock.reserved - line.quantity))
        self.rows.rejections[order.number, item] = given["SalesDocumentRjcnReason"]
        if all((order.number, line.item) in self.rows.rejections for line in order.items):
            order.rejected = True

    def complete_rejected(self) -> None:
        """After the last change of a changeset: items of an order are rejected one by one, then it is completed."""
        for number in self._touched:
            if self.world.sales_orders[number].rejected:
                self.world.sales_orders[number].overall_status = "C"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise bad_request("The request body is not JSON") from error
    if not isinstance(value, dict):
        raise bad_request("The request body is not an entity")
    return {name: member for name, member in value.get("d", value).items() if name != "__metadata"}


def _results(value: Any) -> list[dict[str, Any]]:
    raw = value.get("results") if isinstance(value, dict) else value
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise bad_request("to_Item holds results")
    return raw


def _day(value: Any) -> date:
    match = re.fullmatch(r"/Date\((-?\d+)\)/", str(value))
    if match is None or int(match[1]) % 86_400_000:
        raise bad_request(f"RequestedDeliveryDate is a day as /Date(…)/, not {value!r}")
    return date(1970, 1, 1) + timedelta(milliseconds=int(match[1]))


def _tax(net_fen: int) -> int:
    return (abs(net_fen) * VAT_PERCENT * 2 + 100) // 200
