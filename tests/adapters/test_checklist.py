"""An upstream is finished when this list holds for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bff.upstreams import UPSTREAMS
from sandbox.estate import OFFSETS

ROOT = Path(__file__).resolve().parents[2]


def test_settings_and_sandbox_name_the_same_systems() -> None:
    assert {name: policy.offset for name, policy in UPSTREAMS.items()} == OFFSETS


@pytest.mark.parametrize("name", UPSTREAMS)
def test_upstream_has_all_that_an_upstream_needs(name: str) -> None:
    policy = UPSTREAMS[name]
    assert policy.timeout <= 10, "a call ends before its request's budget"
    assert (policy.connections or 0) >= 1, "a cap that the system bears"
    assert list((ROOT / "adapters" / name).glob("*_wire.py")), "a pure wire module"
    assert list((ROOT / "docs" / "contracts").glob(f"{name}.*")), "a contract"
    assert (ROOT / "sandbox" / name / "app.py").exists(), "a simulated twin"
    assert list((ROOT / "tests" / "adapters" / name).glob("test_*.py")), "request, reply, business error, broken reply"
    assert list((ROOT / "tests" / "sandbox").glob(f"test_{name}*.py")), "adapter against sandbox"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "contracts").glob("*.openapi.json")), ids=lambda path: path.stem
)
def test_operations_are_named_in_one_style(path: Path) -> None:
    ids = re.findall(r'"operationId": "([^"]+)"', path.read_text())
    assert ids
    assert [name for name in ids if not re.fullmatch(r"(?:[A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "adapters").glob("*/*_wire.py")), ids=lambda path: path.stem)
def test_wire_modules_are_pure(path: Path) -> None:
    source = path.read_text()
    assert "async def" not in source
    assert "Upstream(" not in source
    assert "import httpx" not in source
