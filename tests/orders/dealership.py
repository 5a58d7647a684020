"""Orders of cars over the sandbox's commerce and ERP, a bank, and as many processes of the service as a test wants."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import httpx

from adapters.commerce.settlements import CommerceSettlements
from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from adapters.erp.client import ErpClient
from adapters.transport.http import HttpxEngine
from adapters.transport.upstream import Upstream
from bff.domain.base import Money, Outcome
from bff.domain.order_steps import PendingStep
from bff.domain.payment import PaymentIntent, PaymentProvider, PaymentPurpose, PaymentRequest, PaymentScene
from bff.domain.vehicle_order import VehicleOrder
from bff.durability.database import Database
from bff.durability.flows import Flows
from bff.orders.payment_facts import PAYMENT, ProviderSaid
from bff.orders.payment_flow import PaymentFlow
from bff.orders.payments import FlowPayments, OrderView
from bff.orders.vehicle_facts import VEHICLE_ORDER
from bff.orders.vehicle_flow import VehicleOrderFlow
from bff.orders.vehicle_orders import FlowVehicleOrders
from bff.orders.vehicle_state import VehicleOrderState
from sandbox.commerce.app import create as create_commerce
from sandbox.erp.app import create as create_erp
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.configurations import CURRENT_SHARE_CODE
from sandbox.world.orders import TERMS_VERSION
from tests.estate.house import Wire
from tests.orders.bank import Bank, Time

BUYER, TRIM = "C0191", "A7-SEVEN"
INTENT, DEPOSIT, NOTHING = (Money(amount_minor=minor) for minor in (100_000, 500_000, 0))


class Dealership:
    """The systems behind the service. `time` is everybody's clock."""

    def __init__(self, world: World) -> None:
        self.world, self.time, self.bank = world, Time(), Bank()
        self.time.now = world.now
        self.commerce = create_commerce(world, self.time)
        self.erp = create_erp(world)

    async def fault(self, system: System, *faults: dict[str, Any]) -> None:
        """Set faults in place of those set before."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(system)) as client:
            reply = await client.put("http://system.test/_faults", content=json.dumps({"faults": faults}))
            assert reply.status_code == 200, reply.text

    @property
    def places(self) -> int:
        """Build places that can still be sold."""
        return self.world.trims[TRIM].stock

    @property
    def refunded(self) -> int:
        return sum(sum(account.refunds.values()) for account in self.bank.accounts.values())

    def sales_orders(self, number: str) -> list[tuple[str, bool]]:
        """(number, is it rejected?) of the ERP's orders for this one."""
        orders = self.world.sales_orders.values()
        return [(order.number, order.rejected) for order in orders if order.customer_reference == number]

    def codes(self, number: str) -> list[str]:
        """What the order-to-delivery feed said of it."""
        return [record.code for record in self.world.otd_records_of(self.world.vehicle_orders[number].otd_number or "")]


def upstream(system: System) -> Upstream:
    """An upstream answered in this process; an answer that is cut off is a peer that went away."""
    client = httpx.AsyncClient(transport=Wire(system))
    return Upstream(system.name, f"http://{system.name}.test", HttpxEngine(client), simulated=True)


class Process:
    """One process of the service."""

    def __init__(self, dealership: Dealership, database: Database) -> None:
        self.dealership = dealership
        commerce = upstream(dealership.commerce)
        self.system, settlements = CommerceVehicleOrders(commerce), CommerceSettlements(commerce)
        self.flows = Flows(database, clock=dealership.time, ambient=nullcontext)
        self.flows.add(VehicleOrderFlow(self.flows, self.system, ErpClient(upstream(dealership.erp))))
        providers = {PaymentProvider.CARD: dealership.bank}
        self.flows.add(PaymentFlow(providers, settlements))
        self.orders = FlowVehicleOrders(self.flows, self.system)
        self.payments = FlowPayments(self.flows, providers, settlements, _nobody, self._view)

    async def _view(self, number: str, purpose: PaymentPurpose) -> OrderView:
        return await self.orders.view(number)

    async def try_to_place(self, key: str = "place", share_code: str = CURRENT_SHARE_CODE) -> Outcome[VehicleOrder]:
        return await self.orders.place(
            BUYER, share_code, delivery_centre="SH0217", terms_version=TERMS_VERSION, idempotency_key=key
        )

    async def place(self, key: str = "place") -> VehicleOrder:
        outcome = await self.try_to_place(key)
        assert outcome.entity is not None, outcome.refusals
        return outcome.entity

    async def open(self, number: str, purpose: PaymentPurpose, amount: Money) -> PaymentIntent:
        request = PaymentRequest(
            customer_id=BUYER,
            order_number=number,
            purpose=purpose,
            provider=PaymentProvider.CARD,
            scene=PaymentScene.NATIVE,
            amount=amount,
            idempotency_key=f"{number}-{purpose.value}",
        )
        outcome = await self.payments.create(request)
        assert outcome.entity is not None, outcome.refusals
        return outcome.entity

    async def paid(self, payment: str) -> None:
        """The customer pays, and the bank tells us."""
        assert self.dealership.bank.pay(payment)
        charge = self.dealership.bank.notices[-1].charge
        assert charge is not None
        await self.flows.tell(PAYMENT, payment, ProviderSaid(charge=charge))

    async def pay(self, number: str, purpose: PaymentPurpose, amount: Money) -> str:
        payment = await self.open(number, purpose, amount)
        await self.paid(payment.id)
        await self.flows.settle()
        return payment.id

    async def deposited(self) -> VehicleOrder:
        order = await self.place()
        await self.pay(order.number, PaymentPurpose.DEPOSIT, DEPOSIT)
        return await self.read(order.number)

    async def lock(self, order: VehicleOrder, key: str = "lock", **other: Any) -> Outcome[VehicleOrder]:
        seen = {
            "configuration_hash": order.configuration_hash,
            "total": order.total,
            "terms_version": order.terms_version,
        }
        return await self.orders.lock(order.number, **{**seen, **other}, idempotency_key=key)

    async def cancel(self, number: str, key: str = "cancel") -> Outcome[VehicleOrder]:
        return await self.orders.cancel(number, reason="改主意了", idempotency_key=key)

    async def read(self, number: str) -> VehicleOrder:
        order = (await self.orders.orders([number]))[number]
        assert isinstance(order, VehicleOrder)
        return order

    async def pending(self, number: str) -> list[PendingStep]:
        found = (await self.orders.pending([number]))[number]
        assert isinstance(found, list)
        return found

    async def steps(self, number: str) -> set[str]:
        return {step.step.value for step in await self.pending(number)}

    async def state(self, number: str) -> VehicleOrderState:
        found = (await self.flows.states_of(VEHICLE_ORDER, [number]))[number]
        assert len(found) == 1, found
        state = found[0][1]
        assert isinstance(state, VehicleOrderState)
        return state

    async def later(self, **duration: float) -> None:
        """Time passes, and what fell due in it is done."""
        self.dealership.time.pass_by(**duration)
        await self.flows.settle()


async def _nobody(_customer_id: str) -> None:
    return None
