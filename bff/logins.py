"""Settings about who asks: the issuer of tokens, strong logins, devices, mini-program logins, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

SANDBOX_ISSUER = "https://identity.sandbox.test"


class WechatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where codes of a mini-program are shown and where tokens are exchanged, and who we are there."""

    session_url: str
    token_url: str
    app_id: str
    app_secret: str
    client_id: str
    client_secret: str


SANDBOX_WECHAT = {
    "BFF_WECHAT_APP_ID": "wx1f0a7c52be3d9804",
    "BFF_WECHAT_APP_SECRET": "sandbox-app-secret",
    "BFF_WECHAT_CLIENT_ID": "bff",
    "BFF_WECHAT_CLIENT_SECRET": "sandbox-client-secret",
}


class LoginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`jwks_url` is None where the issuer's metadata says it; `device_authorities` (PEM) where TLS decides alone.

    `strong_acr`: the `acr` values of a strong login. `reject`: an operation with a refused field is refused as a whole.
    """

    issuer: str
    audience: str
    jwks_url: str | None
    untyped: bool
    strong_acr: tuple[str, ...]
    reject: bool
    bound_devices: bool
    device_authorities: bytes | None
    wechat: WechatSettings | None


def read_login_settings(
    env: Mapping[str, str], *, production: bool, identity_url: str, problems: list[str]
) -> LoginSettings:
    """Adds to `problems` a sentence for each variable that is wrong."""
    issuer = env.get("BFF_OIDC_ISSUER")
    if production and issuer is None:
        problems.append("BFF_OIDC_ISSUER is missing.")
    if production and issuer == SANDBOX_ISSUER:
        problems.append("BFF_OIDC_ISSUER names the sandbox: in production it is your identity provider's issuer.")
    # The sandbox's issuer is a name, not an address: its keys lie with the identity service.
    keys = None if issuer is not None and issuer != SANDBOX_ISSUER else f"{identity_url}/.well-known/jwks.json"
    mode = env.get("BFF_RIGHTS_MODE", "null")
    if mode not in ("null", "reject"):
        problems.append(f"BFF_RIGHTS_MODE is null or reject, not {mode!r}.")
    return LoginSettings(
        issuer=issuer or SANDBOX_ISSUER,
        audience=env.get("BFF_OIDC_AUDIENCE", "bff"),
        jwks_url=_address(env, "BFF_OIDC_JWKS_URL", problems) or keys,
        untyped=_flag(env, "BFF_OIDC_UNTYPED", problems),
        strong_acr=tuple(env.get("BFF_STRONG_ACR", "2 3 4").split()),
        reject=mode == "reject",
        bound_devices=production,
        device_authorities=_file(env, "BFF_DEVICE_CA", problems),
        wechat=_wechat(env, production=production, identity_url=identity_url, problems=problems),
    )


def _wechat(
    env: Mapping[str, str], *, production: bool, identity_url: str, problems: list[str]
) -> WechatSettings | None:
    """None: mini-programs do not log in here. All of it or nothing."""
    session = _address(env, "BFF_WECHAT_SESSION_URL", problems)
    if session is None and production:
        return None
    given = {} if session is not None else SANDBOX_WECHAT
    said = {name: env.get(name, given.get(name, "")) for name in SANDBOX_WECHAT}
    token = _address(env, "BFF_WECHAT_TOKEN_URL", problems) or ("" if session is not None else f"{identity_url}/token")
    missing = [name for name, value in {**said, "BFF_WECHAT_TOKEN_URL": token}.items() if not value]
    problems += [f"{name} is missing: BFF_WECHAT_SESSION_URL needs it." for name in missing]
    return WechatSettings(
        session_url=session or f"{identity_url}/wechat/session",
        token_url=token,
        app_id=said["BFF_WECHAT_APP_ID"],
        app_secret=said["BFF_WECHAT_APP_SECRET"],
        client_id=said["BFF_WECHAT_CLIENT_ID"],
        client_secret=said["BFF_WECHAT_CLIENT_SECRET"],
    )


def _address(env: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    said = env.get(name)
    if said is None:
        return None
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        problems.append(f"{name} is an http or https address, not {said!r}.")
    return said


def _flag(env: Mapping[str, str], name: str, problems: list[str]) -> bool:
    said = env.get(name, "0")
    if said not in ("0", "1"):
        problems.append(f"{name} is 0 or 1, not {said!r}.")
    return said == "1"


def _file(env: Mapping[str, str], name: str, problems: list[str]) -> bytes | None:
    path = env.get(name)
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        problems.append(f"{name} cannot be read: {error.strerror}.")
        return None
