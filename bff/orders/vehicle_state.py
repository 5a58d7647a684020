"""The order of a car as its flow remembers it, and what may still want doing for it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from bff.domain.base import Money, Refusal, Value
from bff.domain.payment import PaymentPurpose
from bff.domain.vehicle_order import SalesOrderDraft, VehicleOrderStatus
from bff.durability.flow import Effect, Tell, Wake
from bff.orders.vehicle_facts import OrderSnapshot, OrderWanted


class WishKind(Enum):
    """EXPIRE cancels what nobody has paid, and nothing else."""

    LOCK = "LOCK"
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"


class WishOutcome(Enum):
    WAITING = "WAITING"
    SENT = "SENT"
    DONE = "DONE"
    REFUSED = "REFUSED"


OPEN = (WishOutcome.WAITING, WishOutcome.SENT)


class Wish(Value, frozen=True, kw_only=True):
    """Somebody, or the time, wants the order locked or cancelled. One at a time is with commerce, which decides.

    A lock names what was confirmed. `is_ours`: nobody asked, the time had come.
    """

    id: str
    kind: WishKind
    since: datetime
    outcome: WishOutcome = WishOutcome.WAITING
    refusals: tuple[Refusal, ...] = ()
    configuration_hash: str = ""
    total: Money | None = None
    terms_version: str = ""
    reason: str | None = None
    is_ours: bool = False


class SalesStep(Enum):
    """REJECTING: the order is cancelled, the ERP must not keep it. GONE: it does not."""

    NONE = "NONE"
    CREATING = "CREATING"
    ATTACHING = "ATTACHING"
    ATTACHED = "ATTACHED"
    REJECTING = "REJECTING"
    GONE = "GONE"


class Sales(Value, frozen=True, kw_only=True):
    """`looks`: how often the ERP, asked to reject it, knew no sales order; one may still arrive from a slow create."""

    step: SalesStep = SalesStep.NONE
    number: str | None = None
    looks: int = 0
    refusals: tuple[Refusal, ...] = ()


class PaymentRecord(Value, frozen=True, kw_only=True):
    """`applied` is what the order took of it (None: nothing yet). `is_returned`: it is back, or was never taken."""

    id: str
    purpose: PaymentPurpose | None = None
    applied: Money | None = None
    is_returned: bool = False
    tells_us: bool = True
    close_asked_at: datetime | None = None
    refund_asked_at: datetime | None = None


class Search(Enum):
    """For the payments of a cancelled order."""

    NONE = "NONE"
    ASKED = "ASKED"
    DONE = "DONE"


class VehicleOrderState(Value, frozen=True, kw_only=True):
    """`wanted` None: the order was made elsewhere. `order` None: it is being placed, or was refused."""

    since: datetime
    wanted: OrderWanted | None = None
    refusals: tuple[Refusal, ...] = ()
    order: OrderSnapshot | None = None
    wishes: tuple[Wish, ...] = ()
    sales: Sales = Sales()
    payments: tuple[PaymentRecord, ...] = ()
    search: Search = Search.NONE

    @property
    def is_placed(self) -> bool:
        """Whether it is certain what became of placing it."""
        return self.order is not None or bool(self.refusals)

    @property
    def is_cancelled(self) -> bool:
        return self.order is not None and self.order.status is VehicleOrderStatus.CANCELLED

    @property
    def is_over(self) -> bool:
        """Nothing will be done for it any more."""
        if self.order is None:
            return bool(self.refusals)
        if not self.is_cancelled:
            return self.order.status is VehicleOrderStatus.DELIVERED
        clear = self.sales.step in (SalesStep.NONE, SalesStep.GONE) and self.search is Search.DONE
        return clear and not any(payment.tells_us and not payment.is_returned for payment in self.payments)

    def wish(self, wish_id: str) -> Wish | None:
        return next((wish for wish in self.wishes if wish.id == wish_id), None)

    def is_decided(self, wish_id: str) -> bool:
        wish = self.wish(wish_id)
        return wish is not None and wish.outcome not in OPEN


class Place(Effect, frozen=True, kw_only=True, tag="place"):
    wanted: OrderWanted


class Lock(Effect, frozen=True, kw_only=True, tag="lock"):
    wish: Wish
    number: str

    @property
    def name(self) -> str:
        return f"lock:{self.wish.id}"


class Cancel(Effect, frozen=True, kw_only=True, tag="cancel"):
    wish: Wish
    number: str

    @property
    def name(self) -> str:
        return f"cancel:{self.wish.id}"


class Refresh(Effect, frozen=True, kw_only=True, tag="refresh"):
    """See how the order stands."""

    is_work = False

    number: str


class CreateSalesOrder(Effect, frozen=True, kw_only=True, tag="create-sales-order"):
    draft: SalesOrderDraft


class AttachSalesOrder(Effect, frozen=True, kw_only=True, tag="attach-sales-order"):
    number: str
    sales_order: str


class CancelSalesOrder(Effect, frozen=True, kw_only=True, tag="cancel-sales-order"):
    """By its number, or, where that is not known, by its reference: the order's number."""

    reference: str
    sales_order: str | None = None


class FindPayments(Effect, frozen=True, kw_only=True, tag="find-payments"):
    number: str


VehicleOrderEffect = (
    Place | Lock | Cancel | Refresh | CreateSalesOrder | AttachSalesOrder | CancelSalesOrder | FindPayments | Tell
    | Wake
)  # fmt: skip
