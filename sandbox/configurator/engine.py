"""A selection under check: the one entry to the rules, also for other systems that must know what can be built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sandbox.world import World, entities
from sandbox.world.entities import Configuration, Text, Trim
from sandbox.world.pricing import configure, price_lines, total_of

from . import alternatives, conflicts, verdicts
from .contract import (
    Alternative,
    Availability,
    Check,
    Conflict,
    Delivery,
    Money,
    OptionState,
    PriceLine,
    Selection,
)
from .contract import Text as WireText
from .ruleset import Breach, RuleSet


@dataclass(frozen=True, slots=True)
class Picked:
    """A selection on the trim's rules: `strangers` are codes that the trim does not offer."""

    rules: RuleSet
    picks: int
    strangers: list[str]
    last: int
    keeps_stranger: bool

    @property
    def held(self) -> int:
        return self.rules.effective(self.picks)

    @property
    def configuration(self) -> Configuration:
        """All options of the car, as orders name them."""
        held = self.held
        options = self.rules.codes_of(held & self.rules.options)
        packages = self.rules.codes_of(held & ~self.rules.options)
        return configure(self.rules.trim, options, packages)


class Configurator:
    """Checks selections. Rules are compiled once for each trim, market and version."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._compiled: dict[tuple[str, str, str, str], RuleSet] = {}

    def picked(self, selection: Selection) -> Picked | None:
        """None for a trim that does not exist."""
        trim = self.world.trims.get(selection.trim_code)
        if trim is None:
            return None
        rules = self._rules(trim, selection.market)
        codes = list(dict.fromkeys([*selection.options, *selection.packages]))
        last = selection.last_picked if selection.last_picked in codes else None
        return Picked(
            rules=rules,
            picks=rules.mask(codes),
            strangers=[code for code in codes if code not in rules.bit],
            last=rules.bit.get(last, 0) if last else 0,
            keeps_stranger=last is not None and last not in rules.bit,
        )

    def check(self, selection: Selection) -> Check | None:
        """None for a trim that does not exist; an option that does not is a conflict."""
        picked = self.picked(selection)
        return self._check(picked) if picked else None

    def _check(self, picked: Picked) -> Check:
        world, rules, held = self.world, picked.rules, picked.held
        unsellable = rules.unsellable()
        breaches = rules.breaches(held, unsellable, picked.last)
        buildable = not breaches and not picked.strangers
        configuration = picked.configuration
        lines = price_lines(world, configuration)
        availability = availability_of(rules.trim)
        return Check(
            is_buildable=buildable,
            is_complete=not rules.incomplete(held),
            availability=availability,
            conflicts=self._conflicts(picked, breaches),
            alternatives=[] if buildable else _alternatives(picked, unsellable),
            options=_states(picked, breaches, unsellable),
            price_lines=[_line(line) for line in lines],
            total=Money(amount_minor=total_of(lines)),
            delivery=self._delivery(rules.trim) if buildable and availability != "SOLD_OUT" else None,
            configuration_hash=_hash(picked, configuration),
            rule_set_version=world.rule_set_version,
            price_version=world.price_version,
        )

    def _rules(self, trim: Trim, market: str) -> RuleSet:
        key = trim.id, market, self.world.rule_set_version, self.world.price_version
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) > 200:
                self._compiled.clear()  # markets are the caller's word
            found = self._compiled[key] = RuleSet(self.world, trim, market)
        return found

    def _conflicts(self, picked: Picked, breaches: list[Breach]) -> list[Conflict]:
        rules = picked.rules
        strange = [
            Conflict(message=WireText.of(self._stranger(rules, code)), rules=[f"NOT_OFFERED:{code}"], options=[code])
            for code in picked.strangers
        ]
        return strange + [
            Conflict(
                message=WireText(
                    zh="".join(message.zh for message in conflict.messages),
                    en=" ".join(message.en for message in conflict.messages),
                ),
                rules=conflict.rules,
                options=rules.codes_of(conflict.picks),
            )
            for conflict in conflicts.find(rules, picked.picks, breaches, picked.last)
        ]

    def _stranger(self, rules: RuleSet, code: str) -> Text:
        thing = self.world.options.get(code) or self.world.packages.get(code)
        zh, en = (thing.name.zh, thing.name.en) if thing else (code, code)
        return Text(f"{rules.trim.name.zh}不提供{zh}。", f"{en} is not offered on {rules.trim.name.en}.")

    def _delivery(self, trim: Trim) -> Delivery:
        today = self.world.today
        return Delivery(
            earliest=today + timedelta(weeks=trim.delivery_weeks_min),
            latest=today + timedelta(weeks=trim.delivery_weeks_max),
            as_of=self.world.now,
        )


def availability_of(trim: Trim) -> Availability:
    return trim.availability if trim.stock > 0 else "SOLD_OUT"


def _line(line: entities.PriceLine) -> PriceLine:
    amount = Money(amount_minor=line.amount_fen)
    return PriceLine(kind=line.kind, code=line.code, text=WireText.of(line.text), amount=amount)


def _alternatives(picked: Picked, unsellable: int) -> list[Alternative]:
    if picked.keeps_stranger:
        return []
    rules = picked.rules
    return [
        Alternative(
            add=rules.codes_of(found.add),
            remove=[*picked.strangers, *rules.codes_of(found.remove)],
            price_delta=Money(amount_minor=found.price_delta),
        )
        for found in alternatives.find(rules, picked.picks, picked.last, unsellable=unsellable)
    ]


def _states(picked: Picked, breaches: list[Breach], unsellable: int) -> list[OptionState]:
    rules = picked.rules
    found = verdicts.find(rules, picked.picks, breaches, last=picked.last, unsellable=unsellable)
    return [
        OptionState(
            code=rules.codes_of(verdict.option)[0], state=verdict.state, blocked_by=rules.codes_of(verdict.blocked_by)
        )
        for verdict in found
    ]


def _hash(picked: Picked, configuration: Configuration) -> str:
    """As orders fingerprint a configuration; what the trim does not offer counts as well."""
    if not picked.strangers:
        return configuration.hash
    return configure(picked.rules.trim, [*configuration.options, *picked.strangers], configuration.packages).hash
