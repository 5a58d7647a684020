"""Many different operations of the real schema: the screens of `examples/operations`, each with other parts left out.

This is how an app's operations differ: a release adds a field here and drops one there. Each is asked by the persona
that its screen is for; the head unit shows its certificate instead of a token, since production asks for that.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from graphql import OperationDefinitionNode, OperationType, SelectionSetNode, parse, print_ast

from bff.app import EXAMPLES
from bff.serving.console import Example, load_examples
from sandbox.identity.tokens import claims_of, issue

KEPT = 0.7
"""Of the parts of a selection; one is always kept."""
LIFETIME = timedelta(days=3)
"""Of tokens and certificates: longer than a run of a million requests takes."""

_VARIABLE = re.compile(r"\$(\w+)")


class Part(NamedTuple):
    """A field or a fragment: what is written before its braces, and what stands between them."""

    head: str
    parts: tuple[Part, ...]


class Screen(NamedTuple):
    """An example, taken apart. `variables` are their definitions by name."""

    example: Example
    variables: Mapping[str, str]
    parts: tuple[Part, ...]


class Operation(NamedTuple):
    """One that is asked; `screen` names the example that it was made of."""

    screen: str
    persona: str
    query: str
    variables: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def body(self) -> bytes:
        return orjson.dumps({"query": self.query, "variables": self.variables})


def screens() -> list[Screen]:
    """All examples that are one query without named fragments, which could lose their last use."""
    return list(_screens())


def _screens() -> Iterator[Screen]:
    for example in load_examples(EXAMPLES):
        operation, *others = parse(example.query, no_location=True).definitions
        if others or not isinstance(operation, OperationDefinitionNode) or operation.operation != OperationType.QUERY:
            continue
        variables = {each.variable.name.value: print_ast(each) for each in operation.variable_definitions or ()}
        yield Screen(example, variables, _parts(operation.selection_set))


def _parts(selections: SelectionSetNode) -> tuple[Part, ...]:
    found: list[Part] = []
    for node in selections.selections:
        inner: SelectionSetNode | None = getattr(node, "selection_set", None)
        text = print_ast(node)
        if inner is None:
            found.append(Part(text, ()))
        else:
            found.append(Part(text.removesuffix(print_ast(inner)), _parts(inner)))
    return tuple(found)


def operations(count: int, seed: int = 3) -> list[Operation]:
    """So many different ones, the screens in turn; the same again for the same seed."""
    random, known = Random(seed), screens()
    return [_operation(known[number % len(known)], number, random) for number in range(count)]


def _operation(screen: Screen, number: int, random: Random) -> Operation:
    example = screen.example
    text = _some(screen.parts, random)
    used = set(_VARIABLE.findall(text))
    definitions = ", ".join(definition for name, definition in screen.variables.items() if name in used)
    return Operation(
        screen=example.name,
        persona=example.persona or "guest",
        query=f"query {example.name}{number}{f'({definitions})' if definitions else ''} {{ {text} }}",
        variables={name: value for name, value in example.variables.items() if name in used},
        headers=example.headers,
    )


def _some(parts: tuple[Part, ...], random: Random) -> str:
    kept = [part for part in parts if random.random() < KEPT] or [random.choice(parts)]
    return " ".join(f"{part.head}{{ {_some(part.parts, random)} }}" if part.parts else part.head for part in kept)


def credentials(personas: set[str], issuer: str) -> dict[str, dict[str, str]]:
    """The headers by which production knows each."""
    return {persona: _credentials(persona, issuer) for persona in personas}


def _credentials(persona: str, issuer: str) -> dict[str, str]:
    vin: str | None = claims_of(persona).get("vin")
    if vin is not None:
        return {"client-cert": _certificate(vin)}
    return {"authorization": f"Bearer {issue(persona, issuer=issuer, lifetime=LIFETIME)}"}


def _certificate(vin: str) -> str:
    """As a proxy of ours hands it on (RFC 9440); who signed it, the proxy would have checked."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, vin)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"
