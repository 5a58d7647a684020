"""The configurator's JSON and what it means. Where the service speaks as the domain does, the domain's type is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc
from bff.domain.base import Int, Money, Text
from bff.domain.configurator import (
    Alternative,
    Availability,
    BodyStyle,
    Cardinality,
    Check,
    Conflict,
    DeliveryEstimate,
    Drift,
    LoadedConfiguration,
    Option,
    OptionGroup,
    OptionPackage,
    OptionState,
    OptionVerdict,
    PriceLine,
    PriceLineKind,
    SavedConfiguration,
    Selection,
    Trim,
    TrimOffer,
    VehicleModel,
)

SYSTEM = "configurator"

availability = Codes(SYSTEM, Availability)
body_style = Codes(SYSTEM, BodyStyle)
cardinality = Codes(SYSTEM, Cardinality)
option_state = Codes(SYSTEM, OptionState)
price_line_kind = Codes(SYSTEM, PriceLineKind)


class Wire(msgspec.Struct, kw_only=True, rename="camel"):
    """A JSON object in camel case; members that are not named here are skipped."""


class WireModel(Wire):
    code: str
    brand: str
    name: Text
    description: Text
    body: str
    model_year: Int
    image_path: str | None
    trim_codes: list[str]


class WireTrim(Wire):
    code: str
    model_code: str
    name: Text
    description: Text
    price: Money
    availability: str
    range_km: Int
    power_kw: Int
    default_options: list[str]


class WireGroup(Wire):
    code: str
    name: Text
    cardinality: str
    options: list[Option]


class WireOffer(Wire):
    trim_code: str
    groups: list[WireGroup]
    packages: list[OptionPackage]


class WireName(Wire):
    code: str
    name: Text


class WireVerdict(Wire):
    code: str
    state: str
    blocked_by: list[str]


class WirePriceLine(Wire):
    kind: str
    code: str
    text: Text
    amount: Money


class WireDelivery(Wire):
    earliest: date
    latest: date
    as_of: Moment


class WireCheck(Wire):
    is_buildable: bool
    is_complete: bool
    availability: str
    conflicts: list[Conflict]
    alternatives: list[Alternative]
    options: list[WireVerdict]
    price_lines: list[WirePriceLine]
    total: Money
    delivery: WireDelivery | None
    configuration_hash: str
    rule_set_version: str
    price_version: str


class WireAnsweredCheck(Wire):
    ref: str
    check: WireCheck


class WireSaved(Wire):
    share_code: str
    selection: Selection
    total: Money
    saved_at: Moment
    rule_set_version: str
    price_version: str


class WireLoaded(Wire):
    share_code: str
    saved: WireSaved
    check: WireCheck
    drift: Drift


# Requests


def checks_body(asked: Mapping[str, Selection]) -> dict[str, Any]:
    """`ref` tells answers apart: an unknown trim has none."""
    return {"selections": [{"ref": ref, "selection": selection} for ref, selection in asked.items()]}


_CROCKFORD = re.compile("[0-9A-HJKMNP-TV-Z]{8}")
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def share_code(typed: str) -> str | None:
    """A code as people type it → as it was given out (Crockford base32: I and L are 1, O is 0, hyphens are nothing);
    None if it cannot be one.
    """
    code = typed.upper().translate(_READ_AS)
    return code if _CROCKFORD.fullmatch(code) else None


# Answers


def read_model(wire: WireModel) -> VehicleModel:
    return VehicleModel(
        code=wire.code,
        brand=wire.brand,
        name=wire.name,
        description=wire.description,
        body=body_style(wire.body),
        model_year=wire.model_year,
        image_path=wire.image_path,
        trim_codes=wire.trim_codes,
    )


def read_trim(wire: WireTrim) -> Trim:
    return Trim(
        code=wire.code,
        model_code=wire.model_code,
        name=wire.name,
        description=wire.description,
        price=wire.price,
        availability=availability(wire.availability),
        range_km=wire.range_km,
        power_kw=wire.power_kw,
        default_options=wire.default_options,
    )


def read_offer(wire: WireOffer) -> tuple[str, TrimOffer]:
    groups = [
        OptionGroup(code=group.code, name=group.name, cardinality=cardinality(group.cardinality), options=group.options)
        for group in wire.groups
    ]
    return wire.trim_code, TrimOffer(groups=groups, packages=wire.packages)


def read_name(wire: WireName) -> tuple[str, Text]:
    return wire.code, wire.name


def read_check(wire: WireCheck, selection: Selection) -> Check:
    return Check(
        selection=selection,
        is_buildable=wire.is_buildable,
        is_complete=wire.is_complete,
        availability=availability(wire.availability),
        conflicts=wire.conflicts,
        alternatives=wire.alternatives,
        options=[
            OptionVerdict(code=verdict.code, state=option_state(verdict.state), blocked_by=verdict.blocked_by)
            for verdict in wire.options
        ],
        price_lines=[
            PriceLine(kind=price_line_kind(line.kind), code=line.code, text=line.text, amount=line.amount)
            for line in wire.price_lines
        ],
        total=wire.total,
        delivery=_delivery(wire.delivery),
        configuration_hash=wire.configuration_hash,
        rule_set_version=wire.rule_set_version,
        price_version=wire.price_version,
    )


def read_saved(wire: WireSaved) -> SavedConfiguration:
    return SavedConfiguration(
        share_code=wire.share_code,
        selection=wire.selection,
        total=wire.total,
        saved_at=utc(wire.saved_at),
        rule_set_version=wire.rule_set_version,
        price_version=wire.price_version,
    )


def read_loaded(wire: WireLoaded) -> LoadedConfiguration:
    return LoadedConfiguration(
        saved=read_saved(wire.saved), check=read_check(wire.check, wire.saved.selection), drift=wire.drift
    )


def _delivery(wire: WireDelivery | None) -> DeliveryEstimate | None:
    if wire is None:
        return None
    return DeliveryEstimate(earliest=wire.earliest, latest=wire.latest, as_of=utc(wire.as_of))


MODELS = Records(WireModel, read_model, key="code")
TRIMS = Records(WireTrim, read_trim, key="code")
OFFERS = Records(WireOffer, read_offer, key="trimCode")
NAMES = Records(WireName, read_name, key="code")
CHECKS = Records(WireAnsweredCheck, lambda wire: wire, key="ref")
LOADED = Records(WireLoaded, read_loaded, key="shareCode")

SAVING = Refusals({"NOT_BUILDABLE": ("The rules do not hold for this selection. Check it to see why.", ["selection"])})

MISTAKES = {
    "MARKET_UNKNOWN": ("Nothing is sold in this market.", "selection.market"),
    "IDEMPOTENCY_KEY_REUSED": ("This idempotencyKey was used for another request.", "idempotencyKey"),
}
"""Problem codes that mean a mistake of the caller: the message, and the argument it is about."""
