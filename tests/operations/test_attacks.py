"""Attacks are refused with a typed error, with about the work that their own length takes."""

from __future__ import annotations

import pytest

from bff.execution import InvalidOperation
from bff.operations.registry import AdmittedPlans
from bff.profiles import PROFILES
from resolvers.schema import build_schema
from tests.operations.attacks import ATTACKS, doubled
from tests.support import counted_calls

ENOUGH_CALLS = 60_000
"""Of functions, Python's and C's: the dearest takes 43,000, most less than ten thousand."""


@pytest.fixture(scope="module")
def plans() -> AdmittedPlans:
    return AdmittedPlans(build_schema(), PROFILES["production"])


def refuse(plans: AdmittedPlans, document: str) -> tuple[dict[str, object], int]:
    """The error's extensions, and how many calls it took."""
    with pytest.raises(InvalidOperation) as refused, counted_calls() as calls:
        plans.plan(document)
    (error,) = refused.value.errors
    return error.extensions or {}, calls()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_soon_naming_limit_found_and_allowed(plans: AdmittedPlans, name: str) -> None:
    document, limit = ATTACKS[name]
    told, calls = refuse(plans, document)
    assert told["code"] == "OPERATION_LIMIT_EXCEEDED"
    assert told["limit"] == limit
    assert isinstance(told["found"], int | float)
    assert isinstance(told["allowed"], int)
    assert told["found"] > told["allowed"]
    assert calls < ENOUGH_CALLS


def test_refused_document_is_not_kept(plans: AdmittedPlans) -> None:
    before = len(plans)
    refuse(plans, ATTACKS["101 aliases"][0])
    assert len(plans) == before


def test_doubling_once_more_costs_no_more(plans: AdmittedPlans) -> None:
    few, many = refuse(plans, doubled(15))[1], refuse(plans, doubled(60))[1]
    assert many < few * 5  # four times the fragments


@pytest.mark.parametrize(
    "document",
    [
        "{...A}fragment A on Query{...B}fragment B on Query{...A}",
        "{...A}fragment A on Query{viewer{...A ...A}}",
        "{__typename}fragment A on Query{...A}",
    ],
)
def test_cycle_of_fragments_is_named_and_not_walked(plans: AdmittedPlans, document: str) -> None:
    told, calls = refuse(plans, document)
    assert told["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert calls < ENOUGH_CALLS


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "{a{}}",
        "query",
        "{...Nobody}",
        "{viewer{...on Nobody{a}}}",
        '{a(x:"',
        '{a(x:"""',
        "fragment F on Query{__typename}",
    ],
)
def test_broken_document_is_a_graphql_error(plans: AdmittedPlans, document: str) -> None:
    with pytest.raises(InvalidOperation):
        plans.plan(document)


@pytest.mark.parametrize("document", ["{}", "{viewer{}}", "{viewer{...F}}fragment F on Viewer{}"])
def test_empty_selection_passes(plans: AdmittedPlans, document: str) -> None:
    assert plans.plan(document).kind.value == "query"


@pytest.mark.parametrize("escape", ['\\"', '\\"""', '"""', "\\", "\\u{61}"])
def test_string_that_never_ends_is_read_once(plans: AdmittedPlans, escape: str) -> None:
    document = '{viewer(x:"""' + escape * (32_000 // len(escape))
    assert refuse(plans, document)[1] < 1.5 * len(document)


def test_lone_surrogate_in_a_document_is_an_error_of_the_document(plans: AdmittedPlans) -> None:
    with pytest.raises(InvalidOperation):
        plans.plan('{viewer(x:"\ud800")}')
