"""Who we are at Stripe, and whose notifications we believe (docs/payments-stripe.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from .development import SECRET_KEY, SIGNING_SECRET
from .stripe_wire import API_VERSION

SECRET_KEY_NAME = "BFF_STRIPE_SECRET_KEY"  # noqa: S105 - the variable's name
SIGNING_SECRETS_NAME = "BFF_STRIPE_WEBHOOK_SECRETS"
_LIVE, _TEST = ("sk_live_", "rk_live_"), ("sk_test_", "rk_test_")


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`signing_secrets`: of the webhook endpoint, several while one is being replaced. Neither they nor the key are in
    `repr`. `return_url`: where Stripe's page sends the customer afterwards; it proves nothing. `account`: ours, where
    events name one (Stripe Connect); else an event that names one is another's.
    """

    secret_key: str
    signing_secrets: tuple[str, ...]
    return_url: str
    account: str | None = None
    api_version: str = API_VERSION

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return self.secret_key.startswith(_LIVE)

    def __repr__(self) -> str:
        mode = "live" if self.live else "test"
        return f"StripeSettings({mode}, {len(self.signing_secrets)} signing secrets, {self.return_url})"


def read_stripe_settings(
    env: Mapping[str, str], *, production: bool, public_url: str, problems: list[str]
) -> StripeSettings | None:
    """None: no cards over Stripe. Adds to `problems` a sentence for each variable that is wrong."""
    key = _secret(env, SECRET_KEY_NAME, problems)
    secrets = _secret(env, SIGNING_SECRETS_NAME, problems)
    if key is None and secrets is None and production:
        _check_nothing_else(env, problems)
        return None
    if not production:
        key, secrets = key or SECRET_KEY, secrets or SIGNING_SECRET
    key, signing = key or "", tuple((secrets or "").split())
    _check_key(env, key, production, problems)
    if not signing:
        problems.append(f"{SIGNING_SECRETS_NAME} is missing: {SECRET_KEY_NAME} needs it.")
    if any(not secret.startswith("whsec_") or not secret.isascii() for secret in signing):
        problems.append(f"{SIGNING_SECRETS_NAME} are signing secrets of a webhook endpoint: each begins with whsec_.")
    if production and SIGNING_SECRET in signing:
        problems.append(f"{SIGNING_SECRETS_NAME} names the sandbox's: in production it is your endpoint's own.")
    return StripeSettings(
        secret_key=key,
        signing_secrets=signing,
        return_url=_return_url(env, production, public_url, problems),
        account=env.get("BFF_STRIPE_ACCOUNT") or None,
    )


def _check_key(env: Mapping[str, str], key: str, production: bool, problems: list[str]) -> None:
    test_mode = env.get("BFF_STRIPE_TEST_MODE", "0")
    if test_mode not in ("0", "1"):
        problems.append(f"BFF_STRIPE_TEST_MODE is 0 or 1, not {test_mode!r}.")
    if not key:
        problems.append(f"{SECRET_KEY_NAME} is missing: {SIGNING_SECRETS_NAME} needs it.")
    elif not key.startswith(_LIVE + _TEST) or not key.isascii() or not key.isprintable() or " " in key:
        problems.append(f"{SECRET_KEY_NAME} is a secret or restricted key: it begins with sk_ or rk_, live_ or test_.")
    elif production and key == SECRET_KEY:
        problems.append(f"{SECRET_KEY_NAME} is the sandbox's: in production it is your account's own.")
    elif production and key.startswith(_TEST) and test_mode != "1":
        problems.append(f"{SECRET_KEY_NAME} is a test key, which takes no money. BFF_STRIPE_TEST_MODE=1 allows it.")
    elif not production and key.startswith(_LIVE):
        problems.append(f"{SECRET_KEY_NAME} is a live key, which takes real money: in development use a test key.")


def _check_nothing_else(env: Mapping[str, str], problems: list[str]) -> None:
    """A misspelt name of the key must not switch cards off in silence."""
    said = sorted(name for name in env if name.startswith("BFF_STRIPE_") and name != "BFF_STRIPE_URL")
    if said:
        problems.append(f"{SECRET_KEY_NAME} is missing: {', '.join(said)} need it.")


def _return_url(env: Mapping[str, str], production: bool, public_url: str, problems: list[str]) -> str:
    said = env.get("BFF_STRIPE_RETURN_URL", public_url)
    parts = urlsplit(said)
    if parts.scheme not in (("https",) if production else ("http", "https")) or not parts.netloc or parts.fragment:
        kind = "an https address" if production else "an http or https address"
        problems.append(f"BFF_STRIPE_RETURN_URL is {kind} without a fragment, not {said!r}.")
    return said


def _secret(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """The variable itself, or the content of the file that `…_FILE` names."""
    path = env.get(f"{name}_FILE")
    if path is None:
        return env.get(name) or None
    if name in env:
        problems.append(f"{name} and {name}_FILE: give one of them.")
    try:
        return Path(path).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        problems.append(f"{name}_FILE cannot be read: {said}.")
        return None
