"""Records are read each by itself; code lists keep what they do not know; calls are split and fail apart."""

from __future__ import annotations

import logging
from enum import Enum

import httpx
import msgspec
import pytest
import respx

from adapters.transport.http import HttpReply
from adapters.transport.records import Codes, RecordClient, Records, Refusals, by_chunks
from adapters.transport.rest import Items, Problem, ProblemReply, WireEdge, WirePage, _problem, segment
from adapters.transport.upstream import Effect, Operation
from bff.domain.base import PageArgs
from bff.errors import (
    BffError,
    InvalidInput,
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio


class Cup(msgspec.Struct):
    id: str
    size: int


CUP = Records(Cup, lambda cup: (cup.id, cup.size), key="id")
READ = Operation(name="GetCups")
WRITE = Operation(name="MakeCup", effect=Effect.WRITE)
NO_REFUSALS = Refusals({})


def items(body: bytes) -> Items[msgspec.Raw]:
    return msgspec.json.decode(body, type=Items[msgspec.Raw])


def test_unreadable_record_fails_its_own_key_only() -> None:
    answer = items(b'{"items": [{"id": "a", "size": 1}, {"id": "b", "size": "large"}]}')
    found = CUP.found("shop", answer, ["a", "b", "c"], lambda cup: cup[0])
    assert found["a"] == ("a", 1)
    assert isinstance(found["b"], UpstreamContractBroken)
    assert "c" not in found


def test_record_without_a_name_fails_every_key_that_nothing_answered() -> None:
    answer = items(b'{"items": [{"id": "a", "size": 1}, 7]}')
    found = CUP.found("shop", answer, ["a", "b"], lambda cup: cup[0])
    assert found["a"] == ("a", 1)
    assert isinstance(found["b"], UpstreamContractBroken)


def test_page_leaves_out_what_cannot_be_read_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    edges = [
        WireEdge(cursor="1", node=msgspec.Raw(b'{"id": "a"}')),
        WireEdge(cursor="2", node=msgspec.Raw(b'{"id": "b", "size": 2}')),
    ]
    with caplog.at_level(logging.ERROR):
        page = CUP.page("shop", WirePage(items=edges, has_next=True, has_previous=False, total=9))
    assert (page.items, page.cursors, page.has_next, page.total) == ([("b", 2)], ["2"], True, 9)
    assert "unreadable record" in caplog.text


class Size(Enum):
    BIG = "BIG"
    UNKNOWN = "UNKNOWN"


def test_unknown_code_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    codes = Codes("shop", Size)
    with caplog.at_level(logging.WARNING):
        assert [codes("BIG"), codes("HUGE"), codes("HUGE")] == [Size.BIG, Size.UNKNOWN, Size.UNKNOWN]
    assert caplog.text.count("HUGE") == 1


def test_refusal_shows_numbers_but_never_words_of_the_upstream() -> None:
    refusals = Refusals({"OUT": ("{left} are left of {name}.", ["input"])})
    problem = Problem(status=409, code="OUT", detail="secret", extra={"left": 3, "name": "secret"})
    refusal = refusals.of(ProblemReply("shop", 409, problem))
    assert (refusal.code, refusal.message, refusal.field) == ("OUT", "3 are left of ?.", ["input"])


def test_unknown_refusal_is_a_rejection() -> None:
    with pytest.raises(UpstreamRejected) as caught:
        NO_REFUSALS.of(ProblemReply("shop", 409, Problem(code="NEW", detail="words")))
    assert "words" not in caught.value.message


async def test_keys_are_asked_once_in_chunks_side_by_side() -> None:
    context = entered_context()
    router = respx.Router()
    route = router.get(f"{BASE}/cups").mock(return_value=httpx.Response(200, json={"items": []}))
    client = RecordClient(mocked_upstream(router, "shop"))
    await client.found(READ, "/cups", "id", ["a", "b", "a", "c"], CUP, lambda cup: cup[0], most=2)
    assert [call.request.url.query for call in route.calls] == [b"id=a&id=b", b"id=c"]
    assert (len(context.calls.records), context.calls.rounds) == (2, 1)


async def test_chunk_that_fails_leaves_the_others() -> None:
    async def ask(keys: list[str]) -> dict[str, int | BffError]:
        if "b" in keys:
            raise UpstreamUnavailable("shop")
        return dict.fromkeys(keys, 1)

    found = await by_chunks(["a", "b"], 1, ask)
    assert found["a"] == 1
    assert isinstance(found["b"], UpstreamUnavailable)


async def test_nothing_asked_is_nothing_called() -> None:
    async def ask(keys: list[str]) -> dict[str, int | BffError]:
        raise AssertionError(keys)

    assert await by_chunks([], 10, ask) == {}


async def test_bad_cursor_is_bad_input() -> None:
    body = {"code": "BAD_CURSOR", "detail": "", "status": 400}
    reply = httpx.Response(400, json=body, headers={"content-type": "application/problem+json"})
    router = respx.Router()
    router.get(f"{BASE}/cups").mock(return_value=reply)
    client = RecordClient(mocked_upstream(router, "shop"))
    with pytest.raises(InvalidInput) as caught:
        await client.page(READ, "/cups", PageArgs(last=2, before="x"), CUP)
    assert caught.value.field == "before"


@pytest.mark.parametrize("body", [b'{"id": "a", "si', b"<html></html>", b'{"id": "a"}'])
async def test_write_whose_answer_cannot_be_read_has_an_unknown_outcome(body: bytes) -> None:
    router = respx.Router()
    router.post(f"{BASE}/cups").mock(return_value=httpx.Response(200, content=body))
    client = RecordClient(mocked_upstream(router, "shop"))
    with pytest.raises(OutcomeUnknown):
        await client.write(
            WRITE, "POST", "/cups", {}, CUP, NO_REFUSALS, idempotency_key="k", missing="There is no cup."
        )


async def test_reused_idempotency_key_is_bad_input() -> None:
    body = {"code": "IDEMPOTENCY_KEY_REUSED", "detail": "", "status": 422}
    reply = httpx.Response(422, json=body, headers={"content-type": "application/problem+json"})
    router = respx.Router()
    router.post(f"{BASE}/cups").mock(return_value=reply)
    client = RecordClient(mocked_upstream(router, "shop"))
    with pytest.raises(InvalidInput) as caught:
        await client.write(
            WRITE, "POST", "/cups", {}, CUP, NO_REFUSALS, idempotency_key="k", missing="There is no cup."
        )
    assert caught.value.field == "input.idempotencyKey"


def test_problem_that_is_no_object_says_nothing() -> None:
    reply = HttpReply(status=400, headers={"content-type": "application/problem+json"}, body=b'["why"]')
    assert _problem(reply) == Problem()


@pytest.mark.parametrize("key", ["", ".", ".."])
def test_what_would_be_another_path_is_no_segment(key: str) -> None:
    with pytest.raises(InvalidInput):
        segment(key)


def test_key_is_one_segment_whatever_it_holds() -> None:
    assert segment("a/../b?c#d%2e e") == "a%2F..%2Fb%3Fc%23d%252e%20e"
