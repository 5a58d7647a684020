"""A mutation as its root fields: each is one intention with a key of its own, run to its end before the next begins."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import VariableValues, get_argument_values

from bff.durability.fingerprints import Selection, canonical
from bff.execution import Plan

ARGUMENT, KEY, TOKEN = "input", "idempotencyKey", "admissionToken"


class Root(NamedTuple):
    """One response key of the operation, and the plan that runs it alone."""

    key: str
    name: str
    nodes: tuple[FieldNode, ...]
    definition: GraphQLField | None
    selection: Selection
    plan: Plan

    def keyed_input(self, variables: VariableValues) -> tuple[str, dict[str, Any], str | None] | None:
        """The idempotency key, the rest of the input in canonical form, and the admission token, which is no part of
        what is meant; None for a mutation without a key.
        """
        argument = self.definition.args.get(ARGUMENT) if self.definition is not None else None
        if argument is None:
            return None
        try:
            assert self.definition is not None
            given = get_argument_values(self.definition, self.nodes[0], variables)
        except GraphQLError:
            return None  # the field itself will say so, and do nothing
        form = canonical(argument.type, given.get(argument.out_name or ARGUMENT))
        if not isinstance(form, dict) or not isinstance(form.get(KEY), str):
            return None
        token = form.pop(TOKEN, None)
        return form.pop(KEY), form, token if isinstance(token, str) else None


class Roots:
    """What is known of one mutation's plan; made once for a plan, which it does not hold."""

    def __init__(self, plan: Plan) -> None:
        self._known: dict[tuple[str, tuple[int, ...]], Selection] = {}
        self._cuts: dict[tuple[int, ...], Plan] = {}
        self._tree = plan.tree  # roots are told apart by its nodes: a tree that is read again has others

    def of(self, plan: Plan, variables: VariableValues) -> list[Root]:
        """The root fields that these variables select, in the order of the response. Raises GraphQLError."""
        mutation = plan.schema.mutation_type
        assert mutation is not None
        collected = collect_fields(plan.schema, self._tree.details, variables, mutation, self._tree.operation)
        groups = [
            (key, tuple(detail.node for detail in details)) for key, details in collected.grouped_field_set.items()
        ]
        roots: list[Root] = []
        for key, nodes in groups:
            name = nodes[0].name.value
            alone = plan if len(groups) == 1 else self._cut(plan, nodes)
            roots.append(Root(key, name, nodes, mutation.fields.get(name), self._selection(key, nodes), alone))
        return roots

    # What @skip and @include select may differ, but the nodes of a document are few: so are their combinations.

    def _selection(self, key: str, nodes: tuple[FieldNode, ...]) -> Selection:
        identity = (key, tuple(map(id, nodes)))
        selection = self._known.get(identity)
        if selection is None:
            selection = self._known[identity] = Selection(nodes, self._tree.fragments)
        return selection

    def _cut(self, whole: Plan, nodes: tuple[FieldNode, ...]) -> Plan:
        """The same operation with these root fields only; the document has been validated as a whole."""
        identity, written = tuple(map(id, nodes)), self._tree.operation
        if identity in self._cuts:
            return self._cuts[identity]
        operation = OperationDefinitionNode(
            operation=written.operation,
            name=written.name,
            variable_definitions=written.variable_definitions,
            directives=written.directives,
            selection_set=SelectionSetNode(selections=nodes),
        )
        document = DocumentNode(definitions=(operation, *self._tree.fragments.values()))
        self._cuts[identity] = whole.of_part(document, operation)
        return self._cuts[identity]
