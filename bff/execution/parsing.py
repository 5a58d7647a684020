"""Documents as plans keep them: every node knows where it stood, and none holds on to the text's tokens.

graphql-core's locations lead to the tokens of the whole document, each of which leads to its neighbours: more memory
than all else that is known of an operation, and of a kind that only a full collection sets free.
"""

from __future__ import annotations

from typing import Any, TypeVar

from graphql import DocumentNode, Location, Node, Token, TokenKind
from graphql.language.parser import Parser, nested_too_deeply_error

N = TypeVar("N", bound=Node)

_NO_TOKEN = Token(TokenKind.SOF, 0, 0, 0, 0)


class _Parser(Parser):
    def loc(self, start_token: Token) -> Location:
        location = Location.__new__(Location)
        location.start, location.end = start_token.start, self._lexer.last_token.end
        location.source = self._lexer.source
        location.start_token = location.end_token = _NO_TOKEN
        return location

    def unlink(self) -> None:
        """Tokens know each other both ways."""
        token: Token | None = self._lexer.token
        while token is not None:
            before, token.prev, token.next = token.prev, None, None
            token = before


def parse(text: str) -> DocumentNode:
    """Raises GraphQLSyntaxError."""
    parser = _Parser(text)
    try:
        return parser.parse_document()
    except RecursionError:
        pass
    finally:
        parser.unlink()
    raise nested_too_deeply_error(parser)


def without_places(node: N) -> N:
    """A copy that does not know where it was written: a third of the memory, for what outlives its operation."""
    return type(node)(**{key: _copied(getattr(node, key)) for key in node.keys if key != "loc"})


def _copied(part: Any) -> Any:
    if isinstance(part, Node):
        return without_places(part)
    return tuple([_copied(each) for each in part]) if isinstance(part, tuple | list) else part
