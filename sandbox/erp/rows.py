"""The world's sales orders, prices and stock as rows of the service's entity sets, and rows as OData v2 JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from sandbox.erp.schema import ENTITY_SETS, NAMESPACE
from sandbox.world import World
from sandbox.world.entities import SalesOrder
from sandbox.world.rng import SHANGHAI

Row = dict[str, Any]
ROOT = f"/sap/opu/odata/sap/{NAMESPACE}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rows:
    """Reads the world anew for each question. Rejections of single items are the ERP's own knowledge and kept here; an
    order that commerce had rejected is rejected in all its items.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.rejections: dict[tuple[str, str], str] = {}

    def reason(self, order: SalesOrder, item: str) -> str:
        """Why an item was rejected; empty where it was not."""
        return self.rejections.get((order.number, item), "Z1" if order.rejected else "")

    def of(self, entity_set: str) -> Iterator[Row]:
        if entity_set == "A_SalesOrder":
            yield from (self._order(order) for order in self.world.sales_orders.values())
        elif entity_set == "A_SalesOrderItem":
            for order in self.world.sales_orders.values():
                yield from self._items(order)
        elif entity_set == "A_SalesOrderHeaderPrElement":
            for order in self.world.sales_orders.values():
                yield from self._pricing(order)
        elif entity_set == "A_SlsPrcgConditionRecord":
            yield from self._conditions()
        else:
            yield from self._stock()

    def one(self, entity_set: str, key: dict[str, str]) -> Row | None:
        return next((row for row in self.of(entity_set) if all(row[name] == key[name] for name in key)), None)

    def _order(self, order: SalesOrder) -> Row:
        rejected = sum(bool(self.reason(order, item.item)) for item in order.items)
        return {
            "SalesOrder": order.number,
            "SalesOrderType": order.order_type,
            "SalesOrganization": order.sales_organisation,
            "DistributionChannel": "10",
            "OrganizationDivision": "00",
            "SoldToParty": order.sold_to,
            "PurchaseOrderByCustomer": order.customer_reference,
            "CreationDate": order.created_at.astimezone(SHANGHAI).date(),
            "LastChangeDateTime": order.changed_at,
            "RequestedDeliveryDate": order.requested_delivery_on,
            "TotalNetAmount": _amount(order.net_fen),
            "TransactionCurrency": order.currency,
            "OverallSDProcessStatus": order.overall_status,
            "OverallSDDocumentRejectionSts": "A" if not rejected else "C" if rejected == len(order.items) else "B",
        }

    def _items(self, order: SalesOrder) -> Iterator[Row]:
        for item in order.items:
            yield {
                "SalesOrder": order.number,
                "SalesOrderItem": item.item,
                "Material": item.material,
                "SalesOrderItemText": item.text[:40],
                "RequestedQuantity": str(item.quantity),
                "RequestedQuantityUnit": "EA",
                "NetAmount": _amount(item.net_fen),
                "TaxAmount": _amount(item.tax_fen),
                "TransactionCurrency": order.currency,
                "SalesDocumentRjcnReason": self.reason(order, item.item),
            }

    def _pricing(self, order: SalesOrder) -> Iterator[Row]:
        """Base price, options, header discount and VAT, each summed over the items; what is nought is left out."""
        sums = {"PR00": 0, "VA00": 0, "HB00": 0}
        for item in order.items:
            kind = "HB00" if item.net_fen < 0 else "PR00" if item.material in self.world.trims else "VA00"
            sums[kind] += item.net_fen
        sums["MWST"] = order.tax_fen
        steps = zip(("010", "020", "300", "915"), sums.items(), strict=True)
        for step, (kind, fen) in steps:
            if fen:
                yield {
                    "SalesOrder": order.number,
                    "PricingProcedureStep": step,
                    "PricingProcedureCounter": "1",
                    "ConditionType": kind,
                    "ConditionAmount": _amount(fen),
                    "TransactionCurrency": order.currency,
                }

    def _conditions(self) -> Iterator[Row]:
        for condition in self.world.price_conditions.values():
            percent = condition.rate_percent
            yield {
                "ConditionRecord": condition.record,
                "ConditionType": condition.type,
                "Material": condition.material,
                "ConditionRateValue": f"{percent}.000000000" if percent is not None else _amount(condition.amount_fen),
                "ConditionRateValueUnit": "%" if percent is not None else "CNY",
                "ConditionValidityStartDate": condition.valid_from,
                "ConditionValidityEndDate": condition.valid_to,
            }

    def _stock(self) -> Iterator[Row]:
        for stock in self.world.material_stock.values():
            yield {
                "Material": stock.material,
                "Plant": stock.plant,
                "AvailableQuantity": f"{stock.available}.000",
                "BaseUnit": "EA",
            }

    def etag(self, row: Row) -> str:
        """An order's version is when it was last changed; its items share it."""
        moment: datetime = self.world.sales_orders[row["SalesOrder"]].changed_at
        stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        return f"W/\"datetimeoffset'{quote(stamp, safe='')}'\""

    def show(self, entity_set: str, row: Row, expand: frozenset[str], host: str) -> Row:
        """One entity as JSON; a navigation that is not expanded is deferred."""
        kind = ENTITY_SETS[entity_set]
        uri = f"{host}{ROOT}/{entity_set}({_predicate(entity_set, row)})"
        about = {"id": uri, "uri": uri, "type": f"{NAMESPACE}.{entity_set}Type"}
        if kind.etag:
            about["etag"] = self.etag(row)
        shown: Row = {"__metadata": about}
        shown |= {name: _json(row[name], definition.type) for name, definition in kind.properties.items()}
        for name, target in kind.navigations.items():
            if name not in expand:
                shown[name] = {"__deferred": {"uri": f"{uri}/{name}"}}
                continue
            related = self.related(row, target.entity_set, target.shared)
            shown[name] = {"results": [self.show(target.entity_set, r, frozenset(), host) for r in related]}
        return shown

    def related(self, row: Row, entity_set: str, shared: tuple[str, ...]) -> list[Row]:
        return [other for other in self.of(entity_set) if all(other[name] == row[name] for name in shared)]


def _predicate(entity_set: str, row: Row) -> str:
    key = ENTITY_SETS[entity_set].key
    if len(key) == 1:
        return f"'{quote(row[key[0]])}'"
    return ",".join(f"{name}='{quote(row[name])}'" for name in key)


def _amount(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _json(value: Any, kind: str) -> Any:
    if kind == "Edm.DateTimeOffset":
        return f"/Date({int((value - _EPOCH).total_seconds() * 1000)}+0000)/"
    if kind == "Edm.DateTime":
        assert isinstance(value, date)
        return f"/Date({(value - _EPOCH.date()).days * 86_400_000})/"
    return value
