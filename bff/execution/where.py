"""From a place of the answer back to the operation: which of its fields were selected there.

Plans do not know where they stand, since equal selections are one plan. An error's locations and a resolver's
`info.field_nodes` need to know; they are found by walking the operation along the answer's path (GraphQL
specification, section 7.1.6 "Errors", `locations` and `path`).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphql import GraphQLObjectType, GraphQLSchema
from graphql.execution.collect_fields import FieldDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from bff.execution.documents import Tree
from bff.execution.places import Step


def find(
    schema: GraphQLSchema, tree: Tree, variable_values: VariableValues, steps: Sequence[Step], hide_suggestions: bool
) -> list[FieldDetails]:
    """The selections of the last step: one, or several that were merged (section 6.3.2). Empty only for no steps."""
    details: list[FieldDetails] = []
    for typename, key in steps:
        object_type = schema.type_map[typename]
        assert isinstance(object_type, GraphQLObjectType)
        if details:
            collected = collect_subfields(
                schema, tree.details, variable_values, tree.operation, object_type, details, hide_suggestions
            )
        else:
            collected = collect_fields(
                schema, tree.details, variable_values, object_type, tree.operation, hide_suggestions
            )
        details = collected.grouped_field_set[key]
    return details
