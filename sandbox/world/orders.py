"""Vehicle orders at every stage, each one story told to the order service, ERP, MES and OTD feed alike."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from .entities import Milestone, Trim, VehicleOrder, VehicleOrderStatus
from .otd import CODE_DAYS, MILESTONE_CODES
from .people import MERGED, OWNER
from .pricing import configure, price_lines, total_of
from .rng import ago, stream
from .vehicles import IN_THE_FIELD, make_vehicle, park, pick_options
from .world import World

INTENT_FEN = 100_000
DEPOSIT_FEN = 500_000
COOLING_OFF_HOURS = 168
DRAFT_HOURS = 24  # how long an unpaid draft holds its build place
TERMS_VERSION = "2025-10"
FIRST_SALES_ORDER = 4711
FIRST_PRODUCTION_ORDER = 917

_WITH_VIN = ("BUILT", "YARD", "QC_HOLD", "SHIPPED", "AT_CENTRE", "READY", "DELIVERED")
_IN_PLANT = ("SCHEDULED", "IN_PRODUCTION", *_WITH_VIN)
# milestone, status, how many; the first one is C0001's order in production. Drafts have no milestone.
_STAGES: tuple[tuple[Milestone | None, VehicleOrderStatus, int], ...] = (
    ("IN_PRODUCTION", "IN_FULFILMENT", 6),
    ("PLACED", "INTENT_PAID", 4),
    ("PLACED", "DEPOSIT_PAID", 5),
    ("PLACED", "LOCKED", 3),
    ("ACCEPTED", "LOCKED", 4),
    ("PARTS", "IN_FULFILMENT", 5),
    ("SCHEDULED", "IN_FULFILMENT", 5),
    ("BUILT", "IN_FULFILMENT", 4),
    ("YARD", "IN_FULFILMENT", 5),
    ("QC_HOLD", "IN_FULFILMENT", 4),
    ("SHIPPED", "BALANCE_DUE", 6),
    ("AT_CENTRE", "BALANCE_DUE", 4),
    ("READY", "READY", 4),
    ("DELIVERED", "DELIVERED", 8),
    ("CANCELLED", "CANCELLED", 5),
    (None, "DRAFT", 5),
)


def add_vehicle_orders(world: World) -> None:
    random = stream(world, "orders")
    buyers = [c for c in world.customers if c not in MERGED and c != OWNER]
    trims = [trim for trim in world.trims.values() if trim.availability != "SOLD_OUT"]
    number = FIRST_SALES_ORDER
    for milestone, status, count in _STAGES:
        for turn in range(count):
            owner = OWNER if number == FIRST_SALES_ORDER else None
            trim = world.trims["E9-EXEC"] if number == FIRST_SALES_ORDER else random.choice(trims)
            order = _order(world, random, number, owner or random.choice(buyers), trim, milestone, status, turn)
            world.vehicle_orders[order.number] = order
            number += 1


def _order(
    world: World,
    random: Random,
    number: int,
    customer_id: str,
    trim: Trim,
    milestone: Milestone | None,
    status: VehicleOrderStatus,
    turn: int,
) -> VehicleOrder:
    if number == FIRST_SALES_ORDER:
        options, packages = _owner_choice(world, trim)
    else:
        options = pick_options(world, random, trim)
        packages = _packages(world, random, trim, options)
    configuration = configure(trim, options, packages)
    lines = price_lines(world, configuration, discount_fen=300_000 if random.random() < 0.3 else 0)
    brand = world.models[trim.model_id].brand
    centre = random.choice([c.id for c in world.centres.values() if brand in c.brands])
    created = ago(world, days=_age(random, number, milestone, status, turn))
    order = VehicleOrder(
        number=f"VO{number:08d}",
        customer_id=customer_id,
        model_id=trim.model_id,
        trim_id=trim.id,
        configuration=configuration,
        status=status,
        milestone=milestone,
        price_lines=lines,
        total_fen=total_of(lines),
        currency="CNY",
        delivery_centre_id="SH0217" if number == FIRST_SALES_ORDER else centre,
        created_at=created,
        updated_at=created,
        terms_version=TERMS_VERSION,
    )
    if milestone is not None:
        order.sales_order, order.otd_number = str(number), f"SO{number}"
        _date(world, order, turn)
        _produce(world, random, order, trim, turn)
    return order


def _owner_choice(world: World, trim: Trim) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """C0001's flagship: grey paint, black parts and the comfort package over the default."""
    package = world.packages["PKC"]
    chosen = (set(trim.default_options) - {"K3B"}) | {"K2G", "E1B", *package.includes}
    return tuple(sorted(chosen)), (package.code,)


def _packages(world: World, random: Random, trim: Trim, options: tuple[str, ...]) -> tuple[str, ...]:
    """At most one package, and only one whose options were all chosen already, so that no rule can object."""
    fitting = [code for code in trim.package_codes if set(world.packages[code].includes) <= set(options)]
    return (random.choice(fitting),) if fitting else ()


def _age(random: Random, number: int, milestone: Milestone | None, status: VehicleOrderStatus, turn: int) -> float:
    """Days since the order was placed, so that its milestone's code is reached and the next one is not."""
    if number == FIRST_SALES_ORDER:
        return 26.5  # in the paint shop
    if status == "DEPOSIT_PAID":
        # the first one's cooling-off ends within the hour, the others are in its midst
        return 0.2 + 7 - 0.03 if turn == 0 else 0.5 + turn
    if milestone is None or status == "INTENT_PAID":
        return 0.05 + turn * 0.03
    if milestone == "IN_PRODUCTION":
        return 25.1 + (turn % 6) * 0.7
    if milestone == "CANCELLED":
        return 21 + turn
    if milestone == "READY":
        return CODE_DAYS["5000"] + 1.5 + random.random()
    if status == "LOCKED" and milestone == "PLACED":
        return 7.5 + turn * 0.2
    codes = MILESTONE_CODES[milestone]
    code = codes[number % len(codes)]
    later = [days for days in CODE_DAYS.values() if days > CODE_DAYS[code]]
    room = (later[0] - CODE_DAYS[code]) if later else 20.0
    return CODE_DAYS[code] + room * (0.1 + 0.8 * random.random())


def _date(world: World, order: VehicleOrder, turn: int) -> None:
    """Payments and deadlines: the intent at once, the deposit hours later, the lock when cooling-off has ended."""
    start, now = order.created_at, world.now
    order.intent_fen, order.intent_paid_at = INTENT_FEN, start + timedelta(minutes=20)
    order.updated_at = order.intent_paid_at
    if order.status != "INTENT_PAID":
        order.deposit_fen, order.deposit_paid_at = DEPOSIT_FEN, (start + timedelta(days=0.2)).replace(microsecond=0)
        order.cooling_off_ends_at = order.deposit_paid_at + timedelta(hours=COOLING_OFF_HOURS)
        order.updated_at = order.deposit_paid_at
        if order.cooling_off_ends_at <= now:
            order.locked_at = order.updated_at = order.cooling_off_ends_at
    if order.milestone == "CANCELLED":
        # within cooling-off, save for two that were let go after the plan was made
        order.cancelled_at = start + (timedelta(days=20.5) if turn < 2 else timedelta(days=3 + turn / 2))
        order.updated_at = order.cancelled_at
        if turn >= 2:
            order.locked_at = None
        return
    weeks = world.trims[order.trim_id]
    base = order.created_at.date()
    order.delivery_earliest = max(base + timedelta(days=40), base + timedelta(weeks=weeks.delivery_weeks_min))
    order.delivery_latest = order.delivery_earliest + timedelta(days=12)
    if order.milestone == "DELIVERED":
        order.delivered_at = (start + timedelta(days=CODE_DAYS["6000"])).replace(microsecond=0)
        order.updated_at = order.delivered_at


def _produce(world: World, random: Random, order: VehicleOrder, trim: Trim, turn: int) -> None:
    """Numbers of the plant from SCHEDULED on, the car itself from BUILT on."""
    if order.milestone in _IN_PLANT or (order.milestone == "CANCELLED" and turn < 2):
        planned = sum(1 for other in world.vehicle_orders.values() if other.production_order is not None)
        order.production_order = f"PO2503{FIRST_PRODUCTION_ORDER + planned:04d}"
    if order.milestone not in _WITH_VIN:
        return
    built = sum(1 for other in world.vehicle_orders.values() if other.vin is not None)
    serial = IN_THE_FIELD + 1 + built
    vehicle = make_vehicle(
        world,
        random,
        serial,
        trim,
        order.delivery_centre_id,
        (world.now - order.created_at).days - 29,
        order.configuration.options,
    )
    vehicle.order_number, order.vin = order.number, vehicle.vin
    if order.milestone == "DELIVERED":
        assert order.delivered_at is not None
        since = (world.now - order.delivered_at).total_seconds() / 86400
        park(world, order.customer_id, vehicle.vin, "OWNER", since)
    else:
        vehicle.licence_plate, vehicle.odometer_km, vehicle.warranties = None, random.randint(3, 40), []
