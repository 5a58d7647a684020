"""What the catalogue asks of commerce, and what its answers mean."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.commerce.catalogue import CommerceCatalogue
from bff.domain.base import Money, PageArgs, Text
from bff.domain.catalogue import Entitlement, EntitlementState, FeatureTerms, Product, ProductFilter, ProductKind
from bff.errors import (
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.support import BASE, mocked_upstream

pytestmark = pytest.mark.anyio
FIXTURES = Path(__file__).parent / "fixtures"
VIN = "LDCA1AB57SB000001"


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


@pytest.fixture
def router() -> respx.Router:
    return respx.Router()


@pytest.fixture
def catalogue(router: respx.Router) -> CommerceCatalogue:
    return CommerceCatalogue(mocked_upstream(router, "commerce"))


async def test_products_are_asked_in_bulk_and_read_whole(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    route = router.get(f"{BASE}/products").mock(return_value=httpx.Response(200, json=fixture("products")))
    found = await catalogue.products(["P1003", "F4001", "P0000"])
    assert route.calls.last.request.url.query == b"id=P1003&id=F4001&id=P0000"
    assert route.call_count == 1
    assert set(found) == {"P1003", "F4001"}
    assert found["F4001"] == Product(
        id="F4001",
        kind=ProductKind.FEATURE,
        category_id="features",
        name=Text(zh="前排座椅加热", en="Heated front seats"),
        description=Text(zh="三档加热，三分钟升温。", en="Three levels, warm in three minutes."),
        price=Money(amount_minor=98000),
        image_paths=["images/products/f4001-1.png"],
        in_stock=None,
        brand=None,
        model_codes=[],
        feature=FeatureTerms(hardware_code="H-SEAT-HEAT", minimum_software="3.1.0", term_days=None),
        points_price=None,
        on_sale=True,
    )


async def test_product_of_an_unknown_kind_is_kept(
    router: respx.Router, catalogue: CommerceCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    body = fixture("products")
    body["items"][0]["kind"] = "SUBSCRIPTION_BOX"
    router.get(f"{BASE}/products").mock(return_value=httpx.Response(200, json=body))
    with caplog.at_level(logging.WARNING):
        product = (await catalogue.products(["P1003"]))["P1003"]
    assert isinstance(product, Product)
    assert product.kind is ProductKind.UNKNOWN
    assert "SUBSCRIPTION_BOX" in caplog.text


@pytest.mark.parametrize("price", [{"amountMinor": 59.5, "currency": "CNY"}, {"amountMinor": "5900"}, None])
async def test_product_with_a_wrong_price_fails_alone(
    router: respx.Router, catalogue: CommerceCatalogue, price: object
) -> None:
    body = fixture("products")
    body["items"][0]["price"] = price
    router.get(f"{BASE}/products").mock(return_value=httpx.Response(200, json=body))
    found = await catalogue.products(["P1003", "F4001"])
    assert isinstance(found["P1003"], UpstreamContractBroken)
    assert isinstance(found["F4001"], Product)


@pytest.mark.parametrize(
    "body", [b'{"items": [{"id": "P10', "<html>系统维护中</html>".encode("gbk"), b'{"products": []}']
)
async def test_broken_answer_is_an_error_of_each_key(
    router: respx.Router, catalogue: CommerceCatalogue, body: bytes
) -> None:
    router.get(f"{BASE}/products").mock(return_value=httpx.Response(200, content=body))
    found = await catalogue.products(["P1003"])
    assert isinstance(found["P1003"], UpstreamContractBroken)
    assert "html" not in found["P1003"].message


async def test_dead_commerce_is_an_error_of_each_key(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    router.get(f"{BASE}/products").mock(side_effect=httpx.ConnectError("refused"))
    found = await catalogue.products(["P1003", "F4001"])
    assert [type(error) for error in found.values()] == [UpstreamUnavailable, UpstreamUnavailable]


async def test_search_sends_the_filter_and_reads_a_page(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    route = router.get(f"{BASE}/products/search").mock(return_value=httpx.Response(200, json=fixture("product_page")))
    wanted = ProductFilter(category_id="vouchers", kind=ProductKind.VOUCHER, brand="ASTER", search="咖啡 cup")
    page = await catalogue.search(wanted, PageArgs(first=2, after="bzA"))
    assert route.calls.last.request.url.query.decode() == (
        "categoryId=vouchers&kind=VOUCHER&brand=ASTER&text=%E5%92%96%E5%95%A1%20cup&limit=2&after=bzA"
    )
    assert [product.id for product in page.items] == ["V5001", "V5002"]
    assert (page.cursors, page.has_next, page.has_previous, page.total) == (["bzA", "bzE"], True, False, 6)


async def test_search_backward_says_so(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    route = router.get(f"{BASE}/products/search").mock(return_value=httpx.Response(200, json=fixture("product_page")))
    await catalogue.search(ProductFilter(), PageArgs(last=2, before="bzQ"))
    assert route.calls.last.request.url.query == b"limit=2&before=bzQ&direction=backward"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (ProductFilter(kind=ProductKind.UNKNOWN), "filter.kind"),
        (ProductFilter(search="4111 1111 1111 1111"), "filter.search"),
    ],
)
async def test_search_that_cannot_be_meant_is_not_sent(
    catalogue: CommerceCatalogue, wanted: ProductFilter, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await catalogue.search(wanted, PageArgs(first=2))
    assert caught.value.field == field


async def test_refused_search_is_a_rejection(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    body = {"code": "BAD_REQUEST", "detail": "limit is 1 to 100", "status": 400}
    reply = httpx.Response(400, json=body, headers={"content-type": "application/problem+json"})
    router.get(f"{BASE}/products/search").mock(return_value=reply)
    with pytest.raises(UpstreamRejected):
        await catalogue.search(ProductFilter(), PageArgs(first=2))


async def test_categories_keep_their_order(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    rows = [
        {"id": "b", "name": {"zh": "乙", "en": "B"}, "parentId": None, "sort": 1},
        {"id": "broken"},
        {"id": "a", "name": {"zh": "甲", "en": "A"}, "parentId": "b", "sort": 2},
    ]
    router.get(f"{BASE}/categories").mock(return_value=httpx.Response(200, json={"items": rows}))
    found = await catalogue.categories()
    assert [(category.id, category.parent_id) for category in found] == [("b", None), ("a", "b")]


async def test_entitlements_are_read_by_car(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    route = router.get(f"{BASE}/entitlements").mock(return_value=httpx.Response(200, json=fixture("entitlements")))
    found = await catalogue.entitlements([VIN, "LDCA1AB5XSB000008", "1M8GDM9AXKP042788"])
    assert route.call_count == 1
    entitlement = Entitlement(
        id="EN00001",
        vin=VIN,
        product_id="F4007",
        state=EntitlementState.ACTIVE,
        starts_at=datetime(2025, 10, 20, 2, tzinfo=UTC),
        ends_at=None,
    )
    assert found == {VIN: [entitlement], "LDCA1AB5XSB000008": []}


async def test_entitlement_with_a_time_without_zone_fails_its_car_only(
    router: respx.Router, catalogue: CommerceCatalogue
) -> None:
    body = fixture("entitlements")
    body["items"][0]["entitlements"][0]["startsAt"] = "2025-10-20T02:00:00"
    router.get(f"{BASE}/entitlements").mock(return_value=httpx.Response(200, json=body))
    found = await catalogue.entitlements([VIN, "LDCA1AB5XSB000008"])
    assert isinstance(found[VIN], UpstreamContractBroken)
    assert found["LDCA1AB5XSB000008"] == []


async def test_feature_on_its_way_names_its_order_and_its_deadline(
    router: respx.Router, catalogue: CommerceCatalogue
) -> None:
    body = fixture("entitlements")
    body["items"][0]["entitlements"][0] |= {
        "state": "ACTIVATING",
        "orderNumber": "MO500070",
        "activationDeadline": "2026-03-10T02:00:00Z",
    }
    router.get(f"{BASE}/entitlements").mock(return_value=httpx.Response(200, json=body))
    (entitlement,) = (await catalogue.entitlements([VIN]))[VIN]  # type: ignore[misc]
    assert (entitlement.order_number, entitlement.activation_deadline) == (
        "MO500070",
        datetime(2026, 3, 10, 2, tzinfo=UTC),
    )


async def test_revoking_names_the_feature_and_answers_what_became_of_it(
    router: respx.Router, catalogue: CommerceCatalogue
) -> None:
    shown = fixture("entitlements")["items"][0]["entitlements"][0] | {"state": "REVOKED"}
    route = router.post(f"{BASE}/entitlements/EN00001/revoke").mock(return_value=httpx.Response(200, json=shown))
    outcome = await catalogue.revoke("EN00001", idempotency_key="SF1:revoke")
    assert outcome.entity is not None
    assert outcome.entity.state is EntitlementState.REVOKED
    request = route.calls.last.request
    assert (json.loads(request.content), request.headers["idempotency-key"]) == ({}, "SF1:revoke")


async def test_revoking_what_the_car_has_is_refused(router: respx.Router, catalogue: CommerceCatalogue) -> None:
    problem = {"type": "about:blank", "title": "x", "status": 409, "detail": "x", "code": "ALREADY_ACTIVE"}
    reply = httpx.Response(409, json=problem, headers={"content-type": "application/problem+json"})
    router.post(f"{BASE}/entitlements/EN00001/revoke").mock(return_value=reply)
    outcome = await catalogue.revoke("EN00001", idempotency_key="k")
    assert [refusal.code for refusal in outcome.refusals] == ["ALREADY_ACTIVE"]
    missing = httpx.Response(404, json=problem | {"status": 404, "code": "NOT_FOUND"}, headers=reply.headers)
    router.post(f"{BASE}/entitlements/EN0/revoke").mock(return_value=missing)
    with pytest.raises(NotFound):
        await catalogue.revoke("EN0", idempotency_key="k")
    router.post(f"{BASE}/entitlements/EN1/revoke").mock(side_effect=httpx.ReadError("gone"))
    with pytest.raises(OutcomeUnknown):
        await catalogue.revoke("EN1", idempotency_key="k")
