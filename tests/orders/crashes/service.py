"""One process of the service, as settings make it, in which only two things are different: it can die, and time is the
board's. What is done in the background is done when a scenario says so, one step after the other: so that every run
passes the same points.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters.eventlog.client import EventLog
from adapters.transport.http import Engine
from bff import composition
from bff import settings as settings_module
from bff.app import Application
from bff.composition import Services, default_engine
from bff.domain.cloud_events import EventSink
from bff.durability.database import Database
from bff.durability.once import Once
from bff.durability.open import open_database
from bff.serving.incremental import in_one_piece
from bff.settings import UpstreamAddress
from tests.orders.crashes.board import Board
from tests.orders.crashes.points import MortalDatabase, MortalEngine, MortalSink, Points


class Service:
    """Made once, before processes are forked from it: nothing is opened before its first use."""

    def __init__(self, board: Board, addresses: dict[str, str], state_url: str, events: Path) -> None:
        self.points, self.events = Points(board), events
        environ = {f"BFF_{name.upper()}_URL": url for name, url in addresses.items()}
        environ |= {"BFF_STATE_URL": state_url, "BFF_EVENTS_URL": events.as_uri(), "BFF_LOG_LEVEL": "ERROR"}
        settings = settings_module.load(environ)
        with patch.object(composition, "open_database", self._database), patch.object(Services, "_sink", self._sink):
            services = Services(settings, engine=self._engine, clock=board.now)
        self.services = services
        self.app = Application(settings, services=services)
        once = Once(services.state, in_one_piece, clock=lambda: board.now().timestamp())
        self.app.graphql.stages.mutate = once.run

    @property
    def flows(self) -> Any:
        return self.services.ordering.flows

    def _database(self, url: str) -> Database:
        return MortalDatabase(open_database(url), self.points)

    def _sink(self, *_services: Services) -> EventSink:
        return MortalSink(EventLog(self.events), self.points)

    def _engine(self, address: UpstreamAddress) -> Engine:
        return MortalEngine(address.name, default_engine(address), self.points)

    async def background(self) -> None:
        """All that is due now is done, and told."""
        while await self.flows.run_due(1):
            pass
        outbox = self.services.ordering.outbox
        assert outbox is not None
        await outbox.settle()
