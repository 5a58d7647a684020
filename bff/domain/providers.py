"""Speaking to whoever moves the money: WeChat Pay, Alipay, a card acquirer. One adapter each, behind one port.

A charge and a refund are named by us (`id`: at most 32 of `0-9A-Za-z`), so that asking again for what may have been
done already is safe: the same id is the same charge. A provider is believed where it answers a query of ours, or where
the signature of its notification holds; nobody else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Money, Outcome, Value
from bff.domain.payment import ClientAction, PaymentProvider, PaymentScene, RefundStatus
from bff.errors import BffError


class ChargeStatus(Enum):
    """What the provider says of a charge. ABSENT: it has never heard of it. AUTHORISED: held, not taken yet."""

    ABSENT = "ABSENT"
    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    AUTHORISED = "AUTHORISED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class Charge(Value, frozen=True, kw_only=True):
    """What is to be paid. `description` is shown to the customer: at most 42 characters, no personal data.

    `payer` is the customer's id with the provider (WeChat: the openid of the mini-program), which only JSAPI needs;
    `client_ip` is theirs, which only H5 needs. `holds`: only authorise; `capture` takes it. A provider that cannot hold
    takes it at once, and what was not earned is given back.
    """

    id: str
    order_number: str
    description: str
    amount: Money
    scene: PaymentScene
    expires_at: datetime
    payer: str | None = None
    client_ip: str | None = None
    holds: bool = False


class Begun(Value, frozen=True, kw_only=True):
    """`reference` is the provider's own name for the charge where asking about it needs one; else empty."""

    client_action: ClientAction
    reference: str = ""


class ChargeState(Value, frozen=True, kw_only=True):
    """`amount` is what the customer was charged (None where the provider does not say); `captured` what was taken.

    `transaction` is the provider's number of the movement of money, which its statements name.
    """

    id: str
    status: ChargeStatus
    raw_status: str
    amount: Money | None = None
    captured: Money | None = None
    transaction: str | None = None
    reference: str = ""
    failure_code: str | None = None
    succeeded_at: datetime | None = None


class Repayment(Value, frozen=True, kw_only=True):
    """A refund to ask for. `id` is ours; `total` is the whole charge, which some protocols repeat."""

    id: str
    charge_id: str
    reference: str
    amount: Money
    total: Money
    reason: str


class RepaymentState(Value, frozen=True, kw_only=True):
    """`status` None: the provider has never heard of it."""

    id: str
    charge_id: str
    status: RefundStatus | None
    raw_status: str
    amount: Money | None = None
    transaction: str | None = None


class Notice(Value, frozen=True, kw_only=True):
    """A verified notification. `id` is the same however often the provider sends it; one of the two is set."""

    id: str
    charge: ChargeState | None = None
    repayment: RepaymentState | None = None


class NoticeReply(Value, frozen=True, kw_only=True):
    """What a provider wants to read: anything else, and it sends again."""

    status: int
    media_type: str = "text/plain"
    body: bytes = b""


class NoticeRefused(Exception):
    """Not to be believed: forged, too old, not decipherable, for another merchant. `str()` says why, for the log."""


class ProviderPort(Protocol):
    """Every method asks the provider once. UpstreamError: try again later, also after OutcomeUnknown, with the same id.

    Refusal codes of `begin`: PROVIDER_NOT_SUPPORTED, CARD_DECLINED, ALREADY_PAID (then `query` says what was paid).
    """

    @property
    def provider(self) -> PaymentProvider: ...

    @property
    def scenes(self) -> frozenset[PaymentScene]: ...

    @property
    def can_hold(self) -> bool: ...

    async def begin(self, charge: Charge) -> Outcome[Begun]:
        """Repeatable: the same charge again gives an action that pays the same charge."""
        ...

    async def query(self, charge_id: str, reference: str) -> ChargeState: ...

    async def close(self, charge_id: str, reference: str) -> ChargeState:
        """Nobody can pay it any more, unless it says SUCCEEDED: then somebody was quicker. A hold is let go."""
        ...

    async def capture(self, charge_id: str, reference: str, amount: Money) -> ChargeState:
        """Take what is held; repeatable. For a charge that was taken at once, what `query` says."""
        ...

    async def repay(self, wanted: Repayment) -> Outcome[RepaymentState]:
        """Repeatable. Refusal codes: NOT_REFUNDABLE, REFUND_EXCEEDS_CAPTURED."""
        ...

    async def query_repayment(self, wanted: Repayment, transaction: str | None) -> RepaymentState: ...

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        """None: genuine, but about nothing that concerns us. Header names are lower case.

        Raises NoticeRefused; BffError where it cannot be verified now, since a key has to be fetched: the provider
        comes again.
        """
        ...

    def reply(self, refused: NoticeRefused | BffError | None) -> NoticeReply:
        """How to answer a notification that was taken (None) or not."""
        ...
