"""Categories and products of the shop, from coffee cups to heated seats, and the features that cars already have."""

from __future__ import annotations

from datetime import timedelta

from .entities import Category, Entitlement, EntitlementState, Product, Text
from .product_table import CATEGORIES, FEATURE, PHYSICAL, SERVICE, VOUCHER
from .rng import ago, stream
from .table import rows
from .world import World

WITHDRAWN_PRODUCT = "P1105"  # no longer on sale, still in old orders
_FOR_MODEL = {
    "P2001": ("A5",),
    "P2002": ("A7",),
    "P2003": ("E9",),
    "P2101": ("A5",),
    "P2103": ("A7",),
}
_STATES: tuple[EntitlementState, ...] = (
    "ACTIVE",
    "ACTIVE",
    "ACTIVE",
    "EXPIRED",
    "ACTIVATING",
    "PENDING_PAYMENT",
    "REVOKED",
    "ACTIVATION_FAILED",
)


def add_catalogue(world: World) -> None:
    for sort, (category_id, parent, zh, en) in enumerate(rows(CATEGORIES), 1):
        world.categories[category_id] = Category(category_id, Text(zh, en), parent or None, sort)
    for product in (*_goods(), *_services(), *_features(), *_vouchers()):
        product.on_sale = product.id != WITHDRAWN_PRODUCT
        product.model_ids = _FOR_MODEL.get(product.id, product.model_ids)
        product.brand = "VELA" if "维拉" in product.name.zh else None
        world.products[product.id] = product
    _add_entitlements(world)


def _images(product_id: str, count: int) -> tuple[str, ...]:
    return tuple(f"images/products/{product_id.lower()}-{number}.png" for number in range(1, count + 1))


def _goods() -> list[Product]:
    return [
        Product(
            id=product_id,
            kind="PHYSICAL",
            category_id=category,
            name=Text(zh, en),
            description=Text(copy_zh, copy_en),
            price_fen=int(yuan) * 100,
            images=_images(product_id, 3),
            stock=int(stock),
            points_price=int(points) if points else None,
        )
        for product_id, category, zh, en, copy_zh, copy_en, yuan, stock, points in rows(PHYSICAL)
    ]


def _services() -> list[Product]:
    return [
        Product(
            id=product_id,
            kind="SERVICE",
            category_id="service",
            name=Text(zh, en),
            description=Text(copy_zh, copy_en),
            price_fen=int(yuan) * 100,
            images=_images(product_id, 1),
            stock=None,
            op_code=op_code or None,
        )
        for product_id, zh, en, copy_zh, copy_en, yuan, op_code in rows(SERVICE)
    ]


def _features() -> list[Product]:
    return [
        Product(
            id=product_id,
            kind="FEATURE",
            category_id="features",
            name=Text(zh, en),
            description=Text(copy_zh, copy_en),
            price_fen=int(yuan) * 100,
            images=_images(product_id, 1),
            stock=None,
            hardware_code=hardware,
            minimum_software=software,
            term_days=int(days) if days else None,
            model_ids=tuple(models.split()),
        )
        for product_id, zh, en, copy_zh, copy_en, yuan, hardware, software, days, models in rows(FEATURE)
    ]


def _vouchers() -> list[Product]:
    return [
        Product(
            id=product_id,
            kind="VOUCHER",
            category_id="vouchers",
            name=Text(zh, en),
            description=Text(copy_zh, copy_en),
            price_fen=int(yuan) * 100,
            images=_images(product_id, 1),
            stock=int(stock),
            face_value_fen=int(face) * 100,
            points_price=int(points) if points else None,
        )
        for product_id, zh, en, copy_zh, copy_en, yuan, face, stock, points in rows(VOUCHER)
    ]


def software_at_least(current: str, minimum: str) -> bool:
    """Compares ``major.minor.patch`` versions by number."""
    return tuple(map(int, current.split("."))) >= tuple(map(int, minimum.split(".")))


def fits(world: World, vin: str, product: Product) -> bool:
    """Whether the car has the hardware, software and model that a FEATURE needs."""
    vehicle = world.vehicles[vin]
    return (
        product.hardware_code in vehicle.hardware
        and (not product.model_ids or vehicle.model_id in product.model_ids)
        and software_at_least(vehicle.software.current, product.minimum_software or "0.0.0")
    )


def _add_entitlements(world: World) -> None:
    """One per car at most, so no car has a feature twice; the head unit's car has sentry mode, but not heated seats."""
    random = stream(world, "entitlements")
    features = [p for p in world.products.values() if p.kind == "FEATURE"]
    first = next(iter(world.vehicles))
    world.vehicles[first].hardware |= {"H-SENTRY"}
    _grant(world, first, world.products["F4007"], "ACTIVE", 140)
    turn = 0
    for vehicle in list(world.vehicles.values())[1:300:4]:
        fitting = [p for p in features if fits(world, vehicle.vin, p)]
        if fitting and world.owner_of(vehicle.vin) is not None:
            _grant(world, vehicle.vin, random.choice(fitting), _STATES[turn % len(_STATES)], random.randint(3, 25))
            turn += 1


def _grant(world: World, vin: str, product: Product, state: EntitlementState, days: float) -> None:
    owner = world.owner_of(vin)
    assert owner is not None
    began = None if state in ("PENDING_PAYMENT", "ACTIVATING", "ACTIVATION_FAILED") else ago(world, days=days)
    ends = began + timedelta(days=product.term_days) if began and product.term_days else None
    if state == "EXPIRED":
        began, ends = ago(world, days=days + 60), ago(world, days=days)
    entitlement_id = f"EN{len(world.entitlements) + 1:05d}"
    world.entitlements[entitlement_id] = Entitlement(
        entitlement_id, vin, product.id, owner.id, state, began, ends, order_number=None
    )
