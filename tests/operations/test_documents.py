"""Manifests of both kinds, whose they are, and what happens when they change or break."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bff.operations.documents import LOOK_AGAIN_SECONDS, TrustedDocuments
from bff.operations.manifests import ManifestError, ManifestOperation, digest, read_manifest, write_manifest

ANYBODY = ("unknown", "0")


def apollo(**bodies: str) -> bytes:
    return write_manifest(ManifestOperation(digest(body), name, "query", body) for name, body in bodies.items())


def write(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(body)
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self) -> None:
        self.now += LOOK_AGAIN_SECONDS


def test_apollo_manifest_is_written_as_it_is_read() -> None:
    written = json.loads(apollo(B="query B{b}", A="query A{a}"))
    assert written["format"] == "apollo-persisted-query-manifest"
    assert written["version"] == 1
    assert [each["name"] for each in written["operations"]] == ["A", "B"]
    assert written["operations"][0] == {
        "id": digest("query A{a}"),
        "name": "A",
        "type": "query",
        "body": "query A{a}",
    }
    assert read_manifest(json.dumps(written).encode(), "x")[digest("query A{a}")].text == "query A{a}"


def test_digest_is_that_of_the_appendix() -> None:
    """GraphQL over HTTP, appendix A: its two examples of SHA256 hex document identifiers."""
    assert digest("query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}") == (
        "7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e"
    )
    assert digest("query($id:ID!){user(id:$id){name}}") == (
        "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"
    )


def test_relay_file_is_found_by_its_ids_and_by_digest() -> None:
    documents = read_manifest(b'{"3be4abb81fa595e25eb725b2c6a87508": "query A{a}"}', "x")
    assert documents["3be4abb81fa595e25eb725b2c6a87508"].text == "query A{a}"
    assert documents[digest("query A{a}")].text == "query A{a}"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"a": 1}', b'{"format": "other", "version": 1, "operations": []}',
     b'{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}',
     b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "1"}]}',
     b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations":'
     b' [{"id":"1","name":"A","type":"query","body":"a"},{"id":"1","name":"B","type":"query","body":"b"}]}'],
)  # fmt: skip
def test_manifest_that_is_none_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(ManifestError, match=r"shop\.json"):
        read_manifest(body, "shop.json")


def test_client_finds_what_is_its_own_its_versions_and_everybodys(tmp_path: Path) -> None:
    write(tmp_path / "all.json", apollo(All="query All{a}"))
    write(tmp_path / "app" / "any.json", apollo(App="query App{a}"))
    write(tmp_path / "app" / "2.0" / "m.json", apollo(New="query New{a}"))
    documents = TrustedDocuments([str(tmp_path)])

    def found(client: tuple[str, str]) -> set[str]:
        texts = {"query All{a}", "query App{a}", "query New{a}"}
        by_text = {text for text in texts if documents.by_text(text, client)}
        assert by_text == {text for text in texts if documents.by_id(digest(text), client)}
        return {text.split("{")[0].split()[1] for text in by_text}

    assert found(ANYBODY) == {"All"}
    assert found(("app", "1.0")) == {"All", "App"}
    assert found(("app", "2.0")) == {"All", "App", "New"}
    assert {document.name for document in documents} == {"All", "App", "New"}


def test_entry_names_client_and_version_before_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a-1.json", apollo(A="query A{a}"))
    write(tmp_path / "b.json", apollo(B="query B{b}"))
    documents = TrustedDocuments([f"mini@3={tmp_path}/a-*.json", f"mini={tmp_path}/b.json"])
    assert documents.by_text("query A{a}", ("mini", "3"))
    assert documents.by_text("query B{b}", ("mini", "3"))
    assert not documents.by_text("query A{a}", ("mini", "4"))
    assert documents.by_text("query B{b}", ("mini", "4"))
    assert not documents.by_text("query B{b}", ANYBODY)


def test_changed_manifest_is_read_again_and_an_added_one_found(tmp_path: Path) -> None:
    clock = Clock()
    write(tmp_path / "m.json", apollo(A="query A{a}"))
    documents = TrustedDocuments([str(tmp_path)], clock=clock)
    assert documents.by_text("query A{a}", ANYBODY)
    clock.pass_by()
    write(tmp_path / "m.json", apollo(B="query B{b}"))
    write(tmp_path / "n.json", apollo(C="query C{c}"))
    assert documents.by_text("query B{b}", ANYBODY)
    assert documents.by_text("query C{c}", ANYBODY)
    assert not documents.by_text("query A{a}", ANYBODY)


@pytest.mark.parametrize("harm", [b"{", b"", b'{"x": ["not text"]}'])
def test_broken_change_leaves_what_was_good(tmp_path: Path, harm: bytes, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    file = write(tmp_path / "m.json", apollo(A="query A{a}"))
    documents = TrustedDocuments([str(file)], clock=clock)
    clock.pass_by()
    write(file, harm)
    assert documents.by_text("query A{a}", ANYBODY)
    assert "m.json" in caplog.text
    clock.pass_by()
    write(file, apollo(B="query B{b}"))
    assert documents.by_text("query B{b}", ANYBODY)


def test_manifest_that_vanishes_for_a_moment_leaves_what_was_good(tmp_path: Path) -> None:
    clock = Clock()
    file = write(tmp_path / "m.json", apollo(A="query A{a}"))
    documents = TrustedDocuments([str(file)], clock=clock)
    file.unlink()
    clock.pass_by()
    assert documents.by_text("query A{a}", ANYBODY)


def test_one_id_for_two_documents_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b'{"1": "query A{a}"}')
    write(tmp_path / "b.json", b'{"1": "query B{b}"}')
    with pytest.raises(ManifestError, match="the id 1"):
        TrustedDocuments([str(tmp_path)])


def test_no_manifest_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No manifest"):
        TrustedDocuments([str(tmp_path / "*.json")])
