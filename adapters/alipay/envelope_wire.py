"""The envelope of an answer: `{"alipay_trade_query_response": {…}, "sign": "…"}`.

What is signed is the member as it stands in the text, byte for byte, so it is cut out and never written anew.
A gateway that does not know who asks answers without a signature, as `<method>_response` or as `error_response`.
"""

from __future__ import annotations

from collections.abc import Callable
from json import JSONDecoder

import msgspec

from adapters.alipay.alipay_wire import SUCCESS, UNAVAILABLE, Answer

ERROR = "error_response"
GATEWAY_REFUSALS = frozenset({"20001", "40001", "40002", "40003", "40005", "40006"})
"""Codes by which the gateway lets nothing through: there is nobody yet for whom it could sign."""

_WHITE = " \t\r\n"
_decoder = JSONDecoder()
_answer = msgspec.json.Decoder(Answer)


class UnreadableAnswer(Exception):
    """It is not an answer of Alipay's, or none to this question. `str()` says why, for the log."""


def read_answer(body: bytes, method: str, verified: Callable[[str, str], bool]) -> Answer:
    """`verified(text, signature)`. Raises UnreadableAnswer."""
    members = _members(body)
    name = method.replace(".", "_") + "_response"
    told = members.get(name) if name in members else members.get(ERROR)
    if told is None or (name in members and ERROR in members):
        raise UnreadableAnswer(f"no {name} in the answer")
    signature = members.get("sign")
    if signature is None:
        return _unsigned(_read(told))
    text = _signed(told, _text(signature), verified)
    answer = _read(text)
    if name not in members and answer.code == SUCCESS:
        raise UnreadableAnswer(f"a success as {ERROR}")
    return answer


def _signed(told: str, signature: str, verified: Callable[[str, str], bool]) -> str:
    """The text that was signed. It may have `/` where the wire has `\\/`: Alipay's own SDKs try both."""
    for text in dict.fromkeys((told, told.replace("\\/", "/"))):
        if verified(text, signature):
            return text
    raise UnreadableAnswer("the signature does not hold")


def _unsigned(answer: Answer) -> Answer:
    if answer.code == UNAVAILABLE or (answer.code in GATEWAY_REFUSALS and answer.sub_code.startswith("isv.")):
        return answer
    raise UnreadableAnswer(f"not signed: {answer.code} {answer.sub_code}")


def _members(body: bytes) -> dict[str, str]:
    """The members of the outermost object, each as it stands in the text."""
    try:
        text = body.decode()
        found: dict[str, str] = {}
        at = _past(text, _past(text, 0), "{")
        while True:
            name, end = _decoder.raw_decode(text, at)
            at = _past(text, end, ":")
            _, end = _decoder.raw_decode(text, at)
            if not isinstance(name, str) or name in found:
                raise UnreadableAnswer("a member without a name, or twice")
            found[name] = text[at:end]
            at = _past(text, end)
            if text[at : at + 1] != ",":
                break
            at = _past(text, at, ",")
        if _past(text, at, "}") != len(text):
            raise UnreadableAnswer("more than one value")
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer("not a JSON object in UTF-8") from error
    return found


def _past(text: str, at: int, mark: str = "") -> int:
    """The place after white space, `mark`, and white space again. Raises ValueError."""
    while text[at : at + 1] and text[at] in _WHITE:
        at += 1
    if not mark:
        return at
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark}")
    return _past(text, at + 1)


def _text(json: str) -> str:
    value = _decoder.decode(json)
    if not isinstance(value, str):
        raise UnreadableAnswer("the signature is no text")
    return value


def _read(text: str) -> Answer:
    try:
        return _answer.decode(text)
    except msgspec.DecodeError as error:
        raise UnreadableAnswer(str(error)) from error
