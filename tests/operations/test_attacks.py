"""Attacks are refused with a typed error, in about the time that their own length takes."""

from __future__ import annotations

from time import process_time

import pytest

from bff.execution import InvalidOperation
from bff.operations.registry import AdmittedPlans
from bff.profiles import PROFILES
from resolvers.schema import build_schema
from tests.operations.attacks import ATTACKS, doubled

ENOUGH_SECONDS = 0.05
"""Of processor time, so that a busy machine does not count; most take 1 to 6 ms on a quiet one."""


@pytest.fixture(scope="module")
def plans() -> AdmittedPlans:
    return AdmittedPlans(build_schema(), PROFILES["production"])


def refuse(plans: AdmittedPlans, document: str) -> tuple[dict[str, object], float]:
    """The error's extensions, and the least of three times in seconds."""
    times = []
    for _ in range(3):
        began = process_time()
        with pytest.raises(InvalidOperation) as refused:
            plans.plan(document)
        times.append(process_time() - began)
    (error,) = refused.value.errors
    return error.extensions or {}, min(times)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_fast_naming_limit_found_and_allowed(plans: AdmittedPlans, name: str) -> None:
    document, limit = ATTACKS[name]
    told, seconds = refuse(plans, document)
    assert told["code"] == "OPERATION_LIMIT_EXCEEDED"
    assert told["limit"] == limit
    assert isinstance(told["found"], int | float)
    assert isinstance(told["allowed"], int)
    assert told["found"] > told["allowed"]
    assert seconds < ENOUGH_SECONDS


def test_refused_document_is_not_kept(plans: AdmittedPlans) -> None:
    before = len(plans)
    refuse(plans, ATTACKS["101 aliases"][0])
    assert len(plans) == before


def test_doubling_once_more_costs_no_more(plans: AdmittedPlans) -> None:
    few, many = refuse(plans, doubled(15))[1], refuse(plans, doubled(60))[1]
    assert many < few * 20


@pytest.mark.parametrize(
    "document",
    [
        "{...A}fragment A on Query{...B}fragment B on Query{...A}",
        "{...A}fragment A on Query{viewer{...A ...A}}",
        "{__typename}fragment A on Query{...A}",
    ],
)
def test_cycle_of_fragments_is_named_and_not_walked(plans: AdmittedPlans, document: str) -> None:
    told, seconds = refuse(plans, document)
    assert told["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert seconds < ENOUGH_SECONDS


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
    began = process_time()
    with pytest.raises(InvalidOperation):
        plans.plan(document)
    assert process_time() - began < ENOUGH_SECONDS * 4


def test_lone_surrogate_in_a_document_is_an_error_of_the_document(plans: AdmittedPlans) -> None:
    with pytest.raises(InvalidOperation):
        plans.plan('{viewer(x:"\ud800")}')
