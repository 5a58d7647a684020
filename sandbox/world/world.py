"""The registries of the world and the look-ups that several systems need."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime

from .entities import (
    Appointment,
    Booking,
    Brand,
    Bundle,
    Cart,
    Category,
    Centre,
    Comment,
    Customer,
    DirectPayment,
    DmsCustomer,
    DmsVehicle,
    Entitlement,
    GarageEntry,
    Lead,
    MaterialStock,
    MerchandiseOrder,
    Operation,
    Option,
    OptionGroup,
    OtdRecord,
    Package,
    PaymentIntent,
    Persona,
    Post,
    PriceCondition,
    Product,
    ProductionOrder,
    Refund,
    Region,
    RepairOrder,
    Rule,
    SalesOrder,
    SavedConfiguration,
    ServiceRecord,
    Slot,
    SlotHold,
    Staff,
    TestDrive,
    Topic,
    Trim,
    Vehicle,
    VehicleModel,
    VehicleOrder,
)

PILOT_REGION = "SOUTH"  # where the new booking service keeps the bookings; everywhere else the DMS does


@dataclass(slots=True)
class World:
    """Everything the car maker knows, by id; the upstream apps read and change these dicts in place.

    ``now`` is the world's clock at its making, in UTC: all generated times are offsets from it. All datetimes are
    aware UTC, save the MES's, which are naive local as the plant keeps them. Money is integer fen.

    ``reservations`` are numbers of merchandise orders by when they run out, soonest first; ``unreachable`` are VINs.
    """

    today: date
    now: datetime
    seed: int
    rule_set_version: str = ""
    price_version: str = ""
    regions: dict[str, Region] = field(default_factory=dict)
    centres: dict[str, Centre] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    brands: dict[str, Brand] = field(default_factory=dict)
    models: dict[str, VehicleModel] = field(default_factory=dict)
    trims: dict[str, Trim] = field(default_factory=dict)
    option_groups: dict[str, OptionGroup] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    saved_configurations: dict[str, SavedConfiguration] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    personas: dict[str, Persona] = field(default_factory=dict)
    vehicles: dict[str, Vehicle] = field(default_factory=dict)
    garage: dict[str, GarageEntry] = field(default_factory=dict)
    vehicle_orders: dict[str, VehicleOrder] = field(default_factory=dict)
    sales_orders: dict[str, SalesOrder] = field(default_factory=dict)
    production_orders: dict[str, ProductionOrder] = field(default_factory=dict)
    otd_feed: list[OtdRecord] = field(default_factory=list)
    price_conditions: dict[str, PriceCondition] = field(default_factory=dict)
    material_stock: dict[str, MaterialStock] = field(default_factory=dict)
    dms_customers: dict[str, DmsCustomer] = field(default_factory=dict)
    dms_vehicles: dict[str, DmsVehicle] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    repair_orders: dict[str, RepairOrder] = field(default_factory=dict)
    bookings: dict[str, Booking] = field(default_factory=dict)
    slot_holds: dict[str, SlotHold] = field(default_factory=dict)
    service_history: dict[str, ServiceRecord] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    entitlements: dict[str, Entitlement] = field(default_factory=dict)
    carts: dict[str, Cart] = field(default_factory=dict)
    merchandise_orders: dict[str, MerchandiseOrder] = field(default_factory=dict)
    reservations: deque[tuple[datetime, str]] = field(default_factory=deque)
    unreachable: set[str] = field(default_factory=set)
    payments: dict[str, PaymentIntent] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    direct_payments: dict[str, DirectPayment] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    test_drives: dict[str, TestDrive] = field(default_factory=dict)
    bundles: dict[str, Bundle] = field(default_factory=dict)

    # People

    def customer(self, customer_id: str) -> Customer | None:
        """The account of this id, following the redirect that a merge leaves."""
        found = self.customers.get(customer_id)
        while found is not None and found.merged_into is not None:
            found = self.customers.get(found.merged_into)
        return found

    def customer_by_identity(self, kind: str, issuer: str, subject: str) -> Customer | None:
        wanted = (kind, issuer, subject)
        return next(
            (c for c in self.customers.values() if any((i.kind, i.issuer, i.subject) == wanted for i in c.identities)),
            None,
        )

    def customer_by_phone(self, phone: str) -> Customer | None:
        return next((c for c in self.customers.values() if c.phone == phone and c.merged_into is None), None)

    def points_balance(self, customer_id: str) -> int:
        """Points that can be spent: earned, less redeemed, captured and still held."""
        customer = self.customers.get(customer_id)
        return sum(_effect(e.kind) * e.points for e in customer.points) if customer else 0

    # Vehicles

    def garage_of(self, customer_id: str, *, open_only: bool = True) -> list[GarageEntry]:
        return [
            e for e in self.garage.values() if e.customer_id == customer_id and not (open_only and e.until is not None)
        ]

    def vehicles_of(self, customer_id: str) -> list[Vehicle]:
        """The vehicles that stand in the customer's garage now."""
        return [self.vehicles[e.vin] for e in self.garage_of(customer_id)]

    def owner_of(self, vin: str) -> Customer | None:
        entries = (e for e in self.garage.values() if e.vin == vin and e.role == "OWNER" and e.until is None)
        entry = next(entries, None)
        return self.customers[entry.customer_id] if entry else None

    def entitlements_of(self, vin: str) -> list[Entitlement]:
        return [e for e in self.entitlements.values() if e.vin == vin]

    def service_history_of(self, vin: str) -> list[ServiceRecord]:
        """Closed visits, newest first."""
        return sorted(
            (r for r in self.service_history.values() if r.vin == vin), key=lambda r: (r.on, r.id), reverse=True
        )

    # Vehicle orders

    def orders_of(self, customer_id: str) -> list[VehicleOrder]:
        """The customer's vehicle orders, newest first."""
        mine = (o for o in self.vehicle_orders.values() if o.customer_id == customer_id)
        return sorted(mine, key=lambda o: (o.created_at, o.number), reverse=True)

    def order_by_number(self, number: str) -> VehicleOrder | None:
        """A vehicle order by any of its numbers: ours, the ERP's, the OTD feed's or the MES's."""
        found = self.vehicle_orders.get(number)
        if found is not None:
            return found
        orders = self.vehicle_orders.values()
        return next((o for o in orders if number in (o.sales_order, o.otd_number, o.production_order)), None)

    def otd_records_of(self, otd_number: str) -> list[OtdRecord]:
        """The feed's records of one order, in feed order."""
        return [r for r in self.otd_feed if r.order_number == otd_number]

    # Service

    def slots_of(self, centre_id: str, kind: str = "SERVICE") -> list[Slot]:
        mine = (s for s in self.slots.values() if s.centre_id == centre_id and s.kind == kind)
        return sorted(mine, key=lambda s: (s.starts_at, s.id))

    def appointments_of(self, customer_id: str) -> list[Appointment]:
        return [a for a in self.appointments.values() if a.customer_id == customer_id]

    def bookings_of(self, customer_id: str) -> list[Booking]:
        return [b for b in self.bookings.values() if b.customer_id == customer_id]

    def repair_orders_of(self, vin: str) -> list[RepairOrder]:
        return [r for r in self.repair_orders.values() if r.vin == vin]

    def dms_customer_of(self, customer_id: str, dealer: str) -> DmsCustomer | None:
        return next(
            (d for d in self.dms_customers.values() if d.customer_id == customer_id and d.dealer == dealer), None
        )

    # Commerce

    def active_cart_of(self, customer_id: str) -> Cart | None:
        return next((c for c in self.carts.values() if c.customer_id == customer_id and c.state == "ACTIVE"), None)

    def merchandise_orders_of(self, customer_id: str) -> list[MerchandiseOrder]:
        """Newest first."""
        mine = (o for o in self.merchandise_orders.values() if o.customer_id == customer_id)
        return sorted(mine, key=lambda o: (o.created_at, o.number), reverse=True)

    def payments_of(self, order_number: str) -> list[PaymentIntent]:
        return [p for p in self.payments.values() if p.order_number == order_number]

    def direct_payments_of(self, order_number: str) -> list[DirectPayment]:
        return [p for p in self.direct_payments.values() if p.order_number == order_number]

    def refunds_of(self, payment_id: str) -> list[Refund]:
        return [r for r in self.refunds.values() if r.payment_id == payment_id]

    # Community and content

    def comments_of(self, post_id: str) -> list[Comment]:
        return [c for c in self.comments.values() if c.post_id == post_id]

    def bundle_versions(self, bundle_id: str, locale: str, screen_class: str) -> list[Bundle]:
        """Every version of a bundle for a locale and screen class, oldest first."""
        wanted = (bundle_id, locale, screen_class)
        found = (b for b in self.bundles.values() if (b.id, b.locale, b.screen_class) == wanted)
        return sorted(found, key=lambda b: b.version)


def _effect(kind: str) -> int:
    """A CAPTURE changes nothing more: its HOLD has already left the balance; a RELEASE gives the hold back."""
    return {"EARN": 1, "RELEASE": 1, "HOLD": -1, "REDEEM": -1, "CAPTURE": 0}[kind]
