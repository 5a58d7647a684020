"""Personal data, marked once on the schema (`@personal`): what an operation takes in and gives out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableNode,
    Visitor,
    get_named_type,
    type_from_ast,
    visit,
)
from strawberry.schema_directive import Location

from bff.telemetry.masking import Mask, PersonalKind
from resolvers.rights import directives_of

strawberry.enum(PersonalKind, description="What kind of personal data something is.")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.INPUT_FIELD_DEFINITION, Location.ARGUMENT_DEFINITION],
    description="Personal data: masked in logs and traces, never kept by caches.",
)
class Personal:
    kind: PersonalKind = strawberry.directive_field(name="kind")


def personal(kind: PersonalKind) -> Personal:
    return Personal(kind=kind)


PHONE, NAME, VIN, PLATE, ADDRESS, ID, LOCATION, CONTACT, FREE_TEXT, SECRET, ACCOUNT = map(personal, PersonalKind)


class Privacy(NamedTuple):
    """What one operation has to do with personal data.

    `fields` are the coordinates (`Type.field`) of marked fields that it selects: an answer with any is for nobody's
    cache. `masks` has every variable that it declares, and how to show it.
    """

    fields: tuple[str, ...]
    masks: Mapping[str, Mask | None]


def kind_of(definition: Any) -> PersonalKind | None:
    """The kind that a field, an input field or an argument of graphql-core's schema is marked with."""
    return next((each.kind for each in directives_of(definition) if isinstance(each, Personal)), None)


def privacy_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Privacy:
    """Of a validated document. Fragments that the operation does not use count as well: that errs on the safe side."""
    masks: dict[str, Mask | None] = {}
    types: dict[str, Any] = {}
    for declared in operation.variable_definitions or ():
        name = declared.variable.name.value
        types[name] = get_named_type(type_from_ast(schema, declared.type))
        masks[name] = _mask_of(types[name], {})
    fields: dict[str, None] = {}
    info = TypeInfo(schema)

    class Marks(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            definition, parent = info.get_field_def(), info.get_parent_type()
            if definition is None or parent is None:
                return
            if kind_of(definition) is not None:
                fields[f"{parent.name}.{node.name.value}"] = None
            for argument in node.arguments or ():
                taken = definition.args.get(argument.name.value)
                if taken is not None:
                    for name, kind in _marked(argument.value, get_named_type(taken.type), kind_of(taken)):
                        if name in masks:
                            masks[name] = kind

    for part in document.definitions:
        if part is operation or isinstance(part, FragmentDefinitionNode):
            visit(part, TypeInfoVisitor(info, Marks()))
    return Privacy(tuple(fields), masks)


def _marked(value: ValueNode, taken: Any, kind: PersonalKind | None) -> Iterator[tuple[str, PersonalKind]]:
    """The variables in a literal that stand in a marked place."""
    if isinstance(value, VariableNode):
        if kind is not None:
            yield value.name.value, kind
    elif isinstance(value, ListValueNode):
        for item in value.values:
            yield from _marked(item, taken, kind)
    elif isinstance(value, ObjectValueNode) and isinstance(taken, GraphQLInputObjectType):
        for member in value.fields:
            field = taken.fields.get(member.name.value)
            if field is not None:
                yield from _marked(member.value, get_named_type(field.type), kind or kind_of(field))


def _mask_of(kind: Any, above: dict[str, dict[str, Mask]]) -> Mask | None:
    """How to mask a value of an input type; a type that contains itself is masked in itself, too."""
    if not isinstance(kind, GraphQLInputObjectType):
        return None
    if kind.name in above:
        return above[kind.name]
    mask = above[kind.name] = {}
    for name, field in kind.fields.items():
        inside = kind_of(field) or _mask_of(get_named_type(field.type), above)
        if inside is not None:
            mask[name] = inside
    return mask or None


def register(schema: GraphQLSchema) -> Mapping[str, PersonalKind]:
    """Every marked place of the schema by its coordinate: for residency, for the record of processing, for tests."""
    found: dict[str, PersonalKind] = {}
    for type_name, kind in schema.type_map.items():
        if not isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            continue
        for name, field in kind.fields.items():
            places = {f"{type_name}.{name}": field}
            places |= {f"{type_name}.{name}({arg}:)": taken for arg, taken in getattr(field, "args", {}).items()}
            found |= {place: marked for place, each in places.items() if (marked := kind_of(each)) is not None}
    return found
