"""npm packages install once; what is checked in of them names no registry, what is shipped of them is permissive."""

import json
from pathlib import Path

import pytest

from tools.lint_schema import ROOT
from tools.nodejs import NodeToolError, ensure_npm, node_binary, npm

PERMISSIVE = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC", "MIT", "PSF-2.0"}
LOCKS = [lock for place in ("console", "tools/*", "tests/*/*") for lock in ROOT.glob(f"{place}/package-lock.json")]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that depends on nothing, so that installing it asks no registry."""
    description = {"name": "empty", "version": "1.0.0"}
    (tmp_path / "package.json").write_text(json.dumps(description))
    lock = {**description, "lockfileVersion": 3, "requires": True, "packages": {"": description}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    return tmp_path


def test_packages_are_installed_once_and_again_when_they_change(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_npm(package)
    assert "npm ci" in capsys.readouterr().err
    ensure_npm(package)
    assert capsys.readouterr().err == ""
    (package / ".npmrc").write_text("fund=false\n")
    ensure_npm(package)
    assert "npm ci" in capsys.readouterr().err


def test_a_package_without_a_lock_is_refused(package: Path) -> None:
    (package / "package-lock.json").unlink()
    with pytest.raises(NodeToolError, match=r"package-lock\.json is missing"):
        ensure_npm(package)


def test_a_failed_install_tells_what_npm_said_and_is_tried_again(package: Path) -> None:
    (package / "package.json").write_text('{"name": "empty", "version": "1.0.0", "dependencies": {"left": "1.0.0"}}')
    for _ in range(2):
        with pytest.raises(NodeToolError, match="npm ci"):
            ensure_npm(package)


def test_npm_runs_on_the_node_of_the_python_package(package: Path) -> None:
    done = npm(package, "exec", "--offline", "--call", "node --print process.execPath")
    assert Path(done.stdout.strip()) == node_binary()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_lock_names_no_registry(lock: Path) -> None:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_console_ships_permissive_packages_only() -> None:
    packages = json.loads((ROOT / "console" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {name for name, package in packages.items() if package.get("license") not in PERMISSIVE} == set()
