"""`bff`: run the service, look at it, try it out."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import click
import msgspec

from bff.command_settings import read_settings
from bff.event_commands import events
from bff.settings import sandbox_url
from bff.upstreams import UPSTREAMS

PERSONAS = ("guest", "owner", "adviser", "head-unit")
FAULTS = ("delay", "status", "soap-fault", "truncate", "html", "maintenance", "drop")
SYSTEM = click.argument("system", type=click.Choice(sorted(UPSTREAMS)))
SANDBOX_PORT = click.option("--sandbox-port", type=int, default=8100, envvar="BFF_SANDBOX_PORT", show_default=True)


@click.group()
def main() -> None:
    """One GraphQL schema over a car maker's estate."""


@main.command()
@click.option("--port", type=int, default=8000, show_default=True, envvar="BFF_PORT", help="Sandbox ports follow it.")
def dev(port: int) -> None:
    """Run the sandbox estate and the BFF on this machine; Ctrl-C stops both."""
    from bff.dev import run

    sys.exit(run(port))


@main.command()
@click.option("--host", default=None, help="Address to listen on; BFF_HOST otherwise.")
@click.option("--port", type=int, default=8000, show_default=True, envvar="BFF_PORT")
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that share the port."
)
def serve(host: str | None, port: int, workers: int) -> None:
    """Run in production: refuses simulated upstreams and missing settings, and names each."""
    from bff.production import run

    sys.exit(run(host, port, workers))


@main.command()
@click.option("--check", type=click.Path(path_type=Path), help="Compare with this file instead; 1 where they differ.")
def schema(check: Path | None) -> None:
    """Print the schema in SDL."""
    from resolvers.schema import build_schema

    text = build_schema().as_str() + "\n"
    if check is None:
        click.echo(text, nl=False)
    elif not check.exists() or check.read_text(encoding="utf-8") != text:
        raise click.ClickException(f"{check} is not what the code says: run `make schema` and review the difference.")


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the manifest here.")
def documents(paths: tuple[Path, ...], output: Path | None) -> None:
    """Make a manifest of trusted documents from operation files or manifests; 1 where one of them cannot be trusted."""
    from bff.operations.build import build, source_files
    from bff.operations.manifests import write_manifest
    from bff.operations.registry import AdmittedPlans
    from bff.profiles import read_operation_settings
    from resolvers.schema import build_schema

    profile = read_operation_settings(os.environ, "production", []).profile
    built, problems = build(source_files(paths), AdmittedPlans(build_schema(), profile))
    for problem in problems:
        click.echo(problem, err=True)
    if problems or not built:
        raise click.ClickException("No operation is found." if not problems else "Nothing is written.")
    manifest = write_manifest(each.operation for each in built)
    if output is None:
        click.echo(manifest, nl=False)
        return
    output.write_bytes(manifest)
    for each in built:
        click.echo(f"{each.operation.id[:12]}  cost {each.cost:>6g}  {each.operation.type:<12} {each.operation.name}")


@main.command()
@click.option("--persona", type=click.Choice(PERSONAS), required=True)
def token(persona: str) -> None:
    """Print one bearer token of the sandbox's identity service, and nothing else. Never in production."""
    if os.environ.get("BFF_MODE") == "production":
        raise click.ClickException("In production tokens come from your identity provider alone.")
    from bff.dev import token_of

    click.echo(token_of(persona))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The running BFF, for its breakers.")
def doctor(as_json: bool, url: str) -> None:
    """Ping every upstream: name, address, simulated or real, state, maintenance, breakers. 1 where one is not up."""
    from bff.composition import Services
    from bff.doctor import examine

    async def look() -> list[Any]:
        services = Services(read_settings())
        try:
            return list(await examine(services))
        finally:
            await services.aclose()

    findings = asyncio.run(look())
    for finding in findings:
        finding.breakers = _told_by_the_running(url).get(finding.name, {}).get("breakers", {})
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            kind = "simulated" if finding.simulated else "real"
            click.echo(
                f"{finding.name:<13} {finding.address:<28} {kind:<10} {finding.state:<22} {finding.milliseconds:>5} ms"
                f"{_remarks(finding)}"
            )
    sys.exit(0 if all(finding.state == "up" for finding in findings) else 1)


@lru_cache
def _told_by_the_running(url: str) -> dict[str, Any]:
    """What a running service says of its upstreams; nothing where none runs."""
    try:
        with urlopen(url + "/health/ready", timeout=2) as reply:  # noqa: S310 - the operator's own address
            return dict(json.load(reply)["upstreams"])
    except (OSError, ValueError, KeyError):
        return {}


def _remarks(finding: Any) -> str:
    said = [f"until {finding.until}"] if finding.until else []
    said += [f"breaker of {name} {state}" for name, state in finding.breakers.items()]
    said += [f"next maintenance {finding.next_maintenance}"] if finding.next_maintenance else []
    return "".join(f"  {remark}" for remark in said)


@main.group()
def sandbox() -> None:
    """Look after the simulated estate."""


@sandbox.command()
@SYSTEM
@click.argument("kind", type=click.Choice([*FAULTS, "none"]))
@click.option("--match", default="", help="Only requests with this text in path, query, SOAPAction or body.")
@click.option("--times", type=int, help="Strike so often, then be well again.")
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Part of requests struck.")
@click.option("--milliseconds", type=int, default=1000, show_default=True, help="For delay.")
@click.option("--status", type=int, default=503, show_default=True, help="For status.")
@click.option("--until", help="For maintenance: when it ends, RFC 3339.")
@SANDBOX_PORT
def fault(
    system: str,
    kind: str,
    match: str,
    times: int | None,
    share: float,
    milliseconds: int,
    status: int,
    until: str | None,
    sandbox_port: int,
) -> None:
    """Set one fault on a running system, in place of those set before; `none` makes it well."""
    wanted: dict[str, Any] = {"kind": kind, "match": match, "share": share}
    if times is not None:
        wanted["times"] = times
    if kind == "delay":
        wanted["milliseconds"] = milliseconds
    if kind == "status":
        wanted["status"] = status
    if until is not None:
        wanted["until"] = until
    faults = [] if kind == "none" else [wanted]
    click.echo(_exchange("PUT", sandbox_url(system, sandbox_port) + "/_faults", {"faults": faults}))


@sandbox.command()
@SYSTEM
@SANDBOX_PORT
def stats(system: str, sandbox_port: int) -> None:
    """What a running system has seen: requests, connections now and at most, refusals."""
    click.echo(_exchange("GET", sandbox_url(system, sandbox_port) + "/_stats"))


main.add_command(events)


@main.group()
def cache() -> None:
    """Look after the answers that are kept."""


@cache.command()
@click.argument("tag")
@click.option(
    "--url", default="http://127.0.0.1:8000/_dev", show_default=True, help="Or the management port's address."
)
def purge(tag: str, url: str) -> None:
    """Forget every kept answer that carries TAG: catalogue, configurator, centres, topics, content."""
    click.echo(_exchange("DELETE", f"{url}/cache/{quote(tag, safe='')}"))


@main.command()
@click.argument("plan", required=False)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The running BFF, in development.")
def pilots(plan: str | None, url: str) -> None:
    """Show which pilots are in force, or put PLAN (JSON, docs/pilots.md) in force while it runs."""
    if plan is None:
        click.echo(_exchange("GET", url + "/_dev/pilots"))
        return
    try:
        click.echo(_exchange("PUT", url + "/_dev/pilots", json.loads(plan)))
    except json.JSONDecodeError as error:
        raise click.ClickException(f"PLAN is not JSON: {error}") from error


@main.command()
@click.option("--days", default=8, show_default=True, help="How far back to look.")
@click.option("--look-only", is_flag=True, help="Change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The running BFF, in development.")
def reconcile(days: int, look_only: bool, as_json: bool, url: str) -> None:
    """Compare payments, orders and sales orders with providers, commerce and the ERP; mend what can be mended.

    Safe at any time and twice. 1 where something is left for people. In development state is the running service's own
    memory, so it is asked to do it.
    """
    settings = read_settings()
    if settings.forgets_state:
        query = f"?days={days}&lookOnly={int(look_only)}"
        done = json.loads(_exchange("POST", f"{url}/_dev/reconcile{query}"))
    else:
        from bff.reconcile import reconciled

        done = asyncio.run(reconciled(settings, days=days, mend=not look_only))
    click.echo(json.dumps(done, indent=2) if as_json else _table(done))
    sys.exit(1 if any(finding["isLeft"] for finding in done["findings"]) else 0)


def _table(done: dict[str, Any]) -> str:
    """What was looked at, and a line for each difference: ours, theirs, what was done."""
    looked = f"{done['payments']} payments and {done['orders']} orders of cars looked at"
    lines = [f"{looked}: {len(done['findings'])} differences"]
    for each in done["findings"]:
        mark = "LEFT" if each["isLeft"] else "done"
        order = f" of {each['orderNumber']}" if each["orderNumber"] else ""
        lines.append(f"{mark}  {each['about']} {each['id']}{order}: ours {each['ours']}, theirs {each['theirs']}")
        lines.append(f"      {each['did']}")
    return "\n".join(lines)


def _exchange(method: str, url: str, body: Any = None) -> str:
    """One exchange with a service on this machine. Raises ClickException that says what to do."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, method=method, headers={"content-type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=5) as reply:  # noqa: S310 - the address is built from settings
            text: str = reply.read().decode()
            return text
    except HTTPError as error:
        raise click.ClickException(f"{url} answered {error.code}: {error.read().decode(errors='replace')}") from error
    except (URLError, OSError) as error:
        raise click.ClickException(f"{url} does not answer: is `make run` running? ({error})") from error
