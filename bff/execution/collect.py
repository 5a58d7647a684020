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
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
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
from graphql.language import DirectiveNode, VariableNode
from graphql.type import GraphQLStreamDirective

from bff.execution.access import decide_access
from bff.execution.arguments import compile_arguments
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, Refused, hold
from bff.execution.model import Access, FieldPlan, Kind, Mode, ObjectPlan, ValuePlan
from resolvers.rights import Guard

CONDITIONAL = frozenset({"skip", "include", "defer", "stream"})


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


class Collector:
    """Builds the plans of one operation for one set of condition values."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variable_values: VariableValues,
        *,
        fallbacks: FallbackCounter,
        default_resolver: bool = True,
        hide_suggestions: bool = False,
        error_propagation: bool = True,
        refused: Refused = NOTHING,
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        self.variable_values = variable_values
        self.fallbacks = fallbacks
        self.default_resolver = default_resolver
        self.hide_suggestions = hide_suggestions
        self.error_propagation = error_propagation
        self.refused = refused
        self.guards: dict[Guard, None] = {}
        self.objects: list[ObjectPlan] = []
        self.fields: list[FieldPlan] = []
        self._known: dict[tuple[str, tuple[int, ...]], ObjectPlan] = {}

    def root(self) -> ObjectPlan:
        root_type = self.schema.get_root_type(self.operation.operation)
        if root_type is None:
            raise NotCompiled("operation type that the schema does not have")
        try:
            collected = collect_fields(
                self.schema, self.fragments, self.variable_values, root_type, self.operation, self.hide_suggestions
            )
            return self._object(root_type, collected)
        except RecursionError:
            pass
        except GraphQLError:
            # Left to graphql-core, which reports it at the place where the selection would run.
            raise NotCompiled("selection that could not be collected") from None
        raise NotCompiled("selections nested too deeply")

    def _object(self, object_type: GraphQLObjectType, collected: CollectedFields) -> ObjectPlan:
        if collected.new_defer_usages:
            raise NotCompiled("@defer")
        plan = ObjectPlan(len(self.objects), object_type)
        self.objects.append(plan)
        for key, details in collected.grouped_field_set.items():
            definition = self.schema.get_field(object_type, details[0].node.name.value)
            if definition is None:
                continue
            field = FieldPlan(len(self.fields), key, details, object_type, definition)
            self.fields.append(field)
            self._refuse_what_graphql_core_must_do(field, details)
            decide_access(field, self.schema, default_resolver=self.default_resolver, fallbacks=self.fallbacks)
            field.arguments = compile_arguments(field, self.hide_suggestions)
            if (guard := hold(field, self.refused)) is not None:
                self.guards[guard] = None
            field.value = self._value(definition.type, field)
            plan.fields.append(field)
        plan.rest = [field for field in plan.fields if not _is_row(field)]
        plan.mode = Mode.LEVEL if plan.rest else Mode.ROW
        return plan

    def _refuse_what_graphql_core_must_do(self, field: FieldPlan, details: list[FieldDetails]) -> None:
        if any(detail.fragment_variable_values for detail in details):
            raise NotCompiled("fragment arguments")
        for node in field.nodes:
            if node.directives:
                stream = get_directive_values(GraphQLStreamDirective, node, self.variable_values)
                if stream and stream.get("if") is not False:
                    raise NotCompiled("@stream")

    def _value(self, output_type: GraphQLOutputType, field: FieldPlan) -> ValuePlan:
        non_null = is_non_null_type(output_type)
        inner: Any = output_type.of_type if is_non_null_type(output_type) else output_type
        catches = not (non_null and self.error_propagation)

        def plan(kind: Kind) -> ValuePlan:
            return ValuePlan(kind, non_null=non_null, catches=catches, type_name=str(inner))

        if is_list_type(inner):
            value = plan(Kind.LIST)
            item = value.item = self._value(inner.of_type, field)
            is_level = item.mode is Mode.LEVEL and item.kind is Kind.OBJECT
            value.mode = Mode.ROW if item.mode is Mode.ROW else Mode.LEVEL if is_level else Mode.EXACT
        elif is_leaf_type(inner):
            value = plan(Kind.LEAF)
            value.leaf, value.mode = inner, Mode.ROW
        elif is_abstract_type(inner):
            value = plan(Kind.ABSTRACT)
            value.abstract = inner
            for possible in self.schema.get_possible_types(inner):
                value.objects[possible.name] = self._selected(possible, field)
            resolvable = inner.resolve_type is not None or self.default_resolver
            is_row = resolvable and all(each.mode is Mode.ROW for each in value.objects.values())
            value.mode = Mode.ROW if is_row else Mode.EXACT
        else:
            assert is_object_type(inner)
            value = plan(Kind.OBJECT)
            value.objects[inner.name] = self._selected(inner, field)
            value.mode = value.object.mode
        return value

    def _selected(self, object_type: GraphQLObjectType, field: FieldPlan) -> ObjectPlan:
        """The plan of the same selections is made once for each type, however many interfaces lead to it."""
        identity = (object_type.name, tuple(map(id, field.nodes)))
        plan = self._known.get(identity)
        if plan is None:
            collected = collect_subfields(
                self.schema,
                self.fragments,
                self.variable_values,
                self.operation,
                object_type,
                list(field.details),
                self.hide_suggestions,
            )
            plan = self._known[identity] = self._object(object_type, collected)
            plan.sample = field
        return plan


def _is_row(field: FieldPlan) -> bool:
    return field.access is Access.TYPENAME or (field.access is Access.PLAIN and field.value.mode is Mode.ROW)
