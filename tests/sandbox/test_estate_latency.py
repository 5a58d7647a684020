"""A simulated system adds no delay of its own."""

from __future__ import annotations

import socket

import httpx
import pytest

from sandbox.configurator.app import create
from sandbox.kit.server import Estate
from sandbox.world import World

pytestmark = pytest.mark.anyio


async def test_answers_do_not_wait_for_delayed_acknowledgements(world: World) -> None:
    """Head and body are two writes: the second would wait 40 ms for the first to be acknowledged."""
    estate = Estate([(create(world), 0)])
    await estate.start()
    try:
        async with httpx.AsyncClient(trust_env=False, base_url=estate.addresses["configurator"]) as http:
            assert (await http.get("/_ping")).is_success
            (connection,) = estate._servers[0].server_state.connections
            accepted = connection.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        await estate.stop()
