"""Vehicle orders on the wire of commerce (docs/contracts/commerce.openapi.json)."""

from __future__ import annotations

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc, utc_or_none
from bff.domain.base import Money, Text
from bff.domain.configurator import PriceLine, PriceLineKind, Selection
from bff.domain.vehicle_order import VehicleOrder, VehicleOrderStatus

order_status = Codes("commerce", VehicleOrderStatus)
price_line_kind = Codes("commerce", PriceLineKind)

_ORDER = ["input", "orderId"]
_TERMS = ["input", "termsVersion"]

PLACE_REFUSALS = Refusals(
    {
        "NOT_BUILDABLE": (
            "This configuration cannot be built any more. Check it again for alternatives.",
            ["input", "shareCode"],
        ),
        "SOLD_OUT": ("This car is sold out.", ["input", "shareCode"]),
        "CENTRE_UNKNOWN": ("No centre of this code hands over cars of this brand.", ["input", "deliveryCentre"]),
        "TERMS_CHANGED": ("The terms have changed. Show the current ones and ask again.", _TERMS),
        "PRICE_CHANGED": ("The price has changed. Show the current one and ask again.", ["input", "shareCode"]),
    }
)
LOCK_REFUSALS = Refusals(
    {
        "ALREADY_LOCKED": ("This order is locked already.", _ORDER),
        "NOT_LOCKABLE": ("Only an order whose deposit is paid can be locked.", _ORDER),
        "CONFIGURATION_CHANGED": (
            "The order has another configuration than the one confirmed. Show it and ask again.",
            ["input", "configurationHash"],
        ),
        "PRICE_CHANGED": (
            "The order costs {totalMinor} in minor units now. Show it and ask again.",
            ["input", "total"],
        ),
        "TERMS_CHANGED": ("The order is under other terms than those confirmed. Show them and ask again.", _TERMS),
        "NOT_AMENDABLE": ("This order cannot be changed any more.", _ORDER),
    }
)
CANCEL_REFUSALS = Refusals(
    {
        "NOT_CANCELLABLE": ("This order cannot be cancelled any more.", _ORDER),
        "NOT_AMENDABLE": ("This order cannot be changed any more.", _ORDER),
    }
)
ATTACH_REFUSALS = Refusals({"NOT_AMENDABLE": ("This order cannot be changed any more.", _ORDER)})


class WireConfiguration(msgspec.Struct, rename="camel"):
    trim_code: str
    options: tuple[str, ...]
    packages: tuple[str, ...]
    hash: str


class WirePriceLine(msgspec.Struct, rename="camel"):
    kind: str
    code: str
    text: Text
    amount: Money


class WireVehicleOrder(msgspec.Struct, rename="camel"):
    number: str
    customer_id: str
    model_code: str
    configuration: WireConfiguration
    status: str
    price_lines: list[WirePriceLine]
    total: Money
    intent: Money
    deposit: Money
    paid: Money
    delivery_centre: str | None
    region: str
    brand: str
    terms_version: str
    created_at: Moment
    cooling_off_ends_at: Moment | None
    locked_at: Moment | None
    sales_order: str | None
    production_order: str | None
    otd_number: str | None
    vin: str | None
    reserved_until: Moment | None = None
    sold_to: str = ""


class PlaceBody(msgspec.Struct, rename="camel"):
    customer_id: str
    share_code: str
    delivery_centre: str
    terms_version: str


class LockBody(msgspec.Struct, rename="camel"):
    configuration_hash: str
    total: Money
    terms_version: str


class CancelUnpaidBody(msgspec.Struct, rename="camel"):
    reason: str | None
    only_unpaid: bool


class AttachBody(msgspec.Struct, rename="camel"):
    sales_order: str


def read_vehicle_order(wire: WireVehicleOrder) -> VehicleOrder:
    configuration = wire.configuration
    return VehicleOrder(
        number=wire.number,
        customer_id=wire.customer_id,
        model_code=wire.model_code,
        selection=Selection(
            trim_code=configuration.trim_code, options=configuration.options, packages=configuration.packages
        ),
        configuration_hash=configuration.hash,
        status=order_status(wire.status),
        raw_status=wire.status,
        price_lines=[
            PriceLine(kind=price_line_kind(line.kind), code=line.code, text=line.text, amount=line.amount)
            for line in wire.price_lines
        ],
        total=wire.total,
        intent=wire.intent,
        deposit=wire.deposit,
        paid=wire.paid,
        delivery_centre=wire.delivery_centre,
        region=wire.region,
        brand=wire.brand,
        terms_version=wire.terms_version,
        created_at=utc(wire.created_at),
        cooling_off_ends_at=utc_or_none(wire.cooling_off_ends_at),
        locked_at=utc_or_none(wire.locked_at),
        sales_order=wire.sales_order,
        production_order=wire.production_order,
        otd_number=wire.otd_number,
        vin=wire.vin,
        reserved_until=utc_or_none(wire.reserved_until),
        sold_to=wire.sold_to,
    )


VEHICLE_ORDER = Records(WireVehicleOrder, read_vehicle_order, key="number")
