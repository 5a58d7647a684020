"""From a validated operation to plans: fields are collected once, by graphql-core's own algorithm.

`@skip` and `@include` on variables make one shape for each combination of their values that is really asked; the
runner keeps a bounded number of shapes. That keeps branches out of the generated code, and a condition costs one
tuple look-up a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    print_ast,
    visit,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_directive_values
from graphql.language import DirectiveNode, FieldNode, FragmentSpreadNode, InlineFragmentNode, VariableNode
from graphql.type import GraphQLStreamDirective

from bff.execution.access import reading_of, refusing
from bff.execution.arguments import compile_arguments
from bff.execution.codegen import generate_missing, generate_object, generate_value
from bff.execution.documents import Tree
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, Refused
from bff.execution.library import Library
from bff.execution.model import FieldPlan, Kind, Mode, ObjectPlan, Reading, ValuePlan
from bff.execution.settings import Settings

CONDITIONAL = frozenset({"skip", "include", "defer", "stream"})

_NOTHING_BELOW: Mapping[str, ObjectPlan] = {}


class NotCompiled(Exception):
    """This operation goes to graphql-core; the message is the reason that is counted."""


class _Conditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in CONDITIONAL:
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self.names[argument.value.name.value] = None


def condition_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that decide which fields an operation has, in the order of their first use."""
    conditions = _Conditions()
    for definition in (operation, *fragments.values()):
        visit(definition, conditions)
    return tuple(conditions.names)


def root_fields(tree: Tree) -> tuple[str, ...]:
    """The names of all root fields that an operation may select, fragments looked through."""
    names: set[str] = set()
    seen: set[str] = set()
    sets = [tree.operation.selection_set]
    while sets:
        for each in sets.pop().selections:
            if isinstance(each, FieldNode):
                names.add(each.name.value)
            elif isinstance(each, InlineFragmentNode):
                sets.append(each.selection_set)
            elif isinstance(each, FragmentSpreadNode) and (name := each.name.value) not in seen:
                seen.add(name)
                if name in tree.fragments:
                    sets.append(tree.fragments[name].selection_set)
    return tuple(sorted(names))


class Collector:
    """Builds the plans of one operation for one set of condition values, out of what `library` has already."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variable_values: VariableValues,
        *,
        library: Library,
        settings: Settings,
        fallbacks: FallbackCounter,
        refused: Refused = NOTHING,
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        self.variable_values = variable_values
        self.library = library
        self.settings = settings
        self.fallbacks = fallbacks
        self.refused = refused
        self._known: dict[tuple[str, tuple[int, ...]], ObjectPlan] = {}

    def root(self) -> ObjectPlan:
        root_type = self.schema.get_root_type(self.operation.operation)
        if root_type is None:
            raise NotCompiled("operation type that the schema does not have")
        hide_suggestions = self.settings.hide_suggestions
        try:
            collected = collect_fields(
                self.schema, self.fragments, self.variable_values, root_type, self.operation, hide_suggestions
            )
            plan = self._object(root_type, collected)
            if self.settings.is_ordinary:
                generate_missing(plan, self.schema)
            return plan
        except RecursionError:
            pass
        except GraphQLError:
            # Left to graphql-core, which reports it at the place where the selection would run.
            raise NotCompiled("selection that could not be collected") from None
        raise NotCompiled("selections nested too deeply")

    def _object(self, object_type: GraphQLObjectType, collected: CollectedFields) -> ObjectPlan:
        if collected.new_defer_usages:
            raise NotCompiled("@defer")
        fields: list[FieldPlan] = []
        for key, details in collected.grouped_field_set.items():
            definition = self.schema.get_field(object_type, details[0].node.name.value)
            if definition is not None:
                fields.append(self._field(object_type, key, details, definition))
        plan, is_known = self.library.object(ObjectPlan(object_type, fields))
        if not is_known and self.settings.is_ordinary:
            generate_object(plan, self.schema)
        return plan

    def _field(
        self, object_type: GraphQLObjectType, key: str, details: list[FieldDetails], definition: GraphQLField
    ) -> FieldPlan:
        self._refuse_what_graphql_core_must_do(details)
        node = details[0].node
        objects = self._selected(get_named_type(definition.type), details)
        reading = self._reading(object_type, node.name.value, definition)

        def make() -> FieldPlan:
            field = FieldPlan(key, reading, self._value(definition.type, objects))
            if reading.guard not in self.refused:
                field.arguments = compile_arguments(definition, node, self.settings.hide_suggestions)
            if self.settings.is_ordinary:
                generate_value(field, self.schema)
            return field

        said = [print_ast(argument) for argument in node.arguments or ()]
        field = self.library.field((id(reading), key, said, *map(id, objects.values())), make)
        if reading.reason is not None:
            self.fallbacks.add(reading.reason)
        return field

    def _reading(self, object_type: GraphQLObjectType, name: str, definition: GraphQLField) -> Reading:
        def make() -> Reading:
            default_resolver = self.settings.has_default_resolvers
            return reading_of(name, object_type, definition, self.schema, default_resolver=default_resolver)

        reading = self.library.reading((object_type.name, name), make)
        if reading.guard in self.refused:
            reading = self.library.reading((object_type.name, name, "refused"), lambda: refusing(reading))
        return reading

    def _refuse_what_graphql_core_must_do(self, details: list[FieldDetails]) -> None:
        if any(detail.fragment_variable_values for detail in details):
            raise NotCompiled("fragment arguments")
        for detail in details:
            if detail.node.directives:
                stream = get_directive_values(GraphQLStreamDirective, detail.node, self.variable_values)
                if stream and stream.get("if") is not False:
                    raise NotCompiled("@stream")

    def _value(self, output_type: GraphQLOutputType, objects: Mapping[str, ObjectPlan]) -> ValuePlan:
        non_null = is_non_null_type(output_type)
        inner: Any = output_type.of_type if is_non_null_type(output_type) else output_type
        catches = not (non_null and self.settings.error_propagation)

        def plan(kind: Kind) -> ValuePlan:
            return ValuePlan(kind, objects, non_null=non_null, catches=catches, type_name=str(inner))

        if is_list_type(inner):
            value = plan(Kind.LIST)
            item = value.item = self._value(inner.of_type, objects)
            is_level = item.mode is Mode.LEVEL and item.kind is Kind.OBJECT
            value.mode = Mode.ROW if item.mode is Mode.ROW else Mode.LEVEL if is_level else Mode.EXACT
        elif is_leaf_type(inner):
            value = plan(Kind.LEAF)
            value.leaf, value.mode = inner, Mode.ROW
        elif is_abstract_type(inner):
            value = plan(Kind.ABSTRACT)
            value.abstract = inner
            resolvable = inner.resolve_type is not None or self.settings.has_default_resolvers
            is_row = resolvable and all(each.mode is Mode.ROW for each in objects.values())
            value.mode = Mode.ROW if is_row else Mode.EXACT
        else:
            value = plan(Kind.OBJECT)
            value.mode = value.object.mode
        return value

    def _selected(self, named: GraphQLNamedType, details: list[FieldDetails]) -> Mapping[str, ObjectPlan]:
        """What is selected below a field, for each type that an object there may have."""
        if is_abstract_type(named):
            return {each.name: self._below(each, details) for each in self.schema.get_possible_types(named)}
        return {named.name: self._below(named, details)} if is_object_type(named) else _NOTHING_BELOW

    def _below(self, object_type: GraphQLObjectType, details: list[FieldDetails]) -> ObjectPlan:
        """The plan of the same selections is made once for each type, however many interfaces lead to it."""
        identity = (object_type.name, tuple([id(detail.node) for detail in details]))
        plan = self._known.get(identity)
        if plan is None:
            collected = collect_subfields(
                self.schema,
                self.fragments,
                self.variable_values,
                self.operation,
                object_type,
                details,
                self.settings.hide_suggestions,
            )
            plan = self._known[identity] = self._object(object_type, collected)
        return plan
