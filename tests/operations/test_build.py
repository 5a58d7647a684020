"""`bff documents` trusts what fits schema and limits, says what does not, and writes nothing then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from graphql import parse

from bff.cli import main
from bff.operations.manifests import digest, read_manifest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "operations"


def documents(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["documents", *map(str, arguments)])


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.graphql").write_text(text)
    return folder


def test_examples_become_a_manifest_of_their_own_texts(tmp_path: Path) -> None:
    out = tmp_path / "manifest.json"
    result = documents(EXAMPLES, "-o", out)
    assert result.exit_code == 0, result.output
    files = sorted(EXAMPLES.glob("*.graphql"))
    operations = json.loads(out.read_bytes())["operations"]
    assert [each["name"] for each in operations] == [file.stem for file in files]
    for each, file in zip(operations, files, strict=True):
        assert each["body"] == file.read_text()
        assert each["id"] == digest(file.read_text())
        assert f"{each['id'][:12]}  cost" in result.output


def test_manifest_is_checked_as_operations_are_and_comes_out_the_same(tmp_path: Path) -> None:
    out = tmp_path / "manifest.json"
    documents(EXAMPLES, "-o", out)
    again = documents(out)
    assert again.exit_code == 0
    assert again.output.encode() == out.read_bytes()


def test_relay_file_is_taken_too(tmp_path: Path) -> None:
    (tmp_path / "relay.json").write_text('{"md5": "query Kind { viewer { kind } }"}')
    assert "Kind" in documents(tmp_path / "relay.json").output


def test_fragments_of_other_files_are_written_into_each_operation(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="query A { viewer { ...Who } } query B { viewer { ...Who kind } }",
        who="fragment Who on Viewer { kind ...Store } fragment Store on Viewer { store { name } }",
    )
    result = documents(tmp_path)
    assert result.exit_code == 0, result.output
    found = read_manifest(result.output.encode(), "output")
    assert len(found) == 2
    for document in found.values():
        assert len(parse(document.text).definitions) == 3


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a": "query A {\n  nope\n}"}, "a.graphql:2: A: Cannot query field 'nope'"),
        ({"a": "query A { viewer {"}, "a.graphql:1: Syntax Error"),
        ({"a": "{ viewer { kind } }"}, "every operation has a name"),
        ({"a": "query A { __schema { types { name } } }"}, "Introspection is off"),
        ({"a": "query A { products(first: 5000) { edges { cursor } } }"}, "at most 1000 entries"),
        ({"a": "query A { " + "viewer { kind } " * 21 + "}"}, "at most 20 fields at its root"),
        ({"a": "query A { viewer { kind } }", "b": "query A { viewer { store { name } } }"}, "names are unique"),
        (
            {"a": "query A { ...F } fragment F on Query { a }", "b": "fragment F on Query { b }"},
            "another fragment F",
        ),
        ({"a": "query A { " + "a { " * 2_000}, "a.graphql"),
    ],
)  # fmt: skip
def test_what_cannot_be_trusted_is_named_with_its_file(tmp_path: Path, texts: dict[str, str], said: str) -> None:
    result = documents(write(tmp_path, **texts), "-o", tmp_path / "manifest.json")
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "manifest.json").exists()


def test_limits_of_the_deployment_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFF_LIMITS", '{"cost": 100}')
    result = documents(EXAMPLES / "AppHome.graphql")
    assert result.exit_code == 1
    assert "costs at most 100" in result.output
