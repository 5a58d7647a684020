"""The house, asked with tokens and certificates that a persona does not have."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jwt

from sandbox.identity import tokens

VIN = "LDCA1AB57SB000001"


def token_with(persona: str = "owner", **changes: Any) -> dict[str, str]:
    """Headers with a persona's token, some claims changed; `...` leaves one out."""
    now = int(datetime.now(UTC).timestamp())
    claims = tokens.claims_of(persona) | {
        "iss": tokens.ISSUER, "aud": tokens.AUDIENCE, "iat": now, "exp": now + 600, "acr": "2", "auth_time": now,
    }  # fmt: skip
    claims = {name: value for name, value in (claims | changes).items() if value is not ...}
    header = {"alg": "ES256", "typ": "at+jwt", "kid": tokens._key().kid}
    return {"authorization": f"Bearer {jwt.encode(header, claims, tokens._key(), algorithms=['ES256'])}"}


def without(*scopes: str, persona: str = "owner") -> dict[str, str]:
    held = [scope for scope in tokens.claims_of(persona)["scope"].split() if scope not in scopes]
    return token_with(persona, scope=" ".join(held))


class Authority:
    """Issues certificates for cars."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("Devices", self.key.public_key(), [], is_authority=True)

    def client(
        self,
        *,
        uris: tuple[str, ...] = (f"urn:vin:{VIN}",),
        common_name: str = "head unit",
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        age: timedelta = timedelta(days=1),
    ) -> x509.Certificate:
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([usage])]
        if uris:
            extensions.append(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris]))
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(common_name, key.public_key(), extensions, age=age)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        extensions: list[x509.ExtensionType],
        *,
        age: timedelta = timedelta(days=1),
        is_authority: bool = False,
    ) -> x509.Certificate:
        began = datetime.now(UTC) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Devices")]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def client_cert(certificate: x509.Certificate) -> str:
    """RFC 9440 section 2.2."""
    return ":" + base64.b64encode(certificate.public_bytes(Encoding.DER)).decode() + ":"
