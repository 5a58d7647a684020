"""A head unit is its certificate: who issued it is checked where TLS ends, which car it is for is read here.

The VIN stands in the certificate as the URI `urn:vin:<VIN>` among its alternative names, or else as its common name.
Nothing that the client itself sends can name a car.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bff.context import Caller, CallerKind
from bff.errors import NotAuthenticated

DEVICE_SCOPES = frozenset(
    {"catalogue:read", "content:read", "community:read", "vehicle:read", "vehicle:report", "content:sync"}
)
MOST_REMEMBERED = 10_000
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")


class Certificate(NamedTuple):
    """`thumbprint` is base64url of the SHA-256 of the DER bytes, as `x5t#S256` has it."""

    thumbprint: str
    vin: str | None
    not_before: datetime
    not_after: datetime


class Devices:
    """Reads client certificates, and remembers what it read. `authorities` may be empty: TLS has checked the issuer."""

    def __init__(
        self,
        authorities: Sequence[x509.Certificate] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._authorities = authorities
        self._clock = clock
        self._known: OrderedDict[str, Certificate] = OrderedDict()

    def certificate(self, header: str) -> Certificate:
        """Of a `Client-Cert` header (RFC 9440) from a trusted hop. Raises NotAuthenticated."""
        known = self._known.get(header)
        if known is None:
            known = self._known[header] = self._read(header)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        if not known.not_before <= self._clock() <= known.not_after:
            raise NotAuthenticated("The client certificate is not valid at this time.")
        return known

    def caller(self, certificate: Certificate) -> Caller:
        """The car that the certificate is for."""
        if certificate.vin is None:
            raise NotAuthenticated("The client certificate names no car.")
        return Caller(
            kind=CallerKind.DEVICE,
            subject=f"device:{certificate.vin}",
            vin=certificate.vin,
            scopes=DEVICE_SCOPES,
        )

    def _read(self, header: str) -> Certificate:
        text = header.strip()
        if len(text) < 2 or text[0] != ":" or text[-1] != ":":
            raise NotAuthenticated("The client certificate cannot be read.")
        try:
            der = base64.b64decode(text[1:-1], validate=True)
            parsed = x509.load_der_x509_certificate(der)
            vin = _vin_of(parsed)
            is_for_clients = _is_for_clients(parsed)
        except (binascii.Error, ValueError, x509.ExtensionNotFound) as error:
            raise NotAuthenticated("The client certificate cannot be read.", detail=type(error).__name__) from error
        if not is_for_clients:
            raise NotAuthenticated("The client certificate is not one for clients.")
        if self._authorities and not any(_issued(parsed, authority) for authority in self._authorities):
            raise NotAuthenticated("The client certificate is of an unknown issuer.")
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
        return Certificate(thumbprint, vin, parsed.not_valid_before_utc, parsed.not_valid_after_utc)


def _vin_of(certificate: x509.Certificate) -> str | None:
    """Raises ValueError for a certificate that names two cars."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    named = {uri[8:].upper() for uri in uris if uri.lower().startswith("urn:vin:")}
    if not named:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        named = {str(name.value) for name in common if _VIN.fullmatch(str(name.value))}
    if len(named) > 1 or not all(_VIN.fullmatch(vin) for vin in named):
        raise ValueError("the certificate does not name one car")
    return next(iter(named), None)


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_bound_to(thumbprint: str, certificate: Certificate | None) -> bool:
    return certificate is not None and hmac.compare_digest(thumbprint, certificate.thumbprint)
