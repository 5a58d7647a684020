"""What stands against what: for each breach a minimal set of picks, found by deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.world.entities import Text

from .formula import bits_of
from .ruleset import Breach, RuleSet


@dataclass(slots=True)
class Conflict:
    """`picks` together break `rules`; without any one of them they do not. Built-in options are left out, as they
    cannot be taken off; where nothing else is at odds, `picks` holds the built-in ones, and only adding helps.
    """

    rules: list[str]
    messages: list[Text]
    picks: int


def find(rules: RuleSet, picks: int, breaches: list[Breach], last: int) -> list[Conflict]:
    """One conflict for each set of picks, those with the last pick first."""
    found: dict[int, Conflict] = {}
    for breach in breaches:
        involved = _minimal(rules, picks, breach, last) or breach.clause.present
        conflict = found.setdefault(involved, Conflict([], [], involved))
        for rule in [breach.rule, *_helpers(rules, involved, breach)]:
            if rule not in conflict.rules:
                conflict.rules.append(rule)
        if breach.message not in conflict.messages:
            conflict.messages.append(breach.message)
    return sorted(found.values(), key=lambda conflict: not conflict.picks & last)


def minimal(candidates: int, last: int, broken: Callable[[int], bool]) -> int:
    """Deletion: take each pick away in turn and keep it only if the breach is gone without it. The last pick is tried
    at the end, so that it stays in the set where it can.
    """
    kept = candidates
    for bit in [*bits_of(candidates & ~last), *bits_of(candidates & last)]:
        if broken(kept & ~bit):
            kept &= ~bit
    return kept


def _minimal(rules: RuleSet, picks: int, breach: Breach, last: int) -> int:
    def broken(some: int) -> bool:
        return breach.clause.holds(rules.effective(some))

    suspects = 0
    for bit in bits_of(breach.clause.present & ~rules.fixed):
        suspects |= rules.bringers[bit] & picks
    return minimal(suspects if broken(suspects) else picks, last, broken)


def _helpers(rules: RuleSet, picks: int, breach: Breach) -> list[str]:
    """The AUTO_ADD rules without which these picks would not break the rule."""
    if not breach.clause.present & ~picks & ~rules.fixed:
        return []
    return [auto.rule for auto in rules.auto if not breach.clause.holds(rules.effective(picks, without=auto.rule))]
