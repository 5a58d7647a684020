"""Every setting of the service, read once from the environment and checked before anything starts.

Without an address an upstream is the sandbox's: fine on a developer's machine, refused in production. Names of
variables and what they do are in docs/settings.md, which a test holds against this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bff.admissions import AdmissionSettings, read_admission_settings
from bff.eventing import EventSettings, read_event_settings
from bff.logins import LoginSettings, read_login_settings
from bff.operating import Operating, load_operating
from bff.policy import UpstreamPolicy
from bff.profiles import OperationSettings, read_operation_settings
from bff.upstreams import UPSTREAMS
from bff.windows import WindowError, parse_windows


class Mode(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


BUDGETS: dict[str, float] = {"APP": 8.0, "MINI_PROGRAM": 8.0, "WEB": 8.0, "STORE": 12.0, "IN_CAR": 15.0}
"""Seconds that a request may take, by channel; a client may ask for less (`BFF-Timeout`)."""

PROVIDERS = tuple(f"BFF_{name.upper()}_" for name, policy in UPSTREAMS.items() if policy.address is not None)
"""How the variables of payment providers begin."""

IN_MEMORY = "sqlite://"

LEAST_RETENTION_DAYS = 366
"""WeChat Pay gives money back for a year, Alipay for as long as its contract says.

Source: pay.weixin.qq.com, Submit Refund API: "Orders placed over one year ago are not eligible for refund".
"""

DEFAULT_PILOTS = '{"service_booking": [{"system": "booking", "region": "SOUTH"}]}'


class Secrets(dict[str, str]):
    """Variables that may hold secrets: they are not shown where settings are."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


class SettingsError(Exception):
    """One or more settings are missing or wrong; `problems` says each in a sentence that names the variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UpstreamAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a system is. `windows` are its maintenance windows, as `bff.windows` reads them."""

    name: str
    url: str
    simulated: bool
    policy: UpstreamPolicy
    windows: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process runs with. `public_url` is how clients reach it; content URLs begin with it.

    `workers` and `hosts` are among how many processes and machines what a system bears is divided. `providers` are
    the variables of payment providers, which their adapters read; `takes_payments`: we speak to them ourselves.
    """

    mode: Mode
    host: str
    port: int
    public_url: str
    upstreams: dict[str, UpstreamAddress]
    logins: LoginSettings
    pilots: str
    max_body_bytes: int
    max_batch: int
    streams_per_caller: int
    cors_origins: tuple[str, ...]
    operations: OperationSettings
    log_level: str
    cache_bytes: int
    redis_url: str | None
    workers: int
    hosts: int
    run_dir: str | None
    state_url: str
    flow_retention_days: int
    providers: Secrets
    takes_payments: bool
    events: EventSettings
    admission: AdmissionSettings
    operating: Operating = Operating()

    @property
    def development(self) -> bool:
        return self.mode is Mode.DEVELOPMENT

    @property
    def forgets_state(self) -> bool:
        """Whether state is in the running service's memory, where no other process finds it."""
        return self.state_url == IN_MEMORY


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
        name: _upstream(env, name, policy, sandbox_port, production, problems)
        for name, policy in UPSTREAMS.items()
        if policy.address is None or not production or _is_used(env, name)
    }
    host = overrides.get("host") or env.get("BFF_HOST", "127.0.0.1")
    settings = Settings(
        mode=mode,
        host=host,
        port=port,
        public_url=_required(env, "BFF_PUBLIC_URL", f"http://127.0.0.1:{port}", production, problems).rstrip("/"),
        upstreams=upstreams,
        logins=read_login_settings(
            env, production=production, identity_url=upstreams["identity"].url, problems=problems
        ),
        pilots=env.get("BFF_PILOTS", "{}" if production else DEFAULT_PILOTS),
        max_body_bytes=_whole(env, "BFF_MAX_BODY_BYTES", 1_000_000, problems),
        max_batch=_whole(env, "BFF_MAX_BATCH", 0, problems),
        streams_per_caller=_whole(env, "BFF_STREAMS_PER_CALLER", 20, problems),
        cors_origins=_origins(env, "BFF_CORS_ORIGINS", problems),
        operations=read_operation_settings(env, mode.value, problems),
        log_level=env.get("BFF_LOG_LEVEL", "INFO").upper(),
        cache_bytes=_whole(env, "BFF_CACHE_BYTES", 64_000_000, problems),
        redis_url=env.get("BFF_REDIS_URL") or None,
        workers=max(1, _whole(env, "BFF_WORKERS", 1, problems)),
        hosts=max(1, _whole(env, "BFF_HOSTS", 1, problems)),
        run_dir=env.get("BFF_RUN_DIR") or None,
        state_url=_state_url(env, production, problems),
        flow_retention_days=_retention(env, problems),
        providers=Secrets({name: value for name, value in env.items() if _says_who_we_are(name)}),
        takes_payments=_payments(env, problems),
        events=read_event_settings(env, production=production, problems=problems),
        admission=read_admission_settings(env, production=production, problems=problems),
        operating=load_operating(env, port=port, production=production, problems=problems),
    )
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        problems.append(f"BFF_REDIS_URL begins with redis://, rediss:// or unix://, not {settings.redis_url!r}.")
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


def _state_url(env: Mapping[str, str], production: bool, problems: list[str]) -> str:
    """Memory in development, as the sandbox forgets too; else a file in the state directory of systemd or of XDG."""
    said = env.get("BFF_STATE_URL")
    if said is None:
        home = env.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        folder = env.get("STATE_DIRECTORY", "").partition(":")[0] or f"{home}/bff"
        said = f"sqlite:///{folder}/state.sqlite3" if production else IN_MEMORY
    scheme, separator, rest = said.partition("://")
    if not separator or scheme not in ("sqlite", "postgresql"):
        problems.append(f"BFF_STATE_URL begins with sqlite:/// or postgresql://, not {scheme!r}.")
    elif scheme == "sqlite" and (rest in ("", "/") if production else rest == "/"):
        problems.append("BFF_STATE_URL names a file: sqlite:////var/lib/bff/state.sqlite3.")
    elif scheme == "sqlite" and production and _whole(env, "BFF_HOSTS", 1, []) > 1:
        problems.append("BFF_STATE_URL is a postgresql:// address where BFF_HOSTS is more than 1: a file has one host.")
    elif scheme == "postgresql" and find_spec("asyncpg") is None:
        problems.append("BFF_STATE_URL: PostgreSQL needs the package asyncpg (the extra `postgres`).")
    return said


def _retention(env: Mapping[str, str], problems: list[str]) -> int:
    """Days; longer than a provider gives money back, so that what it says of that still finds the payment."""
    days = _whole(env, "BFF_FLOW_RETENTION_DAYS", 400, problems)
    if 0 < days < LEAST_RETENTION_DAYS:
        problems.append(f"BFF_FLOW_RETENTION_DAYS is 0 (for ever) or at least {LEAST_RETENTION_DAYS}, not {days}.")
    return days


def _is_used(env: Mapping[str, str], name: str) -> bool:
    """Whether settings say who we are to a system of the world."""
    return any(key.startswith(f"BFF_{name.upper()}_") and _says_who_we_are(key) for key in env)


def _says_who_we_are(key: str) -> bool:
    """Where a provider is, and when it sleeps, says nothing of us."""
    return key.startswith(PROVIDERS) and not any(key in (f"{start}URL", f"{start}WINDOWS") for start in PROVIDERS)


def _payments(env: Mapping[str, str], problems: list[str]) -> bool:
    said = env.get("BFF_PAYMENTS", "direct")
    if said not in ("direct", "service"):
        problems.append(f"BFF_PAYMENTS is direct (we speak to providers) or service, not {said!r}.")
    return said == "direct"


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
    windows = _windows(env, f"BFF_{name.upper()}_WINDOWS", problems)
    if said is None:
        if production and policy.address is not None:
            return UpstreamAddress(name=name, url=policy.address, simulated=False, policy=policy, windows=windows)
        if production:
            problems.append(f"{variable} is missing: without it {name} ({policy.title}) would be simulated.")
        url = sandbox_url(name, sandbox_port)
        return UpstreamAddress(name=name, url=url, simulated=True, policy=policy, windows=windows)
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        problems.append(f"{variable} is an http or https address, not {said!r}.")
    return UpstreamAddress(name=name, url=said.rstrip("/"), simulated=False, policy=policy, windows=windows)


def _windows(env: Mapping[str, str], variable: str, problems: list[str]) -> str:
    said = env.get(variable, "")
    try:
        parse_windows(said)
    except WindowError as error:
        problems.append(f"{variable}: {error}.")
        return ""
    return said
