"""The rule engine against an evaluator that knows nothing of it: sets, recursion and the world's own rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sandbox.configurator.contract import Check, Selection
from sandbox.configurator.engine import Configurator
from sandbox.world import World, build_world
from sandbox.world.entities import Expr, Rule, Trim
from tests.support import counted_calls

MARKETS = ("CN", "HK", "SG")


@cache
def estate() -> Configurator:
    """One world for all examples: checks change nothing."""
    return Configurator(build_world(today=date(2026, 3, 9)))


# The evaluator


def true(expr: Expr, held: set[str]) -> bool:
    if isinstance(expr, str):
        return expr in held
    if "not" in expr:
        return not true(expr["not"], held)
    parts = [true(part, held) for part in expr["all" if "all" in expr else "any"]]
    return all(parts) if "all" in expr else any(parts)


def in_force(world: World, market: str) -> list[Rule]:
    return [
        rule
        for rule in world.rules.values()
        if rule.market in (None, market)
        and rule.valid_from <= world.today
        and (rule.valid_to is None or world.today <= rule.valid_to)
    ]


def car(world: World, trim: Trim, codes: Iterable[str], market: str) -> set[str]:
    """Options and packages of the car: picked, built in, from packages, added by rules."""
    offered = trim.options.keys() | set(trim.package_codes)
    held = {code for code in codes if code in offered}
    held |= {code for code, option in trim.options.items() if option.fixed}
    for code in held & set(trim.package_codes):
        held |= set(world.packages[code].includes)
    while True:
        added = {
            code
            for rule in in_force(world, market)
            if rule.kind == "AUTO_ADD" and true(rule.subject, held)
            for code in ([rule.expr] if isinstance(rule.expr, str) else rule.expr["all"])
            if code in offered
        }
        if added <= held:
            return held
        held |= added


def broken(world: World, trim: Trim, codes: Iterable[str], market: str) -> set[str]:
    """The names of all rules that the car breaks, the structural ones among them."""
    codes = set(codes)
    held = car(world, trim, codes, market)
    found = {f"NOT_OFFERED:{code}" for code in codes - trim.options.keys() - set(trim.package_codes)}
    for rule in in_force(world, market):
        if true(rule.subject, held) and true(rule.expr, held) == (rule.kind == "EXCLUDES"):
            found.add(rule.id)
    for code in held & world.options.keys():
        ended = world.options[code].withdrawn_on
        if ended is not None and ended <= world.today:
            found.add(f"WITHDRAWN:{code}")
    for group in world.option_groups.values():
        if group.cardinality != "ANY" and len(in_group(world, held, group.code)) > 1:
            found.add(f"CARDINALITY:{group.code}")
    return found


def in_group(world: World, held: set[str], group: str) -> set[str]:
    return {code for code in held & world.options.keys() if world.options[code].group == group}


def empty_groups(world: World, trim: Trim, codes: Iterable[str], market: str) -> set[str]:
    held = car(world, trim, codes, market)
    offered = {world.options[code].group for code in trim.options}
    one = {code for code in offered if world.option_groups[code].cardinality == "EXACTLY_ONE"}
    return {code for code in one if not in_group(world, held, code)}


def price(world: World, trim: Trim, codes: Iterable[str], market: str) -> int:
    held = car(world, trim, codes, market)
    packages = held & set(trim.package_codes)
    covered = {code for package in packages for code in world.packages[package].includes}
    singles = sum(trim.options[code].price_fen for code in held & trim.options.keys() - covered)
    return trim.price_fen + singles + sum(world.packages[package].price_fen for package in packages)


# Selections


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """Default options with some taken off and some more picked, now and then packages and strangers."""
    world = estate().world
    trim = world.trims[draw(st.sampled_from(sorted(world.trims)))]
    kept = [code for code in trim.default_options if draw(st.integers(0, 9))]
    extra = draw(st.lists(st.sampled_from(sorted(trim.options)), max_size=6))
    strange = draw(st.lists(st.sampled_from(["XXX", "KV1", "S9K", "W22"]), max_size=1))
    packages = draw(st.lists(st.sampled_from(sorted(trim.package_codes)), max_size=2)) if trim.package_codes else []
    options = list(dict.fromkeys([*kept, *extra, *strange]))
    last = draw(st.none() | st.sampled_from([*extra, *packages])) if extra or packages else None
    market = draw(st.sampled_from(MARKETS))
    return Selection(
        trim_code=trim.id, options=options, packages=list(dict.fromkeys(packages)), last_picked=last, market=market
    )


def checked(selection: Selection) -> tuple[World, Trim, set[str], Check]:
    world = estate().world
    check = estate().check(selection)
    assert check is not None
    return world, world.trims[selection.trim_code], {*selection.options, *selection.packages}, check


many = settings(max_examples=100, deadline=None)


@many
@given(selections())
def test_a_selection_is_buildable_where_no_rule_is_broken_and_complete_where_no_group_is_empty(
    selection: Selection,
) -> None:
    world, trim, codes, check = checked(selection)
    wrong = broken(world, trim, codes, selection.market)
    assert check.is_buildable == (not wrong)
    assert check.is_complete == (not empty_groups(world, trim, codes, selection.market))
    named = {rule for conflict in check.conflicts for rule in conflict.rules}
    assert wrong <= named
    assert all(world.rules[rule].kind == "AUTO_ADD" for rule in named - wrong)


@many
@given(selections())
def test_a_conflict_goes_away_without_any_one_of_its_options(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    for conflict in check.conflicts:
        options = set(conflict.options)
        at_odds = broken(world, trim, options, selection.market) & set(conflict.rules)
        assert at_odds
        if all(code in trim.options and trim.options[code].fixed for code in options):
            assert at_odds <= broken(world, trim, set(), selection.market)  # all built in: only adding helps
            continue
        assert options <= codes
        for option in options:
            assert not at_odds <= broken(world, trim, options - {option}, selection.market)


@many
@given(selections())
def test_an_alternative_can_be_built_keeps_the_last_pick_and_tells_its_price(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    before, empty = price(world, trim, codes, selection.market), empty_groups(world, trim, codes, selection.market)
    assert len(check.alternatives) <= 5
    order = []
    for alternative in check.alternatives:
        assert set(alternative.remove) <= codes
        assert not set(alternative.add) & codes
        changed = codes - set(alternative.remove) | set(alternative.add)
        assert not broken(world, trim, changed, selection.market)
        assert empty_groups(world, trim, changed, selection.market) <= empty
        assert selection.last_picked is None or selection.last_picked in changed
        assert alternative.price_delta.amount_minor == price(world, trim, changed, selection.market) - before
        order.append((len(alternative.add) + len(alternative.remove), alternative.price_delta.amount_minor))
    assert order == sorted(order)


@many
@given(selections())
def test_no_smaller_change_than_the_first_alternative_would_do(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    wrong = broken(world, trim, codes, selection.market)
    assume(wrong)
    empty = empty_groups(world, trim, codes, selection.market)
    single = [codes - {code} for code in codes - {selection.last_picked}]
    single += [codes | {code} for code in trim.options.keys() - codes]
    enough = [
        changed
        for changed in single
        if not broken(world, trim, changed, selection.market)
        and empty_groups(world, trim, changed, selection.market) <= empty
    ]
    first = check.alternatives[0] if check.alternatives else None
    if enough:
        assert first is not None
        assert len(first.add) + len(first.remove) == 1
    elif first is not None:
        assert len(first.add) + len(first.remove) > 1


@many
@given(selections())
def test_available_options_break_nothing_and_blocked_ones_do(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    wrong, held = broken(world, trim, codes, selection.market), car(world, trim, codes, selection.market)
    for option in check.options:
        group = world.option_groups[world.options[option.code].group]
        assert (option.state in ("SELECTED", "FORCED")) == (option.code in held)
        assert set(option.blocked_by) <= held
        if option.state in ("SELECTED", "FORCED"):
            continue
        rivals = in_group(world, set(trim.options), group.code) if group.cardinality != "ANY" else set()
        more = broken(world, trim, codes - rivals | {option.code}, selection.market) - wrong
        if option.state == "AVAILABLE":
            assert not more
        elif not wrong:  # a rule broken before may break in another way as well
            assert more


@many
@given(selections())
def test_price_lines_add_up_and_contain_thirteen_percent_tax(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    charged = [line.amount.amount_minor for line in check.price_lines if line.kind != "TAX"]
    (tax,) = [line.amount.amount_minor for line in check.price_lines if line.kind == "TAX"]
    assert check.total.amount_minor == sum(charged) == price(world, trim, codes, selection.market)
    assert abs(tax * 113 - sum(charged) * 13) <= 113 * len(charged)  # each line is rounded to a fen
    assert all(isinstance(amount, int) for amount in [*charged, tax])


@many
@given(selections())
def test_the_hash_is_of_the_car_and_not_of_how_it_was_picked(selection: Selection) -> None:
    world, trim, codes, check = checked(selection)
    strangers = [code for code in selection.options if code not in trim.options]
    whole = sorted(car(world, trim, codes, selection.market) & trim.options.keys(), reverse=True)
    again = estate().check(
        Selection(
            trim_code=trim.id,
            options=whole + strangers,
            packages=selection.packages[::-1],
            market=selection.market,
        )
    )
    assert again is not None
    assert again.configuration_hash == check.configuration_hash


def test_every_trim_can_be_built_complete_with_its_default_options_at_its_own_price() -> None:
    for trim in estate().world.trims.values():
        check = estate().check(Selection(trim_code=trim.id, options=list(trim.default_options)))
        assert check is not None
        assert (check.is_buildable, check.is_complete) == (True, True)
        assert (check.conflicts, check.alternatives) == ([], [])
        assert check.total.amount_minor == trim.price_fen
        assert (check.delivery is None) == (trim.availability == "SOLD_OUT")


def test_orders_and_checks_agree_on_the_hash_of_a_configuration() -> None:
    for order in estate().world.vehicle_orders.values():
        built = order.configuration
        check = estate().check(
            Selection(trim_code=built.trim_id, options=list(built.options), packages=list(built.packages))
        )
        assert check is not None
        assert check.configuration_hash == built.hash


def test_a_rule_holds_in_its_market_only() -> None:
    default = list(estate().world.trims["A5-CORE"].default_options)
    home, abroad = (estate().check(Selection(trim_code="A5-CORE", options=default, market=m)) for m in ("CN", "HK"))
    assert home is not None
    assert home.is_buildable
    assert abroad is not None
    assert [conflict.options for conflict in abroad.conflicts] == [["L1L"], ["P1B"]]
    assert {code for alternative in abroad.alternatives for code in alternative.add} >= {"L5F", "Z1D"}


def test_an_option_that_a_rule_brings_along_is_forced_and_named_in_its_conflicts() -> None:
    default = estate().world.trims["A7-PLUS"].default_options
    check = estate().check(Selection(trim_code="A7-PLUS", options=[*default, "S9K"], last_picked="S9K"))
    assert check is not None
    states = {option.code: option.state for option in check.options}
    assert (check.is_buildable, states["Z3A"], states["S9K"]) == (True, "FORCED", "SELECTED")
    assert "Z3A" in [line.code for line in check.price_lines]


def test_a_check_of_the_biggest_trim_is_little_work() -> None:
    world = estate().world
    trim = max(world.trims.values(), key=lambda t: len(t.options))
    hard = Selection(trim_code=trim.id, options=[*trim.default_options, "I5R", "E1B", "W20S"], last_picked="I5R")
    estate().check(hard)
    with counted_calls() as calls:
        estate().check(hard)
    assert calls() < 50_000
