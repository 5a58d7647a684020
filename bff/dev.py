"""`bff dev`: the sandbox estate and the BFF on one machine, started and stopped together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping

import click
import uvicorn

from bff import settings as settings_module
from bff.serving.connection import server_options
from bff.settings import Settings, UpstreamAddress
from bff.telemetry import logs
from sandbox.identity.tokens import issue

PERSONAS = {
    "guest": "nobody in particular",
    "owner": "林晓 (C0001): three cars, an order in production, a full cart",
    "adviser": "an adviser of SH0217; act for a customer with the header BFF-Act-For: C0001",
    "head-unit": "the screen of LDCA1AB57SB000001",
}
QUERY = (
    "{ viewer { customer { profile { displayName } garage { vehicle { vin state { batteryPercent rangeKm } } } } } }"
)


def token_of(persona: str) -> str:
    """A fresh bearer token of the sandbox's identity service."""
    return issue(persona)


def tokens() -> Mapping[str, str]:
    return {persona: token_of(persona) for persona in PERSONAS}


def run(port: int) -> int:
    """Blocks until Ctrl-C. Returns the exit code."""
    settings = settings_module.load(mode="development", port=port)
    click.echo("── starting the sandbox estate")
    estate = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "sandbox", "--port", str(port + 100), "--leave-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to hand on: the estate ends after the BFF, not before
    )
    try:
        assert estate.stdout is not None
        if not estate.stdout.readline():
            click.echo(f"The sandbox did not start. Is a port from {port + 101} to {port + 115} taken? Try PORT=9000.")
            return estate.wait() or 1
        return asyncio.run(_serve(settings))
    except KeyboardInterrupt:
        return 0
    finally:
        estate.terminate()
        estate.wait(timeout=10)


async def _serve(settings: Settings) -> int:
    from bff.app import Application

    level = "INFO" if settings.operating.access_log else "WARNING"
    server = uvicorn.Server(
        uvicorn.Config(
            Application(settings, tokens=tokens),
            host=settings.host,
            port=settings.port,
            log_config=logs.config(level, json=settings.operating.log_json),
            **server_options(),
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    if server.started:
        click.echo(welcome(settings))
    try:
        await task
    except SystemExit as stop:
        return int(stop.code or 1)
    return 0


def welcome(settings: Settings) -> str:
    """What a newcomer needs to see: where things are, who they can be, and one query to paste."""
    base = settings.public_url
    lines = ["", f"  GraphiQL and API   {base}/graphql", f"  health             {base}/health/ready"]
    operating = settings.operating
    if operating.management_port is not None:
        lines.append(f"  for operators      http://{operating.management_host}:{operating.management_port}/metrics")
    lines += ["", "  upstreams"]
    lines += [
        f"    {address.name:<13} {address.url:<24} {_kind(address):<10} {address.policy.title}"
        for address in settings.upstreams.values()
    ]
    lines += ["", "  personas (also: bff token --persona NAME)"]
    for persona, token in tokens().items():
        lines += [f"    {persona}: {PERSONAS[persona]}", f"      {token}"]
    lines += [
        "",
        "  try this",
        f"    curl -s {base}/graphql -H 'content-type: application/json' \\",
        '      -H "authorization: Bearer $(.venv/bin/bff token --persona owner)" \\',
        f'      -d \'{{"query": "{QUERY}"}}\'',
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _kind(address: UpstreamAddress) -> str:
    return "simulated" if address.simulated else "real"
