"""XML as systems of record send it: bytes to text to elements, with the standard library's parser.

Nothing is expanded and nothing fetched: whatever could be needs a document type, and a document that has one never
reaches the parser. A hook in the parser would come too late: expat reads on to the end after a handler has raised.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

MOST_LEVELS = 256
"""Of elements inside each other. The agreed messages have a dozen; a walk of this many may recurse."""

_CHARSETS = {
    **dict.fromkeys(("gbk", "gb2312", "gb18030", "x-gbk", "cp936", "ms936"), "gb18030"),
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8-sig"),
}
_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
_DECLARED = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*encoding\s*=\s*["']([\w.-]+)["']""")
# Possessive: a loop that may be gone back into keeps a gigabyte of ways back for a few megabytes of blanks.
_PROLOG = re.compile(r"\ufeff?(?:\s+|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)


class NotXml(ValueError):
    """A document cannot be read. The text is for the log."""


def decode(body: bytes, content_type: str) -> str:
    """The text of a document without its XML declaration, which decides only where HTTP names no charset."""
    _, _, said = content_type.lower().partition("charset=")
    charset = said.partition(";")[0].strip(" \"'")
    if not charset:
        declared = _DECLARED.match(body)
        charset = declared[1].decode("ascii").lower() if declared else "utf-8"
    codec = _CHARSETS.get(charset)
    if codec is None:
        raise NotXml(f"charset {charset} is not agreed")
    try:
        return _DECLARATION.sub("", body.decode(codec), count=1)
    except UnicodeDecodeError as error:
        raise NotXml(f"not {charset}: {error.reason} at byte {error.start}") from error


def parse(text: str) -> ET.Element:
    """The root of a document. Comments and processing instructions are left out, the text around them is joined.

    Text is taken as it is, whatever its declaration says of bytes. Raises NotXml, for a document type, too.
    """
    prolog = _PROLOG.match(text)
    if prolog is not None and text.startswith("<!", prolog.end()):
        raise NotXml("a document type, or another declaration, before the root element")
    parser = ET.XMLParser()  # noqa: S314 - without a document type there are no entities
    try:
        parser.feed(text)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError) as error:
        raise NotXml(str(error)) from error
    if text.count("</") >= MOST_LEVELS:  # a tag that is closed for every level but the last
        _bound(root)
    return root


def _bound(root: ET.Element) -> None:
    """Level by level, since a walk that recurses would end where this is to prevent it."""
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MOST_LEVELS:
            raise NotXml(f"more than {MOST_LEVELS} levels of elements")
        level = [child for element in level for child in element]


def local_name(element: ET.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
