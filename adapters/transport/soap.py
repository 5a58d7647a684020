"""SOAP 1.1 carrying STAR BODs, as dealer management systems speak it.

A request is an Envelope whose header has a `payloadManifest` and whose body is `ProcessMessage` → `payload` →
`content` → one BOD (STAR web services, 2005/10 transport). Documents say that they are GBK and really are GB18030, its
superset: the bytes are decoded by the HTTP charset, the XML declaration is dropped, then the text is parsed. Refusals
come as `ConfirmBOD` at HTTP 200, faults at 500, and a maintenance window as an HTML page at 200.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from adapters.transport.http import HttpReply
from adapters.transport.statuses import failure
from adapters.transport.upstream import Effect, Operation, Upstream
from adapters.transport.xml import NotXml, decode, local_name, parse
from bff.errors import (
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamError,
    UpstreamMaintenance,
    UpstreamRejected,
    UpstreamUnavailable,
)

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TRANSPORT = "http://www.starstandards.org/webservices/2005/10/transport"
STAR = "http://www.starstandard.org/STAR/5"
ACTION = f"{TRANSPORT}/operations/ProcessMessage"
RELEASE = "5.6.4"
SHANGHAI = ZoneInfo("Asia/Shanghai")

_HEADERS = {"content-type": "text/xml; charset=GBK", "soapaction": f'"{ACTION}"', "accept": "text/xml"}
_ENVELOPE = (
    '<?xml version="1.0" encoding="GBK"?>'
    f'<soapenv:Envelope xmlns:soapenv="{SOAP}" xmlns:t="{TRANSPORT}" xmlns:s="{STAR}"><soapenv:Header>'
    '<t:payloadManifest><t:manifest contentID="Content0" namespaceURI="' + STAR + '" element="%s" version="%s"/>'
    "</t:payloadManifest></soapenv:Header><soapenv:Body>"
    '<t:ProcessMessage><t:payload><t:content id="Content0">%s</t:content></t:payload></t:ProcessMessage>'
    "</soapenv:Body></soapenv:Envelope>"
)
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OUR_FAULT = re.compile(rb"<faultcode>\s*(?:[\w.-]+:)?(?:Client|VersionMismatch|MustUnderstand)\b")
_HTML = re.compile(rb"\A\s*(<!doctype\s+html|<html)", re.IGNORECASE)
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})\s*[-–~至]\s*(\d{1,2}):(\d{2})")


class Unreadable(ValueError):
    """A document, or a record in one, is not what the contract says. The text is for the log."""


class SoapFault(Exception):
    """The system could not process the message. `by_client`: the message was wrong, so nothing was done."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.by_client = code.rpartition(":")[2].split(".")[0] in ("Client", "VersionMismatch", "MustUnderstand")


class BodRefused(Exception):
    """The system understood and said no: a `ConfirmBOD` with a failure, or a BOD with such a return code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Xml(str):
    """Markup: already escaped, as opposed to any other string."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str) -> Xml:
    """An element in the STAR namespace. Strings are escaped, `Xml` goes in as it is."""
    inner = "".join([part if part.__class__ is Xml else _escape(part) for part in content])
    said = "".join([f' {key}="{_escape(value)}"' for key, value in attributes.items()]) if attributes else ""
    return Xml(f"<s:{name}{said}>{inner}</s:{name}>")


def column(name: str, values: Sequence[str]) -> Xml:
    """One of several parallel lists: `<Name><V>…</V><V>…</V></Name>`."""
    return element(name, *[element("V", value) for value in values])


def _escape(text: str) -> str:
    """Characters that XML cannot carry (controls, lone surrogates) are left out."""
    if text.isascii() and text.isalnum():  # nearly all: codes, numbers, VINs
        return text
    plain = _NOT_XML.sub("", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def envelope(name: str, bod: Xml) -> bytes:
    """The document that carries the BOD `name`."""
    return (_ENVELOPE % (name, RELEASE, bod)).encode("gb18030")


class Node:
    """An element as wire modules read it: children by local name in the STAR namespace, blank text as None."""

    __slots__ = ("_element",)

    def __init__(self, element: Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        return local_name(self._element)

    def child(self, name: str) -> Node | None:
        found = self._element.find(_tag(name))
        return None if found is None else Node(found)

    def all(self, name: str) -> list[Node]:
        return [Node(found) for found in self._element.findall(_tag(name))]

    def text(self, name: str) -> str | None:
        found = self._element.findtext(_tag(name))
        return (found.strip() or None) if found else None

    def required(self, name: str) -> str:
        found = self.text(name)
        if found is None:
            raise Unreadable(f"{self.name} has no {name}")
        return found

    def column(self, name: str) -> list[str]:
        """The entries of a parallel list: one entry is a list of one, a missing column is empty."""
        found = self._element.find(_tag(name))
        return [] if found is None else [(entry.text or "").strip() for entry in found.findall(_tag("V"))]

    def rows(self, *names: str) -> list[tuple[str, ...]]:
        """Parallel lists zipped by index. Lists of unequal length are unreadable: no row could be trusted."""
        columns = [self.column(name) for name in names]
        if len({len(entries) for entries in columns}) > 1:
            raise Unreadable(f"{self.name}: columns {', '.join(names)} have unequal lengths")
        return list(zip(*columns, strict=True))


@cache
def _tag(name: str) -> str:
    return f"{{{STAR}}}{name}"


def read_bod(body: bytes, content_type: str) -> Node:
    """The BOD in an envelope. Raises SoapFault, BodRefused for a failed ConfirmBOD, Unreadable for anything else."""
    try:
        root = parse(decode(body, content_type))
    except NotXml as error:
        raise Unreadable(str(error)) from error
    inside = root.find(f"{{{SOAP}}}Body") if root.tag == f"{{{SOAP}}}Envelope" else None
    if inside is None:
        raise Unreadable(f"not a SOAP 1.1 envelope with a body: {root.tag}")
    fault = inside.find(f"{{{SOAP}}}Fault")
    if fault is not None:
        raise SoapFault(fault.findtext("faultcode", ""), fault.findtext("faultstring", ""))
    contents = inside.findall(f"{{{TRANSPORT}}}*/{{{TRANSPORT}}}payload/{{{TRANSPORT}}}content/*")
    if len(contents) != 1:
        raise Unreadable(f"{len(contents)} BODs where one was agreed")
    bod = Node(contents[0])
    if bod.name == "ConfirmBOD":
        _confirmed(bod)
    return bod


def _confirmed(bod: Node) -> None:
    area = bod.child("ConfirmBODDataArea")
    about = area.child("BOD") if area else None
    failure = about.child("BODFailureMessage") if about else None
    if failure is None:
        return
    reason = failure.child("ErrorProcessMessage")
    code = (reason and reason.text("ReasonCode")) or (area and area.text("RetCode")) or ""
    raise BodRefused(code, (reason and reason.text("Description")) or "")


def server_failed(reply: HttpReply) -> bool:
    """Whether a reply from 500 on is the system's failure: SOAP answers our mistakes so, too (SOAP 1.1 section 6.2)."""
    return _OUR_FAULT.search(reply.body) is None


def maintenance_end(page: str, now: datetime) -> datetime | None:
    """When the window that a maintenance page names (`23:30-01:00`, Asia/Shanghai) ends, if it is `now` inside it."""
    found = _WINDOW.search(page)
    if found is None:
        return None
    hours = [int(part) for part in found.groups()]
    if hours[0] > 23 or hours[2] > 23 or hours[1] > 59 or hours[3] > 59:
        return None
    here = now.astimezone(SHANGHAI)
    for day in (here - timedelta(days=1), here):
        start = day.replace(hour=hours[0], minute=hours[1], second=0, microsecond=0)
        end = day.replace(hour=hours[2], minute=hours[3], second=0, microsecond=0)
        end += timedelta(days=1 if end <= start else 0)
        if start <= here < end:
            return end.astimezone(UTC)
    return None


class SoapClient:
    """Exchanges BODs with one system at one path."""

    def __init__(self, upstream: Upstream, path: str) -> None:
        self.upstream = upstream
        self._path = path

    async def exchange(self, operation: Operation, bod: Xml, answer: str, keys: Sequence[str] = ()) -> Node:
        """Send the BOD that `operation` names and return the BOD that came back, which must be `answer`.

        Raises BodRefused for a business refusal and an UpstreamError for the rest. A write whose answer cannot be
        read may have been done: OutcomeUnknown.
        """
        body = envelope(operation.name, bod)
        reply = await self.upstream.call(operation, "POST", self._path, keys=keys, headers=_HEADERS, body=body)
        self._check(operation, reply)
        try:
            found = read_bod(reply.body, reply.headers.get("content-type", ""))
            if found.name != answer:
                raise Unreadable(f"{operation.name} was answered by {found.name}")
            return found
        except SoapFault as fault:
            if fault.by_client:
                raise UpstreamRejected(self.upstream.name, detail=str(fault)) from fault
            raise self.lost(operation, UpstreamUnavailable, str(fault)) from fault
        except Unreadable as error:
            kind = UpstreamUnavailable if reply.status >= 500 else UpstreamContractBroken
            raise self.lost(operation, kind, str(error)) from error

    def lost(self, operation: Operation, kind: type[UpstreamError], detail: str) -> UpstreamError:
        """The error of an exchange whose effect cannot be told from the answer."""
        if operation.effect is Effect.WRITE:
            return OutcomeUnknown(self.upstream.name, detail=detail)
        return kind(self.upstream.name, detail=detail)

    def _check(self, operation: Operation, reply: HttpReply) -> None:
        """Whatever is no SOAP message: a page in its place, and statuses that SOAP over HTTP does not use."""
        if reply.status == 200:
            if "html" in reply.headers.get("content-type", "") or _HTML.match(reply.body):
                page = reply.body.decode("gb18030", "replace")
                until = maintenance_end(page, datetime.now(UTC))
                self.upstream.maintenance_seen(until)
                raise UpstreamMaintenance(self.upstream.name, detail=page[:200], retry_after=until)
        elif reply.status >= 400 and reply.status != 500:
            raise failure(self.upstream.name, operation, reply)
