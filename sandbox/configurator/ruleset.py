"""A trim's offer and the rules in force on one market, compiled once to bit masks.

Every option and package of the trim is one bit. A *pick* is what the customer sent; the *effective* options are the
picks with the built-in options, the contents of packages and what AUTO_ADD rules bring along, to a fixed point. All
that can be wrong is a `Breach`: a clause over effective options that must not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sandbox.world import World
from sandbox.world.entities import Text, Trim

from .formula import Clause, bits_of, both, clauses


@dataclass(frozen=True, slots=True)
class Breach:
    """`clause` holds though rule `rule` forbids it. Structural rules are named by their kind: `CARDINALITY:PAINT`,
    `WITHDRAWN:KX9`, `NOT_OFFERED:XXX`.
    """

    rule: str
    message: Text
    clause: Clause


@dataclass(frozen=True, slots=True)
class AutoAdd:
    """Where any clause of `when` holds, `adds` comes along."""

    rule: str
    when: tuple[Clause, ...]
    adds: int


@dataclass(frozen=True, slots=True)
class Group:
    code: str
    name: Text
    mask: int
    cardinality: Literal["EXACTLY_ONE", "ONE_OR_NONE", "ANY"]


class RuleSet:
    """What can be asked of a trim's picks, all on masks."""

    def __init__(self, world: World, trim: Trim, market: str) -> None:
        self.world, self.trim = world, trim
        self.option_codes = tuple(
            sorted(
                (code for code in world.options if code in trim.options),
                key=lambda code: world.option_groups[world.options[code].group].sort,
            )
        )
        self.package_codes = tuple(code for code in trim.package_codes if code in world.packages)
        self.codes = self.option_codes + self.package_codes
        self.bit = {code: 1 << index for index, code in enumerate(self.codes)}
        self.options = (1 << len(self.option_codes)) - 1
        self.fixed = self.mask(code for code, offered in trim.options.items() if offered.fixed)
        self.contents = {self.bit[c]: self.mask(world.packages[c].includes) for c in self.package_codes}
        self.groups = self._groups()
        self.group_of = {bit: group for group in self.groups for bit in bits_of(group.mask)}
        self.auto: list[AutoAdd] = []
        self.rules: list[Breach] = []
        self._compile(market)
        self._tests = [(breach.clause.present, breach.clause.absent, breach) for breach in self.rules]
        self.bringers = self._bringers()
        self._prices = {self.bit[code]: offered.price_fen for code, offered in trim.options.items()}
        self._prices |= {self.bit[code]: world.packages[code].price_fen for code in self.package_codes}
        self._priced = self.mask(code for code in self.codes if self._prices[self.bit[code]])

    # Codes and masks

    def mask(self, codes: Iterable[str]) -> int:
        """The bits of codes; what the trim does not offer has none."""
        found = 0
        for code in codes:
            found |= self.bit.get(code, 0)
        return found

    def codes_of(self, mask: int) -> list[str]:
        return [self.codes[bit.bit_length() - 1] for bit in bits_of(mask)]

    def rivals(self, option: int) -> int:
        """What gives way when this option is picked: its whole group, where that has room for one."""
        group = self.group_of[option]
        return group.mask if group.cardinality != "ANY" else 0

    # What picks come to

    def effective(self, picks: int, *, without: str | None = None) -> int:
        """All options of the car; `without` leaves one AUTO_ADD rule out, to see what it brought."""
        held = picks | self.fixed
        for package, contents in self.contents.items():
            if held & package:
                held |= contents
        again = True
        while again:
            again = False
            for rule in self.auto:
                if rule.adds & ~held and rule.rule != without and any(clause.holds(held) for clause in rule.when):
                    held |= rule.adds
                    again = True
        return held

    def unsellable(self) -> int:
        """Options whose sale has ended."""
        today, options = self.world.today, self.world.options
        return self.mask(
            code for code in self.option_codes if (ended := options[code].withdrawn_on) is not None and ended <= today
        )

    def breaches(self, held: int, unsellable: int, anchor: int = 0) -> list[Breach]:
        """What is wrong with these effective options. Of too many in a group each stands against one: `anchor` if it
        is there, else a built-in or the first.
        """
        found = [breach for present, absent, breach in self._tests if held & present == present and not held & absent]
        for group in self.groups:
            chosen = held & group.mask
            if group.cardinality != "ANY" and chosen & (chosen - 1):
                found += self._crowd(group, chosen, anchor)
        if held & unsellable:
            found += [self._withdrawn(bit) for bit in bits_of(held & unsellable)]
        return found

    def incomplete(self, held: int) -> list[Group]:
        """The groups that still miss their one option."""
        return [group for group in self.groups if group.cardinality == "EXACTLY_ONE" and not held & group.mask]

    def price(self, held: int) -> int:
        """Fen with VAT: packages replace the single prices of what they include."""
        covered = 0
        for package, contents in self.contents.items():
            if held & package:
                covered |= contents
        return self.trim.price_fen + sum(self._prices[bit] for bit in bits_of(held & self._priced & ~covered))

    # Compiling

    def _groups(self) -> list[Group]:
        members: dict[str, int] = {}
        for code in self.option_codes:
            group = self.world.options[code].group
            members[group] = members.get(group, 0) | self.bit[code]
        known = self.world.option_groups
        return [Group(code, known[code].name, mask, known[code].cardinality) for code, mask in members.items()]

    def _compile(self, market: str) -> None:
        for rule in self.world.rules.values():
            if not rule.in_force(self.world.today, market):
                continue
            subject = clauses(rule.subject, self.bit)
            broken = both(subject, clauses(rule.expr, self.bit, negated=rule.kind != "EXCLUDES"))
            self.rules += [Breach(rule.id, rule.message, clause) for clause in broken]
            if rule.kind == "AUTO_ADD" and subject:
                wanted = [rule.expr] if isinstance(rule.expr, str) else rule.expr["all"]
                self.auto.append(AutoAdd(rule.id, subject, self.mask(wanted)))

    def _bringers(self) -> dict[int, int]:
        """For each option the picks that may bring it into the car: itself, packages, subjects of AUTO_ADD."""
        found = {self.bit[code]: self.bit[code] for code in self.option_codes}
        for package, contents in self.contents.items():
            for bit in bits_of(contents):
                found[bit] |= package
        for _ in self.auto:  # a chain is no longer than there are rules
            before = dict(found)
            for rule in self.auto:
                subjects = 0
                for clause in rule.when:
                    for bit in bits_of(clause.present):
                        subjects |= found[bit]
                for bit in bits_of(rule.adds):
                    found[bit] |= subjects
            if found == before:
                break
        return found

    def _crowd(self, group: Group, chosen: int, anchor: int) -> list[Breach]:
        kept = chosen & anchor or chosen & self.fixed or chosen
        kept &= -kept
        names = group.name
        message = Text(f"“{names.zh}”只能选择一项。", f"Only one of {names.en} can be chosen.")
        return [Breach(f"CARDINALITY:{group.code}", message, Clause(kept | other)) for other in bits_of(chosen & ~kept)]

    def _withdrawn(self, bit: int) -> Breach:
        code = self.codes_of(bit)[0]
        name = self.world.options[code].name
        return Breach(f"WITHDRAWN:{code}", Text(f"{name.zh}已停售。", f"{name.en} is no longer sold."), Clause(bit))
