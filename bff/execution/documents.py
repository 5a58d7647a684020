"""An operation's syntax tree: there while it is compiled, and afterwards read again from its text when it is asked for.

A compiled operation needs its tree only where something is out of the ordinary: an error's locations, a resolver that
looks at its selections, what graphql-core executes. As a tree weighs as much as all else that a plan keeps, a plan has
the text alone; the last few trees are remembered, so that an operation that fails in every request is read once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode
from graphql.execution.collect_fields import FragmentDetails

from bff.execution.parsing import parse

MAX_TREES = 16


class Tree:
    """One operation of a document, with its fragments; the rest of the document only where it is known.

    `details` are the fragments as graphql-core collects fields from them.
    """

    def __init__(
        self,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        document: DocumentNode | None = None,
        details: dict[str, FragmentDetails] | None = None,
    ) -> None:
        self.operation = operation
        self.fragments = fragments
        self._document = document
        self.details = details or {name: FragmentDetails(definition) for name, definition in fragments.items()}

    @classmethod
    def of(cls, document: DocumentNode, operation: OperationDefinitionNode) -> Tree:
        definitions = document.definitions
        fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
        return cls(operation, fragments, document)

    @property
    def tree(self) -> Tree:
        return self

    @property
    def document(self) -> DocumentNode:
        return self._document or DocumentNode(definitions=(self.operation, *self.fragments.values()))


class Document(Protocol):
    """Whoever has a tree, or can get it."""

    @property
    def tree(self) -> Tree: ...


class Text:
    """A document that is known by its text. `number` is the operation's among its definitions."""

    __slots__ = ("_number", "_text")

    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number

    @classmethod
    def of(cls, text: str, tree: Tree) -> Text:
        """The text that `tree` was parsed from."""
        known = cls(text, next(n for n, each in enumerate(tree.document.definitions) if each is tree.operation))
        _remember(text, known._number, tree)
        return known

    @property
    def tree(self) -> Tree:
        tree = _recent.get((self._text, self._number))
        if tree is None:
            document = parse(self._text)
            operation = document.definitions[self._number]
            assert isinstance(operation, OperationDefinitionNode)
            tree = Tree.of(document, operation)
        _remember(self._text, self._number, tree)
        return tree


_recent: OrderedDict[tuple[str, int], Tree] = OrderedDict()


def _remember(text: str, number: int, tree: Tree) -> None:
    _recent[text, number] = tree
    _recent.move_to_end((text, number))
    if len(_recent) > MAX_TREES:
        _recent.popitem(last=False)
