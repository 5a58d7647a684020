"""Who we are to Alipay, and by which keys we know each other (docs/payments-alipay.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from adapters.alipay import development
from adapters.alipay.signing import read_private_key, read_public_keys

T = TypeVar("T")

NOTIFY_PATH = "/payments/notifications/alipay"
"""Where Alipay's notifications arrive, below the address by which the world reaches us."""

_MOST_ADDRESS = 256  # of a notify_url (Alipay, common parameters)
APP_ID, SELLER_ID, PRIVATE_KEY, PUBLIC_KEYS = (
    "BFF_ALIPAY_APP_ID", "BFF_ALIPAY_SELLER_ID", "BFF_ALIPAY_PRIVATE_KEY", "BFF_ALIPAY_PUBLIC_KEYS",
)  # fmt: skip
NOTIFY_URL, RETURN_URL = "BFF_ALIPAY_NOTIFY_URL", "BFF_ALIPAY_RETURN_URL"
NAMES = (APP_ID, SELLER_ID, PRIVATE_KEY, PUBLIC_KEYS)


class AlipaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`seller_id` is our account (2088…). Any of `alipay_keys` is believed. A browser ends at `return_url`."""

    app_id: str
    seller_id: str
    private_key: RSAPrivateKey
    alipay_keys: tuple[RSAPublicKey, ...]
    notify_url: str
    return_url: str | None = None


def read_alipay_settings(
    env: Mapping[str, str], *, production: bool, public_url: str, problems: list[str]
) -> AlipaySettings | None:
    """None: Alipay is not used. Adds to `problems` a sentence for each variable that is wrong or missing."""
    before = len(problems)
    said = {name: value for name in NAMES if (value := _value(env, name, problems)) is not None}
    notify_url = _address(env, NOTIFY_URL, production, problems) or f"{public_url.rstrip('/')}{NOTIFY_PATH}"
    return_url = _address(env, RETURN_URL, production, problems)
    if not said and len(problems) == before:
        return None if production else development_settings(notify_url, return_url)
    problems += [
        f"{name} is missing: Alipay needs it." for name in NAMES if name not in said and not _is_set(env, name)
    ]
    private_key = _read(said, PRIVATE_KEY, read_private_key, problems)
    alipay_keys = _read(said, PUBLIC_KEYS, read_public_keys, problems)
    if len(problems) > before or private_key is None or alipay_keys is None:
        return None
    settings = AlipaySettings(
        app_id=said[APP_ID].strip(), seller_id=said[SELLER_ID].strip(), private_key=private_key,
        alipay_keys=alipay_keys, notify_url=notify_url, return_url=return_url,
    )  # fmt: skip
    if production:
        _refuse_development(settings, problems)
    return settings if len(problems) == before else None


def development_settings(notify_url: str, return_url: str | None = None) -> AlipaySettings:
    """Who we are to the sandbox."""
    return AlipaySettings(
        app_id=development.APP_ID,
        seller_id=development.SELLER_ID,
        private_key=read_private_key(development.PRIVATE_KEY),
        alipay_keys=read_public_keys(development.ALIPAY_PUBLIC_KEY),
        notify_url=notify_url,
        return_url=return_url,
    )


def _refuse_development(settings: AlipaySettings, problems: list[str]) -> None:
    ours = development_settings(settings.notify_url)
    public = [key.public_numbers() for key in settings.alipay_keys]
    for name, is_ours in {
        APP_ID: settings.app_id == ours.app_id,
        SELLER_ID: settings.seller_id == ours.seller_id,
        PRIVATE_KEY: settings.private_key.private_numbers() == ours.private_key.private_numbers(),
        PUBLIC_KEYS: ours.alipay_keys[0].public_numbers() in public,
    }.items():
        if is_ours:
            problems.append(f"{name} is the sandbox's, which anybody knows: in production it is your own.")
    if urlsplit(settings.notify_url).scheme != "https":
        problems.append(f"{NOTIFY_URL} begins with https:// in production.")


def _is_set(env: Mapping[str, str], name: str) -> bool:
    return name in env or f"{name}_FILE" in env


def _value(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """The variable, or what is in the file that `<name>_FILE` names."""
    path = env.get(f"{name}_FILE")
    if path is None:
        value = env.get(name)
    elif name in env:
        problems.append(f"{name} and {name}_FILE are both set: set one of them.")
        return None
    else:
        try:
            value = Path(path).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append(f"{name}_FILE cannot be read: {said}.")
            return None
    if value is not None and not value.strip():
        problems.append(f"{name} is empty.")
        return None
    return value


def _read(said: Mapping[str, str], name: str, read: Callable[[str], T], problems: list[str]) -> T | None:
    if name not in said:
        return None
    try:
        return read(said[name])
    except ValueError as error:
        problems.append(f"{name} cannot be used: {error}.")
        return None


def _address(env: Mapping[str, str], name: str, production: bool, problems: list[str]) -> str | None:
    said = env.get(name)
    if said is None:
        return None
    parts = urlsplit(said)
    schemes = ("https",) if production else ("http", "https")
    if parts.scheme not in schemes or not parts.netloc or parts.username is not None or len(said) > _MOST_ADDRESS:
        problems.append(f"{name} is an {' or '.join(schemes)} address of at most {_MOST_ADDRESS} characters.")
    return said
