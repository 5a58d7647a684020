"""One process of the service while it runs: its load, its end, what it tells, and the port that shows all of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import ASGIApp

from bff.execution import Plans
from bff.operating import Operating
from bff.serving.draining import Draining
from bff.serving.exchange import Stages
from bff.serving.gate import Gate
from bff.serving.management import Management
from bff.serving.overload import Overload
from bff.telemetry.watch import Watch


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """How to look at what others know, each asked when the management port is."""

    upstreams: Callable[[], Mapping[str, Any]]
    cache_bytes: Callable[[], int | None] = lambda: None
    backlog: Callable[[], Mapping[str, float]] = dict
    idempotency: Callable[[], Mapping[str, int]] = dict
    purged: Callable[[], Mapping[str, int]] = dict


class Process:
    """`addresses` are the upstreams' base URLs, for spans. `begin_drain` is called once, when the end begins."""

    def __init__(
        self,
        operating: Operating,
        plans: Plans,
        looks: Looks,
        *,
        development: bool,
        addresses: Mapping[str, str],
        health: list[Route],
        begin_drain: Callable[[], None],
    ) -> None:
        self._exporter = _exporter(addresses) if operating.exports_traces else None
        self.watch = Watch(
            trace_ratio=operating.trace_ratio,
            export=self._exporter,
            known_operations=operating.known_operations,
            all_names=development,
            access_log=operating.access_log,
        )
        self.overload = Overload(operating.max_in_flight)
        self.draining = Draining(operating.drain_seconds)
        self.draining.when_begun.append(begin_drain)
        self._plans = plans
        self._looks = looks
        self._exposition: Any = None
        self._management = Management(
            self.metrics, self.state, health, operating.management_host, operating.management_port
        )

    def around(self, app: ASGIApp, stages: Stages) -> Gate:
        """Join in every request and in every operation."""
        gate = Gate(app, self.overload, self.draining, self.watch.told)
        stages.find.insert(0, self.watch.find)
        stages.admit.insert(0, gate.admit)
        stages.finish.append(self.watch.finish)
        stages.stream.append(self.watch.stream)
        stages.end.append(self.watch.ended)
        return gate

    async def start(self) -> None:
        self.watch.start()
        self.overload.start()
        self.draining.start()
        await self._management.start()

    async def stop(self) -> None:
        """Last of all: until here the management port has told how the end goes."""
        self.draining.stop()
        self.overload.stop()
        self.watch.stop()
        await self._management.stop()
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.close)

    def metrics(self) -> bytes:
        if self._exposition is None:
            from bff.telemetry.exposition import Exposition, Sources

            looks, plans = self._looks, self._plans
            self._exposition = Exposition(
                Sources(
                    self.watch.counts,
                    self.overload,
                    is_draining=lambda: self.draining.begun,
                    upstreams=looks.upstreams,
                    fallbacks=lambda: plans.fallbacks.counts,
                    plans=lambda: len(plans),
                    compiled=lambda: plans.compiled,
                    cache_bytes=looks.cache_bytes,
                    backlog=looks.backlog,
                    idempotency=looks.idempotency,
                    purged=looks.purged,
                )
            )
        page: bytes = self._exposition.page()
        return page

    def state(self) -> dict[str, Any]:
        """What `/state` shows."""
        load = self.overload
        return {
            "pid": os.getpid(),
            "draining": self.draining.begun,
            "overload": {
                "level": load.level,
                "lagSeconds": round(load.lag, 4),
                "queueAgeSeconds": round(load.queue_age, 4),
                "inFlight": load.in_flight,
                "maxInFlight": load.max_in_flight,
                "shed": {f"{reason} {priority}": count for (reason, priority), count in load.shed.items()},
            },
            "upstreams": {name: msgspec.to_builtins(state) for name, state in self._looks.upstreams().items()},
        }


def _exporter(addresses: Mapping[str, str]) -> Any:
    # Only who exports pays for the SDK, which takes longer to import than all of ours.
    from bff.telemetry.otlp import OtlpExport

    return OtlpExport(addresses)
