"""What reconciliation found: differences, each with both sides and what was done about it."""

from __future__ import annotations

from bff.domain.base import Money, Value


class Finding(Value, frozen=True, kw_only=True):
    """A difference. `did` is what was done about it; `is_left`: people have to look."""

    about: str
    id: str
    order_number: str
    ours: str
    theirs: str
    did: str
    is_left: bool = False


class Reconciled(Value, frozen=True, kw_only=True):
    """How much was looked at, and what differed."""

    payments: int
    orders: int
    findings: list[Finding]

    @property
    def is_clear(self) -> bool:
        return not any(finding.is_left for finding in self.findings)


def left(about: str, key: str, number: str, ours: str, theirs: str, did: str) -> Finding:
    """For people."""
    return Finding(about=about, id=key, order_number=number, ours=ours, theirs=theirs, did=did, is_left=True)


def shown(amount: Money | None) -> str:
    return "-" if amount is None else f"{amount.amount_minor} {amount.currency}"
