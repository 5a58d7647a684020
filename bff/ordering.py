"""What orders and money are made of: the flows, their kinds, and the ports that stand before them.

Adapters are constructed in composition and come from there; what surrounds them is put together here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from bff.admissions import AdmissionSettings
from bff.context import Caller, CallerKind, RequestContext, entered
from bff.domain.catalogue import CataloguePort
from bff.domain.cloud_events import EventSink
from bff.domain.commerce import CommercePort
from bff.domain.customer import CustomerPort
from bff.domain.payment import PaymentPort, PaymentProvider, PaymentPurpose
from bff.domain.providers import ProviderPort
from bff.domain.service import BookingOrigin, ServicePort
from bff.domain.settlement import SettlementPort
from bff.domain.vehicle_order import SalesOrderPort, VehicleOrderPort, VehicleOrderSystem
from bff.durability.database import Database
from bff.durability.flow_store import milliseconds
from bff.durability.flows import PERFORM_SECONDS, Flows
from bff.durability.outbox import Outbox
from bff.durability.outbox_consent import AnalyticsConsent
from bff.durability.outbox_events import Pseudonyms
from bff.errors import StateUnavailable
from bff.eventing import EventSettings
from bff.orders.admission import OrderAdmission
from bff.orders.booking_flow import Booked, BookingFlow
from bff.orders.booking_service import FlowService
from bff.orders.findings import Reconciled
from bff.orders.notices import Notices
from bff.orders.payment_flow import PaymentFlow
from bff.orders.payments import FlowPayments, OrderView, Payer, RoutedPayments
from bff.orders.reconciliation import Reconciliation
from bff.orders.retention import Retention
from bff.orders.shop_orders import FlowCommerce
from bff.orders.vehicle_flow import VehicleOrderFlow
from bff.orders.vehicle_orders import FlowVehicleOrders
from bff.ports import Ports

log = logging.getLogger("bff.orders")

FLOWS = Caller(kind=CallerKind.SERVICE, subject="flows")
"""On whose behalf effects are performed that no request waits for."""

MEASURE_SECONDS = 15.0

OF_CARS = (PaymentPurpose.INTENT, PaymentPurpose.DEPOSIT, PaymentPurpose.BALANCE)
OF_THE_SHOP = (PaymentPurpose.MERCHANDISE, PaymentPurpose.FEATURE)


class Ordering:
    """Flows and what is told to them. `ports` gives the finished ports, for the context of background work. Ended flows
    are kept for `retention_days`, 0: for ever.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        ports: Callable[[], Ports],
        retention_days: int = 0,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ports = ports
        self.flows = Flows(database, clock=clock, ambient=self._ambient)
        self.retention = Retention(self.flows, database, days=retention_days)
        self.notices: Notices | None = None
        self.outbox: Outbox | None = None
        self._doors: list[OrderAdmission] = []
        self._providers: dict[PaymentProvider, ProviderPort] = {}
        self.backlog: dict[str, float] = {}
        """What the state database holds that is not done, as of some seconds ago; names are metrics'."""
        self._measuring: asyncio.Task[None] | None = None
        self._cars: FlowVehicleOrders | None = None
        self._shop: FlowCommerce | None = None

    def _ambient(self) -> AbstractContextManager[object]:
        context = RequestContext(ports=self._ports(), caller=FLOWS, budget_seconds=PERFORM_SECONDS)
        return entered(context)

    # ── ports ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def payments(
        self,
        service: PaymentPort,
        providers: Mapping[str, ProviderPort],
        settlements: SettlementPort,
        payer: Payer,
    ) -> PaymentPort:
        """The port of payments: `providers` (by the name in their notifications' address) are ours, others theirs."""
        by_provider = self._providers = {port.provider: port for port in providers.values()}
        kind = PaymentFlow(by_provider, settlements)
        self.flows.add(kind)
        self.notices = Notices(self.flows, self._database, kind, providers)
        own = FlowPayments(self.flows, by_provider, settlements, payer, self._look)
        return RoutedPayments(own, service)

    def vehicle_orders(self, orders: VehicleOrderSystem, sales_orders: SalesOrderPort) -> VehicleOrderPort:
        self.flows.add(VehicleOrderFlow(self.flows, orders, sales_orders))
        self._cars = FlowVehicleOrders(self.flows, orders)
        return self._cars

    def commerce(self, commerce: CommercePort, catalogue: CataloguePort) -> CommercePort:
        self._shop = FlowCommerce(self.flows, commerce, catalogue)
        return self._shop

    def service(self, service: ServicePort, booked: Mapping[BookingOrigin, Booked]) -> ServicePort:
        """`booked` are the systems that can be asked what became of a key."""
        kind = BookingFlow(service, booked, clock=self._clock)
        self.flows.add(kind)
        return FlowService(self.flows, kind, service)

    async def _look(self, order_number: str, purpose: PaymentPurpose) -> OrderView:
        """What a payment must know of its order; of a visit to the workshop there is nothing to know."""
        view: OrderView | None = None
        if purpose in OF_CARS and self._cars is not None:
            view = await self._cars.view(order_number)
        elif purpose in OF_THE_SHOP and self._shop is not None:
            view = await self._shop.view(order_number)
        return view or OrderView()

    # ── around them ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, sink: EventSink, customers: CustomerPort, settings: EventSettings) -> None:
        """Send what is decided to `sink`."""
        self.outbox = Outbox(
            self._database,
            sink,
            AnalyticsConsent(customers, self._ambient),
            Pseudonyms(settings.pseudonym_name, settings.pseudonym_key),
            clock=self._clock,
            source=settings.source,
        )

    def admission(self, settings: AdmissionSettings) -> OrderAdmission | None:
        """The gate in front of ordering; None where settings want none."""
        if settings.per_second <= 0:
            return None
        door = OrderAdmission(self._database, settings, clock=lambda: self._clock().timestamp())
        self._doors.append(door)
        return door

    async def reconcile(self, since: datetime, *, mend: bool = True) -> Reconciled:
        """Compare our books with those of providers, commerce and ERP, and mend what can be mended."""
        ports = self._ports()
        parts = (self.flows, self._database, self._providers, ports.vehicle_orders, ports.sales_orders)
        with self._ambient():
            return await Reconciliation(*parts, mend=mend).run(since)

    def start(self) -> None:
        """Begin to do in the background what no request waits for."""
        self.flows.start()
        if self.outbox is not None:
            self.outbox.start()
        if self._measuring is None:
            self._measuring = asyncio.create_task(self._measure(), name="backlog")

    async def _measure(self) -> None:
        while True:
            try:
                await self.measure()
                if self.notices is not None:
                    await self.notices.forget_old()
                await self.retention.purge()
            except StateUnavailable:
                log.warning("the backlog cannot be read: the state database is away")
            except Exception:
                log.exception("a look at the backlog failed")
            await asyncio.sleep(MEASURE_SECONDS)

    async def measure(self) -> None:
        """Bring `backlog` up to date. Raises StateUnavailable."""
        now, standing = milliseconds(self.flows.now), await self.flows.standing()
        found: dict[str, float] = {
            "bff_flow_steps_due": standing.due,
            "bff_flow_steps_failing": standing.failing,
            "bff_flow_steps_oldest_seconds": _age(standing.oldest, now),
        }
        if self.outbox is None:
            self.backlog = found
            return
        streams = (await self.outbox.backlog()).values()
        oldest = min((each.oldest for each in streams if each.oldest is not None), default=None)
        self.backlog = found | {
            "bff_events_waiting": sum(each.waiting for each in streams),
            "bff_events_oldest_seconds": _age(oldest, now),
            "bff_events_parked_orders": sum(each.parked for each in streams),
        }

    async def aclose(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)
        for door in self._doors:
            await door.aclose()
        await self.flows.aclose()
        if self.outbox is not None:
            await self.outbox.aclose()


def _age(since: int | None, now: int) -> float:
    """Seconds; 0 where there is nothing."""
    return 0.0 if since is None else max(0.0, (now - since) / 1000)
