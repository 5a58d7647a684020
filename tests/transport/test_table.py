"""The table of upstreams and what is written of it, held against the code."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import adapters
from adapters.transport.operation import Audience, Effect, Operation
from bff.upstreams import UPSTREAMS

ROOT = Path(__file__).resolve().parents[2]


def operations() -> dict[str, list[Operation]]:
    """Every operation that an adapter declares, by its system."""
    found: dict[str, list[Operation]] = {}
    for module in walk_packages(adapters.__path__, "adapters."):
        system = module.name.split(".")[1]
        values = vars(import_module(module.name)).values()
        found.setdefault(system, []).extend(value for value in values if isinstance(value, Operation))
    return found


def test_operations_that_the_table_names_are_those_of_their_system() -> None:
    declared = operations()
    for name, policy in UPSTREAMS.items():
        assert set(policy.operations) <= {operation.name for operation in declared[name]}, name


def test_only_public_reads_are_kept_and_each_kept_answer_can_be_forgotten() -> None:
    kept = [operation for several in operations().values() for operation in several if operation.cache is not None]
    assert len(kept) >= 10
    for operation in kept:
        assert operation.cache is not None
        assert (operation.audience, operation.effect) == (Audience.PUBLIC, Effect.READ)
        assert operation.cache.tags


def test_systems_of_record_are_capped_exactly() -> None:
    for name in ("dms", "mes", "erp", "otd"):
        policy = UPSTREAMS[name]
        assert policy.shared
        assert policy.connections is not None
    assert UPSTREAMS["dms"].connections == 10


def test_every_test_that_the_documentation_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "resilience.md").read_text()))
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert named
    assert not named - written


def test_every_word_of_the_table_is_explained() -> None:
    said = (ROOT / "docs" / "resilience.md").read_text()
    for word in UPSTREAMS["dms"].__struct_fields__:
        assert word in ("offset", "title") or f"`{word}`" in said, word
