"""Settings of WeChat Pay: who we are there, by which keys, and whom we believe (docs/payments-wechatpay.md)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.wechatpay import development

PREFIX = "BFF_WECHATPAY_"
NAMES = (
    "MERCHANT_ID", "APP_ID", "MOBILE_APP_ID", "SERIAL", "PRIVATE_KEY", "PRIVATE_KEY_FILE", "API_KEYS", "API_KEYS_FILE",
    "PUBLIC_KEYS", "CERTIFICATES", "NOTIFY_URL",
)  # fmt: skip
NOTIFY_PATH = "/payments/notifications/wechatpay"
_REQUIRED = ("MERCHANT_ID", "APP_ID", "SERIAL")
_KEY_BYTES = 32


class WechatPaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`app_id` is the mini-program's (JSAPI, H5, NATIVE), `mobile_app_id` the app's (None: no APP scene).

    `public_keys`: the platform's, by PUB_KEY_ID_…; the first is the one that replies are asked to be signed with.
    `certificates`: platform certificates are fetched and believed as well. `api_keys`: API v3 keys, the newest first.
    """

    merchant_id: str
    app_id: str
    mobile_app_id: str | None
    serial: str
    private_key: rsa.RSAPrivateKey
    api_keys: tuple[bytes, ...]
    public_keys: Mapping[str, rsa.RSAPublicKey]
    certificates: bool
    notify_url: str

    def __repr__(self) -> str:
        """Without a key: settings end up in logs and tracebacks."""
        return f"WechatPaySettings(merchant_id={self.merchant_id!r}, public_keys={sorted(self.public_keys)!r}, …)"

    @property
    def app_ids(self) -> frozenset[str]:
        return frozenset({self.app_id, self.mobile_app_id} - {None})  # type: ignore[arg-type]  # None is taken out


def read_wechatpay_settings(
    env: Mapping[str, str], *, production: bool, public_url: str, problems: list[str]
) -> WechatPaySettings | None:
    """None: not configured. Adds to `problems` a sentence for each variable that is missing or wrong."""
    notify_url = env.get(PREFIX + "NOTIFY_URL", f"{public_url.rstrip('/')}{NOTIFY_PATH}")
    if not any(env.get(PREFIX + name) for name in NAMES if name != "NOTIFY_URL"):
        return None if production else development_settings(notify_url)
    problems += [f"{PREFIX}{name} is missing." for name in _REQUIRED if not env.get(PREFIX + name)]
    private_key = _private_key(env, problems)
    api_keys = _api_keys(env, problems)
    public_keys = _public_keys(env, problems)
    certificates = env.get(PREFIX + "CERTIFICATES", "0" if public_keys else "1")
    if certificates not in ("0", "1"):
        problems.append(f"{PREFIX}CERTIFICATES is 0 or 1, not {certificates!r}.")
    if certificates == "0" and not public_keys and not env.get(PREFIX + "PUBLIC_KEYS"):
        problems.append(f"{PREFIX}PUBLIC_KEYS is missing: with {PREFIX}CERTIFICATES=0 nothing could be verified.")
    _check_notify_url(notify_url, production, problems)
    if private_key is None or not api_keys:
        return None
    settings = WechatPaySettings(
        merchant_id=env.get(PREFIX + "MERCHANT_ID", ""),
        app_id=env.get(PREFIX + "APP_ID", ""),
        mobile_app_id=env.get(PREFIX + "MOBILE_APP_ID") or None,
        serial=env.get(PREFIX + "SERIAL", "").replace(":", "").upper(),
        private_key=private_key,
        api_keys=api_keys,
        public_keys=public_keys,
        certificates=certificates == "1",
        notify_url=notify_url,
    )
    if production:
        _refuse_development(settings, problems)
    return settings


def development_settings(notify_url: str) -> WechatPaySettings:
    """As the simulated WeChat Pay knows us."""
    private_key = load_der_private_key(base64.b64decode(development.MERCHANT_PRIVATE_KEY), None)
    public_key = load_der_public_key(base64.b64decode(development.PLATFORM_PUBLIC_KEY))
    assert isinstance(private_key, rsa.RSAPrivateKey)
    assert isinstance(public_key, rsa.RSAPublicKey)
    return WechatPaySettings(
        merchant_id=development.MERCHANT_ID,
        app_id=development.MINI_PROGRAM_APP_ID,
        mobile_app_id=development.MOBILE_APP_ID,
        serial=development.MERCHANT_SERIAL,
        private_key=private_key,
        api_keys=(development.API_V3_KEY.encode(),),
        public_keys={development.PUBLIC_KEY_ID: public_key},
        certificates=True,
        notify_url=notify_url,
    )


def _private_key(env: Mapping[str, str], problems: list[str]) -> rsa.RSAPrivateKey | None:
    said = _secret(env, "PRIVATE_KEY", problems)
    if said is None:
        return None
    try:
        key = load_pem_private_key(said.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        problems.append(
            f"{PREFIX}PRIVATE_KEY is no RSA key in PEM without a password: take the merchant's apiclient_key.pem."
        )
        return None
    return key


def _api_keys(env: Mapping[str, str], problems: list[str]) -> tuple[bytes, ...]:
    said = _secret(env, "API_KEYS", problems)
    if said is None:
        return ()
    keys = tuple(key.encode() for key in said.split())
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        problems.append(f"{PREFIX}API_KEYS holds API v3 keys of {_KEY_BYTES} characters each, separated by spaces.")
        return ()
    return keys


def _public_keys(env: Mapping[str, str], problems: list[str]) -> dict[str, rsa.RSAPublicKey]:
    """`PUB_KEY_ID_…=FILE`, separated by spaces; in place of a file, the key itself in base64 (it begins with MII)."""
    found: dict[str, rsa.RSAPublicKey] = {}
    for pair in env.get(PREFIX + "PUBLIC_KEYS", "").split():
        name, _, said = pair.partition("=")
        if not name.startswith("PUB_KEY_ID_") or not said:
            problems.append(f"{PREFIX}PUBLIC_KEYS holds PUB_KEY_ID_…=FILE, separated by spaces, not {pair[:60]!r}.")
            continue
        try:
            der = said.startswith("MII")
            key = load_der_public_key(base64.b64decode(said)) if der else load_pem_public_key(Path(said).read_bytes())
            if not isinstance(key, rsa.RSAPublicKey):
                raise ValueError("no RSA key")
            found[name] = key
        except OSError as error:
            problems.append(f"{PREFIX}PUBLIC_KEYS: the file of {name} cannot be read: {error.strerror}.")
        except (ValueError, binascii.Error):
            problems.append(f"{PREFIX}PUBLIC_KEYS: {name} is no RSA public key in PEM.")
    return found


def _secret(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """The value, or what is in the file that `…_FILE` names."""
    value, path = env.get(PREFIX + name), env.get(f"{PREFIX}{name}_FILE")
    if value and path:
        problems.append(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set: keep one.")
    if value:
        return value
    if not path:
        problems.append(f"{PREFIX}{name} is missing (or {PREFIX}{name}_FILE).")
        return None
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(f"{PREFIX}{name}_FILE cannot be read: {why}.")
        return None


def _check_notify_url(url: str, production: bool, problems: list[str]) -> None:
    parts = urlsplit(url)
    allowed = ("https",) if production else ("http", "https")
    if parts.scheme not in allowed or not parts.netloc or parts.query or len(url) > 255:
        wanted = "an https address" if production else "an http or https address"
        problems.append(f"{PREFIX}NOTIFY_URL is {wanted} without a query, as WeChat Pay wants it, not {url!r}.")


def _refuse_development(settings: WechatPaySettings, problems: list[str]) -> None:
    ours = development_settings(settings.notify_url)
    simulated = {
        "MERCHANT_ID": settings.merchant_id == ours.merchant_id,
        "PRIVATE_KEY": settings.private_key.public_key() == ours.private_key.public_key(),
        "API_KEYS": not set(settings.api_keys).isdisjoint(ours.api_keys),
        "PUBLIC_KEYS": any(key in ours.public_keys.values() for key in settings.public_keys.values())
        or not settings.public_keys.keys().isdisjoint(ours.public_keys),
    }
    problems += [
        f"{PREFIX}{name} is the sandbox's: in production it is yours." for name, is_ours in simulated.items() if is_ours
    ]
