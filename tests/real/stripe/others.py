"""Software that others wrote: Stripe's own client, and localstripe, which is GPL and therefore a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# By name: its thousand typed modules would cost mypy more than our whole tree.
stripe: Any = import_module("stripe")

_LOCALSTRIPE = """
import socket
from aiohttp import web
import localstripe.server as server
type(server.store).dump_to_disk = lambda store: None
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
web.run_app(server.app, sock=listener, print=None)
"""


@contextmanager
def localstripe() -> Iterator[str]:
    """Its address, on a port of its own; it keeps nothing on disk."""
    process = subprocess.Popen([sys.executable, "-c", _LOCALSTRIPE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextmanager
def official_client(address: str, key: str) -> Iterator[Any]:
    """`StripeClient.v1`, with connections that are closed."""
    session = import_module("requests").Session()
    http = stripe.RequestsClient(session=session)
    try:
        yield stripe.StripeClient(key, base_addresses={"api": address}, http_client=http, max_network_retries=0).v1
    finally:
        session.close()
