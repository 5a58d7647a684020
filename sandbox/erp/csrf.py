"""CSRF tokens as SAP Gateway keeps them: fetched by a GET, bound to a session cookie, gone when the session is."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie

SESSION_COOKIE = "SAP_SESSIONID_ERP_100"


class Sessions:
    """`issued` counts the tokens that were fetched since the start."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}
        self.issued = 0

    @property
    def live(self) -> int:
        return len(self._tokens)

    def expire(self) -> None:
        """End every session, as a restart of the gateway or half an hour without a call does."""
        self._tokens.clear()

    def fetch(self, cookie_header: str) -> tuple[str, list[str]]:
        """A token, and the Set-Cookie fields of a new session where the caller has none that lives."""
        known = self._tokens.get(_session_of(cookie_header))
        if known is not None:
            return known, []
        session, token = secrets.token_urlsafe(24), secrets.token_urlsafe(16) + "=="
        self._tokens[session] = token
        self.issued += 1
        return token, [
            "sap-usercontext=sap-client=100; path=/",
            f"{SESSION_COOKIE}={session}; expires=Fri, 31 Dec 2100 23:59:59 GMT; path=/; HttpOnly",
        ]

    def allows(self, cookie_header: str, token: str) -> bool:
        known = self._tokens.get(_session_of(cookie_header))
        return known is not None and secrets.compare_digest(known.encode(), token.encode())


def _session_of(cookie_header: str) -> str:
    try:
        morsel = SimpleCookie(cookie_header).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
