"""Boolean expressions over option codes as bit masks.

An expression becomes a disjunction of clauses; a clause holds for a set of options when it contains all of `present`
and nothing of `absent`. An option that the trim does not offer is never there, so it is the constant false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from sandbox.world.entities import Expr


@dataclass(frozen=True, slots=True, order=True)
class Clause:
    present: int = 0
    absent: int = 0

    def holds(self, options: int) -> bool:
        return options & self.present == self.present and not options & self.absent


TRUE = (Clause(),)


def clauses(expr: Expr, bits: Mapping[str, int], *, negated: bool = False) -> tuple[Clause, ...]:
    """The clauses of `expr`, or of its negation; none at all is false."""
    if isinstance(expr, str):
        bit = bits.get(expr, 0)
        if not bit:
            return TRUE if negated else ()
        return (Clause(absent=bit),) if negated else (Clause(present=bit),)
    if "not" in expr:
        return clauses(expr["not"], bits, negated=not negated)
    conjunction = ("all" in expr) != negated
    parts = [clauses(part, bits, negated=negated) for part in expr["all" if "all" in expr else "any"]]
    if conjunction:
        return reduce(both, parts, TRUE)
    return _shortest(clause for part in parts for clause in part)


def both(left: Iterable[Clause], right: Iterable[Clause]) -> tuple[Clause, ...]:
    """The conjunction of two disjunctions."""
    second = tuple(right)
    products = (Clause(a.present | b.present, a.absent | b.absent) for a in left for b in second)
    return _shortest(clause for clause in products if not clause.present & clause.absent)


def bits_of(mask: int) -> Iterator[int]:
    """The single bits of a mask, lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _shortest(found: Iterable[Clause]) -> tuple[Clause, ...]:
    """Without clauses that say more than another one does."""
    every = sorted(set(found), key=lambda c: (c.present | c.absent).bit_count())
    kept: list[Clause] = []
    for clause in every:
        if not any(k.present & ~clause.present == 0 and k.absent & ~clause.absent == 0 for k in kept):
            kept.append(clause)
    return tuple(kept)
