"""How each option stands to a selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .formula import bits_of
from .ruleset import Breach, RuleSet

State = Literal["SELECTED", "AVAILABLE", "FORCED", "BLOCKED"]


@dataclass(frozen=True, slots=True)
class Verdict:
    option: int
    state: State
    blocked_by: int = 0


def find(rules: RuleSet, picks: int, breaches: list[Breach], *, last: int, unsellable: int) -> list[Verdict]:
    """FORCED is built in or brought by a rule. AVAILABLE can be picked, in place of its group's other option, without
    breaking what holds now. BLOCKED cannot: options in the way are named; none is where something is missing instead.
    Options whose sale has ended appear only while they are selected.
    """
    held = rules.effective(picks)
    known = set(breaches)
    found = []
    for option in bits_of(rules.options & (held | ~unsellable)):
        if held & option:
            found.append(Verdict(option, "FORCED" if _forced(rules, picks, option) else "SELECTED"))
            continue
        tried = rules.effective(picks & ~rules.rivals(option) | option)
        new = [breach for breach in rules.breaches(tried, unsellable, last | option) if breach not in known]
        blocked_by = _in_the_way(rules, tried & held & ~option, new)
        found.append(Verdict(option, "BLOCKED", blocked_by) if new else Verdict(option, "AVAILABLE"))
    return found


def _in_the_way(rules: RuleSet, staying: int, new: list[Breach]) -> int:
    """What stays and should not, or takes the place of what is missing."""
    found = 0
    for breach in new:
        found |= breach.clause.present
        for missing in bits_of(breach.clause.absent):
            found |= rules.rivals(missing)
    return found & staying


def _forced(rules: RuleSet, picks: int, option: int) -> bool:
    if rules.fixed & option:
        return True
    bundled = any(picks & package and contents & option for package, contents in rules.contents.items())
    return not bundled and bool(rules.effective(picks & ~option) & option)
