"""Every setting of the service, read once from the environment and checked before anything starts.

Without an address an upstream is the sandbox's: fine on a developer's machine, refused in production. Names of
variables and what they do are in docs/settings.md, which a test holds against this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Mode(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class UpstreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a system may be treated. `offset` is its port above the sandbox's first; `connections` what it bears from us.

    `timeout` is seconds for one call, queueing included.
    """

    offset: int
    timeout: float
    connections: int
    title: str


UPSTREAMS: dict[str, UpstreamPolicy] = {
    # Middle layer: fast, plenty of room.
    "identity": UpstreamPolicy(offset=1, timeout=2.0, connections=64, title="Identity and customer profile"),
    "configurator": UpstreamPolicy(offset=2, timeout=3.0, connections=64, title="Configurator"),
    "commerce": UpstreamPolicy(offset=3, timeout=3.0, connections=64, title="Catalogue, cart, orders"),
    "payment": UpstreamPolicy(offset=4, timeout=5.0, connections=64, title="Payment"),
    "booking": UpstreamPolicy(offset=5, timeout=3.0, connections=64, title="Service booking (new)"),
    "content": UpstreamPolicy(offset=6, timeout=3.0, connections=64, title="Content and connected car"),
    "community": UpstreamPolicy(offset=7, timeout=2.0, connections=32, title="Community"),
    "leads": UpstreamPolicy(offset=8, timeout=3.0, connections=32, title="Leads and test drives"),
    # Systems of record: slow, capped, down at night.
    "dms": UpstreamPolicy(offset=11, timeout=6.0, connections=10, title="Dealer management (SOAP)"),
    "mes": UpstreamPolicy(offset=12, timeout=5.0, connections=8, title="Plant (B2MML)"),
    "erp": UpstreamPolicy(offset=13, timeout=6.0, connections=16, title="ERP (OData)"),
    "otd": UpstreamPolicy(offset=14, timeout=5.0, connections=2, title="Order-to-delivery feed"),
}

BUDGETS: dict[str, float] = {"APP": 8.0, "MINI_PROGRAM": 8.0, "WEB": 8.0, "STORE": 12.0, "IN_CAR": 15.0}
"""Seconds that a request may take, by channel; a client may ask for less (`BFF-Timeout`)."""

DEFAULT_PILOTS = '{"service_booking": [{"system": "booking", "region": "SOUTH"}]}'


class SettingsError(Exception):
    """One or more settings are missing or wrong; `problems` says each in a sentence that names the variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UpstreamAddress(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    simulated: bool
    policy: UpstreamPolicy


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process runs with. `public_url` is how clients reach it; content URLs begin with it."""

    mode: Mode
    host: str
    port: int
    public_url: str
    upstreams: dict[str, UpstreamAddress]
    oidc_issuer: str
    oidc_audience: str
    oidc_jwks_url: str
    pilots: str
    max_body_bytes: int
    max_batch: int
    streams_per_caller: int
    cors_origins: tuple[str, ...]
    log_level: str

    @property
    def development(self) -> bool:
        return self.mode is Mode.DEVELOPMENT


def sandbox_url(name: str, sandbox_port: int) -> str:
    return f"http://127.0.0.1:{sandbox_port + UPSTREAMS[name].offset}"


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read and check everything. Raises SettingsError that names every variable at fault, not only the first."""
    env = os.environ if environ is None else environ
    problems: list[str] = []
    mode = _mode(env, overrides, problems)
    port = _whole(env, "BFF_PORT", overrides.get("port", 8000), problems)
    sandbox_port = _whole(env, "BFF_SANDBOX_PORT", port + 100, problems)
    production = mode is Mode.PRODUCTION
    upstreams = {
        name: _upstream(env, name, policy, sandbox_port, production, problems) for name, policy in UPSTREAMS.items()
    }
    host = overrides.get("host") or env.get("BFF_HOST", "127.0.0.1")
    settings = Settings(
        mode=mode,
        host=host,
        port=port,
        public_url=_required(env, "BFF_PUBLIC_URL", f"http://127.0.0.1:{port}", production, problems).rstrip("/"),
        upstreams=upstreams,
        oidc_issuer=_required(env, "BFF_OIDC_ISSUER", "https://identity.sandbox.test", production, problems),
        oidc_audience=env.get("BFF_OIDC_AUDIENCE", "bff"),
        oidc_jwks_url=env.get("BFF_OIDC_JWKS_URL", upstreams["identity"].url + "/.well-known/jwks.json"),
        pilots=env.get("BFF_PILOTS", "{}" if production else DEFAULT_PILOTS),
        max_body_bytes=_whole(env, "BFF_MAX_BODY_BYTES", 1_000_000, problems),
        max_batch=_whole(env, "BFF_MAX_BATCH", 0, problems),
        streams_per_caller=_whole(env, "BFF_STREAMS_PER_CALLER", 20, problems),
        cors_origins=_origins(env, "BFF_CORS_ORIGINS", problems),
        log_level=env.get("BFF_LOG_LEVEL", "INFO").upper(),
    )
    if production and settings.oidc_issuer == "https://identity.sandbox.test":
        problems.append("BFF_OIDC_ISSUER names the sandbox: in production it is your identity provider's issuer.")
    if problems:
        raise SettingsError(problems)
    return settings


def _mode(env: Mapping[str, str], overrides: Mapping[str, Any], problems: list[str]) -> Mode:
    said = overrides.get("mode") or env.get("BFF_MODE", "development")
    try:
        return Mode(said)
    except ValueError:
        problems.append(f"BFF_MODE is development or production, not {said!r}.")
        return Mode.PRODUCTION


def _whole(env: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    said = env.get(name)
    if said is None:
        return default
    if not said.isascii() or not said.isdigit():
        problems.append(f"{name} is a whole number, not {said!r}.")
        return default
    return int(said)


def _origins(env: Mapping[str, str], name: str, problems: list[str]) -> tuple[str, ...]:
    """Serialised origins (RFC 6454 section 6.2), separated by commas."""
    said = tuple(origin.strip() for origin in env.get(name, "").split(",") if origin.strip())
    for origin in said:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            problems.append(f"{name} holds origins as https://app.example.com, not {origin!r}.")
    return said


def _required(env: Mapping[str, str], name: str, default: str, production: bool, problems: list[str]) -> str:
    said = env.get(name)
    if said is None and production:
        problems.append(f"{name} is missing.")
    return said or default


def _upstream(
    env: Mapping[str, str], name: str, policy: UpstreamPolicy, sandbox_port: int, production: bool, problems: list[str]
) -> UpstreamAddress:
    variable = f"BFF_{name.upper()}_URL"
    said = env.get(variable)
    if said is None:
        if production:
            problems.append(f"{variable} is missing: without it {name} ({policy.title}) would be simulated.")
        return UpstreamAddress(name=name, url=sandbox_url(name, sandbox_port), simulated=True, policy=policy)
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        problems.append(f"{variable} is an http or https address, not {said!r}.")
    return UpstreamAddress(name=name, url=said.rstrip("/"), simulated=False, policy=policy)
