"""Cross-origin reading by browsers (Fetch Standard, section 3.2), for origins that settings name exactly.

Off without configuration. Tokens travel in a header, never in a cookie, so credentials mode is not offered. An origin
that is not named gets its answer without our permission to read it; its preflight is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from bff.serving.refusals import HttpRefusal

Headers = list[tuple[bytes, bytes]]

METHODS = b"GET, HEAD, POST, PUT, DELETE"
REQUEST_HEADERS = (
    b"accept, accept-language, authorization, content-type, content-encoding, last-event-id, "
    b"x-graphql-event-stream-token, bff-act-for, bff-brand, "
    b"bff-channel, bff-cost, bff-country, bff-timeout, graphql-client-name, graphql-client-version, "
    b"apollographql-client-name, apollographql-client-version, x-apollo-operation-name, apollo-require-preflight"
)
EXPOSED = b"retry-after, ratelimit, ratelimit-policy, www-authenticate, server-timing, etag"
PREFLIGHT_SECONDS = 7200  # the longest that Chromium keeps one


class Cors:
    """`origins` are serialised origins: `https://app.example.com`, no path, no wildcard."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def permission(self, origin: bytes | None) -> Headers:
        """Headers of an ordinary answer."""
        headers: Headers = [(b"vary", b"Origin")]
        if origin in self._origins and origin is not None:
            headers += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
        return headers

    def preflight(self, origin: bytes) -> Headers:
        """Headers of the 204 to `OPTIONS` with `Access-Control-Request-Method`. Raises HttpRefusal 403."""
        vary = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        if origin not in self._origins:
            raise HttpRefusal(403, "FORBIDDEN", "This origin may not read from here.", (vary,))
        return [
            vary,
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
