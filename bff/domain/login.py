"""Logging in by what a mini-program can show. Source: WeChat, then the issuer of tokens."""

from __future__ import annotations

from typing import Protocol

from bff.domain.base import Outcome, Value


class Login(Value, frozen=True, kw_only=True):
    """A token of the issuer's. `expires_in_seconds` counts from now."""

    access_token: str
    expires_in_seconds: int


class LoginPort(Protocol):
    async def with_wechat(self, code: str) -> Outcome[Login]:
        """Exchange a code of `wx.login`, once. Refusals: CODE_INVALID, CODE_USED, CODE_EXPIRED, ACCOUNT_NOT_LINKED,
        ACCOUNT_BLOCKED, RATE_LIMITED. Raises OutcomeUnknown where a code may have been spent without an answer.
        """
        ...
