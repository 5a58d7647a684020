"""What an operation costs at most, before it runs: static analysis of the IBM GraphQL Cost Directives specification.

Field cost is the sum of the weights of fields and arguments, type cost the sum of the weights of objects; both times
the lengths of the lists around them; what is asked is both together. Defaults are the specification's: 1 for what
has fields of its own, 0 for scalars and enums. Fields that execution merges are counted once; of an abstract type's
possible types the dearest counts; `@skip` and `@include` are taken to let everything through.

An operation becomes a `Price` once. Where no list's length hangs on a variable, the price is a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    value_from_ast_untyped,
)

from bff.operations.sizes import SHORT_LIST, Size, Variables, size_of
from resolvers.cost import CostTable

Sizes = Mapping[str, "Size | int"]


class Amount(NamedTuple):
    """Field cost and type cost."""

    fields: float
    types: float

    @property
    def total(self) -> float:
        return self.fields + self.types


class Price:
    """A sum: `fixed`, and parts that are multiplied by a length, or of which the dearest counts."""

    __slots__ = ("_dearest", "_times", "fixed")

    def __init__(self) -> None:
        self.fixed = Amount(0, 0)
        self._times: list[tuple[Size, Price]] = []
        self._dearest: list[list[Price]] = []

    @property
    def is_constant(self) -> bool:
        return not self._times and not self._dearest

    def add(self, fields: float, types: float) -> None:
        self.fixed = Amount(self.fixed.fields + fields, self.fixed.types + types)

    def add_times(self, size: Size | int, part: Price) -> None:
        if not isinstance(size, int):
            self._times.append((size, part))
            return
        self.add(size * part.fixed.fields, size * part.fixed.types)
        self._times += [(_product(size, inner), each) for inner, each in part._times]
        self._dearest += part._dearest if size == 1 else [[_scaled(size, each) for each in of] for of in part._dearest]

    def add_dearest(self, parts: Sequence[Price]) -> None:
        if all(part.is_constant for part in parts):
            self.add(*max((part.fixed for part in parts), key=lambda amount: amount.total))
        else:
            self._dearest.append(list(parts))

    def amount(self, variables: Variables) -> Amount:
        """Raises InvalidOperation where a variable asks for too long a list."""
        fields, types = self.fixed
        for size, part in self._times:
            count, inner = size(variables), part.amount(variables)
            fields += count * inner.fields
            types += count * inner.types
        for parts in self._dearest:
            inner = max((part.amount(variables) for part in parts), key=lambda amount: amount.total)
            fields += inner.fields
            types += inner.types
        return Amount(fields, types)


def _product(factor: int, size: Size) -> Size:
    return lambda variables: factor * size(variables)


def _scaled(factor: int, price: Price) -> Price:
    scaled = Price()
    scaled.add_times(factor, price)
    return scaled


class PriceList:
    """Prices operations of one schema. `list_size` is the most that a slicing argument may ask for."""

    def __init__(self, schema: GraphQLSchema, table: CostTable, *, list_size: int) -> None:
        self.schema = schema
        self.table = table
        self.list_size = list_size

    def price(self, document: DocumentNode, operation: OperationDefinitionNode) -> Price:
        """Of a valid operation. Raises InvalidOperation where a list is too long, or its length is not said."""
        return _Pricing(self, document, operation).price()

    def field_weight(self, parent: str, name: str, kind: GraphQLNamedType) -> float:
        return self.table.fields.get((parent, name), 1.0 if is_composite_type(kind) else 0.0)


class _Pricing:
    def __init__(self, prices: PriceList, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self.prices = prices
        self.schema = prices.schema
        self.operation = operation
        self.fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self.defaults = {
            each.variable.name.value: value_from_ast_untyped(each.default_value)
            for each in operation.variable_definitions or ()
            if each.default_value is not None
        }
        self.known: dict[tuple[str, tuple[int, ...]], Price] = {}

    def price(self) -> Price:
        root = self.schema.get_root_type(self.operation.operation)
        return Price() if root is None else self.level(root, [self.operation.selection_set], {})

    def level(self, kind: GraphQLNamedType, sets: Sequence[SelectionSetNode], sizes: Sizes) -> Price:
        """The fields of one object of this type; `sizes` are lengths that its connection's arguments say."""
        key = (kind.name, tuple(map(id, sets)))
        if not sizes and key in self.known:
            return self.known[key]
        price = Price()
        if is_abstract_type(kind):
            candidates = self.candidates(kind, sets)
            price.add_dearest([self.fields_of(candidate, sets, sizes) for candidate in candidates])
        else:
            price = self.fields_of(kind, sets, sizes)
        if not sizes:
            self.known[key] = price
        return price

    def candidates(self, kind: Any, sets: Sequence[SelectionSetNode]) -> list[GraphQLNamedType]:
        """The type itself for what all have in common, and each possible type that a condition speaks of."""
        named: dict[str, GraphQLNamedType] = {kind.name: kind}
        possible = {each.name: each for each in self.schema.get_possible_types(kind)}
        for condition in self.conditions(sets):
            for each in self.possible(condition):
                if each.name in possible:
                    named[each.name] = each
        return list(named.values())

    def conditions(self, sets: Sequence[SelectionSetNode]) -> Iterator[str]:
        stack, seen = list(sets), set[str]()
        while stack:
            for node in _selections(stack.pop()):
                fragment: Any = node
                if isinstance(node, FragmentSpreadNode):
                    fragment = self.fragments[node.name.value]
                    if node.name.value in seen:
                        continue
                    seen.add(node.name.value)
                if not isinstance(fragment, FieldNode):
                    if fragment.type_condition is not None:
                        yield fragment.type_condition.name.value
                    stack.append(fragment.selection_set)

    def possible(self, name: str) -> Iterable[GraphQLObjectType]:
        kind = self.schema.type_map[name]
        return [kind] if isinstance(kind, GraphQLObjectType) else self.schema.get_possible_types(kind)  # type: ignore[arg-type]  # valid conditions are composite

    def fields_of(self, kind: GraphQLNamedType, sets: Sequence[SelectionSetNode], sizes: Sizes) -> Price:
        price = Price()
        for nodes in self.collect(kind, sets).values():
            name = nodes[0].name.value
            if name.startswith("__") or not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
                continue
            self.add_field(price, kind, name, nodes, sizes.get(name))
        return price

    def add_field(self, price: Price, parent: Any, name: str, nodes: list[FieldNode], sized: Size | int | None) -> None:
        field, rule = parent.fields[name], self.prices.table.sizes.get((parent.name, name))
        named = get_named_type(field.type)
        price.add(self.prices.field_weight(parent.name, name, named) + self.argument_weights(parent.name, nodes[0]), 0)
        length = size_of(rule, nodes[0], self.defaults, self.prices.list_size) if rule is not None else None
        inner = Price()
        if is_composite_type(named):
            inner.add(0, self.prices.table.types.get(named.name, 1.0))
            below = dict.fromkeys(rule.sized_fields, length) if rule is not None and length is not None else {}
            sets = [node.selection_set for node in nodes if node.selection_set is not None]
            inner.add_times(1, self.level(named, sets, below))
        elif named.name in self.prices.table.types:
            inner.add(0, self.prices.table.types[named.name])
        own = 1 if rule is not None and rule.sized_fields else length
        count = (sized if sized is not None else own if own is not None else SHORT_LIST) if _is_list(field.type) else 1
        price.add_times(count, inner)

    def argument_weights(self, parent: str, node: FieldNode) -> float:
        weights = self.prices.table.arguments
        given = node.arguments or ()
        return sum(weights.get((parent, node.name.value, each.name.value), 0.0) for each in given) if weights else 0.0

    def collect(self, kind: GraphQLNamedType, sets: Sequence[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """CollectFields of the specification (section 6.3.2) for one type, every condition let through."""
        groups: dict[str, list[FieldNode]] = {}
        stack, seen = list(reversed(sets)), set[str]()
        while stack:
            for node in _selections(stack.pop()):
                if isinstance(node, FieldNode):
                    groups.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                    continue
                fragment: FragmentDefinitionNode | InlineFragmentNode
                if isinstance(node, FragmentSpreadNode):
                    if node.name.value in seen:
                        continue
                    seen.add(node.name.value)
                    fragment = self.fragments[node.name.value]
                else:
                    fragment = node
                if self.applies(fragment, kind):
                    stack.append(fragment.selection_set)
        return groups

    def applies(self, fragment: FragmentDefinitionNode | InlineFragmentNode, kind: GraphQLNamedType) -> bool:
        if fragment.type_condition is None or fragment.type_condition.name.value == kind.name:
            return True
        condition = self.schema.type_map[fragment.type_condition.name.value]
        return is_abstract_type(condition) and self.schema.is_sub_type(condition, kind)


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _selections(selection_set: SelectionSetNode) -> Sequence[Any]:
    """graphql-core leaves an empty list as None."""
    return selection_set.selections or ()
