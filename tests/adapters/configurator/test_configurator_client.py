"""The configurator adapter: what it sends, reads, refuses, and makes of broken answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.configurator.client import ConfiguratorClient
from bff.domain.base import Money, PartialList, Text
from bff.domain.configurator import (
    Availability,
    BodyStyle,
    Cardinality,
    Check,
    LoadedConfiguration,
    OptionState,
    PriceLineKind,
    Selection,
    Trim,
    TrimOffer,
)
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support import BASE, entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
SELECTION = Selection(trim_code="A5-PLUS", options=("K2G", "K4R"), last_picked="K4R")
PROBLEM = {"type": "about:blank", "status": 422, "detail": "said the upstream"}

Ask = Callable[[ConfiguratorClient], Awaitable[Any]]

READS: list[tuple[str, str, str, Ask]] = [
    ("GET", "/models", "models", lambda c: c.models()),
    ("GET", "/models/by-code", "models", lambda c: c.models_by_code(["A5"])),
    ("GET", "/trims", "trims", lambda c: c.trims(["A5-PLUS"])),
    ("GET", "/offers", "offers", lambda c: c.offers(["A5-PLUS"])),
    ("GET", "/options", "options", lambda c: c.option_names(["KX9"])),
    ("POST", "/checks", "checks", lambda c: c.check([SELECTION])),
    ("GET", "/configurations", "configurations", lambda c: c.load(["A5KX9W7H"])),
]
each_read = pytest.mark.parametrize(("method", "path", "fixture", "ask"), READS, ids=[read[1] for read in READS])


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def answered(method: str, path: str, reply: httpx.Response | Exception) -> tuple[ConfiguratorClient, respx.Route]:
    router = respx.Router(assert_all_called=False)
    route = router.route(method=method, url__startswith=BASE + path)
    if isinstance(reply, Exception):
        route.mock(side_effect=reply)
    else:
        route.mock(return_value=reply)
    return ConfiguratorClient(mocked_upstream(router, "configurator")), route


def ok(name: str) -> httpx.Response:
    return httpx.Response(200, content=fixture(name), headers={"content-type": "application/json"})


def sent(route: respx.Route) -> httpx.Request:
    return route.calls.last.request


async def failure(ask: Awaitable[Any]) -> BffError:
    """The error of a read: raised by a list, the value of each key otherwise."""
    try:
        found: Mapping[Any, Any] = await ask
    except BffError as error:
        return error
    (value,) = found.values()
    assert isinstance(value, BffError)
    return value


# Requests


async def test_keys_are_asked_for_once_in_one_bulk_request() -> None:
    client, route = answered("GET", "/trims", ok("trims"))
    context = entered_context()
    await client.trims(["A5-PLUS", "A5 RS", "A5-PLUS"])
    assert route.call_count == 1
    assert sent(route).url.raw_path == b"/trims?code=A5-PLUS&code=A5%20RS"
    (record,) = context.calls.records
    assert (record.system, record.operation, record.keys) == ("configurator", "GetTrims", ["A5-PLUS", "A5 RS"])


async def test_models_can_be_asked_for_by_brand() -> None:
    client, route = answered("GET", "/models", ok("models"))
    await client.models()
    assert sent(route).url.raw_path == b"/models"
    await client.models("VELA")
    assert sent(route).url.raw_path == b"/models?brand=VELA"


async def test_a_check_sends_each_selection_once_under_its_own_reference() -> None:
    client, route = answered("POST", "/checks", ok("checks"))
    other = Selection(trim_code="A7-PLUS", packages=("PKB",), market="HK")
    await client.check([SELECTION, other, SELECTION])
    first, second = json.loads(sent(route).content)["selections"]
    assert first == {
        "ref": "0",
        "selection": {
            "trimCode": "A5-PLUS",
            "options": ["K2G", "K4R"],
            "packages": [],
            "lastPicked": "K4R",
            "market": "CN",
        },
    }
    assert (second["ref"], second["selection"]["packages"], second["selection"]["market"]) == ("1", ["PKB"], "HK")


async def test_many_keys_are_asked_for_in_chunks_side_by_side() -> None:
    client, route = answered("GET", "/options", ok("options"))
    context = entered_context()
    await client.option_names([f"X{number}" for number in range(401)])
    assert (route.call_count, context.calls.rounds) == (3, 1)


async def test_nothing_is_sent_where_nothing_is_asked() -> None:
    client = ConfiguratorClient(mocked_upstream(respx.Router(), "configurator"))
    assert await client.check([]) == {}
    assert await client.offers([]) == {}
    assert await client.load(["short", "UUUUUUUU"]) == {}


async def test_a_share_code_is_sent_as_it_was_given_out_and_answered_as_it_was_typed() -> None:
    client, route = answered("GET", "/configurations", ok("configurations"))
    found = await client.load(["a5kx-9w7h", "A5KX9W7H"])
    assert sent(route).url.raw_path == b"/configurations?code=A5KX9W7H"
    assert found.keys() == {"a5kx-9w7h", "A5KX9W7H"}


async def test_saving_sends_the_selection_and_the_idempotency_key() -> None:
    client, route = answered("POST", "/configurations", httpx.Response(201, content=fixture("saved")))
    saved = (await client.save(SELECTION, "key-1")).entity
    assert saved is not None
    assert (saved.share_code, saved.saved_at) == ("A5KX9W7H", datetime(2026, 1, 4, 1, 43, tzinfo=UTC))
    assert saved.total == Money(amount_minor=23290000)
    assert sent(route).headers["idempotency-key"] == "key-1"
    assert json.loads(sent(route).content)["options"] == ["K2G", "K4R"]


# Replies


async def test_models_are_read_and_an_unknown_body_style_stays_unknown(caplog: pytest.LogCaptureFixture) -> None:
    client, _ = answered("GET", "/models", ok("models"))
    sedan, roadster = await client.models()
    assert (sedan.code, sedan.body, sedan.trim_codes) == ("A5", BodyStyle.SEDAN, ["A5-CORE", "A5-PLUS"])
    assert (roadster.body, roadster.image_path) == (BodyStyle.UNKNOWN, None)
    await client.models()
    assert len([record for record in caplog.records if "ROADSTER" in record.getMessage()]) <= 1


async def test_a_trim_and_its_offer_are_read() -> None:
    trim = (await answered("GET", "/trims", ok("trims"))[0].trims(["A5-PLUS"]))["A5-PLUS"]
    assert isinstance(trim, Trim)
    assert (trim.price, trim.availability) == (Money(amount_minor=21990000), Availability.BUILD)
    offer = (await answered("GET", "/offers", ok("offers"))[0].offers(["A5-PLUS"]))["A5-PLUS"]
    assert isinstance(offer, TrimOffer)
    assert [group.cardinality for group in offer.groups] == [Cardinality.EXACTLY_ONE, Cardinality.UNKNOWN]
    assert [(o.code, o.group_code, o.standard, o.fixed) for o in offer.groups[1].options] == [
        ("L1L", "LIGHTS", True, True)
    ]
    assert offer.packages[0].price == Money(amount_minor=1380000)
    names = await answered("GET", "/options", ok("options"))[0].option_names(["KX9", "NONE"])
    assert names == {"KX9": Text(zh="极光紫", en="Aurora Purple")}


async def test_a_check_is_read_and_unknown_codes_stay_unknown() -> None:
    check = (await answered("POST", "/checks", ok("checks"))[0].check([SELECTION]))[SELECTION]
    assert isinstance(check, Check)
    assert check.selection is SELECTION
    assert check.conflicts[0].options == ["K2G", "K4R"]
    assert check.alternatives[0].remove == ["K2G"]
    assert {verdict.code: verdict.state for verdict in check.options} == {
        "K2G": OptionState.SELECTED,
        "K4R": OptionState.SELECTED,
        "I4T": OptionState.BLOCKED,
        "Z9Z": OptionState.UNKNOWN,
    }
    assert [line.kind for line in check.price_lines][2] is PriceLineKind.UNKNOWN
    assert check.delivery is not None
    assert (check.delivery.earliest, check.delivery.as_of) == (
        date(2026, 3, 30),
        datetime(2026, 3, 9, 2, tzinfo=UTC),
    )


async def test_a_loaded_configuration_is_read_with_its_drift() -> None:
    loaded = (await answered("GET", "/configurations", ok("configurations"))[0].load(["A5KX9W7H"]))["A5KX9W7H"]
    assert isinstance(loaded, LoadedConfiguration)
    assert loaded.check.selection == loaded.saved.selection == Selection(trim_code="A5-PLUS", options=("KX9", "W19"))
    assert (loaded.drift.withdrawn, loaded.drift.price_delta.amount_minor) == (["KX9"], -700000)


@each_read
async def test_what_is_not_in_the_answer_does_not_exist(method: str, path: str, fixture: str, ask: Ask) -> None:
    client, _ = answered(method, path, httpx.Response(200, json={"items": []}))
    assert not await ask(client)


# Business errors


async def test_a_selection_that_cannot_be_built_is_refused_in_our_words() -> None:
    client, _ = answered("POST", "/configurations", problem("NOT_BUILDABLE"))
    outcome = await client.save(SELECTION, "key-1")
    (refusal,) = outcome.refusals
    assert (outcome.entity, refusal.code, refusal.field) == (None, "NOT_BUILDABLE", ["selection"])
    assert "said the upstream" not in refusal.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("IDEMPOTENCY_KEY_REUSED", InvalidInput),
        ("MARKET_UNKNOWN", InvalidInput),
        ("NOT_FOUND", NotFound),
        ("SOMETHING_NEW", UpstreamRejected),
    ],
)
async def test_a_save_that_was_asked_wrongly_is_an_error(code: str, kind: type[BffError]) -> None:
    client, _ = answered("POST", "/configurations", problem(code, 404 if code == "NOT_FOUND" else 422))
    with pytest.raises(kind) as caught:
        await client.save(SELECTION, "key-1")
    assert "said the upstream" not in caught.value.message


@each_read
async def test_a_refused_read_is_an_error_of_its_keys(method: str, path: str, fixture: str, ask: Ask) -> None:
    client, _ = answered(method, path, problem("BAD_REQUEST", 400))
    error = await failure(ask(client))
    assert isinstance(error, UpstreamRejected)
    assert "said the upstream" not in error.message


# Broken replies


@each_read
@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"[]", b'{"items": 1}', None])
async def test_an_answer_that_is_none_is_a_broken_contract(
    method: str, path: str, fixture: str, ask: Ask, body: bytes | None
) -> None:
    truncated = (FIXTURES / f"{fixture}.json").read_bytes()[:-40]
    client, _ = answered(method, path, httpx.Response(200, content=truncated if body is None else body))
    assert isinstance(await failure(ask(client)), UpstreamContractBroken)


@each_read
async def test_a_missing_endpoint_is_a_broken_contract(method: str, path: str, fixture: str, ask: Ask) -> None:
    client, _ = answered(method, path, httpx.Response(404))
    assert isinstance(await failure(ask(client)), UpstreamContractBroken)


@each_read
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(500, text="Traceback"), UpstreamUnavailable),
        (httpx.ReadTimeout("slow"), UpstreamTimeout),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
    ],
)
async def test_an_unreachable_configurator_is_the_error_of_what_was_asked(
    method: str, path: str, fixture: str, ask: Ask, reply: httpx.Response | Exception, kind: type[BffError]
) -> None:
    client, _ = answered(method, path, reply)
    assert isinstance(await failure(ask(client)), kind)


async def test_a_trim_that_cannot_be_read_leaves_the_others() -> None:
    items = json.loads(fixture("trims"))["items"]
    broken = items[0] | {"code": "A5-CORE", "price": "199900.00"}
    client, _ = answered("GET", "/trims", httpx.Response(200, json={"items": [broken, *items]}))
    found = await client.trims(["A5-PLUS", "A5-CORE"])
    assert isinstance(found["A5-PLUS"], Trim)
    assert isinstance(found["A5-CORE"], UpstreamContractBroken)


async def test_a_check_that_cannot_be_read_leaves_the_others() -> None:
    items = json.loads(fixture("checks"))["items"]
    other = Selection(trim_code="A7-PLUS")
    client, _ = answered("POST", "/checks", httpx.Response(200, json={"items": [*items, {"ref": "1", "check": {}}]}))
    found = await client.check([SELECTION, other])
    assert isinstance(found[SELECTION], Check)
    assert isinstance(found[other], UpstreamContractBroken)


async def test_a_check_of_a_selection_that_nobody_sent_is_ignored() -> None:
    items = [item | {"ref": "7"} for item in json.loads(fixture("checks"))["items"]]
    client, _ = answered("POST", "/checks", httpx.Response(200, json={"items": items}))
    assert await client.check([SELECTION]) == {}


async def test_a_model_that_cannot_be_read_is_missing_from_the_list() -> None:
    items = json.loads(fixture("models"))["items"]
    client, _ = answered("GET", "/models", httpx.Response(200, json={"items": [{"code": "E9"}, *items]}))
    models = await client.models()
    assert isinstance(models, PartialList)
    assert [model.code for model in models] == ["A5", "V3"]


async def test_a_save_without_an_answer_has_an_unknown_outcome() -> None:
    for reply in (httpx.ReadTimeout("slow"), httpx.Response(502)):
        client, _ = answered("POST", "/configurations", reply)
        with pytest.raises(OutcomeUnknown):
            await client.save(SELECTION, "key-1")


def problem(code: str, status: int = 422) -> httpx.Response:
    body = json.dumps(PROBLEM | {"code": code})
    return httpx.Response(status, content=body, headers={"content-type": "application/problem+json"})
