"""SOAP framing and reading, apart from what any BOD means."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import httpx
import pytest
import respx

from adapters.transport.soap import (
    ACTION,
    SOAP,
    STAR,
    TRANSPORT,
    BodRefused,
    SoapClient,
    SoapFault,
    Unreadable,
    column,
    element,
    envelope,
    maintenance_end,
    read_bod,
)
from adapters.transport.upstream import Effect, Operation
from bff.errors import (
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamError,
    UpstreamMaintenance,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio

READ = Operation(name="GetVehicle")
WRITE = Operation(name="ProcessServiceAppointment", effect=Effect.WRITE)
RARE = "𠮷田健㐂"
GBK = "text/xml; charset=GBK"


def answer(inside: str, declaration: str = '<?xml version="1.0" encoding="GBK"?>') -> str:
    return (
        f'{declaration}<e:Envelope xmlns:e="{SOAP}" xmlns:x="{TRANSPORT}" xmlns="{STAR}"><e:Body>'
        f"<x:ProcessMessageResponse><x:payload><x:content>{inside}</x:content></x:payload></x:ProcessMessageResponse>"
        "</e:Body></e:Envelope>"
    )


SHOW = answer(f"<ShowVehicle><Name>{RARE}</Name></ShowVehicle>")
FAULT = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:%s</faultcode>'
    "<faultstring>com.dms.Handler(214)</faultstring></e:Fault></e:Body></e:Envelope>"
)
FAILED = answer(
    "<ConfirmBOD><ConfirmBODDataArea><RetCode>E3001</RetCode><BOD><BODFailureMessage><ErrorProcessMessage>"
    "<Description>已约满</Description><ReasonCode>E3001</ReasonCode></ErrorProcessMessage></BODFailureMessage></BOD>"
    "</ConfirmBODDataArea></ConfirmBOD>"
)


async def exchange(reply: httpx.Response | Exception, operation: Operation = READ) -> str:
    router = respx.Router()
    route = router.post(f"{BASE}/ws/star")
    route.mock(side_effect=reply) if isinstance(reply, Exception) else route.mock(reply)
    client = SoapClient(mocked_upstream(router, "dms"), "/ws/star")
    bod = await client.exchange(operation, element(operation.name), "ShowVehicle", ["a"])
    return bod.required("Name")


def http(text: str, content_type: str = GBK, status: int = 200) -> httpx.Response:
    return httpx.Response(status, headers={"content-type": content_type}, content=text.encode("gb18030"))


async def test_an_envelope_declares_gbk_and_carries_one_described_bod() -> None:
    body = envelope("GetVehicle", element("GetVehicle", element("VehicleID", "V1"), releaseID="5.6.4"))
    assert body.startswith(b'<?xml version="1.0" encoding="GBK"?>')
    root = ET.fromstring(body.decode("gb18030").partition("?>")[2])
    manifest = root.find(f"{{{SOAP}}}Header/{{{TRANSPORT}}}payloadManifest/{{{TRANSPORT}}}manifest")
    content = root.find(f"{{{SOAP}}}Body/{{{TRANSPORT}}}ProcessMessage/{{{TRANSPORT}}}payload/{{{TRANSPORT}}}content")
    assert manifest is not None
    assert content is not None
    assert manifest.get("element") == "GetVehicle"
    assert manifest.get("contentID") == content.get("id")
    assert [child.tag for child in content] == [f"{{{STAR}}}GetVehicle"]


async def test_a_request_says_its_charset_and_quotes_its_soap_action() -> None:
    router = respx.Router()
    route = router.post(f"{BASE}/ws/star").mock(http(SHOW))
    await SoapClient(mocked_upstream(router, "dms"), "/ws/star").exchange(READ, element("GetVehicle"), "ShowVehicle")
    headers = route.calls.last.request.headers
    assert headers["content-type"] == GBK
    assert headers["soapaction"] == f'"{ACTION}"'


@pytest.mark.parametrize("text", ["<a>&\"'</a>", "]]>", "𠮷㐂€é", "line\nbreak\ttab", "<!DOCTYPE x>"], ids=str.__repr__)
async def test_text_arrives_as_it_was_sent_whatever_it_contains(text: str) -> None:
    body = envelope("GetVehicle", element("GetVehicle", element("Name", text), note=text.replace("\n", " ")))
    found = ET.fromstring(body.decode("gb18030").partition("?>")[2]).find(f".//{{{STAR}}}Name")
    assert found is not None
    assert found.text == text


async def test_characters_that_xml_cannot_carry_are_left_out() -> None:
    assert element("Name", "a\x00b\x1fc\ud800d\ufffee") == "<s:Name>abcde</s:Name>"


async def test_a_name_that_only_gb18030_can_write_is_read_from_a_document_that_says_gbk() -> None:
    assert await exchange(http(SHOW)) == RARE


@pytest.mark.parametrize(
    ("said", "declared", "codec"),
    [
        ("text/xml; charset=GBK", "GBK", "gb18030"),
        ("text/xml; charset=gb2312", "GBK", "gb18030"),
        ('text/xml; charset="gb18030"', "UTF-8", "gb18030"),
        ("text/xml; charset=utf-8", "GBK", "utf-8"),
        ("text/xml; charset=UTF-8; action=x", "GB2312", "utf-8-sig"),
        ("text/xml", "GB2312", "gb18030"),
        ("text/xml", "UTF-8", "utf-8-sig"),
    ],
)
async def test_the_http_charset_decides_and_the_declaration_only_without_one(
    said: str, declared: str, codec: str
) -> None:
    text = answer(f"<ShowVehicle><Name>{RARE}</Name></ShowVehicle>", f'<?xml version="1.0" encoding="{declared}"?>')
    assert read_bod(text.encode(codec), said).required("Name") == RARE


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"\xff\xff", GBK), ("é".encode("latin-1"), "text/xml; charset=utf-8"), (b"x", "text/xml; charset=ebcdic")],
)
async def test_bytes_outside_of_their_charset_are_unreadable_rather_than_replaced(body: bytes, said: str) -> None:
    with pytest.raises(Unreadable):
        read_bod(body, said)


async def test_one_entry_of_a_parallel_column_stays_a_list() -> None:
    bod = read_bod(answer("<Show><OpCode><V>1010</V></OpCode><Text><V/></Text></Show>").encode("gb18030"), GBK)
    assert bod.column("OpCode") == ["1010"]
    assert bod.rows("OpCode", "Text") == [("1010", "")]
    assert bod.column("Absent") == []


async def test_columns_of_unequal_length_are_unreadable_because_no_row_can_be_trusted() -> None:
    bod = read_bod(answer("<Show><A><V>1</V><V>2</V></A><B><V>x</V></B></Show>").encode("gb18030"), GBK)
    with pytest.raises(Unreadable, match="unequal"):
        bod.rows("A", "B")
    assert column("A", ["1"]) == "<s:A><s:V>1</s:V></s:A>"


async def test_an_entity_is_never_resolved() -> None:
    bomb = '<!DOCTYPE e [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
    text = answer("<ShowVehicle><Name>&f;&a;</Name></ShowVehicle>", bomb)
    with pytest.raises(Unreadable, match="document type"):
        read_bod(text.encode("gb18030"), GBK)


async def test_a_message_that_nests_without_end_is_unreadable() -> None:
    text = answer("<ShowVehicle>" + "<a>" * 10_000 + "</a>" * 10_000 + "</ShowVehicle>")
    with pytest.raises(Unreadable, match="levels"):
        read_bod(text.encode("gb18030"), GBK)


async def test_text_around_a_comment_is_one_text_and_children_of_another_namespace_are_not_ours() -> None:
    inside = (
        '<Show><Name>林<!-- 先生 -->晓<?p x?><![CDATA[ <&>]]></Name><Name xmlns="u">x</Name><Blank> </Blank></Show>'
    )
    bod = read_bod(answer(inside).encode("gb18030"), GBK)
    assert bod.name == "Show"
    assert (bod.text("Name"), bod.text("Blank"), len(bod.all("Name"))) == ("林晓 <&>", None, 1)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<x>",
        "plain",
        "<a/>",
        answer(""),
        answer("<A/><B/>"),
        SHOW.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope"),
    ],
)
async def test_a_document_that_is_no_message_is_a_broken_contract(document: str) -> None:
    with pytest.raises(UpstreamContractBroken):
        await exchange(http(document))


async def test_an_answer_of_another_kind_is_a_broken_contract() -> None:
    with pytest.raises(UpstreamContractBroken):
        await exchange(http(answer("<ShowWarranty><Name>x</Name></ShowWarranty>")))


async def test_a_failed_confirmation_at_200_is_a_refusal_with_its_code() -> None:
    with pytest.raises(BodRefused) as caught:
        await exchange(http(FAILED))
    assert caught.value.code == "E3001"


@pytest.mark.parametrize(
    ("reply", "read", "write"),
    [
        (http(FAULT % "Server", status=500), UpstreamUnavailable, OutcomeUnknown),
        (http(FAULT % "Client", status=500), UpstreamRejected, UpstreamRejected),
        (http(FAULT % "VersionMismatch", status=500), UpstreamRejected, UpstreamRejected),
        (http("oops", "text/plain", 500), UpstreamUnavailable, OutcomeUnknown),
        (http("<html>bad gateway</html>", "text/html", 502), UpstreamUnavailable, OutcomeUnknown),
        (http("", "text/plain", 503), UpstreamBusy, UpstreamBusy),
        (http("", "text/plain", 404), UpstreamRejected, UpstreamRejected),
        (http(SHOW[:300]), UpstreamContractBroken, OutcomeUnknown),
        (http("<!DOCTYPE html><html>维护</html>"), UpstreamMaintenance, UpstreamMaintenance),
        (http("<p>维护</p>", "text/html; charset=gbk"), UpstreamMaintenance, UpstreamMaintenance),
        (httpx.ConnectError("refused"), UpstreamUnavailable, UpstreamUnavailable),
        (httpx.ReadError("reset"), UpstreamUnavailable, OutcomeUnknown),
    ],
)
async def test_what_went_wrong_decides_whether_a_write_may_have_happened(
    reply: httpx.Response | Exception, read: type[UpstreamError], write: type[UpstreamError]
) -> None:
    for operation, expected in ((READ, read), (WRITE, write)):
        with pytest.raises(UpstreamError) as caught:
            await exchange(reply, operation)
        assert type(caught.value) is expected
        assert "Handler" not in caught.value.message


async def test_a_fault_tells_whose_fault_it_is() -> None:
    for code, by_client in (("Client.Validation", True), ("Server", False)):
        with pytest.raises(SoapFault) as caught:
            read_bod((FAULT % code).encode(), "text/xml; charset=utf-8")
        assert caught.value.by_client is by_client


@pytest.mark.parametrize(
    ("page", "now", "end"),
    [
        ("23:30-01:00", datetime(2026, 3, 9, 15, 45, tzinfo=UTC), datetime(2026, 3, 9, 17, 0, tzinfo=UTC)),
        ("23:30-01:00", datetime(2026, 3, 9, 16, 59, tzinfo=UTC), datetime(2026, 3, 9, 17, 0, tzinfo=UTC)),
        ("23:30-01:00", datetime(2026, 3, 9, 17, 0, tzinfo=UTC), None),
        ("02:00 至 04:00", datetime(2026, 3, 9, 18, 30, tzinfo=UTC), datetime(2026, 3, 9, 20, 0, tzinfo=UTC)),
        ("25:30-01:00", datetime(2026, 3, 9, 16, 0, tzinfo=UTC), None),
        ("soon", datetime(2026, 3, 9, 16, 0, tzinfo=UTC), None),
    ],
)
async def test_a_maintenance_page_says_when_its_window_ends(page: str, now: datetime, end: datetime | None) -> None:
    assert maintenance_end(f"<h1>系统维护 {page}</h1>", now) == end
