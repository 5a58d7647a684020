"""A bank and an order desk to test payments against: strict, simple, and able to lose answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

import msgspec

from bff.domain.base import Money, Outcome, Refusal
from bff.domain.payment import PaymentProvider, PaymentPurpose, PaymentScene, QrCodeAction, RefundStatus
from bff.domain.providers import (
    Begun,
    Charge,
    ChargeState,
    ChargeStatus,
    Notice,
    NoticeRefused,
    NoticeReply,
    Repayment,
    RepaymentState,
)
from bff.domain.settlement import Due, Settlement
from bff.durability.database import Database
from bff.durability.flows import Flows
from bff.errors import BffError, NotFound, OutcomeUnknown, UpstreamUnavailable
from bff.orders.notices import Notices
from bff.orders.payment_facts import Opened
from bff.orders.payment_flow import PaymentFlow

PRICE = Money(amount_minor=500_000)


class Fault(Enum):
    """What becomes of a call: not done at all, or done and never answered."""

    BEFORE = "before"
    AFTER = "after"


class Faults:
    """Strikes the next calls, one entry each; None lets one pass."""

    def __init__(self) -> None:
        self.next: deque[Fault | None] = deque()

    def strike(self, name: str) -> Fault | None:
        fault = self.next.popleft() if self.next else None
        if fault is Fault.BEFORE:
            raise UpstreamUnavailable(name)
        return fault

    def answer(self, name: str, fault: Fault | None) -> None:
        if fault is Fault.AFTER:
            raise OutcomeUnknown(name)


@dataclass
class Account:
    """A charge at the bank, in minor units. `paid` is what the customer's side moved: not always what was asked."""

    amount: int
    holds: bool
    is_open: bool = True
    held: int = 0
    captured: int = 0
    is_released: bool = False
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def net(self) -> int:
        return self.captured - sum(self.refunds.values())


class Bank:
    """`ProviderPort`. Never refunds more than it took; `begins` counts charges that were really made."""

    provider = PaymentProvider.CARD
    scenes = frozenset({PaymentScene.NATIVE})
    can_hold = True

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.faults = Faults()
        self.notices: list[Notice] = []
        self.over_refunds = 0

    def pay(self, charge: str, amount: int | None = None) -> bool:
        """The customer pays what is asked, or (a lie, a mistake) something else. A notice is made, not sent."""
        account = self.accounts.get(charge)
        if account is None or not account.is_open or account.captured or account.held:
            return False
        paid = account.amount if amount is None else amount
        if account.holds:
            account.held = paid
        else:
            account.captured, account.is_open = paid, False
        self.notices.append(Notice(id=f"n{len(self.notices)}", charge=self._state(charge)))
        return True

    async def begin(self, charge: Charge) -> Outcome[Begun]:
        fault = self.faults.strike("bank")
        self.accounts.setdefault(charge.id, Account(charge.amount.amount_minor, charge.holds))
        self.faults.answer("bank", fault)
        return Outcome(entity=Begun(client_action=QrCodeAction(content=charge.id), reference=f"ref-{charge.id}"))

    async def query(self, charge_id: str, reference: str) -> ChargeState:
        self.faults.answer("bank", self.faults.strike("bank"))
        return self._state(charge_id)

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        fault = self.faults.strike("bank")
        account = self.accounts.get(charge_id)
        if account is not None and not account.captured:
            account.is_open, account.is_released, account.held = False, True, 0
        self.faults.answer("bank", fault)
        return self._state(charge_id)

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        fault = self.faults.strike("bank")
        account = self.accounts[charge_id]
        if account.held and not account.captured:
            assert amount.amount_minor <= account.held
            account.captured, account.held, account.is_open = amount.amount_minor, 0, False
        self.faults.answer("bank", fault)
        return self._state(charge_id)

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        fault = self.faults.strike("bank")
        account = self.accounts[wanted.charge_id]
        if wanted.id not in account.refunds:
            if wanted.amount.amount_minor > account.net:
                self.over_refunds += 1
                return Outcome(refusals=[Refusal(code="REFUND_EXCEEDS_CAPTURED", message="too much")])
            account.refunds[wanted.id] = wanted.amount.amount_minor
        self.faults.answer("bank", fault)
        return Outcome(entity=self._repayment(wanted))

    async def query_repayment(self, wanted: Repayment, transaction: str | None) -> RepaymentState:
        self.faults.answer("bank", self.faults.strike("bank"))
        return self._repayment(wanted)

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        if headers.get("signature") != "genuine":
            raise NoticeRefused("forged")
        return msgspec.json.decode(body, type=Notice)

    def reply(self, refused: NoticeRefused | BffError | None) -> NoticeReply:
        return NoticeReply(status=204 if refused is None else 400)

    def _repayment(self, wanted: Repayment) -> RepaymentState:
        done = self.accounts[wanted.charge_id].refunds.get(wanted.id)
        status = None if done is None else RefundStatus.SUCCEEDED
        amount = None if done is None else Money(amount_minor=done)
        return RepaymentState(id=wanted.id, charge_id=wanted.charge_id, status=status, raw_status="done", amount=amount)

    def _state(self, charge: str) -> ChargeState:
        account = self.accounts.get(charge)
        if account is None:
            return ChargeState(id=charge, status=ChargeStatus.ABSENT, raw_status="absent")
        if account.captured:
            status, amount = ChargeStatus.SUCCEEDED, account.captured
        elif account.held:
            status, amount = ChargeStatus.AUTHORISED, account.held
        else:
            status, amount = (ChargeStatus.OPEN if account.is_open else ChargeStatus.CLOSED), account.amount
        return ChargeState(
            id=charge,
            status=status,
            raw_status=status.value,
            amount=Money(amount_minor=amount),
            captured=Money(amount_minor=account.captured) if account.captured else None,
            transaction=f"t-{charge}",
        )


class Desk:
    """`SettlementPort` of one order with one price: it takes one payment, and none once it is cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.applied: dict[str, int] = {}
        self.settled: dict[str, Settlement] = {}
        self.repaid_ids: dict[str, set[str]] = {}
        self.repaid_minor: dict[str, int] = {}
        self.faults = Faults()

    @property
    def books(self) -> int:
        """What the order believes that it holds."""
        return sum(self.applied.values())

    async def due(self, order_number: str, purpose: PaymentPurpose) -> Outcome[Due]:
        return Outcome(entity=Due(order_number=order_number, customer_id="C1", purpose=purpose, amount=PRICE))

    async def settle(
        self, payment_id: str, order_number: str, purpose: PaymentPurpose, amount: Money
    ) -> Outcome[Settlement]:
        fault = self.faults.strike("desk")
        if payment_id not in self.settled:
            takes = not self.is_cancelled and self.books == 0 and amount == PRICE
            applied = amount.amount_minor if takes else 0
            self.applied[payment_id] = applied
            self.settled[payment_id] = Settlement(
                payment_id=payment_id,
                order_number=order_number,
                applied=Money(amount_minor=applied),
                give_back=Money(amount_minor=amount.amount_minor - applied),
            )
        self.faults.answer("desk", fault)
        return Outcome(entity=self.settled[payment_id])

    async def repaid(self, payment_id: str, refund_id: str, amount: Money) -> Outcome[Settlement]:
        """Refunds count first against what the order did not take."""
        fault = self.faults.strike("desk")
        if payment_id not in self.settled:
            raise NotFound("There is no such payment.")
        known = self.repaid_ids.setdefault(payment_id, set())
        if refund_id not in known:
            known.add(refund_id)
            spare = self.settled[payment_id].give_back.amount_minor - self.repaid_minor.get(payment_id, 0)
            self.repaid_minor[payment_id] = self.repaid_minor.get(payment_id, 0) + amount.amount_minor
            self.applied[payment_id] -= max(0, amount.amount_minor - max(0, spare))
        self.faults.answer("desk", fault)
        return Outcome(entity=self.settled[payment_id])


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Till:
    """Payments over a database: one process. Several tills may share database, bank, desk and time."""

    def __init__(self, database: Database, bank: Bank, desk: Desk, time: Time) -> None:
        self.database, self.bank, self.desk, self.time = database, bank, desk, time
        self.kind = PaymentFlow({PaymentProvider.CARD: bank}, desk)
        self.flows = Flows(database, clock=time, ambient=nullcontext)
        self.flows.add(self.kind)
        self.notices = Notices(self.flows, database, self.kind, {"card": bank})

    def wish(self, *, holds: bool = False, amount: Money = PRICE, minutes: int = 120) -> Opened:
        return Opened(
            order_number="MO1",
            customer_id="C1",
            purpose=PaymentPurpose.MERCHANDISE,
            provider=PaymentProvider.CARD,
            scene=PaymentScene.NATIVE,
            amount=amount,
            description="order MO1",
            expires_at=self.time() + timedelta(minutes=minutes),
            holds=holds,
        )

    async def open(self, payment: str, **wanted: bool | int) -> None:
        await self.flows.tell("payment", payment, self.wish(**wanted), reference="MO1")  # type: ignore[arg-type]

    async def notify(self, notice: Notice, signature: str = "genuine") -> int:
        body = msgspec.json.encode(notice)
        return (await self.notices.take("card", {"signature": signature}, body)).status
