"""`bff serve`: production. Nothing starts that is simulated, half configured, or points at a sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

import click
import msgspec
import uvicorn

from bff import settings as settings_module
from bff.app import EXAMPLES, WARM, Application
from bff.composition import Services
from bff.doctor import examine
from bff.durability.idempotency import is_running
from bff.durability.open import open_database
from bff.errors import StateUnavailable
from bff.execution import InvalidOperation
from bff.serving.connection import server_options
from bff.serving.console import load_examples
from bff.serving.front import plans_for
from bff.serving.merged import merged_management
from bff.serving.workers import serve
from bff.settings import Settings, SettingsError
from bff.telemetry import logs
from resolvers.schema import build_schema

APPLICATION = "bff.app:create"
END_SECONDS = 28
"""From being told to stop to being cut off; what is left of thirty is for closing connections to upstreams."""


def run(host: str | None, port: int, workers: int) -> int:
    """Blocks until told to stop. Returns the exit code: 2 where settings refuse, each problem on a line."""
    os.environ["BFF_MODE"] = "production"
    os.environ["BFF_PORT"] = str(port)
    os.environ["BFF_WORKERS"] = str(workers)
    if host is not None:
        os.environ["BFF_HOST"] = host
    try:
        settings = settings_module.load()
        refuse_simulated(settings)
        refuse_forgetful(settings)
        return serve_with(settings, workers)
    except SettingsError as error:
        click.echo("The service cannot start:")
        for problem in error.problems:
            click.echo(f"  - {problem}")
        return 2


def serve_with(settings: Settings, workers: int) -> int:
    """Serve with settings that are as the environment has them, which each worker reads anew. Returns the exit code."""
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": workers,
        "log_config": logs.config(settings.log_level, json=settings.operating.log_json),
        "log_level": settings.log_level.lower(),
        "access_log": False,
        **server_options(),
        "date_header": True,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": int(END_SECONDS - settings.operating.drain_seconds),
    }
    signal.signal(signal.SIGTERM, _end)  # in force before the server has its own handler, and after it is done
    if workers == 1:
        uvicorn.run(APPLICATION, **options)
        return 0
    operating = settings.operating
    with merged_management(operating.management_host, operating.management_port) as management:
        return serve(uvicorn.Config(APPLICATION, **options), partial(warm_up, settings), management)


def warm_up(settings: Settings) -> None:
    """What workers share: all code, the schema, trusted documents compiled, and what a first use leaves in caches.

    An application is made, tried and let go, so that what would end a worker ends the start. Raises SettingsError.
    """
    for name in _imported_late(settings):
        with suppress(ImportError):  # an extra that is not installed: what needs it says so
            import_module(name)
    silent = msgspec.structs.replace(settings.operating, exports_traces=False)  # an exporter is a thread
    schema = build_schema(strong=settings.logins.strong_acr)
    application = Application(msgspec.structs.replace(settings, operating=silent), plans=plans_for(settings, schema))
    application.process.metrics()
    WARM[:] = [application.plans]
    tried = plans_for(settings, schema)
    for example in load_examples(EXAMPLES):
        with suppress(InvalidOperation):  # an operator's limits may be tighter
            tried.plan(example.query)


def _imported_late(settings: Settings) -> Iterator[str]:
    """Modules that code, its own or a library's, imports when it first needs them."""
    yield from ("bff.telemetry.exposition", "cryptography.hazmat.backends.openssl.backend", "encodings.gb18030")
    if settings.operating.exports_traces:
        yield "bff.telemetry.otlp"
    if settings.state_url.startswith("postgres"):
        yield "asyncpg"
    if settings.events.nats is not None:
        yield from ("nats.aio.client", "nats.js.api", "nats.js.errors")


def _end(_number: int, _frame: FrameType | None) -> None:
    """uvicorn, when it has finished, raises the signal that ended it once more: being told to stop is no failure."""
    raise SystemExit(0)


def refuse_simulated(settings: Settings) -> None:
    """Ask every upstream whether it is a sandbox. One that is down may come back; one that says so is refused."""

    async def ask() -> list[str]:
        services = Services(settings)
        try:
            findings = await examine(services)
        finally:
            await services.aclose()
        return [
            f"BFF_{finding.name.upper()}_URL points at a simulated system ({finding.address})."
            for finding in findings
            if finding.simulated
        ]

    if problems := asyncio.run(ask()):
        raise SettingsError(problems)


def refuse_forgetful(settings: Settings) -> None:
    """Try the file that state is kept in: what is wrong with it stays wrong. A server that is away may come back."""

    async def look() -> str | None:
        database = open_database(settings.state_url)
        try:
            await database.run(partial(is_running, "", 0), write=False)
        except StateUnavailable as error:
            return error.detail
        finally:
            await database.aclose()
        return None

    if settings.state_url.startswith("sqlite:") and (problem := asyncio.run(look())):
        raise SettingsError([f"BFF_STATE_URL: {settings.state_url} cannot be used: {problem}."])
