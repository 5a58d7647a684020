"""The scan counts as graphql-core's lexer does, wherever that reads at all."""

from __future__ import annotations

import msgspec
import pytest
from graphql import GraphQLSyntaxError, Lexer, Source, Token, TokenKind
from hypothesis import given
from hypothesis import strategies as st

from bff.execution import InvalidOperation
from bff.operations.scan import check_text
from bff.profiles import Limits

LIMITS = Limits()
PIECES = st.sampled_from(
    [
        *"{}()[]:$@!=|&?, \n\t\ufeff", "...", "a", "_b1", "on", "12", "-3", "1.5", "2e10", "-1.5E-3",
        '"s"', '""', '"\\""', '"{["', '"""b"""', '""""""', '"""a " b "" c"""', '"""\\""" {"""', '"""\n{\n"""',
        "# c {\n", "#\r",
    ]
)  # fmt: skip


def lexed(text: str) -> tuple[int, int]:
    """Tokens with comments, and open brackets at most, by graphql-core's lexer. Raises GraphQLSyntaxError."""
    lexer = Lexer(Source(text))
    while lexer.advance().kind is not TokenKind.EOF:
        pass
    tokens, depth, deepest = 0, 0, 0
    token: Token | None = lexer.token
    kinds = []
    while token is not None:
        kinds.append(token.kind)
        token = token.prev
    for kind in reversed(kinds):
        if kind in (TokenKind.SOF, TokenKind.EOF):
            continue
        tokens += 1
        if kind in (TokenKind.BRACE_L, TokenKind.PAREN_L, TokenKind.BRACKET_L):
            depth += 1
            deepest = max(deepest, depth)
        elif kind in (TokenKind.BRACE_R, TokenKind.PAREN_R, TokenKind.BRACKET_R):
            depth -= 1
    return tokens, deepest


def scanned(text: str, **changes: int) -> bool:
    try:
        check_text(text, msgspec.structs.replace(LIMITS, **changes))
    except InvalidOperation:
        return False
    return True


@given(st.lists(PIECES, min_size=1, max_size=40).map("".join))
def test_tokens_and_brackets_are_counted_as_the_lexer_counts_them(text: str) -> None:
    try:
        tokens, deepest = lexed(text)
    except GraphQLSyntaxError:
        return
    assert scanned(text, tokens=tokens, nesting=deepest)
    assert tokens == 0 or not scanned(text, tokens=tokens - 1)
    assert deepest == 0 or not scanned(text, nesting=deepest - 1)


def test_brackets_in_strings_and_comments_are_text() -> None:
    assert scanned('{a(x:"' + "{" * 100 + '",y:"""' + "[" * 100 + '""")} # ' + "(" * 100, nesting=2)


@pytest.mark.parametrize(("text", "size"), [("{a}", 3), ('{a(x:"车")}', 12)])
def test_length_is_of_bytes(text: str, size: int) -> None:
    assert scanned(text, document_bytes=size)
    assert not scanned(text, document_bytes=size - 1)
