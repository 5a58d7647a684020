"""`bff events`: what waits to be sent, what its receiver refuses, and what an operator may do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from bff.command_settings import read_settings
from bff.domain.cloud_events import EventStream
from bff.errors import StateUnavailable

if TYPE_CHECKING:
    from bff.durability.outbox import Outbox

T = TypeVar("T")


@click.group()
def events() -> None:
    """Look after the events that wait to be sent (docs/events.md). Needs the service's BFF_STATE_URL."""


@events.command()
def backlog() -> None:
    """How many events wait, since when, and which orders are parked, with the reason. 1 where one is parked."""

    async def look(outbox: Outbox) -> int:
        for stream, standing in (await outbox.backlog()).items():
            since = "" if standing.oldest is None else f", the oldest since {_time(standing.oldest)}"
            click.echo(f"{stream.value}: {standing.waiting} wait{since}, {standing.parked} orders parked")
        parked = await outbox.parked()
        for each in parked:
            click.echo(f"parked  {each.order_number}  {each.stream} {each.event}, {each.attempts} tries: {each.reason}")
            click.echo(f"        since {_time(each.since)}, tried again at {_time(each.again_at)}")
        return 1 if parked else 0

    raise SystemExit(_with_outbox(look))


@events.command()
@click.argument("order_number")
def retry(order_number: str) -> None:
    """Try the events of a parked order now, not later."""
    if not _with_outbox(lambda outbox: outbox.retry(order_number)):
        raise click.ClickException(f"{order_number} is not parked: `bff events backlog` lists what is.")
    click.echo(f"{order_number} is tried again.")


@events.command()
@click.argument("stream", type=click.Choice([each.value for each in EventStream]))
@click.argument("event")
@click.confirmation_option(prompt="The event is never sent. Go on?")
def drop(stream: str, event: str) -> None:
    """Give up an event that its receiver will never take, so that its order goes on."""
    if not _with_outbox(lambda outbox: outbox.drop(EventStream(stream), event)):
        raise click.ClickException(f"{event} does not wait in {stream}: `bff events backlog` lists what is parked.")
    click.echo(f"{event} is given up.")


def _with_outbox(work: Callable[[Outbox], Awaitable[T]]) -> T:
    from bff.composition import Services  # not before it is needed: other commands start faster

    settings = read_settings()
    if settings.forgets_state:
        raise click.ClickException("State is in the running service's memory: set BFF_STATE_URL to the service's.")

    async def run() -> T:
        services = Services(settings)
        try:
            assert services.ordering.outbox is not None
            return await work(services.ordering.outbox)
        except StateUnavailable as error:
            raise click.ClickException(f"The state database cannot be used: {error.detail}") from error
        finally:
            await services.aclose()

    return asyncio.run(run())


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
