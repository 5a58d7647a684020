"""A commerce and an ERP to test the orders of cars against: strict, simple, able to lose answers and to be slow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from msgspec.structs import replace

from bff.domain.base import Found, Money, Outcome, Page, PageArgs, Refusal, Text
from bff.domain.configurator import PriceLine, PriceLineKind, Selection
from bff.domain.payment import PaymentProvider, PaymentPurpose, PaymentScene
from bff.domain.settlement import Due, Settlement
from bff.domain.vehicle_order import (
    RejectionReason,
    SalesOrder,
    SalesOrderDraft,
    SalesOrderStatus,
    VehicleOrder,
    VehicleOrderStatus,
)
from bff.durability.database import Database
from bff.durability.flows import Flows
from bff.errors import NotFound, OutcomeUnknown
from bff.orders.payment_facts import PAYMENT, Opened
from bff.orders.payment_flow import PaymentFlow
from bff.orders.vehicle_facts import VEHICLE_ORDER
from bff.orders.vehicle_flow import VehicleOrderFlow
from tests.orders.bank import Bank, Fault, Faults, Time

INTENT, DEPOSIT, PRICE = 100_000, 500_000, 20_000_000
CANCELLABLE = (VehicleOrderStatus.DRAFT, VehicleOrderStatus.INTENT_PAID, VehicleOrderStatus.DEPOSIT_PAID)


class Showroom:
    """`VehicleOrderSystem` and `SettlementPort`: decides at once, and each key once."""

    def __init__(self, time: Time, places: int) -> None:
        self.time, self.places = time, places
        self.cars: dict[str, VehicleOrder] = {}
        self.looks: list[VehicleOrder] = []
        """Every order as it was after each change: what a slow answer may still show."""
        self.settled: dict[str, Settlement] = {}
        self.repaid_minor: dict[str, dict[str, int]] = {}
        self.faults = Faults()
        self._answers: dict[str, Outcome[VehicleOrder]] = {}

    # ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def orders_of(self, customer_id: str, page: PageArgs) -> Page[VehicleOrder]:
        raise NotImplementedError

    async def orders(self, numbers: Sequence[str]) -> Found[str, VehicleOrder]:
        self.faults.answer("commerce", self.faults.strike("commerce"))
        return {number: self.car(number) for number in numbers if number in self.cars}

    def car(self, number: str) -> VehicleOrder:
        """The order as it is now: unpaid drafts expire, cooling-off ends."""
        car = self.cars[number]
        if car.status is VehicleOrderStatus.DRAFT and car.created_at + timedelta(hours=24) <= self.time():
            self._end(car)
        ends = car.cooling_off_ends_at
        if car.status is VehicleOrderStatus.DEPOSIT_PAID and ends is not None and ends <= self.time():
            self._change(car, status=VehicleOrderStatus.LOCKED, locked_at=ends)
        return self.cars[number]

    async def place(
        self, customer_id: str, share_code: str, *, delivery_centre: str, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        fault = self.faults.strike("commerce")
        if idempotency_key not in self._answers and self.places < 1:
            return Outcome(refusals=[Refusal(code="SOLD_OUT", message="sold out")])
        if idempotency_key not in self._answers:
            self.places -= 1
            car = _car(f"VO{len(self.cars) + 1}", customer_id, self.time())
            self._change(car)
            self._answers[idempotency_key] = Outcome(entity=car)
        self.faults.answer("commerce", fault)
        return self._answers[idempotency_key]

    async def lock(
        self, number: str, *, configuration_hash: str, total: Money, terms_version: str, idempotency_key: str
    ) -> Outcome[VehicleOrder]:
        fault, car = self.faults.strike("commerce"), self.car(number)
        if idempotency_key not in self._answers:
            if car.locked_at is not None:
                return _refused("ALREADY_LOCKED")
            if car.status is not VehicleOrderStatus.DEPOSIT_PAID:
                return _refused("NOT_LOCKABLE")
            if total != car.total:
                return _refused("PRICE_CHANGED")
            locked = self._change(car, status=VehicleOrderStatus.LOCKED, locked_at=self.time())
            self._answers[idempotency_key] = Outcome(entity=locked)
        self.faults.answer("commerce", fault)
        return self._answers[idempotency_key]

    async def cancel(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[VehicleOrder]:
        fault, car = self.faults.strike("commerce"), self.car(number)
        if idempotency_key not in self._answers:
            allowed = CANCELLABLE[:1] if only_unpaid else CANCELLABLE
            if car.status not in allowed:
                return _refused("NOT_CANCELLABLE")
            self._answers[idempotency_key] = Outcome(entity=self._end(car))
        self.faults.answer("commerce", fault)
        return self._answers[idempotency_key]

    async def attach_sales_order(self, number: str, sales_order: str) -> Outcome[VehicleOrder]:
        fault, car = self.faults.strike("commerce"), self.car(number)
        if car.status is VehicleOrderStatus.CANCELLED:
            return _refused("NOT_AMENDABLE")
        assert car.sales_order in (None, sales_order), "an order has one sales order"
        if car.sales_order is None:
            car = self._change(car, sales_order=sales_order)
        self.faults.answer("commerce", fault)
        return Outcome(entity=car)

    def _end(self, car: VehicleOrder) -> VehicleOrder:
        self.places += 1
        return self._change(car, status=VehicleOrderStatus.CANCELLED)

    def _change(self, car: VehicleOrder, **fields: object) -> VehicleOrder:
        car = replace(car, **fields)
        unpaid = car.status is VehicleOrderStatus.DRAFT
        car = replace(car, reserved_until=car.created_at + timedelta(hours=24) if unpaid else None)
        self.cars[car.number] = car
        self.looks.append(car)
        return car

    # ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def books(self, number: str) -> int:
        """What the order believes that the house holds for it."""
        return sum(self.kept(payment) for payment, one in self.settled.items() if one.order_number == number)

    def kept(self, payment: str) -> int:
        """Refunds count first against what the order did not take."""
        one, back = self.settled[payment], sum(self.repaid_minor.get(payment, {}).values())
        return one.applied.amount_minor - max(0, back - one.give_back.amount_minor)

    async def due(self, order_number: str, purpose: PaymentPurpose) -> Outcome[Due]:
        raise NotImplementedError

    async def settle(
        self, payment_id: str, order_number: str, purpose: PaymentPurpose, amount: Money
    ) -> Outcome[Settlement]:
        fault = self.faults.strike("commerce")
        if payment_id not in self.settled:
            car, paid, minor = self.car(order_number), self.books(order_number), amount.amount_minor
            takes = False
            if purpose is PaymentPurpose.INTENT:
                takes = car.status is VehicleOrderStatus.DRAFT and minor == INTENT
            elif car.status in CANCELLABLE[:2]:
                takes = minor == DEPOSIT - paid
            applied = minor if takes else 0
            self.settled[payment_id] = Settlement(
                payment_id=payment_id,
                order_number=order_number,
                applied=Money(amount_minor=applied),
                give_back=Money(amount_minor=minor - applied),
            )
            if takes and purpose is PaymentPurpose.INTENT:
                self._change(car, status=VehicleOrderStatus.INTENT_PAID)
            elif takes:
                ends = self.time() + timedelta(hours=168)
                self._change(car, status=VehicleOrderStatus.DEPOSIT_PAID, cooling_off_ends_at=ends)
        self.faults.answer("commerce", fault)
        return Outcome(entity=self.settled[payment_id])

    async def repaid(self, payment_id: str, refund_id: str, amount: Money) -> Outcome[Settlement]:
        fault = self.faults.strike("commerce")
        if payment_id not in self.settled:
            raise NotFound("There is no such payment.")
        self.repaid_minor.setdefault(payment_id, {})[refund_id] = amount.amount_minor
        self.faults.answer("commerce", fault)
        return Outcome(entity=self.settled[payment_id])


class Erp:
    """`SalesOrderPort`. A slow create is done within the next minute, when whoever asked has long gone."""

    SLOW = timedelta(seconds=60)

    def __init__(self, time: Time) -> None:
        self.time = time
        self.kept: dict[str, SalesOrder] = {}
        self.faults = Faults()
        self.is_slow = False
        self._late: list[tuple[datetime, SalesOrderDraft]] = []

    def live(self, reference: str) -> list[str]:
        """Sales orders for an order that are not rejected."""
        self._catch_up()
        return [order.number for order in self.kept.values() if order.reference == reference and not order.rejected]

    def _catch_up(self) -> None:
        due = [entry for entry in self._late if entry[0] <= self.time()]
        self._late = [entry for entry in self._late if entry not in due]
        for _, draft in due:
            self._insert(draft)

    def _insert(self, draft: SalesOrderDraft) -> SalesOrder:
        known = next((order for order in self.kept.values() if order.reference == draft.reference), None)
        if known is not None:
            return known
        order = SalesOrder(
            number=str(4711 + len(self.kept)),
            status=SalesOrderStatus.OPEN,
            raw_status="A",
            net_total=Money(amount_minor=PRICE),
            created_on=self.time().date(),
            items=[],
            conditions=[],
            etag="1",
            reference=draft.reference,
        )
        self.kept[order.number] = order
        return order

    async def create(self, draft: SalesOrderDraft) -> Outcome[SalesOrder]:
        self._catch_up()
        fault = self.faults.strike("erp")
        if self.is_slow:
            self.is_slow = False
            self._late.append((self.time() + self.SLOW, draft))
            raise OutcomeUnknown("erp")
        order = self._insert(draft)
        self.faults.answer("erp", fault)
        return Outcome(entity=order)

    async def find(self, reference: str) -> SalesOrder | None:
        self._catch_up()
        self.faults.answer("erp", self.faults.strike("erp"))
        return next((order for order in self.kept.values() if order.reference == reference), None)

    async def sales_orders(self, numbers: Sequence[str]) -> Found[str, SalesOrder]:
        self._catch_up()
        self.faults.answer("erp", self.faults.strike("erp"))
        return {number: self.kept[number] for number in numbers if number in self.kept}

    async def cancel(self, order: SalesOrder, reason: RejectionReason) -> Outcome[SalesOrder]:
        fault = self.faults.strike("erp")
        self.kept[order.number] = replace(self.kept[order.number], rejected=True)
        self.faults.answer("erp", fault)
        return Outcome(entity=self.kept[order.number])

    async def available_to_promise(self, materials: Sequence[str]) -> Found[str, int]:
        raise NotImplementedError

    async def reschedule(self, order: SalesOrder, requested_delivery_on: object) -> Outcome[SalesOrder]:
        raise NotImplementedError


class Desk:
    """One process of the service in front of them."""

    def __init__(self, database: Database, showroom: Showroom, erp: Erp, bank: Bank) -> None:
        self.showroom, self.erp, self.bank = showroom, erp, bank
        self.flows = Flows(database, clock=showroom.time, ambient=nullcontext)
        self.flows.add(VehicleOrderFlow(self.flows, showroom, erp))
        self.flows.add(PaymentFlow({PaymentProvider.CARD: bank}, showroom))

    async def open(self, payment: str, flow: str, number: str, purpose: PaymentPurpose, minor: int) -> None:
        """A customer begins to pay."""
        opened = Opened(
            order_number=number,
            customer_id="C1",
            purpose=purpose,
            provider=PaymentProvider.CARD,
            scene=PaymentScene.NATIVE,
            amount=Money(amount_minor=minor),
            description=number,
            expires_at=self.showroom.time() + timedelta(hours=2),
            order_flow=(VEHICLE_ORDER, flow),
        )
        await self.flows.tell(PAYMENT, payment, opened, reference=number)

    async def work(self, commerce: list[Fault | None], erp: list[Fault | None], bank: list[Fault | None]) -> None:
        """One round, in which the next calls are struck."""
        systems = ((self.showroom.faults, commerce), (self.erp.faults, erp), (self.bank.faults, bank))
        for faults, wanted in systems:
            faults.next.extend(wanted)
        await self.flows.run_due()
        for faults, _ in systems:
            faults.next.clear()


def _refused(code: str) -> Outcome[VehicleOrder]:
    return Outcome(refusals=[Refusal(code=code, message=code)])


def _car(number: str, customer: str, now: datetime) -> VehicleOrder:
    base = PriceLine(kind=PriceLineKind.BASE, code="A7", text=Text(zh="A7"), amount=Money(amount_minor=PRICE))
    return VehicleOrder(
        number=number,
        customer_id=customer,
        model_code="A7",
        selection=Selection(trim_code="A7"),
        configuration_hash="hash",
        status=VehicleOrderStatus.DRAFT,
        raw_status="DRAFT",
        price_lines=[base],
        total=Money(amount_minor=PRICE),
        intent=Money(amount_minor=INTENT),
        deposit=Money(amount_minor=DEPOSIT),
        paid=Money(amount_minor=0),
        delivery_centre=None,
        region="EAST",
        brand="B",
        terms_version="t",
        created_at=now,
        cooling_off_ends_at=None,
        locked_at=None,
        sales_order=None,
        production_order=None,
        otd_number=None,
        vin=None,
        sold_to="1",
    )
