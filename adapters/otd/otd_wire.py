"""The feed's bytes as records, and its codes as milestones. Contract: docs/contracts/otd.md."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapters.transport.fixed_width import BadRecord, Field, Layout, lines
from bff.domain.vehicle_order import Milestone

RECORD = Layout(
    Field("order", 12, r"[0-9A-Z]{1,12}"),
    Field("code", 4, r"[0-9A-Z]{4}"),
    Field("vin", 17, r"|[0-9A-HJ-NPR-Z]{17}"),
    Field("week", 6, r"[0-9]{4}(?:0[1-9]|[1-4][0-9]|5[0-3])"),
)
ETA = "4V03"
INVOICE = "4150"
RELEASED_TO_YARD = "4B00"

# By table, never by value: the codes are alphanumeric and do not sort as the car moves.
MILESTONES: Mapping[str, Milestone] = {
    "1100": Milestone.PLACED,
    "1101": Milestone.PLACED,
    "1102": Milestone.PLACED,
    "2000": Milestone.ACCEPTED,
    "2500": Milestone.PARTS,
    "3000": Milestone.PARTS,
    "3100": Milestone.SCHEDULED,
    "3300": Milestone.SCHEDULED,
    "3400": Milestone.IN_PRODUCTION,
    "3800": Milestone.BUILT,
    "4000": Milestone.YARD,
    RELEASED_TO_YARD: Milestone.YARD,
    "4D00": Milestone.QC_HOLD,
    "4106": Milestone.SHIPPED,
    "4200": Milestone.SHIPPED,
    "4300": Milestone.SHIPPED,
    "4800": Milestone.SHIPPED,
    "5000": Milestone.AT_CENTRE,
    "6000": Milestone.DELIVERED,
    "9000": Milestone.CANCELLED,
}
RANKS: Mapping[Milestone, int] = {milestone: rank for rank, milestone in enumerate(Milestone)}


class StatusRecord(msgspec.Struct, frozen=True):
    """One record; `vin` is None while it is blank."""

    order: str
    code: str
    vin: str | None
    week: str


class Damaged(msgspec.Struct, frozen=True):
    """A record that cannot be read. `order` is None where not even that was legible."""

    order: str | None
    detail: str


class FeedPage(msgspec.Struct, frozen=True):
    """`last` is the sequence to go on after; records are in feed order."""

    records: list[StatusRecord]
    damaged: list[Damaged]
    last: int
    more: bool


def read_page(headers: Mapping[str, str], body: bytes) -> FeedPage:
    """Raises ValueError where the whole page cannot be trusted: no feed headers, a cut body, not one good record."""
    if not headers.get("content-type", "").startswith("text/plain"):
        raise ValueError(f"not a feed: {headers.get('content-type')!r}")
    last, more = headers.get("x-feed-last-sequence", ""), headers.get("x-feed-more", "")
    if not last.isdecimal() or more not in ("true", "false"):
        raise ValueError(f"feed headers are missing: last={last!r} more={more!r}")
    records: list[StatusRecord] = []
    damaged: list[Damaged] = []
    for line in lines(body):
        try:
            order, code, vin, week = RECORD.read(line)
            records.append(StatusRecord(order, code, vin or None, week))
        except BadRecord as error:
            damaged.append(Damaged(error.fields[0] if error.fields else None, str(error)))
    if damaged and not records:
        raise ValueError(f"not one record could be read; the first: {damaged[0].detail}")
    return FeedPage(records, damaged, int(last), more == "true")
