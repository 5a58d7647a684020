"""The package `wechatpayv3`, written by others, as client of our sandbox, as signer and as verifier."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from wechatpayv3 import WeChatPay, WeChatPayType, core, utils  # type: ignore[import-untyped]

from adapters.transport.engines import engine_for
from adapters.transport.upstream import Upstream
from adapters.wechatpay import signatures
from adapters.wechatpay.client import WechatPay
from adapters.wechatpay.settings import WechatPaySettings, development_settings
from bff.domain.base import Money
from bff.domain.payment import AppAction, PaymentScene, RefundStatus, WechatJsapiAction
from bff.domain.providers import Charge, ChargeStatus, NoticeRefused, Repayment
from sandbox.kit.server import Estate
from sandbox.wechatpay import keys
from sandbox.wechatpay.app import create
from sandbox.wechatpay.platform import Platform, certificate_signer, public_key_signer
from sandbox.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.real]

NOTIFY_URL = "https://bff.test/payments/notifications/wechatpay"
SETTINGS = development_settings(NOTIFY_URL)
BY_CERTIFICATES = msgspec.structs.replace(SETTINGS, public_keys={})
BY_PUBLIC_KEYS = msgspec.structs.replace(SETTINGS, certificates=False)
OPENID = "oXb83c1f2d7a9e4f60517c8d92a"
NATIVE, JSAPI, APP, H5 = WeChatPayType.NATIVE, WeChatPayType.JSAPI, WeChatPayType.APP, WeChatPayType.H5
APP_IDS = {APP: keys.MOBILE_APP_ID}


def now() -> datetime:
    return datetime.now(UTC)


def pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


PRIVATE_PEM = SETTINGS.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Sandbox:
    """The sandbox on a socket; what it notifies goes to `inbox` as it came."""

    def __init__(self) -> None:
        ours = Starlette(routes=[Route("/payments/notifications/wechatpay", self._take, methods=["POST"])])
        self.system = create(
            World(today=now().date(), now=now(), seed=1), transport=httpx.ASGITransport(ours), schedule=()
        )
        self.estate = Estate([(self.system, 0)])
        self.inbox: list[tuple[dict[str, str], bytes]] = []
        self.upstreams: list[Upstream] = []

    async def _take(self, request: Request) -> Response:
        self.inbox.append((dict(request.headers), await request.body()))
        return Response(status_code=204)

    @property
    def url(self) -> str:
        return self.estate.addresses["wechatpay"]

    async def post(self, path: str, **said: Any) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            reply = await client.post(path, json=said)
            assert reply.status_code == 200, reply.text
            while (await client.get("/_notifications")).json()["underWay"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    made = Sandbox()
    await made.estate.start()

    class Local(core.Core):  # type: ignore[misc]  # the package has no types
        """Its gateway is where we say, from the first request on."""

        @property
        def _gate_way(self) -> str:
            return made.url

        @_gate_way.setter
        def _gate_way(self, _said: str) -> None:
            return

    monkeypatch.setattr(core, "Core", Local)
    yield made
    for upstream in made.upstreams:
        await upstream.aclose()
    await made.estate.stop()


MODES = ["certificates", "public key"]


async def theirs(mode: str, kind: WeChatPayType = JSAPI) -> Any:
    """Their client: it fetches certificates as it is made, unless it is given the public key."""
    known = {"public_key": pem(public_key_signer().key.public_key()), "public_key_id": keys.PUBLIC_KEY_ID}
    return await asyncio.to_thread(
        lambda: WeChatPay(
            kind,
            keys.MERCHANT_ID,
            PRIVATE_PEM,
            keys.MERCHANT_SERIAL,
            APP_IDS.get(kind, keys.MINI_PROGRAM_APP_ID),
            keys.API_V3_KEY,
            notify_url=NOTIFY_URL,
            **(known if mode == "public key" else {}),
        )
    )


async def ask(call: Callable[..., tuple[int, Any]], **said: Any) -> tuple[int, Any]:
    status, answer = await asyncio.to_thread(lambda: call(**said))
    return status, json.loads(answer) if answer else None


def ours(sandbox: Sandbox, settings: WechatPaySettings = SETTINGS) -> WechatPay:
    """Our adapter over the engine that production has."""
    sandbox.upstreams.append(Upstream("wechatpay", sandbox.url, engine_for(connections=4)))
    return WechatPay(sandbox.upstreams[-1], settings)


def number() -> str:
    return f"CH{secrets.token_hex(10)}"


def charge(own_id: str, scene: PaymentScene = PaymentScene.JSAPI) -> Charge:
    return Charge(
        id=own_id,
        order_number="VO100001",
        description="定金 VO100001",
        amount=Money(amount_minor=500000),
        scene=scene,
        expires_at=now() + timedelta(hours=1),
        payer=OPENID,
        client_ip="14.23.150.211",
    )


# Their client and our sandbox


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kind", "more", "answered"),
    [
        (JSAPI, {"payer": {"openid": OPENID}}, "prepay_id"),
        (APP, {}, "prepay_id"),
        (H5, {"scene_info": {"payer_client_ip": "14.23.150.211", "h5_info": {"type": "Wap"}}}, "h5_url"),
        (NATIVE, {}, "code_url"),
    ],
)
async def test_their_client_pays_and_refunds_at_our_sandbox(
    sandbox: Sandbox, mode: str, kind: WeChatPayType, more: dict[str, Any], answered: str
) -> None:
    """It verifies every answer by itself."""
    client, own_id, refund_id = await theirs(mode, kind), number(), number()
    total = {"total": 500000, "currency": "CNY"}
    status, prepay = await ask(client.pay, description="定金", out_trade_no=own_id, amount=total, **more)
    assert (status, list(prepay)) == (200, [answered])
    await sandbox.post(f"/_pay/{own_id}", result="SUCCEEDED")
    status, paid = await ask(client.query, out_trade_no=own_id)
    assert (status, paid["trade_state"], paid["amount"]["total"]) == (200, "SUCCESS", 500000)
    status, refund = await ask(
        client.refund, out_refund_no=refund_id, out_trade_no=own_id, reason="订单取消",
        amount={"refund": 100, "total": 500000, "currency": "CNY"},
    )  # fmt: skip
    assert (status, refund["status"]) == (200, "PROCESSING")
    status, refund = await ask(client.query_refund, out_refund_no=refund_id)
    assert (status, refund["status"]) == (200, "SUCCESS")
    assert (await ask(client.close, out_trade_no=own_id))[1]["code"] == "ORDERPAID"
    assert (await ask(client.query, out_trade_no=number()))[0] == 404


@pytest.mark.parametrize("mode", MODES)
async def test_their_client_closes(sandbox: Sandbox, mode: str) -> None:
    client, own_id = await theirs(mode, NATIVE), number()
    await ask(client.pay, description="定金", out_trade_no=own_id, amount={"total": 1, "currency": "CNY"})
    assert await ask(client.close, out_trade_no=own_id) == (204, None)
    assert (await ask(client.query, out_trade_no=own_id))[1]["trade_state"] == "CLOSED"


async def test_their_client_follows_a_rotation(sandbox: Sandbox) -> None:
    client, own_id = await theirs("certificates", NATIVE), number()
    await sandbox.post("/_keys", signer="next-certificate")
    status, _ = await ask(client.pay, description="定金", out_trade_no=own_id, amount={"total": 1, "currency": "CNY"})
    assert status == 200


# Their client reads what our sandbox tells


@pytest.mark.parametrize("mode", MODES)
async def test_they_read_our_sandboxs_notifications(sandbox: Sandbox, mode: str) -> None:
    client, own_id, refund_id = await theirs(mode, NATIVE), number(), number()
    await ask(client.pay, description="定金", out_trade_no=own_id, amount={"total": 500000, "currency": "CNY"})
    await sandbox.post(f"/_pay/{own_id}", result="SUCCEEDED")
    await ask(
        client.refund, out_refund_no=refund_id, out_trade_no=own_id,
        amount={"refund": 100, "total": 500000, "currency": "CNY"},
    )  # fmt: skip
    await sandbox.post(f"/_notify/{own_id}", notify="forged")
    success, refund, forged = [
        await asyncio.to_thread(client.callback, notice[0], notice[1]) for notice in sandbox.inbox
    ]
    assert (success["event_type"], success["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", own_id)
    assert success["resource"]["amount"]["total"] == 500000
    assert (refund["event_type"], refund["resource"]["out_refund_no"]) == ("REFUND.SUCCESS", refund_id)
    assert refund["resource"]["refund_status"] == "SUCCESS"
    assert forged is None


async def test_both_read_the_same_notification_alike(sandbox: Sandbox) -> None:
    client, own_id = await theirs("certificates", NATIVE), number()
    await ask(client.pay, description="定金", out_trade_no=own_id, amount={"total": 500000, "currency": "CNY"})
    await sandbox.post(f"/_pay/{own_id}", result="SUCCEEDED")
    (notice,) = sandbox.inbox
    read = await asyncio.to_thread(client.callback, notice[0], notice[1])
    found = await ours(sandbox, BY_CERTIFICATES).read_notice(*notice)
    assert found is not None
    assert found.charge is not None
    assert (found.id, found.charge.id) == (read["id"], read["resource"]["out_trade_no"])
    assert found.charge.transaction == read["resource"]["transaction_id"]
    assert found.charge.succeeded_at == datetime.fromisoformat(read["resource"]["success_time"])


# Our adapter, and what they sign


def built_by_them(content: dict[str, Any], stamp: int, key: rsa.RSAPrivateKey) -> tuple[dict[str, str], bytes]:
    """A notification signed by their signer; what they can only open is sealed by the same library's cipher."""
    nonce, sealing = "d824f2e086d3c1df967785d13fcd22ef", "c5ac7061fccab"[:12]
    sealed = AESGCM(keys.API_V3_KEY.encode()).encrypt(sealing.encode(), json.dumps(content).encode(), b"transaction")
    resource = {
        "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "nonce": sealing,
        "associated_data": "transaction", "ciphertext": base64.b64encode(sealed).decode(),
    }  # fmt: skip
    envelope = {
        "id": "EV-2018022511223320873", "create_time": "2015-05-20T13:29:35+08:00", "summary": "支付成功",
        "resource_type": "encrypt-resource", "event_type": "TRANSACTION.SUCCESS", "resource": resource,
    }  # fmt: skip
    body = json.dumps(envelope, ensure_ascii=False)
    headers = {
        "wechatpay-nonce": nonce,
        "wechatpay-timestamp": str(stamp),
        "wechatpay-serial": keys.PUBLIC_KEY_ID,
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        "wechatpay-signature": utils.rsa_sign(key, f"{stamp}\n{nonce}\n{body}\n"),
    }
    return headers, body.encode()


PAID = {
    "appid": keys.MINI_PROGRAM_APP_ID, "mchid": keys.MERCHANT_ID, "out_trade_no": "1217752501201407033233368018",
    "transaction_id": "1217752501201407033233368018", "trade_state": "SUCCESS",
    "success_time": "2018-06-08T10:34:56+08:00", "amount": {"total": 100, "payer_total": 100, "currency": "CNY"},
}  # fmt: skip


async def test_we_read_what_they_sign(sandbox: Sandbox) -> None:
    headers, body = built_by_them(PAID, int(time.time()), public_key_signer().key)
    assert (await theirs("public key")).callback(headers, body)["resource"] == PAID
    notice = await ours(sandbox).read_notice(headers, body)
    assert notice is not None
    assert notice.charge is not None
    assert (notice.id, notice.charge.amount) == ("EV-2018022511223320873", Money(amount_minor=100))


async def test_a_notification_of_2020_is_good_enough_for_them_and_not_for_us(sandbox: Sandbox) -> None:
    stamp = int(datetime(2020, 6, 8, tzinfo=UTC).timestamp())
    headers, body = built_by_them(PAID, stamp, public_key_signer().key)
    assert (await theirs("public key")).callback(headers, body)["resource"] == PAID
    with pytest.raises(NoticeRefused):
        await ours(sandbox).read_notice(headers, body)


async def test_neither_reads_what_another_key_signed(sandbox: Sandbox) -> None:
    headers, body = built_by_them(PAID, int(time.time()), certificate_signer().key)
    assert (await theirs("public key")).callback(headers, body) is None
    with pytest.raises(NoticeRefused):
        await ours(sandbox).read_notice(headers, body)


# Our adapter signs as they do


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v3/pay/transactions/out-trade-no/CH0001?mchid=1900007291", ""),
        ("POST", "/v3/refund/domestic/refunds", '{"reason":"订单取消","amount":{"refund":1}}'),
    ],
)
def test_our_authorization_is_theirs(monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: str) -> None:
    monkeypatch.setattr(utils.time, "time", lambda: 1773021600.7)
    said = utils.build_authorization(
        path, method, keys.MERCHANT_ID, keys.MERCHANT_SERIAL, SETTINGS.private_key, data=body, nonce_str="5K8264ILTK"
    )
    assert said == signatures.authorization(
        SETTINGS.private_key,
        merchant_id=keys.MERCHANT_ID,
        serial=keys.MERCHANT_SERIAL,
        method=method,
        path=path,
        timestamp=1773021600,
        nonce="5K8264ILTK",
        body=body.encode(),
    )


async def test_our_client_actions_are_signed_as_they_sign_them(sandbox: Sandbox) -> None:
    client, pay = await theirs("public key"), ours(sandbox)
    jsapi = (await pay.begin(charge(number()))).entity
    assert jsapi is not None
    action = jsapi.client_action
    assert isinstance(action, WechatJsapiAction)
    assert action.pay_sign == client.sign([action.app_id, action.time_stamp, action.nonce_str, action.package])
    app = (await pay.begin(charge(number(), PaymentScene.APP))).entity
    assert app is not None
    assert isinstance(app.client_action, AppAction)
    said = {name: values[0] for name, values in parse_qs(app.client_action.order_string).items()}
    assert said["sign"] == client.sign([said["appid"], said["timestamp"], said["noncestr"], said["prepayid"]])


@pytest.mark.parametrize("settings", [BY_PUBLIC_KEYS, BY_CERTIFICATES], ids=["public keys", "certificates"])
async def test_one_charge_seen_by_both(sandbox: Sandbox, settings: WechatPaySettings) -> None:
    """We begin it and refund it, they look."""
    pay, client, own_id = ours(sandbox, settings), await theirs("certificates"), number()
    assert (await pay.begin(charge(own_id))).entity is not None
    assert (await ask(client.query, out_trade_no=own_id))[1]["trade_state"] == "NOTPAY"
    await sandbox.post(f"/_pay/{own_id}", result="SUCCEEDED", notify="never")
    state = await pay.query(own_id, "")
    said = (await ask(client.query, out_trade_no=own_id))[1]
    assert state.status is ChargeStatus.SUCCEEDED
    assert (state.transaction, state.amount) == (said["transaction_id"], Money(amount_minor=said["amount"]["total"]))
    wanted = Repayment(
        id=number(), charge_id=own_id, reference="", reason="订单取消",
        amount=Money(amount_minor=7), total=Money(amount_minor=500000),
    )  # fmt: skip
    assert (await pay.repay(wanted)).entity is not None
    refund = await pay.query_repayment(wanted, None)
    said = (await ask(client.query_refund, out_refund_no=wanted.id))[1]
    assert refund.status is RefundStatus.SUCCEEDED
    assert (refund.transaction, refund.amount) == (said["refund_id"], Money(amount_minor=said["amount"]["refund"]))


async def test_they_open_what_our_sandbox_seals_and_we_open_what_they_open() -> None:
    sealed = Platform(now).seal("秘密".encode(), "certificate")
    theirs_said = utils.aes_decrypt(sealed["nonce"], sealed["ciphertext"], sealed["associated_data"], keys.API_V3_KEY)
    ours_said = signatures.unseal(signatures.Sealed(**sealed), [keys.API_V3_KEY.encode()])
    assert theirs_said == ours_said.decode() == "秘密"
