"""The `bff` command: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet

from bff.cli import PERSONAS, main
from bff.upstreams import UPSTREAMS
from sandbox.identity.tokens import jwks

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in ("BFF_MODE", "BFF_PORT", "BFF_PUBLIC_URL", "BFF_OIDC_ISSUER", "BFF_HOST"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return CliRunner()


@pytest.mark.parametrize("persona", PERSONAS)
def test_token_prints_one_bearer_token_and_nothing_else(runner: CliRunner, persona: str) -> None:
    result = runner.invoke(main, ["token", "--persona", persona])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == 1
    keys = KeySet.import_key_set(cast("Any", jwks()))
    decoded = jwt.decode(lines[0], keys, algorithms=["ES256"])
    assert decoded.claims["aud"] == "bff"


def test_schema_on_disk_is_what_the_code_says(runner: CliRunner) -> None:
    result = runner.invoke(main, ["schema", "--check", str(ROOT / "schema.graphql")])
    assert result.exit_code == 0, result.output


def test_schema_that_differs_says_what_to_do(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "schema.graphql").write_text("type Query { nothing: String }")
    result = runner.invoke(main, ["schema", "--check", str(tmp_path / "schema.graphql")])
    assert result.exit_code == 1
    assert "make schema" in result.output


def test_serve_refuses_missing_settings_and_simulated_upstreams_by_name(runner: CliRunner) -> None:
    result = runner.invoke(main, ["serve"])
    assert result.exit_code == 2
    for name, policy in UPSTREAMS.items():
        assert (f"BFF_{name.upper()}_URL" in result.output) == (policy.address is None)
    for name in ("BFF_OIDC_ISSUER", "BFF_ADMISSION_KEYS", "BFF_PSEUDONYM_KEY"):
        assert name in result.output
    assert "BFF_PUBLIC_URL" in result.output


def test_doctor_names_every_upstream_and_says_that_it_is_down(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BFF_SANDBOX_PORT", "1")
    monkeypatch.setenv("BFF_ERP_URL", "http://127.0.0.1:9")
    result = runner.invoke(main, ["doctor", "--json"])
    assert result.exit_code == 1
    findings = {finding["name"]: finding for finding in json.loads(result.output)}
    assert findings.keys() == UPSTREAMS.keys()
    assert findings["erp"]["simulated"] is False
    assert findings["erp"]["address"] == "http://127.0.0.1:9"
    assert findings["dms"]["simulated"] is True
    assert {finding["state"] for finding in findings.values()} == {"UPSTREAM_UNAVAILABLE"}


def test_fault_on_a_system_that_does_not_run_says_what_to_do(runner: CliRunner) -> None:
    result = runner.invoke(main, ["sandbox", "fault", "dms", "maintenance", "--sandbox-port", "1"])
    assert result.exit_code == 1
    assert "make run" in result.output


def test_every_setting_is_documented() -> None:
    said = (ROOT / "docs" / "settings.md").read_text()
    code = (ROOT / "bff" / "settings.py").read_text()
    names = {word.strip('"(),') for word in code.split() if word.startswith('"BFF_')}
    names |= {f"BFF_{name.upper()}_URL" for name in UPSTREAMS}
    assert not [name for name in sorted(names) if name not in said]


def test_doctor_says_that_a_system_is_in_its_window_and_makes_no_call(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BFF_SANDBOX_PORT", "1")
    monkeypatch.setenv("BFF_DMS_WINDOWS", "00:00-23:59 UTC; 23:59-00:00 UTC")
    monkeypatch.setenv("BFF_ERP_WINDOWS", "nightly")
    refused = runner.invoke(main, ["doctor"])
    assert refused.exit_code == 1
    assert "BFF_ERP_WINDOWS" in refused.output
    monkeypatch.delenv("BFF_ERP_WINDOWS")
    result = runner.invoke(main, ["doctor", "--json", "--url", "http://127.0.0.1:1"])
    dms = next(finding for finding in json.loads(result.output) if finding["name"] == "dms")
    assert dms["state"] == "UPSTREAM_MAINTENANCE"
    assert dms["until"] is not None
    assert "until" in runner.invoke(main, ["doctor", "--url", "http://127.0.0.1:1"]).output


def test_purging_what_does_not_run_says_what_to_do(runner: CliRunner) -> None:
    result = runner.invoke(main, ["cache", "purge", "catalogue", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "make run" in result.output


def test_events_that_wait_are_told_and_unknown_ones_refused(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "set BFF_STATE_URL" in runner.invoke(main, ["events", "backlog"]).output
    monkeypatch.setenv("BFF_STATE_URL", f"sqlite:///{tmp_path}/state.sqlite3")
    told = runner.invoke(main, ["events", "backlog"])
    assert (told.exit_code, "orders: 0 wait, 0 orders parked" in told.output) == (0, True)
    assert "is not parked" in runner.invoke(main, ["events", "retry", "SO1"]).output
    assert "does not wait" in runner.invoke(main, ["events", "drop", "--yes", "insight", "nothing"]).output


def test_reconcile_of_an_empty_state_finds_nothing(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BFF_STATE_URL", f"sqlite:///{tmp_path}/state.sqlite3")
    done = runner.invoke(main, ["reconcile", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"payments": 0, "orders": 0, "findings": []}
