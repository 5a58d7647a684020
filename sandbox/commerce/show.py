"""Entities of the world as this service shows them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from sandbox.kit.rest import reply
from sandbox.world import World, entities
from sandbox.world.commerce import FREE_SHIPPING_FROM_FEN, SHIPPING_FEN
from sandbox.world.orders import DEPOSIT_FEN, INTENT_FEN

from . import contract
from .progress import reserved_until


def plain(value: Any) -> Any:
    """The JSON of a contract type."""
    return msgspec.to_builtins(value)


def answer(value: Any, status: int = 200) -> Response:
    return reply(plain(value), status)


def items(values: list[Any]) -> Response:
    return reply({"items": plain(values)})


def text(value: entities.Text) -> contract.Text:
    return contract.Text(zh=value.zh, en=value.en)


def fen(amount: int) -> contract.Money:
    return contract.Money(amount_minor=amount)


def category(value: entities.Category) -> contract.Category:
    return contract.Category(id=value.id, name=text(value.name), parent_id=value.parent_id, sort=value.sort)


def product(value: entities.Product) -> contract.Product:
    feature = None
    if value.kind == "FEATURE":
        feature = contract.Feature(
            hardware_code=value.hardware_code or "",
            minimum_software=value.minimum_software or "",
            term_days=value.term_days,
        )
    return contract.Product(
        id=value.id,
        kind=value.kind,
        category_id=value.category_id,
        name=text(value.name),
        description=text(value.description),
        price=fen(value.price_fen),
        images=list(value.images),
        on_sale=value.on_sale,
        in_stock=None if value.stock is None else value.stock > 0,
        brand=value.brand,
        model_codes=list(value.model_ids),
        feature=feature,
        points_price=value.points_price,
    )


def entitlement(value: entities.Entitlement) -> contract.Entitlement:
    return contract.Entitlement(
        id=value.id,
        vin=value.vin,
        product_id=value.product_id,
        state=value.state,
        starts_at=value.starts_at,
        ends_at=value.ends_at,
        order_number=value.order_number,
        activation_deadline=value.activation_deadline if value.state == "ACTIVATING" else None,
    )


def shipping_of(world: World, lines: list[entities.CartLine]) -> int:
    """Goods are sent for a flat fee, free from FREE_SHIPPING_FROM_FEN; all else needs no parcel."""
    goods = any(world.products[line.product_id].kind == "PHYSICAL" for line in lines)
    return SHIPPING_FEN if goods and lines_total(world, lines) < FREE_SHIPPING_FROM_FEN else 0


def lines_total(world: World, lines: list[entities.CartLine]) -> int:
    return sum(line.quantity * world.products[line.product_id].price_fen for line in lines)


def cart(world: World, value: entities.Cart) -> contract.Cart:
    shipping = shipping_of(world, value.lines)
    return contract.Cart(
        id=value.id,
        customer_id=value.customer_id or "",
        state=value.state,
        version=value.version,
        lines=[_cart_line(world, line) for line in value.lines],
        shipping=fen(shipping),
        total=fen(lines_total(world, value.lines) + shipping),
        updated_at=value.updated_at,
    )


def _cart_line(world: World, line: entities.CartLine) -> contract.CartLine:
    price = world.products[line.product_id].price_fen
    return contract.CartLine(
        id=line.id,
        product_id=line.product_id,
        quantity=line.quantity,
        unit_price=fen(price),
        added_price=fen(line.unit_price_fen),
        total=fen(price * line.quantity),
        vin=line.vin,
    )


def address(value: entities.Address | None) -> contract.Address | None:
    if value is None:
        return None
    return contract.Address(
        recipient=value.recipient,
        phone=value.phone,
        province=value.province,
        city=value.city,
        district=value.district,
        line=value.line,
        postcode=value.postcode or None,
    )


def merchandise_order(world: World, value: entities.MerchandiseOrder) -> contract.MerchandiseOrder:
    waits = value.order_state == "CREATED" and value.payment_state == "UNPAID"
    return contract.MerchandiseOrder(
        number=value.number,
        customer_id=value.customer_id,
        lines=[
            contract.OrderLine(
                id=line.id,
                product_id=line.product_id,
                kind=world.products[line.product_id].kind,
                name=text(line.name),
                quantity=line.quantity,
                unit_price=fen(line.unit_price_fen),
                total=fen(line.unit_price_fen * line.quantity),
                vin=line.vin,
            )
            for line in value.lines
        ],
        items_total=fen(value.items_fen),
        shipping=fen(value.shipping_fen),
        discount=fen(value.discount_fen),
        total=fen(value.total_fen),
        order_state=value.order_state,
        payment_state=value.payment_state,
        fulfilment_state=value.fulfilment_state,
        address=address(value.address),
        carrier=value.carrier,
        tracking_number=value.tracking_number,
        created_at=value.created_at,
        reserved_until=value.reserved_until if waits else None,
    )


def vehicle_order(world: World, value: entities.VehicleOrder, paid_fen: int) -> contract.VehicleOrder:
    configuration = value.configuration
    return contract.VehicleOrder(
        number=value.number,
        customer_id=value.customer_id,
        model_code=value.model_id,
        configuration=contract.Configuration(
            trim_code=configuration.trim_id,
            options=list(configuration.options),
            packages=list(configuration.packages),
            hash=configuration.hash,
        ),
        status=value.status,
        price_lines=[
            contract.PriceLine(kind=line.kind, code=line.code, text=text(line.text), amount=fen(line.amount_fen))
            for line in value.price_lines
        ],
        total=fen(value.total_fen),
        intent=fen(INTENT_FEN),
        deposit=fen(DEPOSIT_FEN),
        paid=fen(paid_fen),
        delivery_centre=value.delivery_centre_id,
        region=world.centres[value.delivery_centre_id].region,
        brand=world.models[value.model_id].brand,
        terms_version=value.terms_version,
        created_at=value.created_at,
        reserved_until=reserved_until(value),
        cooling_off_ends_at=value.cooling_off_ends_at,
        locked_at=value.locked_at,
        sold_to=world.customers[value.customer_id].erp_business_partner,
        sales_order=value.sales_order,
        production_order=value.production_order,
        otd_number=value.otd_number,
        vin=value.vin,
    )
