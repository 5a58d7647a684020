"""Client certificates as they reach us: from TLS itself, or in a header of the proxy that ended TLS.

A header says who somebody is only if a proxy of ours wrote it. From anybody else it is taken off before anything reads
it, so that downstream `client-cert` is always true. Proxies take it off what they receive, too (RFC 9440 section 4).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
Headers = list[tuple[bytes, bytes]]

CLIENT_CERT = b"client-cert"
FORWARDED = b"x-forwarded-client-cert"
_NAMES = frozenset({CLIENT_CERT, FORWARDED, b"client-cert-chain"})
BROKEN = b"::"
"""In place of a certificate that cannot be read: it must not pass for none at all."""


def networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, ::1`. Raises ValueError for what is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class ClientCertificates:
    """ASGI middleware: leaves at most one `client-cert` header, and only one that can be believed."""

    def __init__(self, app: ASGIApp, trusted: Iterable[Network] = ()) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            tls = (scope.get("extensions") or {}).get("tls")
            sent = not _NAMES.isdisjoint([name for name, _ in scope["headers"]])
            if sent or tls:
                scope = {**scope, "headers": self._believed(scope, tls)}
        await self._app(scope, receive, send)

    def _believed(self, scope: Scope, tls: Any) -> Headers:
        headers: Headers = scope["headers"]
        kept = [header for header in headers if header[0] not in _NAMES]
        found = _of_tls(tls) if tls else None
        if found is None and self._is_trusted(scope.get("client")):
            found = _of_proxy(headers)
        return [*kept, (CLIENT_CERT, found)] if found is not None else kept

    def _is_trusted(self, client: Any) -> bool:
        """By the address that the connection comes from; a Unix socket has none and is not trusted."""
        try:
            address = ip_address(client[0])
        except (TypeError, ValueError, IndexError):
            return False
        return any(address in network for network in self._trusted)


def _of_tls(tls: Any) -> bytes | None:
    """ASGI's TLS extension: the chain in PEM, the client's own certificate first, and whether it was verified."""
    chain = tls.get("client_cert_chain") or []
    return _canonical(chain[0]) if chain and not tls.get("client_cert_error") else None


def _of_proxy(headers: Headers) -> bytes | None:
    standard = [value for name, value in headers if name == CLIENT_CERT]
    envoy = [value for name, value in headers if name == FORWARDED]
    if len(standard) + len(envoy) > 1:
        return BROKEN  # two statements of who it is: neither is believed
    if standard:
        return standard[0].strip()
    return _of_envoy(envoy[0].decode("latin-1")) if envoy else None


def _of_envoy(text: str) -> bytes:
    """`Hash=…;Cert="…";URI=…`: the certificate, URL-encoded PEM. More than one element means more than one hop."""
    if "," in text:
        return BROKEN
    parts = dict(part.partition("=")[::2] for part in text.split(";"))
    pem = next((value for name, value in parts.items() if name.strip().lower() == "cert"), "")
    return _canonical(unquote(pem.strip().strip('"')))


def _canonical(pem: str) -> bytes:
    try:
        der = x509.load_pem_x509_certificate(pem.encode("ascii")).public_bytes(Encoding.DER)
    except (ValueError, UnicodeEncodeError):
        return BROKEN
    return b":" + base64.b64encode(der) + b":"
