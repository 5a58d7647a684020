"""Answers of the dealer system as tests write them, in the bytes that it sends."""

from __future__ import annotations

from pathlib import Path

import httpx

from adapters.transport.soap import SOAP, STAR, TRANSPORT

FIXTURES = Path(__file__).parent / "fixtures"
_ENVELOPE = (
    '<?xml version="1.0" encoding="GBK"?>\n<e:Envelope xmlns:e="{soap}" xmlns:x="{transport}" xmlns:s="{star}"><e:Body>'
    '<x:ProcessMessageResponse><x:payload><x:content id="Content0"><s:{name} releaseID="5.6.4" languageCode="zh-CN">'
    "<s:ApplicationArea/><s:{name}DataArea><s:RetCode>{code}</s:RetCode><s:RetMsg>x</s:RetMsg>{data}</s:{name}DataArea>"
    "</s:{name}></x:content></x:payload></x:ProcessMessageResponse></e:Body></e:Envelope>"
)


def fixture(name: str) -> str:
    """The records of a data area, from `fixtures/`."""
    return (FIXTURES / f"{name}.xml").read_text("utf-8")


def answer(name: str, data: str = "", code: str = "0000") -> httpx.Response:
    """The BOD `name` in an envelope; GB18030 under the name of GBK, as the real one does it."""
    text = _ENVELOPE.format(soap=SOAP, transport=TRANSPORT, star=STAR, name=name, data=data, code=code)
    return httpx.Response(200, headers={"content-type": "text/xml; charset=GBK"}, content=text.encode("gb18030"))


def refusal(code: str) -> httpx.Response:
    """A failed ConfirmBOD at HTTP 200."""
    reason = f"<s:Description>内部 trace 214</s:Description><s:ReasonCode>{code}</s:ReasonCode>"
    failure = f"<s:BODFailureMessage><s:ErrorProcessMessage>{reason}</s:ErrorProcessMessage></s:BODFailureMessage>"
    return answer("ConfirmBOD", f"<s:BOD>{failure}</s:BOD>", code)


def page() -> httpx.Response:
    html = "<!DOCTYPE html><html><h1>系统维护中 23:30-01:00</h1></html>"
    return httpx.Response(200, headers={"content-type": "text/html; charset=gbk"}, content=html.encode("gb18030"))
