"""Who may send documents of their own, and how many texts are remembered."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bff.execution import InvalidOperation
from bff.operations.documents import TrustedDocuments
from bff.operations.manifests import digest
from bff.operations.persisted import Finder, PersistedQueries
from bff.profiles import PROFILES, Profile

CLIENT = ("app", "1")
PRODUCTION, DEVELOPMENT = PROFILES["production"], PROFILES["development"]


def finder(profile: Profile, tmp_path: Path) -> Finder:
    (tmp_path / "relay.json").write_text('{"abc": "query A { a }"}')
    return Finder(profile, TrustedDocuments([str(tmp_path / "relay.json")]))


def test_service_caller_may_send_a_document_of_its_own_in_production(tmp_path: Path) -> None:
    found = finder(PRODUCTION, tmp_path).find("{ b }", None, None, CLIENT, may_choose=True)
    assert found is not None
    assert not found.is_trusted
    with pytest.raises(InvalidOperation):
        finder(PRODUCTION, tmp_path).find("{ b }", None, None, CLIENT, may_choose=False)


def test_id_of_the_manifest_is_an_id(tmp_path: Path) -> None:
    found = finder(PRODUCTION, tmp_path).find(None, "abc", None, CLIENT, may_choose=False)
    assert found is not None
    assert (found.text, found.document_id, found.is_trusted) == ("query A { a }", "abc", True)


def test_request_that_names_nothing_finds_nothing(tmp_path: Path) -> None:
    assert finder(DEVELOPMENT, tmp_path).find(None, None, {"other": 1}, CLIENT, may_choose=False) is None


def test_persisted_query_is_not_found_by_who_may_only_run_trusted_ones(tmp_path: Path) -> None:
    both = finder(msgspec.structs.replace(PRODUCTION, apq=True), tmp_path)
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest("{ b }")}}
    named = both.find("{ b }", None, extensions, CLIENT, may_choose=True)
    assert named is not None
    both.keep(named)
    assert both.find(None, None, extensions, CLIENT, may_choose=True) is not None
    with pytest.raises(InvalidOperation, match="PersistedQueryNotFound"):
        both.find(None, None, extensions, CLIENT, may_choose=False)


def test_memory_of_texts_is_bounded_and_forgets_the_least_used() -> None:
    kept = PersistedQueries(most=2)
    kept.keep("a", "A")
    kept.keep("b", "B")
    assert kept.get("a") == "A"
    kept.keep("c", "C")
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("A", None, "C")
