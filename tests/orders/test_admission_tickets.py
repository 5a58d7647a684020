"""Admission tokens under attack: another's, another order's, changed, made up, too old, by a key that is gone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.admissions import AdmissionSettings, read_admission_settings
from bff.durability.tickets import LEEWAY_MS, LONGEST, Ticket, Tickets
from bff.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]

NEW, OLD, OTHER = b"n" * 32, b"o" * 32, b"x" * 32
NOW = 1_790_000_000_000
CALLER, KEY = "CUSTOMER:5:C0001:C0001", "order-0001"
TICKET = Ticket("shop", 4711, NOW)

tickets = Tickets([NEW], seconds=600)
TOKEN = tickets.sign(TICKET, caller=CALLER, key=KEY)


def _read(
    token: str = TOKEN,
    gate: str = "shop",
    caller: str = CALLER,
    key: str = KEY,
    now: int = NOW,
    by: Tickets = tickets,
) -> Ticket:
    return by.read(token, gate, caller=caller, key=key, now=now)


def test_token_gives_back_its_number() -> None:
    assert _read() == TICKET
    assert _read(now=NOW + 600_000) == TICKET


def test_token_says_nothing_of_its_holder() -> None:
    body = base64.urlsafe_b64decode(TOKEN.split(".")[1] + "==")
    assert orjson.loads(body) == ["shop", 4711, NOW]
    assert len(TOKEN) < LONGEST


@pytest.mark.parametrize(
    "changed",
    [
        {"gate": "vehicle"},
        {"caller": "CUSTOMER:5:C0002:C0002"},
        {"caller": "ADVISER:2:S1:C0001"},
        {"key": "order-0002"},
        {"by": Tickets([OTHER], seconds=600)},
        {"now": NOW - LEEWAY_MS - 1},
    ],
)
def test_token_is_worth_nothing_elsewhere(changed: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="does not belong to this order") as caught:
        _read(**changed)  # type: ignore[arg-type]
    assert caught.value.extensions["argument"] == "input.admissionToken"


def test_token_that_is_too_old_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="leave it out to take a new place"):
        _read(now=NOW + 600_001)


def test_two_keys_at_once_are_believed_and_the_first_signs() -> None:
    before, during, after = (Tickets(keys, seconds=600) for keys in ([OLD], [NEW, OLD], [NEW]))
    old, new = (each.sign(TICKET, caller=CALLER, key=KEY) for each in (before, during))
    assert _read(old, by=during) == _read(new, by=during) == _read(new, by=after) == TICKET
    with pytest.raises(InvalidInput):
        _read(old, by=after)


def test_caller_and_key_cannot_be_shifted_against_each_other() -> None:
    token = tickets.sign(TICKET, caller="ab", key="c")
    with pytest.raises(InvalidInput):
        _read(token, caller="a", key="bc")


def test_number_cannot_be_bettered() -> None:
    version, _, mac = TOKEN.split(".")
    body = base64.urlsafe_b64encode(orjson.dumps(["shop", 1, NOW])).decode().rstrip("=")
    for forged in (f"{version}.{body}.{mac}", f"{version}.{body}.", f"{version}.{body}", f"2.{body}.{mac}"):
        with pytest.raises(InvalidInput):
            _read(forged)


def test_signature_without_caller_and_key_is_none() -> None:
    body = orjson.dumps(tuple(TICKET))
    mac = hmac.new(NEW, body, hashlib.sha256).digest()
    with pytest.raises(InvalidInput):
        _read(".".join(["1", *(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (body, mac))]))


@given(place=st.integers(0, len(TOKEN) - 1), char=st.characters())
def test_no_character_of_a_token_can_be_changed(place: int, char: str) -> None:
    changed = TOKEN[:place] + char + TOKEN[place + 1 :]
    if changed == TOKEN:
        assert _read(changed) == TICKET
    else:
        with pytest.raises(InvalidInput):
            _read(changed)


@given(st.text() | st.from_regex(r"1\.[A-Za-z0-9_-]{0,300}\.[A-Za-z0-9_-]{0,100}"))
def test_no_made_up_token_is_believed(token: str) -> None:
    with pytest.raises(InvalidInput):
        _read(token)


def _problems(production: bool = True, **env: str) -> list[str]:
    problems: list[str] = []
    read_admission_settings(env, production=production, problems=problems)
    return problems


def test_production_needs_a_key_of_its_own() -> None:
    assert "BFF_ADMISSION_KEYS is missing" in _problems()[0]
    assert _problems(BFF_ADMISSION_RATE="0") == []
    assert _problems(production=False) == []
    assert _problems(BFF_ADMISSION_KEYS="short")[0].startswith("BFF_ADMISSION_KEYS")
    assert _problems(BFF_ADMISSION_KEYS="k" * 32) == []
    assert _problems(BFF_ADMISSION_KEYS=" ".join([c * 32 for c in "abc"])) != []
    sandbox = read_admission_settings({}, production=False, problems=[]).keys[0].decode()
    assert _problems(BFF_ADMISSION_KEYS=sandbox) != []


@pytest.mark.parametrize(
    ("name", "value"),
    [("RATE", "-1"), ("RATE", "many"), ("BURST", "0"), ("POLL_SECONDS", "0"), ("TOKEN_SECONDS", "59")],
)
def test_settings_that_are_wrong_are_named(name: str, value: str) -> None:
    problems = _problems(production=False, **{f"BFF_ADMISSION_{name}": value})
    assert len(problems) == 1
    assert problems[0].startswith(f"BFF_ADMISSION_{name}")


def test_settings_are_read() -> None:
    env = {"BFF_ADMISSION_RATE": "50", "BFF_ADMISSION_BURST": "7", "BFF_ADMISSION_KEYS": f"{'a' * 32} {'b' * 32}"}
    read = read_admission_settings(env, production=True, problems=[])
    assert read == AdmissionSettings(per_second=50, burst=7, keys=(b"a" * 32, b"b" * 32))


def test_every_setting_about_admission_is_documented() -> None:
    names = set(re.findall(r'"(BFF_[A-Z_]+)"', (ROOT / "bff" / "admissions.py").read_text()))
    assert len(names) == 6
    assert {name for name in names if name not in (ROOT / "docs" / "settings.md").read_text()} == set()
