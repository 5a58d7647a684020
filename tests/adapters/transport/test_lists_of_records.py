"""Lists inside records and lists of records: what cannot be read is told, what is missing is not invented."""

from __future__ import annotations

import httpx
import msgspec
import pytest
import respx

from adapters.transport.records import RecordClient, Records
from adapters.transport.upstream import Operation
from bff.domain.base import PartialList
from bff.errors import BffError, UpstreamContractBroken
from tests.support import mocked_upstream

pytestmark = pytest.mark.anyio

READ = Operation(name="Read")


class WireCup(msgspec.Struct):
    id: str


CUP = Records(WireCup, lambda wire: wire.id, key="id")


def client(reply: httpx.Response) -> tuple[RecordClient, respx.Route]:
    router = respx.Router()
    route = router.get(path="/cups").mock(return_value=reply)
    return RecordClient(mocked_upstream(router, "shop")), route


def test_readable_list_is_whole() -> None:
    values = CUP.several("shop", [msgspec.Raw(b'{"id":"a"}'), msgspec.Raw(b'{"id":"b"}')])
    assert values == ["a", "b"]
    assert not isinstance(values, PartialList)
    assert CUP.several("shop", []) == []


def test_unreadable_record_leaves_a_list_that_says_so(caplog: pytest.LogCaptureFixture) -> None:
    values = CUP.several("shop", [msgspec.Raw(b'{"id":1}'), msgspec.Raw(b'{"id":"b"}')])
    assert values == ["b"]
    assert isinstance(values, PartialList)
    assert isinstance(values.missing, UpstreamContractBroken)
    assert "unreadable record" in caplog.text


def test_list_with_nothing_readable_is_an_error() -> None:
    with pytest.raises(UpstreamContractBroken):
        CUP.several("shop", [msgspec.Raw(b'{"id":1}')])


async def test_parameters_go_with_every_call() -> None:
    shop, route = client(httpx.Response(200, json={"items": []}))
    await shop.found(READ, "/cups", "id", ["a", "b"], CUP, str, most=1, parameters=[("limit", 3), ("viewer", None)])
    assert [call.request.url.query for call in route.calls] == [b"id=a&limit=3", b"id=b&limit=3"]


async def test_missing_list_is_a_broken_contract_and_not_an_empty_one() -> None:
    shop, _ = client(httpx.Response(404))
    found = await shop.found(READ, "/cups", "id", ["a"], CUP, str)
    assert isinstance(found["a"], BffError)
    with pytest.raises(UpstreamContractBroken):
        await shop.listed(READ, "/cups", CUP)
