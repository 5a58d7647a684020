"""What the measurement of memory asks for can be asked, and it takes no answer that is not right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from graphql import FieldNode, GraphQLSchema, Visitor, build_schema, parse, validate, visit

from benchmarks.examples import Operation, credentials, operations, screens
from benchmarks.lab import ROOT
from benchmarks.memory import Answers, Client, request_of
from benchmarks.service import environment
from bff import settings as settings_module
from bff.access.devices import Devices
from bff.app import EXAMPLES
from sandbox.identity.tokens import claims_of

pytestmark = pytest.mark.anyio

COUNT = 160


@pytest.fixture(scope="module")
def made() -> list[Operation]:
    return operations(COUNT)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


class _Fields(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names = set[str]()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.names.add(node.name.value)


def fields_of(query: str) -> set[str]:
    found = _Fields()
    visit(parse(query), found)
    return found.names


def test_operations_are_valid_and_have_the_variables_that_they_use(
    made: list[Operation], schema: GraphQLSchema
) -> None:
    for each in made:
        document = parse(each.query)
        assert validate(schema, document) == [], each.query
        definitions: Any = getattr(document.definitions[0], "variable_definitions", None) or ()
        required = {one.variable.name.value for one in definitions if one.type.kind == "non_null_type"}
        assert required <= set(each.variables) <= {one.variable.name.value for one in definitions}


def test_operations_are_all_different(made: list[Operation]) -> None:
    assert len({each.query for each in made}) == COUNT
    choices = {each.query.partition("{")[2] for each in made}
    assert len(choices) > COUNT * 0.9, "different by more than their names"


def test_every_example_and_every_field_of_it_is_asked(made: list[Operation]) -> None:
    assert {each.screen for each in made} == {path.stem for path in EXAMPLES.glob("*.graphql")}
    for screen in screens():
        asked = set[str]().union(*(fields_of(each.query) for each in made if each.screen == screen.example.name))
        assert asked == fields_of(screen.example.query), screen.example.name


def test_same_seed_makes_the_same_operations(made: list[Operation]) -> None:
    assert operations(COUNT) == made
    assert operations(COUNT, seed=4) != made


def test_head_unit_shows_a_certificate_and_people_a_token() -> None:
    found = credentials({"head-unit", "owner"}, "https://issuer.test")
    assert list(found["owner"]) == ["authorization"]
    assert Devices().certificate(found["head-unit"]["client-cert"]).vin == claims_of("head-unit")["vin"]


def test_service_has_settings_that_production_takes() -> None:
    settings = settings_module.load(environment(18_600, 18_500, 2))
    assert not settings.development
    assert not any(address.simulated for address in settings.upstreams.values())
    assert settings.workers == 2


# The load


@asynccontextmanager
async def answering(*replies: tuple[int, Any]) -> AsyncIterator[int]:
    """The port of a server that gives these, the last one again and again."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(10_000):
            status, answer = left.pop(0) if len(left) > 1 else left[0]
            body = orjson.dumps(answer)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.01)  # connections see their end


def failed(code: str, *, retryable: bool = True, data: Any = None) -> dict[str, Any]:
    error = {"message": "…", "path": ["a"], "extensions": {"code": code, "retryable": retryable}}
    return {"errors": [error], "data": {"a": None} if data is None else data}


async def answered(*replies: tuple[int, Any]) -> tuple[int, int]:
    """Of two requests, how many were, and how many of those by a busy system."""
    answers = Answers()
    async with answering(*replies) as port:
        client = Client(port, [request_of(b"{}", {"x-one": "1"})], 2, answers)
        await client.work()
    return client.answered, answers.busy


async def test_load_takes_whole_answers_and_those_of_a_busy_system() -> None:
    whole = {"data": {"text": '"errors"'}}
    assert await answered((200, whole), (200, failed("UPSTREAM_BUSY"))) == (2, 1)


async def test_load_asks_again_where_the_service_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.memory.PAUSE_SECONDS", 0)
    assert await answered((503, {"errors": []}), (200, {"data": {}})) == (2, 0)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, failed("UPSTREAM_UNAVAILABLE")),
        (200, failed("UPSTREAM_BUSY", retryable=False)),
        (200, {"errors": [*failed("UPSTREAM_BUSY")["errors"], *failed("FORBIDDEN")["errors"]], "data": {"a": None}}),
        (200, {"errors": [{"message": "…"}], "data": {"a": None}}),
        (200, {"errors": failed("UPSTREAM_BUSY")["errors"], "data": None}),
        (200, {"errors": failed("UPSTREAM_BUSY")["errors"]}),
        (200, {"data": None}),
        (401, {"data": {"a": 1}}),
        (401, failed("UPSTREAM_BUSY")),
        (429, failed("RATE_LIMITED")),
    ],
)
async def test_load_ends_at_an_answer_that_is_not_right(status: int, answer: Any) -> None:
    with pytest.raises(RuntimeError, match=f"not an answer: {status}"):
        await answered((200, {"data": {}}), (status, answer))
