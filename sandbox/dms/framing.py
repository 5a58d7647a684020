"""Envelopes in and out, read with the standard library's parser so that nothing is shared with the service's reader.

Whatever is wrong with a message is a SOAP fault; whatever is wrong with its business is a `Refused`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TRANSPORT = "http://www.starstandards.org/webservices/2005/10/transport"
STAR = "http://www.starstandard.org/STAR/5"
ACTION = f"{TRANSPORT}/operations/ProcessMessage"
RELEASE = "5.6.4"
CHINESE = ("gbk", "gb2312", "gb18030")

for _prefix, _uri in (("SOAP-ENV", SOAP), ("tran", TRANSPORT), ("star", STAR)):
    ET.register_namespace(_prefix, _uri)


class Fault(Exception):
    """The message cannot be processed. `code` is Client, Server or VersionMismatch."""

    def __init__(self, text: str, code: str = "Client") -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Refused(Exception):
    """A business failure, told by `ConfirmBOD` at HTTP 200."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Message:
    """One BOD as it came in: its name, who sent it about which dealer, its id and its data area."""

    name: str
    creator: str
    dealer: str
    bod_id: str
    data: ET.Element


def tag(name: str) -> str:
    return f"{{{STAR}}}{name}"


def node(name: str, *inside: str | ET.Element | None, **attributes: str) -> ET.Element:
    """An element with text or children; None is left out."""
    made = ET.Element(tag(name), attributes)
    for part in inside:
        if isinstance(part, str):
            made.text = part
        elif part is not None:
            made.append(part)
    return made


def maybe(name: str, text: str | None) -> ET.Element | None:
    return node(name, text) if text else None


def values(name: str, entries: list[str]) -> ET.Element:
    """One of several parallel columns."""
    return node(name, *[node("V", entry) for entry in entries])


def text_of(parent: ET.Element, name: str) -> str:
    """The text of a child, or an empty string."""
    return (parent.findtext(tag(name)) or "").strip()


def fields(parent: ET.Element, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Faults on a child that is missing, unknown or there twice: this system takes one record a call."""
    seen = [child.tag.rpartition("}")[2] for child in parent]
    for name in seen:
        if name not in required and name not in optional:
            raise Fault(f"unexpected element {name}")
        if seen.count(name) > 1:
            raise Fault(f"element {name} occurs {seen.count(name)} times")
    for name in required:
        if name not in seen:
            raise Fault(f"element {name} is missing")


def read(body: bytes, content_type: str, action: str | None) -> Message:
    """The one BOD of a request."""
    if action is None or action.strip('"') != ACTION:
        raise Fault(f"SOAPAction is {ACTION}")
    root = _parse(_decode(body, content_type))
    if root.tag.endswith("}Envelope") and root.tag != f"{{{SOAP}}}Envelope":
        raise Fault("this is a SOAP 1.1 system", "VersionMismatch")
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Fault("the document is not an Envelope")
    manifest = root.find(f"{{{SOAP}}}Header/{{{TRANSPORT}}}payloadManifest/{{{TRANSPORT}}}manifest")
    contents = root.findall(
        f"{{{SOAP}}}Body/{{{TRANSPORT}}}ProcessMessage/{{{TRANSPORT}}}payload/{{{TRANSPORT}}}content"
    )
    if manifest is None or len(contents) != 1 or len(contents[0]) != 1:
        raise Fault("a message has a payloadManifest and one content with one BOD")
    bod = contents[0][0]
    name = bod.tag.removeprefix(f"{{{STAR}}}")
    said = manifest.get("element"), manifest.get("namespaceURI"), manifest.get("contentID")
    if said != (name, STAR, contents[0].get("id")):
        raise Fault("the payloadManifest describes another content")
    return _message(name, bod)


def _decode(body: bytes, content_type: str) -> str:
    media, _, charset = content_type.lower().replace(" ", "").partition(";charset=")
    if media != "text/xml":
        raise Fault("SOAP 1.1 is text/xml")
    declared = re.match(rb"""<\?xml version=["']1\.0["'] encoding=["']([A-Za-z0-9-]+)["']""", body)
    if charset.strip('"') not in CHINESE or declared is None or declared[1].decode().lower() not in CHINESE:
        raise Fault("the document and its HTTP header declare GBK")
    try:
        return re.sub(r"\A<\?xml[^>]*\?>", "", body.decode("gb18030"), count=1)
    except UnicodeDecodeError as error:
        raise Fault(f"the document is not in the encoding it declares: byte {error.start}") from error


def _parse(text: str) -> ET.Element:
    if "<!DOCTYPE" in text:
        raise Fault("a SOAP message has no document type")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type gets this far, so there are no entities
    except ET.ParseError as error:
        raise Fault(f"the document is not well-formed: {error}") from error


def _message(name: str, bod: ET.Element) -> Message:
    if bod.get("releaseID") != RELEASE:
        raise Fault(f"releaseID is {RELEASE}")
    fields(bod, ("ApplicationArea", f"{name}DataArea"))
    area, data = bod[0], bod[1]
    fields(area, ("Sender", "CreationDateTime", "BODID"))
    sender = area[0]
    fields(sender, ("CreatorNameCode", "DealerNumberID"))
    try:
        UUID(text_of(area, "BODID"))
        if datetime.fromisoformat(text_of(area, "CreationDateTime")).tzinfo is not None:
            raise ValueError("a zone")
    except ValueError as error:
        raise Fault("BODID is a UUID, CreationDateTime a local time without zone") from error
    creator, dealer = text_of(sender, "CreatorNameCode"), text_of(sender, "DealerNumberID")
    return Message(name, creator, dealer, text_of(area, "BODID"), data)


def answer(name: str, message: Message, now: str, code: str, text: str, *data: ET.Element) -> bytes:
    """The envelope of the BOD that answers `message`."""
    sender = node("Sender", node("CreatorNameCode", "DMS"), node("DealerNumberID", message.dealer))
    own_id = str(uuid5(UUID(message.bod_id), name))
    area = node("ApplicationArea", sender, node("CreationDateTime", now), node("BODID", own_id))
    inside = node(f"{name}DataArea", node("RetCode", code), node("RetMsg", text), *data)
    return _envelope(name, node(name, area, inside, releaseID=RELEASE, languageCode="zh-CN"))


def confirm_failure(message: Message, now: str, refused: Refused) -> bytes:
    reason = node("ErrorProcessMessage", node("Description", refused.text), node("ReasonCode", refused.code))
    about = node("BOD", node("OriginalBODID", message.bod_id), node("BODFailureMessage", reason))
    return answer("ConfirmBOD", message, now, refused.code, refused.text, about)


def _envelope(name: str, bod: ET.Element) -> bytes:
    root = ET.Element(f"{{{SOAP}}}Envelope")
    manifest = ET.SubElement(ET.SubElement(root, f"{{{SOAP}}}Header"), f"{{{TRANSPORT}}}payloadManifest")
    said = {"contentID": "Content0", "namespaceURI": STAR, "element": name, "version": RELEASE}
    ET.SubElement(manifest, f"{{{TRANSPORT}}}manifest", said)
    reply = ET.SubElement(ET.SubElement(root, f"{{{SOAP}}}Body"), f"{{{TRANSPORT}}}ProcessMessageResponse")
    content = ET.SubElement(ET.SubElement(reply, f"{{{TRANSPORT}}}payload"), f"{{{TRANSPORT}}}content", id="Content0")
    content.append(bod)
    return _document(root)


def fault(error: Fault) -> bytes:
    root = ET.Element(f"{{{SOAP}}}Envelope")
    told = ET.SubElement(ET.SubElement(root, f"{{{SOAP}}}Body"), f"{{{SOAP}}}Fault")
    ET.SubElement(told, "faultcode").text = f"SOAP-ENV:{error.code}"
    ET.SubElement(told, "faultstring").text = error.text
    return _document(root)


def _document(root: ET.Element) -> bytes:
    return ('<?xml version="1.0" encoding="GBK"?>' + ET.tostring(root, encoding="unicode")).encode("gb18030")
