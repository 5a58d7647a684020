"""A shape: one operation compiled for one set of condition values and rights."""

from __future__ import annotations

from graphql import FieldNode, GraphQLSchema, OperationType
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues

from bff.execution.codegen import source_of
from bff.execution.collect import Collector
from bff.execution.documents import Document
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, Refused
from bff.execution.library import Library
from bff.execution.model import ObjectPlan
from bff.execution.places import Place, Step
from bff.execution.settings import Settings
from bff.execution.where import find

MAX_WHERES = 256


class Shape:
    """Ready to run: the plan of the root object, with its generated functions."""

    __slots__ = (
        "_wheres", "document", "fallbacks", "generated", "guards", "is_strawberry", "root", "schema", "serial",
        "settings",
    )  # fmt: skip

    def __init__(
        self,
        schema: GraphQLSchema,
        document: Document,
        variable_values: VariableValues,
        library: Library,
        settings: Settings,
        fallbacks: FallbackCounter,
        refused: Refused = NOTHING,
    ) -> None:
        tree = document.tree
        self.schema = schema
        self.document = document
        self.settings = settings
        self.fallbacks = fallbacks
        self.serial = tree.operation.operation is OperationType.MUTATION
        self.is_strawberry = hasattr(schema, "_strawberry_schema")
        self.generated = settings.is_ordinary
        collector = Collector(
            schema,
            tree.operation,
            tree.details,
            variable_values,
            library=library,
            settings=settings,
            fallbacks=fallbacks,
            refused=refused,
        )
        self.root: ObjectPlan = collector.root()
        self.guards = self.root.guards
        self._wheres: dict[tuple[Step, ...], list[FieldDetails]] | None = None
        if not self.generated:
            fallbacks.add("a predicate of the caller's for awaitables: interpreted")

    @property
    def source(self) -> str:
        """The generated Python; empty where nothing was generated."""
        return source_of(self.root, self.schema) if self.generated else ""

    def details(self, place: Place, variable_values: VariableValues) -> list[FieldDetails]:
        """What of the operation is selected at a place. Remembered: what fails once fails often."""
        steps = place.steps()
        known = self._wheres
        if known is None:
            known = self._wheres = {}
        details = known.get(steps)
        if details is None:
            if len(known) >= MAX_WHERES:
                known.clear()
            tree = self.document.tree
            details = known[steps] = find(self.schema, tree, variable_values, steps, self.settings.hide_suggestions)
        return details

    def nodes(self, place: Place, variable_values: VariableValues) -> list[FieldNode]:
        return [detail.node for detail in self.details(place, variable_values)]
