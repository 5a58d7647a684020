"""The smallest changes that make picks buildable.

Uniform-cost search over change size: some breach must be mended by taking off a pick that brings one of its options,
or by adding an option that it misses, so branching on those, breach by breach, meets every repair. An option added to
a group with room for one replaces what was picked there. The last pick stays, and a group that had its one option keeps
one. Picks too far from anything buildable for that search get one repair, found greedily.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from .formula import Clause, bits_of
from .ruleset import RuleSet

MOST = 5
MOST_STEPS = 250
MOST_GREEDY_STEPS = 40
MOST_APART = 4


@dataclass(frozen=True, slots=True)
class Alternative:
    """`price_delta` is in fen, against the picks as they were."""

    add: int
    remove: int
    price_delta: int


def find(rules: RuleSet, picks: int, last: int, *, unsellable: int) -> list[Alternative]:
    """At most five, smallest change first, then lowest price. None contains another."""
    if last & unsellable:
        return []
    before = rules.effective(picks)
    missing = {group.code for group in rules.incomplete(before)}
    filled = [g.mask for g in rules.groups if g.cardinality == "EXACTLY_ONE" and g.code not in missing]
    search = _Search(rules, picks, last, unsellable, filled)
    price = rules.price(before)
    found = [
        Alternative(state & ~picks, picks & ~state, rules.price(rules.effective(state)) - price)
        for state in (not search.far and list(search.repairs())) or search.greedy()
    ]
    size = {a: (a.add | a.remove).bit_count() for a in found}
    return sorted(found, key=lambda a: (size[a], a.price_delta, rules.codes_of(a.add), rules.codes_of(a.remove)))[:MOST]


@dataclass(slots=True)
class _Search:
    rules: RuleSet
    picks: int
    last: int
    unsellable: int
    filled: list[int]

    @property
    def far(self) -> bool:
        """More breaches than the search can mend that have no option in common: each needs a change of its own."""
        apart, touched = 0, 0
        for clause in self._all_broken(self.picks):
            options = clause.present | clause.absent
            if not options & touched:
                apart, touched = apart + 1, touched | options
        return apart > MOST_APART

    def repairs(self) -> Iterator[int]:
        """Picks that hold, by size of change; stops after the size at which there are enough."""
        heap, seen = [(0, 0, self.picks)], {self.picks}
        changes: list[int] = []
        enough = 0
        for _ in range(MOST_STEPS):
            if not heap:
                return
            size, _order, state = heappop(heap)
            if enough and size > enough:
                return
            change = state ^ self.picks
            if any(known & ~change == 0 for known in changes):
                continue
            clause = self._broken(state)
            if clause is None:
                changes.append(change)
                enough = size if len(changes) >= MOST else 0
                yield state
                continue
            for child in self._mended(state, clause):
                if child not in seen:
                    seen.add(child)
                    heappush(heap, ((child ^ self.picks).bit_count(), len(seen), child))

    def greedy(self) -> list[int]:
        """One repair, without changes that it could do without; none if the way ends before."""
        state = self.picks
        for _ in range(MOST_GREEDY_STEPS):
            clause = self._broken(state)
            if clause is None:
                return [self._undone(state)]
            children = list(self._mended(state, clause))
            if not children:
                break
            state = min(children, key=lambda child: len(self._all_broken(child)))
        return []

    def _undone(self, state: int) -> int:
        for bit in bits_of(state ^ self.picks):
            if not self._all_broken(state ^ bit):
                state ^= bit
        return state

    def _broken(self, state: int) -> Clause | None:
        """The breach with the fewest ways out; None if nothing is wrong."""
        broken = self._all_broken(state)
        return min(broken, key=lambda c: c.present.bit_count() + c.absent.bit_count(), default=None)

    def _all_broken(self, state: int) -> list[Clause]:
        held = self.rules.effective(state)
        broken = [breach.clause for breach in self.rules.breaches(held, self.unsellable, self.last)]
        return broken or [Clause(absent=mask) for mask in self.filled if not held & mask]

    def _mended(self, state: int, clause: Clause) -> Iterator[int]:
        added = state & ~self.picks
        keep = self.last | added
        for option in bits_of(clause.present & ~self.rules.fixed):
            for pick in bits_of(self.rules.bringers[option] & state & ~keep):
                yield state & ~pick
        removed = self.picks & ~state
        for option in bits_of(clause.absent & ~removed & ~self.unsellable):
            rivals = state & self.rules.rivals(option)
            if not rivals & keep:
                yield state & ~rivals | option
