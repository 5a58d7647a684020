"""Ways in besides the header of a request: none of them may name a caller that was not proved."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bff.cli import main
from bff.logins import read_login_settings
from bff.serving.websocket import _headers_in


def test_command_line_issues_no_token_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFF_MODE", "production")
    result = CliRunner().invoke(main, ["token", "--persona", "owner"])
    assert result.exit_code == 1
    assert "eyJ" not in result.output
    monkeypatch.setenv("BFF_MODE", "development")
    assert CliRunner().invoke(main, ["token", "--persona", "owner"]).output.startswith("eyJ")


def test_websocket_cannot_bring_a_certificate_in_its_first_message() -> None:
    forged = {"Client-Cert": ":forged:", "x-forwarded-client-cert": "Cert=forged", "Authorization": "Bearer t"}
    assert _headers_in({**forged, "headers": forged}) == {"authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "BFF_OIDC_ISSUER is missing."),
        ({"BFF_OIDC_ISSUER": "https://identity.sandbox.test"}, "names the sandbox"),
        ({"BFF_RIGHTS_MODE": "off"}, "BFF_RIGHTS_MODE is null or reject"),
        ({"BFF_OIDC_UNTYPED": "yes"}, "BFF_OIDC_UNTYPED is 0 or 1"),
        ({"BFF_OIDC_JWKS_URL": "file:///etc/passwd"}, "BFF_OIDC_JWKS_URL is an http or https address"),
        ({"BFF_DEVICE_CA": "/nowhere.pem"}, "BFF_DEVICE_CA cannot be read"),
        ({"BFF_WECHAT_SESSION_URL": "https://wechat.example/session"}, "BFF_WECHAT_APP_SECRET is missing"),
    ],
    ids=str,
)
def test_setting_that_is_wrong_is_named(environ: dict[str, str], problem: str) -> None:
    problems: list[str] = []
    read_login_settings(environ, production=True, identity_url="http://identity.example", problems=problems)
    assert any(problem in said for said in problems), problems


def test_production_takes_nothing_from_the_sandbox() -> None:
    problems: list[str] = []
    environ = {"BFF_OIDC_ISSUER": "https://login.example"}
    logins = read_login_settings(environ, production=True, identity_url="http://identity.example", problems=problems)
    assert problems == []
    assert (logins.jwks_url, logins.wechat, logins.untyped, logins.bound_devices) == (None, None, False, True)
