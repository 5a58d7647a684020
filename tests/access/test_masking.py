"""Personal data in logs: masked by its mark, caught by its shape, never there in what the service really writes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from bff.telemetry.logs import JsonFormatter, TextFormatter
from bff.telemetry.masking import MaskingFilter, PersonalKind, mask, mask_variables, scrub
from resolvers.privacy import privacy_of, register
from resolvers.relay import encode_id
from resolvers.schema import build_schema
from sandbox.identity.tokens import issue
from tests.estate.house import OPERATIONS, House

pytestmark = pytest.mark.anyio

VIN = "LDCA1AB57SB000001"
SCHEMA = build_schema()._schema


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("PHONE", "13800001234", "138****1234"),
        ("PHONE", "+8613800001234", "138****1234"),
        ("PHONE", "138 0000 1234", "138****1234"),
        ("PHONE", "+4915112345678", "491****5678"),
        ("PHONE", "110", "***"),
        ("VIN", VIN, "LDC***********001"),
        ("VIN", "LDC", "***"),
        ("ID", "110101199003071234", "110***********1234"),
        ("ID", "C0001", "***"),
        ("NAME", "林晓", "林*"),
        ("NAME", "欧阳娜娜", "欧***"),
        ("NAME", "Grace Hopper", "G***"),
        ("NAME", "李", "***"),
        ("CONTACT", "grace@example.org", "g***@example.org"),
        ("CONTACT", "13800001234", "138****1234"),
        ("ADDRESS", "云栖路 1 号", "***"),
        ("FREE_TEXT", "please call me", "***"),
        ("SECRET", "hunter2", "***"),
        ("PHONE", 13800001234, "***"),
        ("PHONE", None, None),
        ("PHONE", ["13800001234", None], ["138****1234", None]),
    ],
)
def test_each_kind_is_masked_in_its_way(kind: str, value: Any, shown: Any) -> None:
    assert mask(PersonalKind(kind), value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call 13800001234 now", "call 138****1234 now"),
        ("+86 138-0000-1234", "138****1234"),
        ("by-phone?phone=%2B8613800001234", "by-phone?phone=138****1234"),
        (f"/vehicles?vin={VIN}&x=1", "/vehicles?vin=LDC***********001&x=1"),
        ("id 11010119900307123X.", "id 110***********123X."),
        ("authorization: Bearer abcdef0123456789", "authorization: Bearer [token]"),
        (f"token {issue('owner')} ended", "token [token] ended"),
        (f"node {encode_id('Vehicle', VIN)}", "node Vmw*************************MDAx"),
        (
            "1741478400000 ms, order 4711, 12 of 16000000000 bytes",
            "1741478400000 ms, order 4711, 12 of 160****0000 bytes",
        ),
        ("trace 0af7651916cd43dd8448eb211c80319c", "trace 0af7651916cd43dd8448eb211c80319c"),
        ("SO4711 PO25030917 GRAPHQL_VALIDATION_FAILED", "SO4711 PO25030917 GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_slips_through_is_known_by_its_shape(text: str, shown: str) -> None:
    if "node" in text:
        assert VIN not in scrub(text)
        assert str(encode_id("Vehicle", VIN)) not in scrub(text)
    else:
        assert scrub(text) == shown


def logged(formatter: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    handler.addFilter(MaskingFilter())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return logger, out


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_filter_masks_message_arguments_traceback_and_extras(formatter: logging.Formatter) -> None:
    logger, out = logged(formatter)
    try:
        raise ValueError(f"no car {VIN} for 13800001234")
    except ValueError:
        logger.exception("failed for %s", VIN, extra={"phone": "13800001234", "tries": 3, "car": [VIN]})
    said = out.getvalue()
    assert "failed for LDC***********001" in said
    assert "no car LDC***********001 for 138****1234" in said
    assert VIN not in said
    assert "13800001234" not in said


def shown(document: str, variables: dict[str, Any], *, operation: int = 0) -> dict[str, Any]:
    parsed = parse(document)
    chosen = [each for each in parsed.definitions if isinstance(each, OperationDefinitionNode)][operation]
    return mask_variables(privacy_of(SCHEMA, parsed, chosen).masks, variables)


def test_variables_are_masked_by_the_marks_of_the_schema() -> None:
    document = """mutation ($input: PlaceMerchandiseOrderInput!) {
      placeMerchandiseOrder(input: $input) { entity { number } } }"""
    address = {"recipient": "林晓", "phone": "13800001234", "city": "上海", "line": "云栖路 1 号", "postcode": None}
    assert shown(document, {"input": {"cartVersion": 3, "address": address, "idempotencyKey": "12345678"}}) == {
        "input": {
            "cartVersion": 3,
            "address": {"recipient": "林*", "phone": "138****1234", "city": "***", "line": "***", "postcode": None},
            "idempotencyKey": "12345678",
        }
    }


def test_variable_is_masked_wherever_in_the_document_it_lands() -> None:
    document = """query Q($vin: String!, $phone: String!, $note: String, $orders: Int, $day: Date) {
      vehicle(vin: $vin) { ...Car }
      customerByPhone(phone: $phone) { id vehicleOrders(first: $orders) { totalCount } }
      serviceCentre(code: "SH0217") { slots(fromDay: $day, vin: $vin) { id } } }
    fragment Car on Vehicle { vin }
    mutation M($note: String) { bookService(input: {vin: "x", centreCode: "x", slotId: "x",
      start: "2026-01-01T00:00:00Z", note: $note, idempotencyKey: "12345678"}) { entity { id } } }"""
    given = {"vin": VIN, "phone": "13800001234", "note": "call me", "orders": 3, "day": "2026-03-09", "other": "secret"}
    assert shown(document, given) == {
        "vin": "LDC***********001",
        "phone": "138****1234",
        "note": "call me",
        "orders": 3,
        "day": "2026-03-09",
    }
    assert shown(document, given, operation=1) == {"note": "***"}


def test_unmarked_text_still_passes_the_net() -> None:
    document = "query ($code: String!) { serviceCentre(code: $code) { code } }"
    assert shown(document, {"code": "13800001234"}) == {"code": "138****1234"}


def test_answers_with_marked_fields_are_told_from_the_others() -> None:
    for document, fields in (
        ("{ vehicleModels { code name } }", ()),
        ("{ viewer { vehicle { vin } } }", ("Vehicle.vin",)),
        ("{ viewer { ...on Viewer { customer { profile { displayName } } } } }", ("CustomerProfile.displayName",)),
        (
            "{ viewer { vehicle { ...V } } } fragment V on Vehicle { record { licencePlate } }",
            ("VehicleRecord.licencePlate",),
        ),
    ):
        parsed = parse(document)
        operation = parsed.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        assert privacy_of(SCHEMA, parsed, operation).fields == fields


async def test_answers_with_marked_fields_are_kept_by_nobody() -> None:
    house = House()
    try:
        for query in ("{ viewer { vehicle { vin } } }", "{ viewer { kind } }"):
            reply = await house.client.get("/graphql", params={"query": query})
            assert "no-store" in reply.headers["cache-control"]
    finally:
        await house.aclose()


def test_everything_that_sounds_personal_is_marked() -> None:
    marked = register(SCHEMA)
    sounds = ("phone", "vin", "displayName", "recipient", "postcode", "licencePlate", "note", "reason", "nickname")
    not_personal = {"ServiceCentre.phone", "PointsEntry.reason", "Refund.reason"}  # a shop's number, our own words
    places = {}
    for type_name, kind in SCHEMA.type_map.items():
        for name, field in getattr(kind, "fields", {}).items():
            places[f"{type_name}.{name}"] = name
            places |= {f"{type_name}.{name}({argument}:)": argument for argument in getattr(field, "args", {})}
    sounding = {place for place, name in places.items() if name in sounds}
    assert sounding - set(marked) - not_personal == set()
    assert marked["BookTestDriveInput.phone"] is PersonalKind.PHONE
    assert marked["Query.vehicle(vin:)"] is PersonalKind.VIN


# --- what the service writes


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, at its most talkative, as production writes it."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(MaskingFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    await built.aclose()


def forbidden_in(house: House) -> set[str]:
    """Phones, names, VINs and plates of the whole world."""
    world = house.world
    words = {customer.phone for customer in world.customers.values()} | set(world.vehicles)
    words |= {customer.phone[3:] for customer in world.customers.values() if customer.phone}
    words |= {customer.display_name for customer in world.customers.values()}
    return {word for word in words if word and len(word) > 1}


async def test_no_line_tells_of_anybody(house: House, lines: io.StringIO) -> None:
    tokens = []
    for path in sorted(OPERATIONS.glob("*.graphql")):
        await house.example(path.stem)
    customer = house.world.customers["C0001"]
    marked = {"note": "Herzlichen Dank, Frau Doktor", "name": "Wilhelmine", "code": "0f3c2b1a-code"}
    failing: list[tuple[str, dict[str, Any], str | None]] = [
        ("query ($p: String!) { customerByPhone(phone: $p) { id } }", {"p": customer.phone}, "adviser"),
        ("query ($p: String!) { customerByPhone(phone: $p) { id } }", {"p": customer.phone}, "owner"),
        ("query ($v: String!) { vehicle(vin: $v) { vin warranties { kind } } }", {"v": VIN}, "adviser"),
        ("query ($v: String!) { vehicle(vin: $v) { nonsense } }", {"v": VIN}, "owner"),
        ("query ($v: Int!) { vehicle(vin: $v) { vin } }", {"v": VIN}, "owner"),
        (f'{{ vehicle(vin: "{VIN}") {{ vin state {{ locked }} }} }}', {}, "owner"),
        ("mutation ($i: RenameCustomerInput!) { renameCustomer(input: $i) { userErrors { code } } }",
         {"i": {"displayName": marked["name"]}}, "owner"),
        ("mutation ($i: BookTestDriveInput!) { bookTestDrive(input: $i) { userErrors { code } } }",
         {"i": {"slotId": "x", "modelCode": "A5", "name": marked["name"], "phone": "12",
                "idempotencyKey": "k" * 12}}, None),
        ("mutation ($i: BookServiceInput!) { bookService(input: $i) { userErrors { code } } }",
         {"i": {"vin": VIN, "centreCode": "SH0217", "slotId": "x", "start": "2026-03-09T00:00:00Z",
                "note": marked["note"], "idempotencyKey": "k" * 12}}, "owner"),
    ]  # fmt: skip
    for system in ("identity", "dms", "content", None):
        if system is not None:
            await house.fault(system, {"kind": "status", "status": 500})
        for query, variables, persona in failing:
            await house.ask(query, variables, persona=persona)
        if system is not None:
            await house.fault(system)
    for authorization in (
        f"Bearer {issue('owner')}x",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJDMDAwMSJ9.",
        "Basic dTpw",
    ):
        tokens.append(authorization.partition(" ")[2])
        await house.ask("{ viewer { kind } }", persona=None, headers={"authorization": authorization})
    said = lines.getvalue()
    assert "adviser ST-SH0217-1" in said, "the trail of advisers is among what was looked through"
    found = {word for word in forbidden_in(house) | set(marked.values()) | set(tokens) if word in said}
    assert found == set()
    assert "eyJ" not in said


async def test_adviser_leaves_a_trail(house: House, lines: io.StringIO) -> None:
    query = "query StoreLook { viewer { customer { id } } }"
    await house.ask(query, persona="adviser", headers={"bff-act-for": "C0001"})
    customer = encode_id("Customer", "C0002")
    await house.ask(
        f'query Again {{ a: node(id: "{customer}") {{ id }} b: node(id: "{customer}") {{ id }} }}', persona="adviser"
    )
    await house.ask(f'query Car {{ vehicle(vin: "{VIN}") {{ brand }} }}', persona="adviser")
    await house.ask(query, persona="owner")
    trail = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["logger"] == "bff.audit"]
    told = [{name: line.get(name) for name in ("adviser", "store", "customer", "car", "operation")} for line in trail]
    who = {"adviser": "ST-SH0217-1", "store": "SH0217"}
    assert told == [
        who | {"customer": "C0001", "car": None, "operation": "StoreLook"},
        who | {"customer": "C0002", "car": None, "operation": "Again"},
        who | {"customer": None, "car": "LDC***********001", "operation": "Car"},
    ]


def test_code_logs_no_whole_values_on_purpose() -> None:
    """The net is a net: a log call that formats variables, headers or tokens is found here."""
    root = Path(__file__).resolve().parents[2]
    for path in [
        *(root / "bff").rglob("*.py"),
        *(root / "resolvers").rglob("*.py"),
        *(root / "adapters").rglob("*.py"),
    ]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "log." in line and any(word in line for word in ("variables", "authorization", "token)", "headers)")):
                pytest.fail(f"{path}:{number}: {line.strip()}")
