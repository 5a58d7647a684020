"""The rules of a pilot as truth tables, and what is said about an entry that is wrong."""

from __future__ import annotations

import pytest

from bff.pilots.plan import SERVICE_BOOKING, Facts, PilotPlan, PlanError, PlanHolder

ENTRY = """
service_booking = [
  {system = "booking", region = "SOUTH"},
  {system = "booking", region = "WEST", model = "V3", percent = 20},
  {system = "dms", brand = "VELA"},
]
"""
CUSTOMERS = [f"C{number:04d}" for number in range(1, 2001)]


def system(plan: PilotPlan, **facts: str) -> str:
    return plan.system(SERVICE_BOOKING, Facts(**facts))


def plan_of(*rules: dict[str, object]) -> PilotPlan:
    return PilotPlan.of({SERVICE_BOOKING: list(rules)})


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        ({}, {}, "booking"),
        ({"region": "SOUTH"}, {"region": "SOUTH"}, "booking"),
        ({"region": "SOUTH"}, {"region": "EAST"}, "dms"),
        ({"region": "SOUTH"}, {}, "dms"),
        ({"region": "SOUTH", "brand": "VELA"}, {"region": "SOUTH", "brand": "VELA"}, "booking"),
        ({"region": "SOUTH", "brand": "VELA"}, {"region": "SOUTH", "brand": "ASTER"}, "dms"),
        ({"region": "SOUTH", "brand": "VELA"}, {"region": "SOUTH"}, "dms"),
        ({"model": "V3"}, {"region": "EAST", "model": "V3"}, "booking"),
        ({"model": "V3"}, {"region": "EAST", "model": "A5"}, "dms"),
        ({"percent": 0}, {"subject": "C0001"}, "dms"),
        ({"percent": 100}, {}, "booking"),
        ({"percent": 99}, {}, "dms"),
    ],
)
def test_a_rule_fits_when_everything_that_it_names_is_so(
    rule: dict[str, object], facts: dict[str, str], expected: str
) -> None:
    assert system(plan_of({"system": "booking"} | rule), **facts) == expected


def test_the_first_rule_that_fits_decides() -> None:
    plan = plan_of({"system": "dms", "model": "E9"}, {"system": "booking", "region": "SOUTH"})
    assert system(plan, region="SOUTH", model="E9") == "dms"
    assert system(plan, region="SOUTH", model="A5") == "booking"


def test_without_rules_the_dealer_system_answers() -> None:
    assert system(PilotPlan(), region="SOUTH") == "dms"
    assert system(PilotPlan.parse("  \n"), region="SOUTH") == "dms"


def test_percent_chooses_about_that_part_of_customers() -> None:
    plan = plan_of({"system": "booking", "percent": 20})
    chosen = [customer for customer in CUSTOMERS if system(plan, subject=customer) == "booking"]
    assert 0.17 < len(chosen) / len(CUSTOMERS) < 0.23


def test_a_growing_percent_keeps_whom_it_had() -> None:
    few, many = (plan_of({"system": "booking", "percent": percent}) for percent in (20, 60))
    first = {customer for customer in CUSTOMERS if system(few, subject=customer) == "booking"}
    assert first < {customer for customer in CUSTOMERS if system(many, subject=customer) == "booking"}


def test_toml_and_json_say_the_same() -> None:
    toml = PilotPlan.parse(ENTRY)
    json = PilotPlan.parse(
        '{"service_booking": [{"system": "booking", "region": "SOUTH"}, {"system": "booking", "region": "WEST",'
        ' "model": "V3", "percent": 20}, {"system": "dms", "brand": "VELA"}]}'
    )
    assert toml.rules(SERVICE_BOOKING) == json.rules(SERVICE_BOOKING)
    assert PilotPlan.of(toml.as_json()).rules(SERVICE_BOOKING) == toml.rules(SERVICE_BOOKING)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('service_bookings = [{system = "booking"}]', "did you mean 'service_booking'?"),
        ('service_booking = {system = "booking"}', "service_booking is a list of rules"),
        ('service_booking = ["booking"]', "service_booking[0] is an object with a system"),
        ('service_booking = [{region = "SOUTH"}]', "service_booking[0].system is missing: one of dms, booking"),
        ('service_booking = [{system = "bookin"}]', "service_booking[0].system: 'bookin' is not known (did you mean"),
        ('service_booking = [{system = "dms"}, {system = "dms", regoin = "EAST"}]', "service_booking[1]: 'regoin'"),
        ('service_booking = [{system = "booking", percent = 120}]', "service_booking[0].percent: 120 is not a whole"),
        ('service_booking = [{system = "booking", percent = 2.5}]', "service_booking[0].percent: 2.5"),
        ('service_booking = [{system = "booking", percent = true}]', "service_booking[0].percent: True"),
        ('service_booking = [{system = "booking", region = ""}]', "service_booking[0].region: '' is not a word"),
        ('service_booking = [{system = "booking", history = "none"}]', "service_booking[0].history: 'none'"),
        ('service_booking = [{system = "booking", percent = 5, history = "own"}]', 'history = "own" needs percent 100'),
        ("service_booking = [", "neither TOML nor JSON"),
        ('{"service_booking": ', "neither TOML nor JSON"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(entry: str, said: str) -> None:
    with pytest.raises(PlanError) as refused:
        PilotPlan.parse(entry)
    assert said in str(refused.value)


CAR = {"region": "EAST", "brand": "ASTER", "model": "A5"}


@pytest.mark.parametrize(
    ("rules", "holders"),
    [
        ([], {"dms"}),
        ([{"system": "booking", "region": "EAST"}], {"dms", "booking"}),
        ([{"system": "booking", "region": "EAST", "history": "own"}], {"booking"}),
        ([{"system": "dms", "region": "EAST"}], {"dms", "booking"}),
        ([{"system": "dms", "region": "EAST", "history": "own"}], {"dms"}),
        ([{"system": "booking", "region": "SOUTH"}], {"dms", "booking"}),
        ([{"system": "booking", "region": "SOUTH", "history": "own"}], {"dms", "booking"}),
        ([{"system": "booking", "model": "V3"}], {"dms"}),
        ([{"system": "booking", "brand": "VELA"}], {"dms"}),
        ([{"system": "booking", "percent": 0}], {"dms", "booking"}),
    ],
)
def test_a_car_is_looked_for_wherever_it_may_have_been(rules: list[dict[str, object]], holders: set[str]) -> None:
    assert plan_of(*rules).systems_with_history(SERVICE_BOOKING, Facts(**CAR)) == holders


def test_a_swap_gives_back_the_plan_that_it_replaces() -> None:
    holder = PlanHolder()
    first, second = holder.plan, plan_of({"system": "booking"})
    assert holder.swap(second) is first
    assert holder.plan is second
