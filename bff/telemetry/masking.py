"""Personal data as logs and traces may show it, and a filter for what slips through.

Marked data (`@personal` on the schema) is masked by its kind before anything is written. The filter is the net below:
it knows what a phone number, a VIN, an identity card's number and a token look like, wherever they stand.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any


class PersonalKind(Enum):
    """What kind of personal data something is."""

    PHONE = "PHONE"
    NAME = "NAME"
    VIN = "VIN"
    PLATE = "PLATE"
    ADDRESS = "ADDRESS"
    ID = "ID"
    LOCATION = "LOCATION"
    CONTACT = "CONTACT"
    FREE_TEXT = "FREE_TEXT"
    SECRET = "SECRET"  # noqa: S105 - a kind of data
    ACCOUNT = "ACCOUNT"


Mask = PersonalKind | Mapping[str, "Mask"]
"""How to mask a value: as a whole, or members of an input object each in its way."""

HIDDEN = "***"


def mask_phone(text: str) -> str:
    """`138****1234`; a number of another country keeps as many digits."""
    digits = re.sub(r"[^0-9]", "", text)
    if len(digits) == 13 and digits.startswith("86"):
        digits = digits[2:]
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 9 else HIDDEN


def mask_vin(text: str) -> str:
    """`LDC***********001`: the maker, and enough to recognise one's own."""
    return f"{text[:3]}{'*' * (len(text) - 6)}{text[-3:]}" if len(text) == 17 else HIDDEN


def mask_id(text: str) -> str:
    """The first 3 and the last 4 of an identity card's number, or of any other long identifier."""
    return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}" if len(text) >= 14 else HIDDEN


def mask_name(text: str) -> str:
    """`林*`: the first character."""
    trimmed = text.strip()
    return f"{trimmed[0]}{'*' * min(len(trimmed) - 1, 3)}" if len(trimmed) > 1 else HIDDEN


def mask_contact(text: str) -> str:
    """A mail address keeps its first character and its host; anything else is taken for a phone."""
    local, at, host = text.partition("@")
    return f"{local[:1]}{HIDDEN}@{host}" if at else mask_phone(text)


_BY_KIND: dict[PersonalKind, Callable[[str], str]] = {
    PersonalKind.PHONE: mask_phone,
    PersonalKind.VIN: mask_vin,
    PersonalKind.ID: mask_id,
    PersonalKind.NAME: mask_name,
    PersonalKind.CONTACT: mask_contact,
}


def mask(kind: PersonalKind, value: Any) -> Any:
    """The value as it may be shown; lists keep their length, null stays null."""
    if value is None:
        return None
    if isinstance(value, list):
        return [mask(kind, item) for item in value]
    how = _BY_KIND.get(kind)
    return how(value) if how is not None and isinstance(value, str) else HIDDEN


def mask_variables(masks: Mapping[str, Mask | None], variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """An operation's variables as they may be shown.

    `masks` names every variable that the operation declares, None where it is not marked; a variable that is not
    declared could be anything, and is left out. Text that is not marked still passes the net.
    """
    return {name: _masked(masks[name], value) for name, value in (variables or {}).items() if name in masks}


def _masked(how: Mask | None, value: Any) -> Any:
    if isinstance(how, PersonalKind):
        return mask(how, value)
    if isinstance(value, list):
        return [_masked(how, item) for item in value]
    if isinstance(value, dict):
        return {scrub(str(name)): _masked((how or {}).get(name), item) for name, item in value.items()}
    return scrub(value) if isinstance(value, str) else value


_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}")
_ID_CARD = re.compile(r"(?<!\d)\d{6}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)")
_VIN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*\d)[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])")
_PHONE = re.compile(r"(?<![\dA-Za-z])(?:(?:\+|%2B)?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)")
_PARAMETER = re.compile(r"\b(secret|js_code|code|session_key|access_token|client_secret)=[^&\s\"']+", re.IGNORECASE)
_OPAQUE = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{20,}(?![A-Za-z0-9_-])")


def scrub(text: str) -> str:
    """Text without tokens, identity card numbers, VINs and mobile numbers, each masked in its way."""
    text = _TOKEN.sub("[token]", text)
    text = _PARAMETER.sub(r"\1=***", text)
    text = _ID_CARD.sub(lambda found: mask_id(found[0]), text)
    text = _VIN.sub(lambda found: mask_vin(found[0]), text)
    text = _PHONE.sub(lambda found: mask_phone(found[0].removeprefix("%2B")), text)
    return _OPAQUE.sub(_mask_opaque, text)


def _mask_opaque(found: re.Match[str]) -> str:
    """An id of ours is base64 of `Type:key`, and the key of a car is its VIN."""
    word = found[0]
    try:
        inside = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return word
    return mask_id(word) if _VIN.search(inside) or _PHONE.search(inside) else word


_ORDINARY = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class MaskingFilter(logging.Filter):
    """Scrubs a record's message, its traceback and whatever text was attached to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        elif record.exc_text:
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        for name, value in record.__dict__.items():
            if name not in _ORDINARY and isinstance(value, str):
                record.__dict__[name] = scrub(value)
        return True
