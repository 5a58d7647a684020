"""Who is trusted behind `https`: the system's authorities and certifi's, hosts' names checked, TLS 1.2 or newer."""

from __future__ import annotations

import ssl
from functools import cache

import certifi


@cache
def client_context(*protocols: str) -> ssl.SSLContext:
    """`protocols` are offered by ALPN, the best first. A private authority is named by the variable SSL_CERT_FILE."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(list(protocols))
    return context
