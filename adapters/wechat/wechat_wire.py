"""What WeChat and the issuer say, read without what must never travel on.

`session_key` decrypts what WeChat hands to the mini-program. It is not among the members that are read, so it exists in
the bytes of one reply and nowhere else.
"""

from __future__ import annotations

import msgspec

from bff.domain.base import Refusal
from bff.domain.login import Login
from bff.errors import UpstreamBusy, UpstreamContractBroken, UpstreamRejected

REFUSALS = {
    40029: Refusal(code="CODE_INVALID", message="The code is not one of this mini-program's: call wx.login again."),
    40163: Refusal(code="CODE_USED", message="The code was used before: call wx.login again."),
    42003: Refusal(code="CODE_EXPIRED", message="The code is older than five minutes: call wx.login again."),
    40226: Refusal(code="ACCOUNT_BLOCKED", message="WeChat does not let this account log in."),
    45011: Refusal(code="RATE_LIMITED", message="Too many logins in a short time: wait a moment."),
}
"""By `errcode` of code2Session. Its other codes say that we are set up wrongly, or that WeChat is busy (-1)."""
BUSY = -1
NOT_LINKED = Refusal(
    code="ACCOUNT_NOT_LINKED", message="This WeChat account belongs to no customer yet: let them register or link it."
)


class _Session(msgspec.Struct):
    errcode: int = 0
    openid: str | None = None


class _Granted(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: int


class _Problem(msgspec.Struct):
    error: str = ""


def read_session(body: bytes) -> str | Refusal:
    """The account's open id, or why there is none. Raises UpstreamError."""
    try:
        said = msgspec.json.decode(body, type=_Session)
    except msgspec.DecodeError as error:
        raise UpstreamContractBroken("wechat", detail="code2Session cannot be read") from error
    if said.errcode in REFUSALS:
        return REFUSALS[said.errcode]
    if said.errcode == BUSY:
        raise UpstreamBusy("wechat")
    if said.errcode:
        raise UpstreamRejected("wechat", detail=f"errcode {said.errcode}")
    if not said.openid:
        raise UpstreamContractBroken("wechat", detail="no openid")
    return said.openid


def read_token(status: int, body: bytes) -> Login | Refusal:
    """RFC 6749 sections 5.1 and 5.2. Raises UpstreamError."""
    try:
        if status == 200:
            granted = msgspec.json.decode(body, type=_Granted)
            if granted.token_type.lower() != "bearer":
                raise UpstreamContractBroken("identity", detail="a token that is no bearer token")
            return Login(access_token=granted.access_token, expires_in_seconds=granted.expires_in)
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError as error:
        raise UpstreamContractBroken("identity", detail="the token endpoint cannot be read") from error
    if status == 400 and problem.error == "invalid_grant":
        return NOT_LINKED
    raise UpstreamRejected("identity", detail=f"token endpoint: {status} {problem.error[:40]}")
