"""Rules that say which system answers, read from one configuration entry.

    service_booking = [
      {system = "booking", region = "SOUTH"},
      {system = "booking", region = "WEST", model = "V3", percent = 20},
    ]

as TOML, or as JSON of the same shape. Rules are tried in order and the first that fits decides; where none fits, the
capability's default system answers. A rule fits when everything that it names is so: region, brand, model, and percent
— the part of customers, chosen by a hash that stays the same as the number grows.

`history` says where the bookings of the matched cars may lie: "both" (the default) asks the other system too, "own"
says that it is drained and is not asked any more (docs/pilots.md).
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import orjson

from bff.domain.base import Value

DMS = "dms"
BOOKING = "booking"
SERVICE_BOOKING = "service_booking"

CAPABILITIES: dict[str, tuple[str, ...]] = {SERVICE_BOOKING: (DMS, BOOKING)}
"""The systems that can answer each capability; the first is the default."""


class PlanError(ValueError):
    """The configuration entry is wrong; the message names the place and what would be right."""


class History(Enum):
    BOTH = "both"
    OWN = "own"


class Facts(Value, frozen=True, kw_only=True):
    """What is known of a question. A rule that names what is not known does not fit.

    `subject` stands for whoever `percent` chooses: the customer, or the car where nobody is signed in.
    """

    region: str | None = None
    brand: str | None = None
    model: str | None = None
    subject: str | None = None


class PilotRule(Value, frozen=True, kw_only=True):
    """One line of the entry; a condition that is None is not asked about."""

    system: str
    region: str | None = None
    brand: str | None = None
    model: str | None = None
    percent: int = 100
    history: History = History.BOTH

    def names(self, facts: Facts) -> bool:
        """Whether region, brand and model fit, whoever asks."""
        return self.region in (None, facts.region) and self.is_about(facts)

    def is_about(self, facts: Facts) -> bool:
        """Whether brand and model fit, wherever it is."""
        return self.brand in (None, facts.brand) and self.model in (None, facts.model)


class PilotPlan:
    """All rules, by capability. It never changes: another plan takes its place (`PlanHolder`)."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Mapping[str, Sequence[PilotRule]] | None = None) -> None:
        self._rules = {capability: tuple(found) for capability, found in (rules or {}).items()}

    @classmethod
    def parse(cls, text: str) -> PilotPlan:
        """From TOML or JSON; nothing but blanks is a plan without rules. Raises PlanError."""
        try:
            raw = orjson.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        except (orjson.JSONDecodeError, tomllib.TOMLDecodeError) as error:
            raise PlanError(f"the pilot plan is neither TOML nor JSON: {error}") from error
        return cls.of(raw)

    @classmethod
    def of(cls, raw: Any) -> PilotPlan:
        """From an object of capabilities, each a list of rules. Raises PlanError."""
        if not isinstance(raw, Mapping):
            raise PlanError("the pilot plan is an object of capabilities")
        rules: dict[str, list[PilotRule]] = {}
        for capability, entries in raw.items():
            _known(capability, CAPABILITIES, "the pilot plan")
            if not isinstance(entries, list):
                raise PlanError(f"{capability} is a list of rules")
            rules[capability] = [_rule(entry, capability, index) for index, entry in enumerate(entries)]
        return cls(rules)

    def rules(self, capability: str) -> tuple[PilotRule, ...]:
        return self._rules.get(capability, ())

    def system(self, capability: str, facts: Facts) -> str:
        """The system that answers what is new."""
        for rule in self.rules(capability):
            if rule.names(facts) and _chosen(capability, rule.percent, facts.subject):
                return rule.system
        return CAPABILITIES[capability][0]

    def systems_with_history(self, capability: str, facts: Facts) -> frozenset[str]:
        """The systems that may hold something of this car already.

        A rule's region is where the work is done, and a car travels: so rules of other regions count as well, unless
        the rule that fits the car here says that the other system is drained. Percent does not count: whom it chose
        yesterday may be somebody else than today.
        """
        rules = self.rules(capability)
        deciding = next((rule for rule in rules if rule.names(facts)), None)
        if deciding is not None and deciding.history is History.OWN:
            return frozenset({deciding.system})
        everywhere = CAPABILITIES[capability]
        return frozenset(_holders(rules, facts, everywhere)) | {everywhere[0]}

    def as_json(self) -> dict[str, Any]:
        """What `of` reads, with nothing left out that differs from its default."""
        return {capability: [_shown(rule) for rule in rules] for capability, rules in self._rules.items()}


class PlanHolder:
    """The plan of today. `swap` is one assignment: whoever reads `plan` sees the old one or the new one, whole."""

    __slots__ = ("plan",)

    def __init__(self, plan: PilotPlan | None = None) -> None:
        self.plan = plan or PilotPlan()

    def swap(self, plan: PilotPlan) -> PilotPlan:
        """Put `plan` in force and give back the one that it replaces."""
        before, self.plan = self.plan, plan
        return before


def _holders(rules: Sequence[PilotRule], facts: Facts, everywhere: Sequence[str]) -> Iterator[str]:
    for rule in rules:
        if rule.is_about(facts):
            yield from everywhere if rule.history is History.BOTH else (rule.system,)


def _chosen(capability: str, percent: int, subject: str | None) -> bool:
    """Salted with the capability, so that two pilots do not burden the same customers."""
    if percent == 100:
        return True
    if subject is None:
        return False
    digest = hashlib.sha256(f"{capability}:{subject}".encode()).digest()
    return int.from_bytes(digest[:8]) * 100 >> 64 < percent


_MEMBERS = ("system", "region", "brand", "model", "percent", "history")


def _rule(raw: Any, capability: str, index: int) -> PilotRule:
    where = f"{capability}[{index}]"
    if not isinstance(raw, Mapping):
        raise PlanError(f"{where} is an object with a system")
    for member in raw:
        _known(member, _MEMBERS, where)
    system = raw.get("system")
    if not isinstance(system, str):
        raise PlanError(f"{where}.system is missing: one of {', '.join(CAPABILITIES[capability])}")
    _known(system, CAPABILITIES[capability], f"{where}.system")
    percent = raw.get("percent", 100)
    if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
        raise PlanError(f"{where}.percent: {percent!r} is not a whole number from 0 to 100")
    history = raw.get("history", History.BOTH.value)
    _known(history, [each.value for each in History], f"{where}.history")
    if history == History.OWN.value and percent != 100:
        raise PlanError(f'{where}: history = "own" needs percent 100, for the others are on the other system')
    named = {member: _word(raw.get(member), f"{where}.{member}") for member in ("region", "brand", "model")}
    return PilotRule(system=system, percent=percent, history=History(history), **named)


def _word(value: Any, where: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise PlanError(f"{where}: {value!r} is not a word")
    return value


def _known(value: Any, known: Sequence[str] | Mapping[str, Any], where: str) -> None:
    if value in known:
        return
    near = difflib.get_close_matches(str(value), list(known), 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise PlanError(f"{where}: {value!r} is not known{meant}; known are {', '.join(known)}")


def _shown(rule: PilotRule) -> dict[str, Any]:
    shown: dict[str, Any] = {"system": rule.system}
    shown |= {name: value for name in ("region", "brand", "model") if (value := getattr(rule, name)) is not None}
    if rule.percent != 100:
        shown["percent"] = rule.percent
    if rule.history is not History.BOTH:
        shown["history"] = rule.history.value
    return shown
