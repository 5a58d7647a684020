"""A shop to test orders against: the sandbox's commerce in process, a bank, and systems that lose answers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache

import msgspec

from adapters.commerce.cart import CommerceCarts
from adapters.commerce.catalogue import CommerceCatalogue
from adapters.commerce.settlements import CommerceSettlements
from adapters.transport.upstream import Effect, Operation, Upstream
from bff.domain.base import Found, Money, Outcome
from bff.domain.catalogue import Entitlement
from bff.domain.commerce import Address, Cart, MerchandiseOrder
from bff.domain.order_steps import PendingStep
from bff.domain.payment import PaymentIntent, PaymentProvider, PaymentPurpose, PaymentRequest, PaymentScene
from bff.domain.settlement import Settlement
from bff.durability.database import Database
from bff.durability.flow import DomainEvent
from bff.durability.flows import Flows
from bff.orders.notices import Notices
from bff.orders.payment_flow import PaymentFlow
from bff.orders.payments import FlowPayments, OrderView
from bff.orders.shop_orders import FlowCommerce
from bff.orders.shop_state import SHOP_ORDER, ShopOrderState
from sandbox.commerce.app import create
from sandbox.world import World, build_world
from sandbox.world import entities as stored
from tests.conftest import TODAY
from tests.orders.bank import Bank, Faults, Time
from tests.support import entered_context, sandbox_upstream

OWNER, CAR = "C0001", "LDCA1AB57SB000001"
HEATED, AMPLIFIER, CUP = "F4001", "F4008", "P1001"
ADDRESS = Address(recipient="林晓", phone="+8613800000001", province="上海", city="上海", district="浦东", line="1 号")
HAND = Operation(name="Hand", effect=Effect.WRITE)


OTHER_ROOMS = ("slots", "bundles", "posts", "comments", "leads", "test_drives", "service_history", "rules", "otd_feed")
"""Of no interest here; without them a world is made five times as fast."""


@cache
def _pickled() -> bytes:
    world = build_world(today=TODAY)
    for registry in ("carts", "merchandise_orders", "payments", "refunds", *OTHER_ROOMS):
        getattr(world, registry).clear()
    return pickle.dumps(world)


def new_world() -> World:
    """A world as it is before anybody shops."""
    world: World = pickle.loads(_pickled())
    return world


class FrailCommerce(CommerceCarts):
    """Commerce that may be away, or do what was asked and lose the answer."""

    def __init__(self, upstream: Upstream, faults: Faults) -> None:
        super().__init__(upstream)
        self.faults = faults

    async def orders(self, numbers: Sequence[str]) -> Found[str, MerchandiseOrder]:
        self.faults.answer("commerce", self.faults.strike("commerce"))
        return await super().orders(numbers)

    async def place_order(
        self,
        customer_id: str,
        *,
        cart_version: int,
        address: Address | None,
        expected_total: Money,
        idempotency_key: str,
    ) -> Outcome[MerchandiseOrder]:
        fault = self.faults.strike("commerce")
        done = await super().place_order(
            customer_id,
            cart_version=cart_version,
            address=address,
            expected_total=expected_total,
            idempotency_key=idempotency_key,
        )
        self.faults.answer("commerce", fault)
        return done

    async def cancel_order(
        self, number: str, *, reason: str | None, idempotency_key: str, only_unpaid: bool = False
    ) -> Outcome[MerchandiseOrder]:
        fault = self.faults.strike("commerce")
        done = await super().cancel_order(
            number, reason=reason, idempotency_key=idempotency_key, only_unpaid=only_unpaid
        )
        self.faults.answer("commerce", fault)
        return done


class FrailCatalogue(CommerceCatalogue):
    def __init__(self, upstream: Upstream, faults: Faults) -> None:
        super().__init__(upstream)
        self.faults = faults

    async def entitlements(self, vins: Sequence[str]) -> Found[str, list[Entitlement]]:
        self.faults.answer("commerce", self.faults.strike("commerce"))
        return await super().entitlements(vins)

    async def revoke(self, entitlement_id: str, *, idempotency_key: str) -> Outcome[Entitlement]:
        fault = self.faults.strike("commerce")
        done = await super().revoke(entitlement_id, idempotency_key=idempotency_key)
        self.faults.answer("commerce", fault)
        return done


class FrailSettlements(CommerceSettlements):
    def __init__(self, upstream: Upstream, faults: Faults) -> None:
        super().__init__(upstream)
        self.faults = faults

    async def settle(
        self, payment_id: str, order_number: str, purpose: PaymentPurpose, amount: Money
    ) -> Outcome[Settlement]:
        fault = self.faults.strike("commerce")
        done = await super().settle(payment_id, order_number, purpose, amount)
        self.faults.answer("commerce", fault)
        return done


class Process:
    """One process of the service: its flows, and the ports over them."""

    def __init__(self, floor: Floor, database: Database) -> None:
        upstream, faults = floor.upstream, floor.faults
        self.flows = Flows(database, clock=floor.time, ambient=nullcontext)
        self.catalogue = FrailCatalogue(upstream, faults)
        self.plain = FrailCommerce(upstream, faults)
        self.commerce = FlowCommerce(self.flows, self.plain, self.catalogue)
        settlements = FrailSettlements(upstream, faults)
        kind = PaymentFlow({PaymentProvider.CARD: floor.bank}, settlements)
        self.flows.add(kind)
        self.notices = Notices(self.flows, database, kind, {"card": floor.bank})
        self.payments = FlowPayments(self.flows, {PaymentProvider.CARD: floor.bank}, settlements, _payer, self._look)

    async def _look(self, order_number: str, purpose: PaymentPurpose) -> OrderView:
        return await self.commerce.view(order_number) or OrderView()


async def _payer(customer_id: str) -> str | None:
    return None


def payment_request(order: MerchandiseOrder, key: str) -> PaymentRequest:
    """To pay all of an order with a card."""
    return PaymentRequest(
        customer_id=order.customer_id,
        order_number=order.number,
        purpose=PaymentPurpose.MERCHANDISE,
        provider=PaymentProvider.CARD,
        scene=PaymentScene.NATIVE,
        amount=order.total,
        idempotency_key=key,
    )


class Floor:
    """Several processes over one database, one commerce, one bank and one time."""

    def __init__(self, database: Database, *, processes: int = 1, world: World | None = None) -> None:
        self.world = world or new_world()
        self.time = Time()
        self.time.now = self.world.now
        self.bank, self.faults = Bank(), Faults()
        self.upstream = sandbox_upstream(create(self.world, self.time))
        self.database = database
        self.processes = [Process(self, database) for _ in range(processes)]
        self.keys = 0

    @property
    def commerce(self) -> FlowCommerce:
        return self.processes[0].commerce

    # ── what customers do ────────────────────────────────────────────────────────────────────────────────────────────

    async def fill(self, *wanted: tuple[str, str | None], customer: str = OWNER) -> Cart:
        for product, vin in wanted:
            added = await self.commerce.add_line(customer, product, 1, vin=vin, version=None)
            assert added.entity is not None, added.refusals
        return await self.cart(customer)

    async def cart(self, customer: str = OWNER) -> Cart:
        cart = (await self.commerce.carts([customer]))[customer]
        assert isinstance(cart, Cart)
        return cart

    async def place(
        self, cart: Cart, key: str, *, customer: str = OWNER, process: int = 0
    ) -> Outcome[MerchandiseOrder]:
        entered_context()
        return await self.processes[process].commerce.place_order(
            customer, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key=key
        )

    async def order(self, *wanted: tuple[str, str | None], customer: str = OWNER) -> MerchandiseOrder:
        """Fill the cart and order it: every time a new order."""
        self.keys += 1
        placed = await self.place(await self.fill(*wanted, customer=customer), f"order-{self.keys}", customer=customer)
        assert placed.entity is not None, placed.refusals
        return placed.entity

    async def cancel(
        self, number: str, key: str = "cancel", *, process: int = 0, reason: str | None = None
    ) -> Outcome[MerchandiseOrder]:
        entered_context()
        return await self.processes[process].commerce.cancel_order(number, reason=reason, idempotency_key=key)

    async def begin(self, order: MerchandiseOrder, *, process: int = 0) -> PaymentIntent:
        """Begin to pay; nothing is paid yet."""
        entered_context()
        self.keys += 1
        begun = await self.processes[process].payments.create(payment_request(order, f"pay-{self.keys}"))
        assert begun.entity is not None, begun.refusals
        return begun.entity

    async def notify(self, process: int = 0) -> None:
        """The bank tells what has happened last."""
        body = msgspec.json.encode(self.bank.notices[-1])
        assert (await self.processes[process].notices.take("card", {"signature": "genuine"}, body)).status == 204

    async def pay(self, order: MerchandiseOrder) -> str:
        """Pay for an order, and let everybody hear of it; the payment's id."""
        intent = await self.begin(order)
        assert self.bank.pay(intent.id)
        await self.notify()
        await self.settle()
        return intent.id

    # ── what happens meanwhile ───────────────────────────────────────────────────────────────────────────────────────

    async def settle(self, process: int = 0) -> None:
        """All that is due now is done."""
        await self.processes[process].flows.settle()

    async def wait(self, **duration: float) -> None:
        """Time passes in one leap, as when nobody was there to work, and then all is done that is due."""
        self.time.pass_by(**duration)
        await self.settle()

    async def live(self, *, hours: float) -> None:
        """Time passes in small steps, and all is done when it is due."""
        for _ in range(round(hours * 12)):
            await self.wait(minutes=5)

    async def reach(self, car: str = CAR, *, reachable: bool) -> None:
        body = json.dumps({"reachable": reachable}).encode()
        assert (await self.upstream.call(HAND, "PUT", f"/_vehicles/{car}", body=body)).status == 200

    async def answer(self, entitlement: str, result: str) -> int:
        """The car answers; the status of commerce's reply."""
        body = json.dumps({"result": result}).encode()
        path = f"/entitlements/{entitlement}/_acknowledge"
        return (await self.upstream.call(HAND, "POST", path, body=body)).status

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────────

    async def look(self, number: str) -> MerchandiseOrder:
        order = (await self.commerce.orders([number]))[number]
        assert isinstance(order, MerchandiseOrder)
        return order

    async def pending(self, number: str) -> list[PendingStep]:
        steps = (await self.commerce.pending([number]))[number]
        assert isinstance(steps, list)
        return steps

    async def steps(self, number: str) -> list[str]:
        return [step.step.value for step in await self.pending(number)]

    async def state(self, number: str) -> ShopOrderState:
        (found,) = (await self.processes[0].flows.states_of(SHOP_ORDER, [number]))[number]
        state: ShopOrderState = found[1]
        return state

    async def flow(self, number: str) -> str:
        found = (await self.processes[0].flows.states_of(SHOP_ORDER, [number]))[number]
        return found[0][0]

    def features(self, number: str) -> list[stored.Entitlement]:
        """The order's features as commerce keeps them."""
        return [e for e in self.world.entitlements.values() if e.order_number == number]

    async def events(self) -> list[DomainEvent]:
        def script():  # type: ignore[no-untyped-def]  # a script of two lines
            rows = yield "SELECT body FROM bff_outbox ORDER BY position", ()
            return [msgspec.json.decode(bytes(row[0]), type=DomainEvent) for row in rows]

        found: list[DomainEvent] = await self.database.run(script, write=False)
        return found


def codes(outcome: Outcome[MerchandiseOrder]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


def price(order: MerchandiseOrder, product: str) -> int:
    return next(line.total.amount_minor for line in order.lines if line.product_id == product)
