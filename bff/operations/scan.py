"""What is refused by a document's text alone, before graphql-core parses it.

graphql-core's lexer takes ten times as long a token, and its parser recurses: a document of 200 open brackets ends it
with a RecursionError. One pass of a regular expression over the lexical grammar (GraphQL specification, section 2.1)
counts tokens and open brackets in linear time. Where the text breaks the grammar the parser stops at the same place, so
that what this pass reads otherwise is never parsed.
"""

from __future__ import annotations

import re

from bff.operations.refusals import limit_exceeded
from bff.profiles import Limits

_TOKEN = re.compile(
    r"([{\[(])"
    r"|([}\])])"
    # Possessive, and an unterminated string is one token: trying again from each of its quotes would be quadratic.
    r'|"""(?:[^"\\]|\\(?!""")|\\"""|"(?!""))*+(?:""")?'
    r'|"(?:[^"\\\n\r]|\\[^\n\r])*+"?'
    r"|\#[^\n\r]*"
    r"|[_A-Za-z][_0-9A-Za-z]*"
    r"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|\.\.\."
    r"|[!$&:=@|?]"
)


def check_text(text: str, limits: Limits) -> None:
    """Raises InvalidOperation: too many bytes, tokens, or open brackets."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.document_bytes:
        raise limit_exceeded(
            "documentBytes", size, limits.document_bytes, f"A document has at most {limits.document_bytes} bytes."
        )
    left, most, depth = limits.tokens, limits.nesting, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastindex
        if kind == 1:
            depth += 1
            if depth > most:
                raise limit_exceeded("nesting", depth, most, f"A document nests brackets at most {most} deep.")
        elif kind == 2:
            depth -= 1
        left -= 1
        if left < 0:
            allowed = limits.tokens
            raise limit_exceeded("tokens", allowed + 1, allowed, f"A document has at most {allowed} tokens.")
