"""Who we are at Stripe: every mistake in it is told in a sentence, and no secret is."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.stripe import development
from adapters.stripe.settings import StripeSettings, read_stripe_settings
from adapters.stripe.stripe_wire import API_VERSION
from sandbox.stripe import keys, webhooks

KEY, SECRETS = "BFF_STRIPE_SECRET_KEY", "BFF_STRIPE_WEBHOOK_SECRETS"
GOOD = {KEY: "rk_live_1", SECRETS: "whsec_new whsec_old"}


def read(env: dict[str, str], *, production: bool = True) -> tuple[StripeSettings | None, list[str]]:
    problems: list[str] = []
    settings = read_stripe_settings(env, production=production, public_url="https://shop.test", problems=problems)
    return settings, problems


def test_sandbox_knows_our_development_keys() -> None:
    assert (keys.SECRET_KEY, keys.SIGNING_SECRET) == (development.SECRET_KEY, development.SIGNING_SECRET)
    assert webhooks.API_VERSION == API_VERSION


def test_production_without_a_word_of_stripe_has_none() -> None:
    assert read({}) == (None, [])
    assert read({"BFF_STRIPE_URL": "https://api.stripe.com"}) == (None, [])


def test_production() -> None:
    settings, problems = read(GOOD | {"BFF_STRIPE_ACCOUNT": "acct_1", "BFF_STRIPE_RETURN_URL": "https://a.test/x"})
    assert problems == []
    assert settings == StripeSettings(
        secret_key="rk_live_1",
        signing_secrets=("whsec_new", "whsec_old"),
        return_url="https://a.test/x",
        account="acct_1",
    )
    assert settings.live


def test_development_uses_the_sandbox() -> None:
    settings, problems = read({}, production=False)
    assert problems == []
    assert settings is not None
    assert not settings.live
    assert settings.secret_key == development.SECRET_KEY
    assert settings.return_url == "https://shop.test"


def test_secrets_from_files(tmp_path: Path) -> None:
    key, secrets = tmp_path / "key", tmp_path / "secrets"
    key.write_text("sk_live_1\n")
    secrets.write_text("whsec_new\nwhsec_old\n")
    settings, problems = read({f"{KEY}_FILE": str(key), f"{SECRETS}_FILE": str(secrets)})
    assert problems == []
    assert settings is not None
    assert (settings.secret_key, settings.signing_secrets) == ("sk_live_1", ("whsec_new", "whsec_old"))


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({KEY: "rk_live_1"}, SECRETS),
        ({SECRETS: "whsec_1"}, KEY),
        ({"BFF_STRIPE_ACCOUNT": "acct_1"}, KEY),
        ({"BFF_STRIPE_SECRETKEY": "sk_live_1"}, KEY),
        (GOOD | {KEY: "pk_live_1"}, KEY),
        (GOOD | {KEY: "sk_live_1\nx"}, KEY),
        (GOOD | {KEY: "sk_live_é"}, KEY),
        (GOOD | {KEY: "sk_test_1"}, "BFF_STRIPE_TEST_MODE"),
        (GOOD | {KEY: development.SECRET_KEY}, "sandbox"),
        (GOOD | {KEY: development.SECRET_KEY, "BFF_STRIPE_TEST_MODE": "1"}, "sandbox"),
        (GOOD | {SECRETS: "secret"}, SECRETS),
        (GOOD | {SECRETS: "whsec_1 secret"}, SECRETS),
        (GOOD | {SECRETS: f"whsec_1 {development.SIGNING_SECRET}"}, "sandbox"),
        (GOOD | {"BFF_STRIPE_TEST_MODE": "yes"}, "BFF_STRIPE_TEST_MODE"),
        (GOOD | {"BFF_STRIPE_RETURN_URL": "http://shop.test"}, "BFF_STRIPE_RETURN_URL"),
        (GOOD | {"BFF_STRIPE_RETURN_URL": "https://shop.test/#x"}, "BFF_STRIPE_RETURN_URL"),
        (GOOD | {"BFF_STRIPE_RETURN_URL": "shop.test"}, "BFF_STRIPE_RETURN_URL"),
        (GOOD | {f"{KEY}_FILE": "/nowhere"}, f"{KEY}_FILE"),
    ],
)
def test_mistakes_are_named(env: dict[str, str], named: str) -> None:
    _, problems = read(env)
    assert any(named in problem for problem in problems), problems
    assert all(secret not in problem for problem in problems for secret in ("sk_live_1", "whsec_1", "pk_live_1"))


def test_test_mode_in_production_is_asked_for() -> None:
    settings, problems = read(GOOD | {KEY: "sk_test_1", "BFF_STRIPE_TEST_MODE": "1"})
    assert problems == []
    assert settings is not None
    assert not settings.live


def test_live_key_is_not_for_development() -> None:
    _, problems = read({KEY: "sk_live_1"}, production=False)
    assert [KEY in problem for problem in problems] == [True]
