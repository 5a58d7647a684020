"""Whether a feature may be sold for a car."""

from __future__ import annotations

from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import Product, Vehicle


def check_vehicle(world: World, customer_id: str, product: Product, vin: str | None) -> None:
    """Refuses what cannot be used on this car: a FEATURE needs one of the customer's cars, its hardware code and a
    minimum software version, and is not sold twice. A SERVICE may name a car; other products take no notice of it.
    """
    if vin is None and product.kind == "FEATURE":
        raise Refused("VEHICLE_REQUIRED", f"{product.id} is bought for a car", 422)
    if vin is None or product.kind not in ("FEATURE", "SERVICE"):
        return
    if not any(entry.vin == vin for entry in world.garage_of(customer_id)):
        raise Refused("VEHICLE_REQUIRED", "the car is not in the customer's garage", 422)
    if product.kind == "FEATURE":
        _check_feature(world, product, world.vehicles[vin])


def _check_feature(world: World, product: Product, vehicle: Vehicle) -> None:
    fits = not product.model_ids or vehicle.model_id in product.model_ids
    if not fits or (product.hardware_code is not None and product.hardware_code not in vehicle.hardware):
        raise Refused("HARDWARE_MISSING", f"{vehicle.vin} does not carry {product.hardware_code}")
    if product.minimum_software is not None and _version(vehicle.software.current) < _version(product.minimum_software):
        raise Refused("SOFTWARE_TOO_OLD", f"{product.id} needs {product.minimum_software}")
    if is_entitled(world, vehicle.vin, product.id):
        raise Refused("ALREADY_ENTITLED", f"{vehicle.vin} has {product.id}")


def is_entitled(world: World, vin: str, product_id: str) -> bool:
    live = ("ACTIVE", "ACTIVATING")
    return any(e.product_id == product_id and e.state in live for e in world.entitlements_of(vin))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
