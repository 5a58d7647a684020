"""Settings of WeChat Pay: what is read, what is wrong with it, and that the sandbox's keys stay in the sandbox."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from adapters.wechatpay import development
from adapters.wechatpay.settings import WechatPaySettings, development_settings, read_wechatpay_settings
from sandbox.wechatpay import keys
from sandbox.wechatpay.platform import public_key_signer

PUBLIC_URL = "https://bff.example.com"


@pytest.fixture(scope="module")
def own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@pytest.fixture
def env(own_key: rsa.RSAPrivateKey) -> dict[str, str]:
    """A merchant of their own, with a public key of the platform."""
    return {
        "BFF_WECHATPAY_MERCHANT_ID": "1230000109",
        "BFF_WECHATPAY_APP_ID": "wxd678efh567hg6787",
        "BFF_WECHATPAY_SERIAL": "44:4f:48:64",
        "BFF_WECHATPAY_PRIVATE_KEY": pem(own_key),
        "BFF_WECHATPAY_API_KEYS": "A" * 32,
        "BFF_WECHATPAY_PUBLIC_KEYS": f"PUB_KEY_ID_0001={public_der(own_key)}",
    }


def read(env: dict[str, str], *, production: bool = True) -> tuple[WechatPaySettings | None, list[str]]:
    problems: list[str] = []
    return read_wechatpay_settings(env, production=production, public_url=PUBLIC_URL, problems=problems), problems


def test_sandbox_and_service_agree_on_the_development_keys() -> None:
    ours = development_settings("http://127.0.0.1:8000/x")
    assert (ours.merchant_id, ours.serial) == (keys.MERCHANT_ID, keys.MERCHANT_SERIAL)
    assert (ours.app_id, ours.mobile_app_id) == (keys.MINI_PROGRAM_APP_ID, keys.MOBILE_APP_ID)
    assert ours.api_keys == (keys.API_V3_KEY.encode(),)
    assert public_der(ours.private_key) == keys.MERCHANT_PUBLIC_KEY
    assert ours.public_keys == {keys.PUBLIC_KEY_ID: public_key_signer().key.public_key()}


def test_nothing_said_is_the_sandbox_in_development_and_nothing_in_production() -> None:
    settings, problems = read({}, production=False)
    assert settings is not None
    assert settings.merchant_id == development.MERCHANT_ID
    assert settings.notify_url == "https://bff.example.com/payments/notifications/wechatpay"
    assert problems == []
    assert read({}) == (None, [])
    assert read({"BFF_WECHATPAY_URL": "https://api.mch.weixin.qq.com"}) == (None, [])


def test_a_merchant_of_their_own(env: dict[str, str], own_key: rsa.RSAPrivateKey) -> None:
    settings, problems = read(env)
    assert problems == []
    assert settings is not None
    assert (settings.merchant_id, settings.app_id, settings.mobile_app_id) == ("1230000109", "wxd678efh567hg6787", None)
    assert settings.serial == "444F4864"
    assert settings.api_keys == (b"A" * 32,)
    assert settings.public_keys == {"PUB_KEY_ID_0001": own_key.public_key()}
    assert settings.certificates is False
    assert settings.app_ids == {"wxd678efh567hg6787"}


def test_secrets_may_lie_in_files(env: dict[str, str], own_key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    for name, said in (
        ("private.pem", env.pop("BFF_WECHATPAY_PRIVATE_KEY")),
        ("api", env.pop("BFF_WECHATPAY_API_KEYS") + "\n"),
        ("public.pem", public_pem(own_key).decode()),
    ):
        (tmp_path / name).write_text(said)
    settings, problems = read(
        env
        | {
            "BFF_WECHATPAY_PRIVATE_KEY_FILE": str(tmp_path / "private.pem"),
            "BFF_WECHATPAY_API_KEYS_FILE": str(tmp_path / "api"),
            "BFF_WECHATPAY_PUBLIC_KEYS": f"PUB_KEY_ID_0001={tmp_path / 'public.pem'}",
        }
    )
    assert problems == []
    assert settings is not None
    assert settings.private_key.private_numbers() == own_key.private_numbers()
    assert settings.api_keys == (b"A" * 32,)
    assert settings.public_keys == {"PUB_KEY_ID_0001": own_key.public_key()}


def test_keys_that_are_being_replaced(env: dict[str, str], own_key: rsa.RSAPrivateKey) -> None:
    both = f"PUB_KEY_ID_0002={public_der(own_key)} PUB_KEY_ID_0001={public_der(own_key)}"
    settings, problems = read(
        env
        | {"BFF_WECHATPAY_PUBLIC_KEYS": both, "BFF_WECHATPAY_API_KEYS": f"{'B' * 32} {'A' * 32}"}
        | {"BFF_WECHATPAY_CERTIFICATES": "1", "BFF_WECHATPAY_MOBILE_APP_ID": "wxmobile"}
    )
    assert problems == []
    assert settings is not None
    assert list(settings.public_keys) == ["PUB_KEY_ID_0002", "PUB_KEY_ID_0001"]
    assert settings.api_keys == (b"B" * 32, b"A" * 32)
    assert settings.certificates is True
    assert settings.app_ids == {"wxd678efh567hg6787", "wxmobile"}


def test_without_public_keys_certificates_are_fetched(env: dict[str, str]) -> None:
    del env["BFF_WECHATPAY_PUBLIC_KEYS"]
    settings, problems = read(env)
    assert problems == []
    assert settings is not None
    assert (settings.certificates, settings.public_keys) == (True, {})


def test_a_key_on_one_line(env: dict[str, str], own_key: rsa.RSAPrivateKey) -> None:
    settings, problems = read(env | {"BFF_WECHATPAY_PRIVATE_KEY": pem(own_key).replace("\n", "\\n")})
    assert (problems, settings is not None) == ([], True)


@pytest.mark.parametrize("name", ["MERCHANT_ID", "APP_ID", "SERIAL", "PRIVATE_KEY", "API_KEYS"])
def test_what_is_missing_is_named(env: dict[str, str], name: str) -> None:
    del env[f"BFF_WECHATPAY_{name}"]
    for production in (True, False):
        _, problems = read(env, production=production)
        assert [problem.split()[0] for problem in problems] == [f"BFF_WECHATPAY_{name}"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    _, problems = read({"BFF_WECHATPAY_CERTIFICATES": "yes", "BFF_WECHATPAY_NOTIFY_URL": "http://bff.example.com/n"})
    named = {problem.split()[0].rstrip(":") for problem in problems}
    assert named == {
        f"BFF_WECHATPAY_{name}"
        for name in ("MERCHANT_ID", "APP_ID", "SERIAL", "PRIVATE_KEY", "API_KEYS", "CERTIFICATES", "NOTIFY_URL")
    }


EC_KEY = pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
        ("PRIVATE_KEY", EC_KEY),
        ("PRIVATE_KEY_FILE", "/nowhere/at/all.pem"),
        ("API_KEYS", "short"),
        ("API_KEYS", f"{'A' * 32} short"),
        ("PUBLIC_KEYS", "444F4864=/etc/key.pem"),
        ("PUBLIC_KEYS", "PUB_KEY_ID_0001"),
        ("PUBLIC_KEYS", "PUB_KEY_ID_0001=/nowhere/at/all.pem"),
        ("PUBLIC_KEYS", "PUB_KEY_ID_0001=MIIB"),
        ("CERTIFICATES", "true"),
        ("NOTIFY_URL", "http://bff.example.com/n"),
        ("NOTIFY_URL", "https://bff.example.com/n?a=1"),
        ("NOTIFY_URL", "/n"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_repeated(env: dict[str, str], name: str, value: str) -> None:
    if name == "PRIVATE_KEY_FILE":
        del env["BFF_WECHATPAY_PRIVATE_KEY"]
    _, problems = read(env | {f"BFF_WECHATPAY_{name}": value})
    assert problems
    assert all(problem.startswith(f"BFF_WECHATPAY_{name}") for problem in problems)
    assert not any("AAAA" in problem or "short" in problem or "BEGIN" in problem for problem in problems)


def test_nothing_to_verify_by_is_a_problem(env: dict[str, str]) -> None:
    del env["BFF_WECHATPAY_PUBLIC_KEYS"]
    _, problems = read(env | {"BFF_WECHATPAY_CERTIFICATES": "0"})
    assert [problem.split()[0] for problem in problems] == ["BFF_WECHATPAY_PUBLIC_KEYS"]


def test_a_secret_is_said_once(env: dict[str, str]) -> None:
    _, problems = read(env | {"BFF_WECHATPAY_API_KEYS_FILE": "/etc/api"})
    assert [problem.split()[0] for problem in problems] == ["BFF_WECHATPAY_API_KEYS"]


def sandboxs_private_key() -> str:
    key = load_der_private_key(base64.b64decode(development.MERCHANT_PRIVATE_KEY), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return pem(key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MERCHANT_ID", development.MERCHANT_ID),
        ("PRIVATE_KEY", sandboxs_private_key()),
        ("API_KEYS", f"{'A' * 32} {development.API_V3_KEY}"),
        ("PUBLIC_KEYS", f"PUB_KEY_ID_MINE={development.PLATFORM_PUBLIC_KEY}"),
    ],
)
def test_the_sandboxs_keys_are_refused_by_name_in_production(env: dict[str, str], name: str, value: str) -> None:
    changed = env | {f"BFF_WECHATPAY_{name}": value}
    _, problems = read(changed)
    assert problems == [f"BFF_WECHATPAY_{name} is the sandbox's: in production it is yours."]
    assert read(changed, production=False)[1] == []


def test_settings_show_no_secret(env: dict[str, str]) -> None:
    settings, _ = read(env)
    shown = f"{settings!r} {settings}"
    assert "1230000109" in shown
    assert "A" * 32 not in shown
    assert "RSA" not in shown
