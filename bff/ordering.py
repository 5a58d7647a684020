"""What orders and money are made of: the flows, their kinds, and the ports that stand before them.

Adapters are constructed in composition and come from there; what surrounds them is put together here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from bff.context import Caller, CallerKind, RequestContext, entered
from bff.domain.payment import PaymentPort, PaymentProvider, PaymentPurpose
from bff.domain.providers import ProviderPort
from bff.domain.settlement import SettlementPort
from bff.durability.database import Database
from bff.durability.flows import PERFORM_SECONDS, Flows
from bff.orders.notices import Notices
from bff.orders.payment_flow import PaymentFlow
from bff.orders.payments import FlowPayments, OrderView, Payer, RoutedPayments
from bff.orders.reconciliation import Reconciled, Reconciliation
from bff.ports import Ports

FLOWS = Caller(kind=CallerKind.SERVICE, subject="flows")
"""On whose behalf effects are performed that no request waits for."""


class Ordering:
    """Flows and what is told to them. `ports` gives the finished ports, for the context of background work."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime], ports: Callable[[], Ports]) -> None:
        def ambient() -> AbstractContextManager[object]:
            context = RequestContext(ports=ports(), caller=FLOWS, budget_seconds=PERFORM_SECONDS)
            return entered(context)

        self._database = database
        self._ports = ports
        self._providers: dict[PaymentProvider, ProviderPort] = {}
        self._ambient = ambient
        self.flows = Flows(database, clock=clock, ambient=ambient)
        self.notices: Notices | None = None

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

    async def reconcile(self, since: datetime, *, mend: bool = True) -> Reconciled:
        """Compare our books with those of providers, commerce and ERP, and mend what can be mended."""
        ports = self._ports()
        parts = (self.flows, self._database, self._providers, ports.vehicle_orders, ports.sales_orders)
        with self._ambient():
            return await Reconciliation(*parts, mend=mend).run(since)

    async def _look(self, order_number: str, purpose: PaymentPurpose) -> OrderView:
        return OrderView()

    def start(self) -> None:
        """Begin to do in the background what no request waits for."""
        self.flows.start()

    async def aclose(self) -> None:
        await self.flows.aclose()
