"""What is refused by a document's structure, before graphql-core validates it.

Every count is of the document with its fragment spreads written out, since that is what is validated and run; but a
fragment is counted once and its sums are reused, so that fragments that double each other cost their own length only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

from bff.operations.refusals import introspection_off, limit_exceeded, refusal
from bff.profiles import Limits

Definition = OperationDefinitionNode | FragmentDefinitionNode
_OPEN, _DONE = 1, 2
INTROSPECTION = frozenset({"__schema", "__type"})


class Sums:
    """What one selection set holds, spreads written out. `depth` is of fields, `root_fields` of its first level."""

    __slots__ = ("aliases", "depth", "directives", "root_fields", "selections")

    def __init__(self) -> None:
        self.selections = self.aliases = self.directives = self.depth = self.root_fields = 0

    def add(self, other: Sums, *, below: int) -> None:
        self.selections += other.selections
        self.aliases += other.aliases
        self.directives += other.directives
        self.depth = max(self.depth, other.depth + below)
        if not below:
            self.root_fields += other.root_fields


class Structure:
    """Measures one document. Unknown fragments count nothing: validation names them."""

    def __init__(self, document: DocumentNode, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._introspection = introspection
        definitions = document.definitions or ()
        self._operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
        self._fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
        self._spreads: dict[str, list[str]] = {}
        self._sums: dict[str, Sums] = {}

    def check(self) -> None:
        """Raises InvalidOperation for the first limit that does not hold."""
        self._check_definitions()
        for name in self._innermost_first():
            self._sums[name] = self._sum(self._fragments[name].selection_set)
        roots: list[Definition] = [*self._operations, *self._unreached()]
        total = 0
        for root in roots:
            sums = self._sum(root.selection_set)
            sums.directives += len(root.directives or ())
            self._check_sums(root, sums)
            total += sums.selections
            self._most("selections", total, self._limits.selections, "selects at most {} fields", root)
        overlaps = sum(self._overlaps(root) for root in roots)
        self._most("overlaps", overlaps, self._limits.overlaps, "repeats fields in at most {} pairs")

    def _check_definitions(self) -> None:
        """As written, without spreads written out: linear whatever the document."""
        limits, spreads = self._limits, 0
        self._most("operations", len(self._operations), limits.operations, "has at most {} operations")
        self._most("fragments", len(self._fragments), limits.fragments, "defines at most {} fragments")
        variables = sum(len(operation.variable_definitions or ()) for operation in self._operations)
        self._most("variables", variables, limits.variables, "has at most {} variables")
        for name, definition in [
            *(("", operation) for operation in self._operations),
            *self._fragments.items(),
        ]:
            found = list(self._visit(definition.selection_set))
            spreads += len(found)
            self._spreads[name] = found if name else [*self._spreads.get(name, []), *found]
            self._most("spreads", spreads, limits.spreads, "spreads fragments at most {} times")

    def _visit(self, selection_set: SelectionSetNode | None) -> Iterator[str]:
        """The names that are spread; checks what holds for each place by itself."""
        for node in _selections(selection_set):
            per_field = len(node.directives or ())
            self._most(
                "directivesPerField", per_field, self._limits.directives_per_field, "has at most {} on a field", node
            )
            if isinstance(node, FragmentSpreadNode):
                yield node.name.value
                continue
            if isinstance(node, FieldNode) and not self._introspection and node.name.value in INTROSPECTION:
                raise introspection_off(node)
            yield from self._visit(node.selection_set)

    def _innermost_first(self) -> list[str]:
        """Fragments after those that they spread; without recursion, since they may form a chain of any length.

        A cycle is refused here: nothing below it can be counted.
        """
        order: list[str] = []
        state: dict[str, int] = {}
        for start in self._fragments:
            stack = [(start, False)]
            while stack:
                name, is_left = stack.pop()
                if is_left:
                    state[name] = _DONE
                    order.append(name)
                elif state.get(name) == _OPEN:
                    raise refusal(
                        "GRAPHQL_VALIDATION_FAILED",
                        f"Cannot spread fragment '{name}' within itself.",
                        self._fragments[name],
                    )
                elif name not in state and name in self._fragments:
                    state[name] = _OPEN
                    stack.append((name, True))
                    stack += [(inner, False) for inner in self._spreads[name] if state.get(inner) != _DONE]
        return order

    def _unreached(self) -> list[FragmentDefinitionNode]:
        reached: set[str] = set()
        stack = list(self._spreads.get("", ()))
        while stack:
            name = stack.pop()
            if name not in reached and name in self._fragments:
                reached.add(name)
                stack += self._spreads[name]
        return [fragment for name, fragment in self._fragments.items() if name not in reached]

    def _sum(self, selection_set: SelectionSetNode | None) -> Sums:
        sums = Sums()
        for node in _selections(selection_set):
            sums.selections += 1
            sums.directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                if (fragment := self._sums.get(node.name.value)) is not None:
                    sums.add(fragment, below=0)
            elif isinstance(node, FieldNode):
                sums.root_fields += 1
                sums.aliases += node.alias is not None
                sums.depth = max(sums.depth, 1)
                if node.selection_set is not None:
                    sums.add(self._sum(node.selection_set), below=1)
            else:
                sums.add(self._sum(node.selection_set), below=0)
        return sums

    def _check_sums(self, root: Definition, sums: Sums) -> None:
        limits = self._limits
        self._most("depth", sums.depth, limits.depth, "is at most {} fields deep", root)
        self._most("aliases", sums.aliases, limits.aliases, "has at most {} aliases", root)
        self._most("rootFields", sums.root_fields, limits.root_fields, "has at most {} fields at its root", root)
        self._most("directives", sums.directives, limits.directives, "has at most {} directives", root)

    def _overlaps(self, root: Definition) -> int:
        """Pairs of fields with one response key in one place, as far as the limit; merged as execution merges them."""
        pairs, most = 0, self._limits.overlaps
        levels: list[list[SelectionSetNode]] = [[root.selection_set]]
        while levels and pairs <= most:
            groups: dict[str, list[FieldNode]] = {}
            for field in self._flat(levels.pop()):
                key = field.alias.value if field.alias else field.name.value
                groups.setdefault(key, []).append(field)
            for fields in groups.values():
                pairs += len(fields) * (len(fields) - 1) // 2
                if inner := [field.selection_set for field in fields if field.selection_set is not None]:
                    levels.append(inner)
        return pairs

    def _flat(self, selection_sets: Iterable[SelectionSetNode]) -> Iterator[FieldNode]:
        stack = list(selection_sets)
        seen: set[str] = set()
        while stack:
            for node in _selections(stack.pop()):
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    stack.append(node.selection_set)
                elif (name := node.name.value) in self._fragments and name not in seen:
                    seen.add(name)
                    stack.append(self._fragments[name].selection_set)

    def _most(self, limit: str, found: int, allowed: int, said: str, node: Node | None = None) -> None:
        if found > allowed:
            raise limit_exceeded(limit, found, allowed, f"A document {said.format(allowed)}; this one: {found}.", node)


def _selections(
    selection_set: SelectionSetNode | None,
) -> tuple[FieldNode | FragmentSpreadNode | InlineFragmentNode, ...]:
    """graphql-core leaves an empty list as None."""
    if selection_set is None:
        return ()
    return selection_set.selections or ()  # type: ignore[return-value]  # the nodes' base class is all that it declares


def check_structure(document: DocumentNode, limits: Limits, *, introspection: bool) -> None:
    """Raises InvalidOperation for the first limit that does not hold, or for introspection where it is off."""
    Structure(document, limits, introspection=introspection).check()
