"""The ERP's view: sales orders, price conditions and what can be promised from stock."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from .entities import MaterialStock, PriceCondition, SalesOrder, SalesOrderItem, VehicleOrder
from .mes import PLANTS
from .pricing import VAT_PERCENT, net_of
from .rng import stream
from .world import World

SALES_ORGANISATION = "CN01"
DISTRIBUTION_CENTRE = "DC10"


def add_erp(world: World) -> None:
    for order in world.vehicle_orders.values():
        if order.sales_order is not None:
            world.sales_orders[order.sales_order] = sales_order_of(world, order, order.sales_order)
    _add_conditions(world)
    _add_stock(world)


def sales_order_of(world: World, order: VehicleOrder, number: str) -> SalesOrder:
    """The ERP's record of a vehicle order, under the ERP's number."""
    items: list[SalesOrderItem] = []
    for line in order.price_lines:
        if line.kind != "TAX":
            net = net_of(line.amount_fen)
            item = str(10 * (len(items) + 1))
            items.append(SalesOrderItem(item, line.code, line.text.en, 1, net, line.amount_fen - net))
    status: Literal["A", "B", "C"] = "B"
    if order.milestone == "PLACED":
        status = "A"
    elif order.milestone in ("DELIVERED", "CANCELLED"):
        status = "C"
    return SalesOrder(
        number=number,
        order_type="ZVEH",
        customer_reference=order.number,
        sold_to=world.customers[order.customer_id].erp_business_partner,
        sales_organisation=SALES_ORGANISATION,
        currency="CNY",
        net_fen=sum(item.net_fen for item in items),
        tax_fen=sum(item.tax_fen for item in items),
        overall_status=status,
        rejected=order.milestone == "CANCELLED",
        created_at=order.created_at + timedelta(minutes=31),
        changed_at=order.updated_at,
        requested_delivery_on=order.delivery_latest or world.today + timedelta(days=60),
        items=items,
    )


def _add_conditions(world: World) -> None:
    first, last = world.today - timedelta(days=180), world.today + timedelta(days=185)
    priced: list[tuple[Literal["PR00", "VA00"], str, int]] = [
        ("PR00", trim.id, trim.price_fen) for trim in world.trims.values()
    ]
    priced += [("VA00", option.code, option.price_fen) for option in world.options.values()]
    priced += [("VA00", package.code, package.price_fen) for package in world.packages.values()]
    for number, (kind, material, gross) in enumerate(priced, 1):
        record = f"{number:010d}"
        world.price_conditions[record] = PriceCondition(record, kind, material, net_of(gross), None, first, last)
    tax = f"{len(priced) + 1:010d}"
    world.price_conditions[tax] = PriceCondition(tax, "MWST", "", 0, VAT_PERCENT, first, last)


def _add_stock(world: World) -> None:
    """Vehicles by trim at their plant, goods of the shop in the distribution centre; keys are ``material/plant``."""
    random = stream(world, "stock")
    for trim in world.trims.values():
        reserved = random.randint(0, 9) if trim.stock else 0
        _put(world, MaterialStock(trim.id, PLANTS[trim.model_id], trim.stock + reserved, reserved))
    for product in world.products.values():
        if product.stock is not None:
            reserved = random.randint(0, 5)
            _put(world, MaterialStock(product.id, DISTRIBUTION_CENTRE, product.stock + reserved, reserved))


def _put(world: World, stock: MaterialStock) -> None:
    world.material_stock[f"{stock.material}/{stock.plant}"] = stock
