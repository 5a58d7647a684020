"""Logging in from a mini-program, which can show nothing but WeChat's code."""

from __future__ import annotations

import re
from enum import Enum

import strawberry

from bff.domain import login as domain
from bff.domain.base import Outcome
from bff.errors import InvalidInput, NotAllowed
from resolvers.common import Request, enum, mutation, prop
from resolvers.payloads import UserError, entity, payload, refusal_code
from resolvers.privacy import SECRET

_CODE = re.compile(r"[\x21-\x7e]{1,128}")


class LoginErrorCode(Enum):
    CODE_INVALID = "CODE_INVALID"
    CODE_USED = "CODE_USED"
    CODE_EXPIRED = "CODE_EXPIRED"
    ACCOUNT_NOT_LINKED = "ACCOUNT_NOT_LINKED"
    ACCOUNT_BLOCKED = "ACCOUNT_BLOCKED"
    RATE_LIMITED = "RATE_LIMITED"
    OTHER = "OTHER"


enum(
    LoginErrorCode,
    "Why nobody was logged in.",
    {
        "CODE_INVALID": "Call `wx.login` again.",
        "CODE_USED": "A code is for one use: call `wx.login` again.",
        "CODE_EXPIRED": "A code lives five minutes: call `wx.login` again.",
        "ACCOUNT_NOT_LINKED": "The WeChat account belongs to no customer yet: let them register or link it.",
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why nobody was logged in.")
class LoginUserError(UserError):
    code: LoginErrorCode = refusal_code(LoginErrorCode)


@strawberry.type(description="A login: send the token as `Authorization: Bearer …`.")
class Login:
    access_token: str = prop("The access token. Keep it in memory.", directives=[SECRET])
    expires_in_seconds: int = prop("How long it holds from now.")


@payload("What became of a login.", errors=LoginUserError)
class LoginPayload:
    entity: Login | None = entity("The login.")


@strawberry.input(description="What `wx.login` gave the mini-program.")
class LoginWithWechatInput:
    code: str = strawberry.field(description="`code`, for one use within five minutes.", directives=[SECRET])


@strawberry.type
class LoginMutation:
    @mutation("Log in with a code of `wx.login`. What WeChat says besides stays with us.", returns=LoginPayload)
    @staticmethod
    async def login_with_wechat(info: Request, input: LoginWithWechatInput) -> Outcome[domain.Login]:
        if not _CODE.fullmatch(input.code):
            raise InvalidInput("code is what wx.login gave, unchanged.", field="input.code")
        logins = info.context.ports.logins
        if logins is None:
            raise NotAllowed("Logins by WeChat are not set up here.")
        return await logins.with_wechat(input.code)
