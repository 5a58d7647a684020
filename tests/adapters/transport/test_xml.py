"""Documents are read as lxml reads them, and what could be expanded, fetched or nested without end is refused."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.transport.xml import MOST_LEVELS, NotXml, decode, local_name, parse

GBK = "text/xml; charset=GBK"
LXML = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
LAUGHS = '<!DOCTYPE a [<!ENTITY l0 "ha">' + "".join(
    [f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(20)]
)  # ten to the twentieth


def nested(levels: int) -> str:
    return "<a>" * levels + "</a>" * levels


Shape = tuple[str, dict[str, str], str, str, list["Shape"]]


def ours(text: str) -> Shape | None:
    """What `parse` makes of a document; None: it is refused."""
    try:
        return _ours(parse(text))
    except NotXml:
        return None


def _ours(element: object) -> Shape:
    at: etree._Element = element  # type: ignore[assignment]  # both libraries have the same interface
    return str(at.tag), dict(at.attrib), at.text or "", at.tail or "", [_ours(child) for child in at]  # type: ignore[arg-type]


def theirs(text: str) -> Shape | None:
    """The same by lxml."""
    try:
        return _ours(etree.fromstring(text, LXML))
    except (etree.XMLSyntaxError, ValueError):
        return None


@pytest.mark.parametrize(
    "text",
    [
        "<a>one<!-- two --> three<?four five?><![CDATA[<six>&]]>&lt;&#x20BB7;</a>",
        "<a>one<b/>two<!-- -->three<b>four</b>five</a>",
        '<x:a xmlns:x="u" xmlns="v"><b x:c="1" d="&quot;&#10;"/><x:b xmlns:x="w"/><b xmlns=""/></x:a>',
        "<a>\r\nline\rline</a>",
        '<a b="x\ny\tz"/>',
        "<名 字='𠮷'>健㐂</名>",
        "<a>\x7f\x85\u2028\ufffd\U0010ffff</a>",
        " \n<!-- <!DOCTYPE a> --><?p <!DOCTYPE a>?><a><![CDATA[<!DOCTYPE a>]]></a><!-- c --><?d e?>\n",
        "\ufeff<a/>",
        '<a xml:lang="zh"/>',
        nested(MOST_LEVELS),
        "<a>" + "<b><c/></b>" * 1_000 + "</a>",
    ],
    ids=lambda text: text[:40],
)
def test_document_is_read_as_lxml_reads_it(text: str) -> None:
    assert ours(text) == theirs(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "plain",
        "<a>",
        "<a/>b",
        "<a/><b/>",
        "<a></b>",
        "<x:a/>",
        '<a x:b="1"/>',
        '<a b="1" b="2"/>',
        '<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>',
        '<a b="<"/>',
        "<a b=1/>",
        "<a>&nbsp;</a>",
        "<a>&</a>",
        "<a>]]></a>",
        "<a>\x00</a>",
        "<a>\x01</a>",
        "<a>\x1f</a>",
        "<a>\ufffe</a>",
        "<a>\ud800</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<!-- -- --><a/>",
        "<!-- <a/>",
        "<? <a/>",
        "<a><?xml version='1.0'?></a>",
        nested(MOST_LEVELS + 1),
        nested(MOST_LEVELS)[: 3 * MOST_LEVELS] + "<b/>" + "</a>" * MOST_LEVELS,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_document_is_refused_as_lxml_refuses_it(text: str) -> None:
    assert theirs(text) is None
    with pytest.raises(NotXml, match=r".+"):
        parse(text)


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")) | st.sampled_from("\t\n\r&<>'\""))
names = st.sampled_from(["a", "b", "x:a", "名", "y:c"])
marks = texts.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
notes = st.sampled_from(["<!-- <!DOCTYPE a> -->", "<?p <b>?>", "<![CDATA[<c>]]>"])
elements: st.SearchStrategy[str] = st.deferred(
    lambda: st.builds(
        lambda name, said, inside: f'<{name} k="{said}">{"".join(inside)}</{name}>',
        names,
        marks.map(lambda text: text.replace('"', "&quot;")),
        st.lists(marks | notes | elements, max_size=4),
    )
)


@given(elements)
def test_any_document_is_read_as_lxml_reads_it(element: str) -> None:
    text = f'<r xmlns:x="u" xmlns:y="v">{element}</r>'
    assert ours(text) == theirs(text) is not None


pieces = [
    "<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "<!DOCTYPE", "<!doctype a>", "<! DOCTYPE a>", "<!", "<!--", "-->",
    "<!-- -->", "<!-->", "--", "<?", "?>", "<?p?>", "<??>", "<?xml version='1.0'?>", "<![CDATA[", "]]>", "<a>", "</a>",
    "<a/>", "&b;", " ", "\n", "\x0b", "\xa0", "\ufeff", "x", ">", "<", "-", "!", "?",
]  # fmt: skip


@given(st.lists(st.sampled_from(pieces), max_size=9).map("".join))
def test_no_document_type_reaches_the_parser(text: str) -> None:
    """Wherever expat itself sees one begin, the document was refused for it."""
    begun: list[str] = []
    reader = expat.ParserCreate()
    reader.StartDoctypeDeclHandler = lambda name, *_: begun.append(name)
    with suppress(expat.ExpatError):
        reader.Parse(text, True)
    if begun:
        with pytest.raises(NotXml, match="document type"):
            parse(text)
    elif ours(text) is None:
        assert theirs(text) is None


@pytest.mark.parametrize(
    "head",
    [
        LAUGHS + "]>",
        '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a [<!ENTITY q "' + "q" * 100_000 + '">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
        "<!DOCTYPE a>",
        "\ufeff\n<!-- <a> --><?p ?>\n<!DOCTYPE a>",
        "<!DOCTYPE",
    ],
    ids=lambda head: head[:40],
)
def test_document_type_is_refused_before_anything_is_read_of_it(head: str) -> None:
    with pytest.raises(NotXml, match="document type"):
        parse(head + "<a>&l20;&f;" + "&q;" * 1_000 + "</a>")


@pytest.mark.parametrize("prolog", [" " * 1_000_000, "<!---->" * 200_000, "<!--" * 200_000, "<?" * 200_000])
def test_long_way_to_the_root_takes_no_longer_than_its_length(prolog: str) -> None:
    assert ours(prolog + "<a/>") == theirs(prolog + "<a/>")


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 10_000, 200_000])
@pytest.mark.parametrize("closed", [True, False])
def test_document_that_nests_without_end_is_refused_and_let_go_of(levels: int, closed: bool) -> None:
    text = nested(levels) if closed else "<a>" * levels
    with pytest.raises(NotXml, match="levels" if closed else r".+"):
        parse(text)
    gc.collect()


def test_many_elements_beside_each_other_are_no_levels() -> None:
    assert len(parse("<a>" + "<b>1</b>" * 100_000 + "</a>")) == 100_000


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("GBK", "gb18030"),
        ("gb2312", "gb18030"),
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("us-ascii", "utf-8"),
    ],
)
def test_declaration_decides_where_http_names_no_charset(declared: str, codec: str) -> None:
    for said in (f'encoding="{declared}"', f"encoding = '{declared}' standalone='yes'"):
        body = f'<?xml version="1.0" {said}?>\n<a>𠮷田健㐂</a>'.encode(codec)
        assert parse(decode(body, "text/xml")).text == "𠮷田健㐂"


def test_text_is_taken_as_it_is_whatever_its_declaration_says_of_bytes() -> None:
    assert parse('<?xml version="1.0" encoding="GBK"?><a>é𠮷</a>').text == "é𠮷"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff\xff", GBK),
        ("é".encode("latin-1"), "text/xml; charset=utf-8"),
        (b"<a/>", "text/xml; charset=ebcdic"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "text/xml"),
        ("<a/>".encode("utf-16"), "text/xml"),
    ],
)
def test_bytes_of_no_agreed_charset_are_refused_rather_than_guessed(body: bytes, said: str) -> None:
    with pytest.raises(NotXml):
        decode(body, said)


def test_name_of_an_element_is_told_without_its_namespace() -> None:
    root = parse('<x:a xmlns:x="http://www.mesa.org/xml/B2MML"><b/></x:a>')
    assert (local_name(root), local_name(root[0])) == ("a", "b")


def test_service_runs_without_lxml() -> None:
    """It is here for tests alone: a process that loads it is four megabytes larger."""
    code = "import sys, adapters.mes.mes_wire, adapters.transport.soap, bff.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert "adapters.dms.service" in loaded
    assert not [name for name in loaded if name.partition(".")[0] == "lxml"]
