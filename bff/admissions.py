"""Settings about admission to ordering (docs/surge.md)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

SHORTEST_KEY = 32
SANDBOX_KEY = "sandbox-admission-key-that-proves-nothing"


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`per_second` orders are let through by each gate, all processes together; 0: there is no gate.

    `keys` sign admission tokens: the first signs, both are believed. Times are seconds: the longest that a client is
    told to wait before it asks again, how long a token is good, how long it is remembered that something is sold out.
    """

    per_second: int = 20
    burst: int = 20
    keys: tuple[bytes, ...] = ()
    poll_seconds: int = 30
    token_seconds: int = 600
    sold_out_seconds: int = 5


def read_admission_settings(env: Mapping[str, str], *, production: bool, problems: list[str]) -> AdmissionSettings:
    """Adds to `problems` a sentence for each variable that is wrong."""
    default = AdmissionSettings()
    settings = AdmissionSettings(
        per_second=_whole(env, "BFF_ADMISSION_RATE", default.per_second, 0, 10_000, problems),
        burst=_whole(env, "BFF_ADMISSION_BURST", default.burst, 1, 100_000, problems),
        keys=_keys(env, problems),
        poll_seconds=_whole(env, "BFF_ADMISSION_POLL_SECONDS", default.poll_seconds, 1, 300, problems),
        token_seconds=_whole(env, "BFF_ADMISSION_TOKEN_SECONDS", default.token_seconds, 1, 86_400, problems),
        sold_out_seconds=_whole(env, "BFF_ADMISSION_SOLD_OUT_SECONDS", default.sold_out_seconds, 1, 300, problems),
    )
    if settings.token_seconds < 2 * settings.poll_seconds:
        problems.append("BFF_ADMISSION_TOKEN_SECONDS is at least twice BFF_ADMISSION_POLL_SECONDS.")
    if settings.keys:
        return settings
    if production and settings.per_second:
        problems.append(
            "BFF_ADMISSION_KEYS is missing: a random text of 32 characters or more, the same for all processes."
        )
    return msgspec.structs.replace(settings, keys=(SANDBOX_KEY.encode(),))


def _keys(env: Mapping[str, str], problems: list[str]) -> tuple[bytes, ...]:
    keys = env.get("BFF_ADMISSION_KEYS", "").split()
    if len(keys) > 2 or any(len(key) < SHORTEST_KEY for key in keys) or SANDBOX_KEY in keys:
        problems.append(
            f"BFF_ADMISSION_KEYS is one secret text of {SHORTEST_KEY} characters or more, or two, the new one first, "
            "with a blank between them."
        )
    return tuple(key.encode() for key in keys)


def _whole(env: Mapping[str, str], name: str, default: int, least: int, most: int, problems: list[str]) -> int:
    said = env.get(name)
    if said is None:
        return default
    if not said.isascii() or not said.isdigit() or not least <= int(said) <= most:
        problems.append(f"{name} is a whole number from {least} to {most}, not {said!r}.")
        return default
    return int(said)
