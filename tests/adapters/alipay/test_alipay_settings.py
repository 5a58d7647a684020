"""Who we are to Alipay, as the environment says it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adapters.alipay import development
from adapters.alipay.settings import AlipaySettings, read_alipay_settings
from sandbox.alipay import keys

OURS, THEIRS, NEXT = (rsa.generate_private_key(65537, 2048) for _ in range(3))
PUBLIC_URL = "https://bff.example"


def private(key: rsa.RSAPrivateKey, encoding: Encoding, form: PrivateFormat) -> str:
    raw = key.private_bytes(encoding, form, NoEncryption())
    return raw.decode() if encoding is Encoding.PEM else base64.b64encode(raw).decode()


def public(key: rsa.RSAPrivateKey, encoding: Encoding = Encoding.PEM) -> str:
    raw = key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return raw.decode() if encoding is Encoding.PEM else base64.b64encode(raw).decode()


GIVEN = {
    "BFF_ALIPAY_APP_ID": "2021000000000001",
    "BFF_ALIPAY_SELLER_ID": "2088000000000001",
    "BFF_ALIPAY_PRIVATE_KEY": private(OURS, Encoding.PEM, PrivateFormat.PKCS8),
    "BFF_ALIPAY_PUBLIC_KEYS": public(THEIRS),
}


def read(
    env: dict[str, str], *, production: bool = True, public_url: str = PUBLIC_URL
) -> tuple[AlipaySettings | None, list[str]]:
    problems: list[str] = []
    return read_alipay_settings(env, production=production, public_url=public_url, problems=problems), problems


def good(env: dict[str, str], *, production: bool = True) -> AlipaySettings:
    settings, problems = read(env, production=production)
    assert problems == []
    assert settings is not None
    return settings


def test_production_without_alipay_has_none() -> None:
    assert read({}) == (None, [])


def test_production_takes_what_it_is_given() -> None:
    settings = good(GIVEN | {"BFF_ALIPAY_RETURN_URL": "https://shop.example/paid"})
    assert (settings.app_id, settings.seller_id) == ("2021000000000001", "2088000000000001")
    assert settings.private_key.private_numbers() == OURS.private_numbers()
    assert settings.notify_url == "https://bff.example/payments/notifications/alipay"
    assert settings.return_url == "https://shop.example/paid"


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_read_as_alipays_tool_and_as_openssl_write_it(encoding: Encoding, form: PrivateFormat) -> None:
    settings = good(GIVEN | {"BFF_ALIPAY_PRIVATE_KEY": private(OURS, encoding, form)})
    assert settings.private_key.private_numbers() == OURS.private_numbers()


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("between", ["\n\n", ",", ",\n"])
def test_several_keys_of_alipay_count_at_once(encoding: Encoding, between: str) -> None:
    both = between.join(public(key, encoding) for key in (THEIRS, NEXT))
    numbers = [key.public_numbers() for key in good(GIVEN | {"BFF_ALIPAY_PUBLIC_KEYS": both}).alipay_keys]
    assert numbers == [key.public_key().public_numbers() for key in (THEIRS, NEXT)]


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(GIVEN["BFF_ALIPAY_PRIVATE_KEY"])
    env = {name: value for name, value in GIVEN.items() if name != "BFF_ALIPAY_PRIVATE_KEY"}
    settings = good(env | {"BFF_ALIPAY_PRIVATE_KEY_FILE": str(path)})
    assert settings.private_key.private_numbers() == OURS.private_numbers()


def test_a_secret_is_given_once_and_can_be_read(tmp_path: Path) -> None:
    _, problems = read(GIVEN | {"BFF_ALIPAY_PRIVATE_KEY_FILE": "x"})
    assert problems == ["BFF_ALIPAY_PRIVATE_KEY and BFF_ALIPAY_PRIVATE_KEY_FILE are both set: set one of them."]
    (tmp_path / "binary").write_bytes(b"\xff")
    env = {name: value for name, value in GIVEN.items() if name != "BFF_ALIPAY_PRIVATE_KEY"}
    for name, why in {"none": "No such file or directory", "binary": "it is no text"}.items():
        settings, problems = read(env | {"BFF_ALIPAY_PRIVATE_KEY_FILE": str(tmp_path / name)})
        assert settings is None
        assert problems == [f"BFF_ALIPAY_PRIVATE_KEY_FILE cannot be read: {why}."]


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("production", [True, False])
def test_all_of_it_or_nothing(name: str, production: bool) -> None:
    settings, problems = read({n: v for n, v in GIVEN.items() if n != name}, production=production)
    assert settings is None
    assert problems == [f"{name} is missing: Alipay needs it."]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PRIVATE_KEY", "not base64!", "it is no private key"),
        ("PRIVATE_KEY", "AAAA", "it is no private key"),
        ("PRIVATE_KEY", public(OURS), "it is no private key"),
        (
            "PRIVATE_KEY",
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "an RSA key of at least 2048 bits",
        ),
        (
            "PRIVATE_KEY",
            private(rsa.generate_private_key(65537, 1024), Encoding.PEM, PrivateFormat.PKCS8),
            "an RSA key of at least 2048 bits",
        ),
        ("PUBLIC_KEYS", "AAAA", "it is no public key"),
        ("PUBLIC_KEYS", ",", "there is no public key in it"),
        ("PUBLIC_KEYS", GIVEN["BFF_ALIPAY_PRIVATE_KEY"], "it is no public key"),
        ("APP_ID", " ", "is empty"),
        ("NOTIFY_URL", "http://bff.example/notify", "is an https address"),
        ("NOTIFY_URL", "https://user:secret@bff.example/notify", "is an https address"),
        ("NOTIFY_URL", "https://bff.example/" + "n" * 256, "of at most 256 characters"),
        ("RETURN_URL", "shop", "is an https address"),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(name: str, value: str, why: str) -> None:
    settings, problems = read(GIVEN | {f"BFF_ALIPAY_{name}": value})
    assert settings is None
    assert len(problems) == 1
    assert problems[0].startswith(f"BFF_ALIPAY_{name} ")
    assert why in problems[0]
    assert "secret" not in problems[0]
    assert value.strip()[:40] not in problems[0] or len(value.strip()) < 5


def test_notifications_come_over_https_in_production() -> None:
    settings, problems = read(GIVEN, public_url="http://bff.example")
    assert settings is None
    assert problems == ["BFF_ALIPAY_NOTIFY_URL begins with https:// in production."]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BFF_ALIPAY_APP_ID", development.APP_ID),
        ("BFF_ALIPAY_SELLER_ID", development.SELLER_ID),
        ("BFF_ALIPAY_PRIVATE_KEY", development.PRIVATE_KEY),
        ("BFF_ALIPAY_PUBLIC_KEYS", development.ALIPAY_PUBLIC_KEY),
        ("BFF_ALIPAY_PUBLIC_KEYS", public(THEIRS) + development.ALIPAY_PUBLIC_KEY),
    ],
)
def test_production_refuses_what_is_the_sandboxs(name: str, value: str) -> None:
    settings, problems = read(GIVEN | {name: value})
    assert settings is None
    assert problems == [f"{name} is the sandbox's, which anybody knows: in production it is your own."]
    good(GIVEN | {name: value}, production=False)


def test_development_without_a_variable_is_the_sandboxs() -> None:
    settings = good({}, production=False)
    assert settings.app_id == keys.APP_ID
    assert settings.seller_id == keys.SELLER_ID
    ours, theirs = keys.merchant_public_key(), keys.alipay_private_key().public_key()
    assert settings.private_key.public_key().public_numbers() == ours.public_numbers()
    assert [key.public_numbers() for key in settings.alipay_keys] == [theirs.public_numbers()]
