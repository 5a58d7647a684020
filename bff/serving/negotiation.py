"""Content negotiation (RFC 9110 sections 12.4 and 12.5.1; GraphQL over HTTP, section 6.4).

The most specific range that matches a media type gives its quality, so `application/json;q=0, */*` means anything but
JSON. Streams are never guessed: a wildcard does not ask for one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from bff.serving.refusals import HttpRefusal

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed"

LONGEST_ACCEPT = 2_000

QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


class Range(NamedTuple):
    """One element of Accept; `parameters` without `q`."""

    name: str
    parameters: dict[str, str]
    quality: float


class Accepted(NamedTuple):
    """What the client takes. `single` is the type for one result, None where only streams will do.

    `multipart` holds the parameters of the multipart range. `events_first`: even one result is to come as an event.
    """

    single: str | None
    events: bool = False
    multipart: dict[str, str] | None = None
    events_first: bool = False


def ranges_of(accept: str) -> list[Range]:
    """The elements that can be read; one with a malformed quality is passed over."""
    found: list[Range] = []
    for element in accept.split(","):
        name, *rest = [part.strip() for part in element.split(";")]
        parameters = {
            key.strip().lower(): value.strip().strip('"') for key, _, value in (p.partition("=") for p in rest)
        }
        quality = parameters.pop("q", "1")
        if name and QUALITY.fullmatch(quality):
            found.append(Range(name.lower(), parameters, float(quality)))
    return found


@lru_cache(maxsize=512)
def accepted(accept: str | None) -> Accepted:
    """What to answer with. Raises HttpRefusal 406 where nothing of ours will do."""
    if accept is None or not accept.strip():
        return Accepted(JSON)
    if len(accept) > LONGEST_ACCEPT:
        raise HttpRefusal(431, "HEADERS_TOO_LARGE", f"Accept has at most {LONGEST_ACCEPT} characters.")
    ranges = ranges_of(accept)
    single, best = _single(ranges)
    events = max((r.quality for r in ranges if r.name == EVENTS), default=0.0)
    multipart = max((r for r in ranges if r.name == MULTIPART), key=lambda r: r.quality, default=None)
    takes_multipart = multipart is not None and multipart.quality > 0
    if single is None and not events and not takes_multipart:
        raise HttpRefusal(406, "NOT_ACCEPTABLE", f"This endpoint answers {RESPONSE}, {JSON}, {EVENTS} or {MULTIPART}.")
    return Accepted(
        single,
        events > 0,
        multipart.parameters if multipart is not None and takes_multipart else None,
        events > best,
    )


def _single(ranges: list[Range]) -> tuple[str | None, float]:
    """The better liked of our two JSON types. Equals: the one named first, JSON where only `*/*` was said."""
    best, chosen, place = 0.0, None, len(ranges)
    for offer in (RESPONSE, JSON):
        index = _matching(ranges, offer)
        if index is None:
            continue
        quality = ranges[index].quality
        wild = ranges[index].name == "*/*"
        if quality > best or (quality and quality == best and (index < place or (wild and index == place))):
            best, chosen, place = quality, offer, index
    return chosen, best


def _matching(ranges: list[Range], offer: str) -> int | None:
    for name in (offer, "application/*", "*/*"):
        for index, each in enumerate(ranges):
            if each.name == name and each.parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8"):
                return index
    return None


@lru_cache(maxsize=128)
def is_json(content_type: str) -> bool:
    """`application/json`, in UTF-8 where a charset is named (RFC 8259 section 8.1). Nothing a form can send."""
    kind, *rest = [part.strip() for part in content_type.split(";")]
    parameters = {
        key.strip().lower(): value.strip().strip('"').lower() for key, _, value in (p.partition("=") for p in rest)
    }
    return kind.lower() == JSON and parameters.get("charset", "utf-8") in ("utf-8", "utf8")
