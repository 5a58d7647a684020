"""graphql-core's own execution tests, from its source distribution, run on compiled plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import graphql
import pytest

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "conformance"
TREE = CACHE / "graphql_core-3.3.2"
# The tests of the release that is locked, as source, and the plugin that they are written for.
SOURCE = "graphql-core==3.3.2 --hash=sha256:15d6eee7d4364fbc202833bc6bd0d504004d8ae7c0aaf620fa884d8e437622f2"
PLUGIN = "pytest-describe==3.2.0 --hash=sha256:ea4ef9968145d017847b0e705d058b1ea35ea35c59b5adf4a34378c418ac455a"


def _pip(requirement: str, *arguments: str) -> str:
    """What went wrong, or nothing. pip itself checks the hash."""
    wanted = CACHE / "requirement.txt"
    wanted.write_text(requirement)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    command += ["--no-deps", "--require-hashes", "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.stderr if done.returncode else ""


def _fetch() -> None:
    """The sdist's tests and their plugin, kept between runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    problem = ""
    if not (TREE / "tests").exists():
        problem = _pip(SOURCE, "download", "--no-binary", "graphql-core", "-d", str(CACHE))
        archive = CACHE / f"{TREE.name}.tar.gz"
        if archive.exists():
            with tarfile.open(archive) as packed:
                packed.extractall(CACHE, filter="data")
    if not (CACHE / "plugins" / "pytest_describe").exists():
        problem += _pip(PLUGIN, "install", "--target", str(CACHE / "plugins"))
    if not (TREE / "tests").exists() or not (CACHE / "plugins" / "pytest_describe").exists():
        message = f"graphql-core's sdist or pytest-describe could not be fetched: {problem[-2000:]}"
        if os.environ.get("CI") or not _is_offline(problem):
            pytest.fail(message)
        pytest.skip(message)


def _is_offline(problem: str) -> bool:
    """Whether pip said that it reached nobody, rather than that what it reached is not right."""
    return any(sign in problem for sign in ("NewConnectionError", "NameResolutionError", "Network is unreachable"))


def test_graphql_core_own_execution_tests_pass_on_compiled_plans(tmp_path: Path) -> None:
    assert graphql.version == "3.3.2", "the suite must be of the release that runs"
    _fetch()
    summary = tmp_path / "summary.json"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(CACHE / "plugins"), str(Path(__file__).parent), str(ROOT)]),
        "CONFORMANCE_SUMMARY": str(summary),
    }
    command = [
        sys.executable, "-m", "pytest", "tests/execution", "-q", "-c", os.devnull, "--rootdir", ".",
        "-p", "conformance_plugin", "-p", "no:cacheprovider", "-W", "ignore", "-o", "faulthandler_timeout=60",
    ]  # fmt: skip
    # The suite has a package `tests` of its own, so the plugin is found beside this file, not inside ours.
    done = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counted = json.loads(summary.read_text())
    assert counted["compiled"] > 300, counted
