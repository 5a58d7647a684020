"""The adapter against the simulated configurator: what it offers, checks, keeps and refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from adapters.configurator.client import ConfiguratorClient
from bff.domain.base import Money
from bff.domain.configurator import Availability, Cardinality, LoadedConfiguration, OptionState, Selection
from bff.errors import BffError, InvalidInput, NotFound
from sandbox.configurator import app, sharing
from sandbox.world import World
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "configurator.openapi.json"


@pytest.fixture
def configurator(world: World) -> ConfiguratorClient:
    return ConfiguratorClient(sandbox_upstream(app.create(world)))


def default_of(world: World, trim: str, *more: str, without: str = "", last: str | None = None) -> Selection:
    kept = tuple(code for code in world.trims[trim].default_options if code != without)
    return Selection(trim_code=trim, options=kept + more, last_picked=last)


async def test_models_and_trims_are_those_of_the_world(configurator: ConfiguratorClient, world: World) -> None:
    assert [model.code for model in await configurator.models()] == list(world.models)
    assert {model.brand for model in await configurator.models("VELA")} == {"VELA"}
    assert await configurator.models("NONE") == []
    found = await configurator.models_by_code(["A5", "NONE"])
    assert found.keys() == {"A5"}
    trims = await configurator.trims(["A5-RS", "A5-PRO", "NONE"])
    assert trims.keys() == {"A5-RS", "A5-PRO"}
    shown = {code: trim.availability for code, trim in trims.items() if not isinstance(trim, BffError)}
    assert shown == {"A5-RS": Availability.SOLD_OUT, "A5-PRO": Availability.STOCK}


async def test_an_offer_has_groups_in_order_and_nothing_that_was_withdrawn(
    configurator: ConfiguratorClient, world: World
) -> None:
    offer = (await configurator.offers(["A5-PLUS"]))["A5-PLUS"]
    assert not isinstance(offer, BffError)
    assert [group.code for group in offer.groups][:3] == ["DRIVE", "BATTERY", "PAINT"]
    assert offer.groups[2].cardinality is Cardinality.EXACTLY_ONE
    offered = {option.code for group in offer.groups for option in group.options}
    assert offered == world.trims["A5-PLUS"].options.keys() - {"KX9"}
    assert {package.code for package in offer.packages} == set(world.trims["A5-PLUS"].package_codes)
    names = await configurator.option_names(["KX9", "PKB", "NONE"])
    assert names.keys() == {"KX9", "PKB"}


async def test_checks_of_many_selections_are_one_call(configurator: ConfiguratorClient, world: World) -> None:
    context = entered_context()
    good, conflicting = default_of(world, "A5-PLUS"), default_of(world, "A5-PLUS", "K4R", last="K4R")
    incomplete, unknown = default_of(world, "A7-SEVEN", without="K1W"), Selection(trim_code="NONE")
    found = await configurator.check([good, conflicting, incomplete, unknown, good])
    assert found.keys() == {good, conflicting, incomplete}
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)
    answers = [(check.is_buildable, check.is_complete) for check in found.values() if not isinstance(check, BffError)]
    assert answers == [(True, True), (False, True), (True, False)]


async def test_too_many_of_a_group_are_a_conflict_that_leaves_the_last_pick(
    configurator: ConfiguratorClient, world: World
) -> None:
    selection = default_of(world, "A5-PLUS", "K4R", last="K4R")
    check = (await configurator.check([selection]))[selection]
    assert not isinstance(check, BffError)
    (conflict,) = check.conflicts
    assert (conflict.rules, conflict.options) == (["CARDINALITY:PAINT"], ["K2G", "K4R"])
    (alternative,) = check.alternatives
    assert (alternative.add, alternative.remove, alternative.price_delta) == ([], ["K2G"], Money(amount_minor=0))
    assert check.delivery is None


async def test_a_package_replaces_single_prices_and_names_itself_in_conflicts(
    configurator: ConfiguratorClient, world: World
) -> None:
    trim = world.trims["A5-PLUS"]
    clash = Selection(trim_code=trim.id, options=trim.default_options, packages=("PKB",), last_picked="PKB")
    fits = Selection(trim_code=trim.id, options=tuple(c for c in trim.default_options if c != "W18"), packages=("PKB",))
    found = await configurator.check([clash, fits])
    clashing, fitting = found[clash], found[fits]
    assert not isinstance(clashing, BffError)
    assert not isinstance(fitting, BffError)
    assert [conflict.options for conflict in clashing.conflicts] == [["W18", "PKB"]]
    assert [(a.add, a.remove) for a in clashing.alternatives] == [([], ["W18"])]
    assert fitting.is_buildable
    assert fitting.total == Money(amount_minor=trim.price_fen + world.packages["PKB"].price_fen)
    assert {v.code: v.state for v in fitting.options}["W20"] is OptionState.SELECTED


async def test_an_unknown_option_is_a_conflict_and_not_an_error(configurator: ConfiguratorClient, world: World) -> None:
    selection = default_of(world, "A5-PLUS", "ZZZ", "KV1")
    check = (await configurator.check([selection]))[selection]
    assert not isinstance(check, BffError)
    assert [conflict.options for conflict in check.conflicts] == [["ZZZ"], ["KV1"]]
    assert [(a.add, a.remove) for a in check.alternatives] == [([], ["ZZZ", "KV1"])]


async def test_a_saved_configuration_is_found_by_its_code_however_it_is_typed(
    configurator: ConfiguratorClient, world: World
) -> None:
    outcome = await configurator.save(default_of(world, "A7-SEVEN"), "key-1")
    saved = outcome.entity
    assert saved is not None
    again = (await configurator.save(default_of(world, "A7-SEVEN"), "key-1")).entity
    assert again == saved
    code = saved.share_code
    typed = f"{code[:4]}-{code[4:]}".lower().replace("1", "l").replace("0", "o")
    found = await configurator.load([typed, "00000000", "no code"])
    assert found.keys() == {typed}
    loaded = found[typed]
    assert isinstance(loaded, LoadedConfiguration)
    assert loaded.saved == saved
    assert (loaded.check.is_buildable, loaded.drift.withdrawn, loaded.drift.rules_changed) == (True, [], False)
    assert loaded.check.configuration_hash == world.saved_configurations[code].configuration_hash


async def test_saving_refuses_what_cannot_be_built(configurator: ConfiguratorClient, world: World) -> None:
    kept = len(world.saved_configurations)
    outcome = await configurator.save(default_of(world, "A5-PLUS", "K4R"), "key-1")
    assert [refusal.code for refusal in outcome.refusals] == ["NOT_BUILDABLE"]
    with pytest.raises(NotFound):
        await configurator.save(Selection(trim_code="NONE"), "key-2")
    await configurator.save(default_of(world, "A5-PLUS"), "key-3")
    with pytest.raises(InvalidInput):
        await configurator.save(default_of(world, "A5-CORE"), "key-3")
    assert len(world.saved_configurations) == kept + 1


async def test_a_configuration_with_a_withdrawn_option_loads_with_the_conflict_and_alternatives(
    configurator: ConfiguratorClient,
) -> None:
    loaded = (await configurator.load(["A5KX9W7H"]))["A5KX9W7H"]
    assert isinstance(loaded, LoadedConfiguration)
    assert "KX9" in loaded.saved.selection.options
    assert (loaded.drift.withdrawn, loaded.drift.rules_changed) == (["KX9"], True)
    assert [conflict.options for conflict in loaded.check.conflicts] == [["KX9"]]
    assert len(loaded.check.alternatives) == 5
    assert all(a.remove == ["KX9"] and len(a.add) == 1 for a in loaded.check.alternatives)


async def test_an_option_withdrawn_while_the_system_runs_drifts_from_what_was_saved(world: World) -> None:
    system = app.create(world)
    configurator = ConfiguratorClient(sandbox_upstream(system))
    selection = default_of(world, "A5-PLUS", "K4R", without="K2G")
    saved = (await configurator.save(selection, "key-1")).entity
    assert saved is not None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=system), base_url=BASE) as http:
        assert (await http.post("/_withdraw", json={"code": "K4R"})).status_code == 200
    loaded = (await configurator.load([saved.share_code]))[saved.share_code]
    assert isinstance(loaded, LoadedConfiguration)
    assert loaded.saved == saved
    assert (loaded.drift.withdrawn, loaded.drift.rules_changed) == (["K4R"], True)
    assert not loaded.check.is_buildable


async def test_a_newer_price_shows_as_drift(configurator: ConfiguratorClient, world: World) -> None:
    saved = (await configurator.save(default_of(world, "A5-PLUS"), "key-1")).entity
    assert saved is not None
    world.trims["A5-PLUS"].price_fen += 500_000
    loaded = (await configurator.load([saved.share_code]))[saved.share_code]
    assert isinstance(loaded, LoadedConfiguration)
    assert loaded.drift.price_delta == Money(amount_minor=500_000)
    assert loaded.check.total.amount_minor - loaded.saved.total.amount_minor == 500_000


async def test_a_trim_without_stock_is_sold_out_and_has_no_delivery(
    configurator: ConfiguratorClient, world: World
) -> None:
    selection = default_of(world, "A5-PLUS")
    check = (await configurator.check([selection]))[selection]
    assert not isinstance(check, BffError)
    assert check.delivery is not None
    assert check.delivery.earliest == world.today + timedelta(weeks=world.trims["A5-PLUS"].delivery_weeks_min)
    world.trims["A5-PLUS"].stock = 0
    check = (await configurator.check([selection]))[selection]
    assert not isinstance(check, BffError)
    assert (check.availability, check.delivery) == (Availability.SOLD_OUT, None)


async def test_public_reads_are_cacheable_and_answer_304_to_their_etag(world: World) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app.create(world)), base_url=BASE) as http:
        for path in ("/models", "/models/by-code?code=A5", "/trims?code=A5-PLUS", "/offers?trim=A5-PLUS"):
            first = await http.get(path)
            assert first.headers["cache-control"].startswith("public, max-age=")
            again = await http.get(path, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
            assert (again.status_code, again.content) == (304, b"")
            other = await http.get(path, headers={"if-none-match": '"other"'})
            assert (other.status_code, other.content) == (200, first.content)
        known = (await http.get("/trims?code=A5-PLUS")).headers["etag"]
        world.trims["A5-PLUS"].stock = 0
        changed = await http.get("/trims?code=A5-PLUS", headers={"if-none-match": known})
        assert changed.json()["items"][0]["availability"] == "SOLD_OUT"


async def test_requests_off_the_contract_are_refused(world: World) -> None:
    selection = {"trimCode": "A5-PLUS", "options": []}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app.create(world)), base_url=BASE) as http:
        assert (await http.get("/trims")).status_code == 400
        assert (await http.post("/checks", json={"selections": []})).status_code == 400
        assert (await http.post("/checks", json={"selections": [selection]})).status_code == 400
        assert (await http.post("/configurations", json=selection)).status_code == 400
        abroad = await http.post(
            "/configurations", json=selection | {"market": "FR"}, headers={"idempotency-key": "key-1"}
        )
        assert (abroad.status_code, abroad.json()["code"]) == (422, "MARKET_UNKNOWN")
        assert (await http.get("/_ping")).json() == {"system": "configurator", "simulated": True}


def test_share_codes_are_read_as_people_type_them() -> None:
    assert sharing.canonical("a5kx-9w7h") == "A5KX9W7H"
    assert sharing.canonical("oiL0-1111") == "01101111"


def test_the_contract_in_the_documents_is_the_one_that_is_served(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))
