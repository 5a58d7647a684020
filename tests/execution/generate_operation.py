"""Random operations on a schema: fragments, aliases, arguments, conditions on variables."""

from __future__ import annotations

from random import Random
from typing import Any

from graphql import GraphQLField, GraphQLSchema, get_named_type, is_abstract_type, is_object_type

from tests.execution.generate_schema import composite

VARIABLES = {
    "yes": "Boolean = true",
    "no": "Boolean!",
    "word": "String",
    "count": "Int = 3",
    "size": "Int",
    "share": "Float",
    "key": "ID",
    "flag": "Boolean",
    "page": "Page",
}
LITERALS = {
    "page": ["{first: 1}", '{words: ["a", "b"]}', '{choice: {word: "x"}}', "$page", "null", '{words: "one"}'],
    "colour": ["RED", "BLUE", "null"],
    "count": ["1", "$count", "$size", "null"],
    "share": ["0.5", "2", "$share"],
    "key": ['"k"', "5", "$key"],
    "flag": ["true", "$flag"],
    "word": ['"w"', "$word", '"\\u00e9"'],
    "one": ['{word: "x"}', "{number: 3}"],
    "tone": ['"low"', '"high"'],
    "times": ["0", "2", "$count"],
}


class Operations:
    """Writes one document."""

    def __init__(self, rnd: Random, schema: GraphQLSchema) -> None:
        self.rnd = rnd
        self.schema = schema
        self.fragments: list[str] = []
        self.budget = 40

    def document(self) -> str:
        kind = self.rnd.choice(["query", "query", "query", "mutation"]) if self.schema.mutation_type else "query"
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        body = self.selections(root, self.rnd.randint(1, 4))
        known = {name: of for name, of in VARIABLES.items() if of.split()[0].rstrip("!") in self.schema.type_map}
        declared = ", ".join(f"${name}: {of}" for name, of in known.items())
        return "\n".join([f"{kind} Example({declared}) {body}", *self.fragments])

    def selections(self, parent: Any, depth: int) -> str:
        rnd = self.rnd
        parts = [part for _ in range(rnd.randint(1, 4)) if (part := self.selection(parent, depth))]
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def selection(self, parent: Any, depth: int) -> str:
        rnd = self.rnd
        self.budget -= 1
        if self.budget < 0:
            return "__typename"
        chance = rnd.random()
        if chance < 0.08:
            return rnd.choice(["__typename", "kind: __typename"]) + self.condition()
        if chance < 0.2:
            return self.inline(parent, depth)
        if chance < 0.27:
            return self.spread(parent, depth)
        fields = getattr(parent, "fields", None)
        if not fields:
            return self.inline(parent, depth)
        return self.field(parent, rnd.choice(list(fields)), depth)

    def field(self, parent: Any, name: str, depth: int) -> str:
        rnd = self.rnd
        definition = parent.fields[name]
        if composite(definition.type) and depth <= 0:
            return "__typename"
        given = self.arguments(definition)
        alias = f"a{rnd.randrange(10**6)}: " if given or rnd.random() < 0.15 else ""
        text = f"{alias}{name}{'(' + ', '.join(given) + ')' if given else ''}{self.condition()}"
        if composite(definition.type):
            text += " " + self.selections(get_named_type(definition.type), depth - 1)
        return text

    def arguments(self, definition: GraphQLField) -> list[str]:
        """What is given, as it is written."""
        chosen = [argument for argument in definition.args if self.rnd.random() < 0.7]
        return [f"{argument}: {self.rnd.choice(LITERALS[argument])}" for argument in chosen]

    def condition(self) -> str:
        if self.rnd.random() > 0.12:
            return ""
        directives = [
            "@skip(if: $yes)",
            "@include(if: $yes)",
            "@skip(if: $no)",
            "@include(if: $no)",
            "@include(if: true)",
        ]
        return " " + self.rnd.choice(directives)

    def on(self, parent: Any) -> Any:
        """A type that a fragment inside `parent` may name."""
        rnd = self.rnd
        if is_abstract_type(parent):
            return rnd.choice([parent, *self.schema.get_possible_types(parent)])
        assert is_object_type(parent)
        return rnd.choice([parent, *parent.interfaces])

    def inline(self, parent: Any, depth: int) -> str:
        if depth <= 0:
            return "__typename"
        target = self.on(parent)
        head = "..." if target is parent and self.rnd.random() < 0.3 else f"... on {target.name}"
        return f"{head}{self.condition()} {self.selections(target, depth - 1)}"

    def spread(self, parent: Any, depth: int) -> str:
        if depth <= 0:
            return "__typename"
        target = self.on(parent)
        body = self.selections(target, depth - 1)
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {target.name} {body}")
        return f"...{name}{self.condition()}"


def random_variables(rnd: Random) -> dict[str, Any]:
    given: dict[str, Any] = {"no": rnd.random() < 0.5}
    if rnd.random() < 0.5:
        given["yes"] = rnd.random() < 0.5
    if rnd.random() < 0.5:
        given["word"] = rnd.choice(["v", None])
    if rnd.random() < 0.5:
        given["count"] = rnd.choice([5, None])
    if rnd.random() < 0.5:
        given["page"] = rnd.choice([{"first": 9}, {"words": ["p"]}, {"choice": {"number": 1}}, None])
    plain: dict[str, list[Any]] = {"size": [7, None], "share": [0.25, 3], "key": ["k"], "flag": [True, False]}
    odd: dict[str, list[Any]] = {
        "size": [True, 1.0, 2**31, "1"],
        "share": [True, float("inf"), "x"],
        "key": [5, 1.5, True],
        "flag": [1, "x"],
    }
    for name, values in plain.items():
        if rnd.random() < 0.5:
            given[name] = rnd.choice(odd[name] if rnd.random() < 0.1 else values)
    if rnd.random() < 0.05:
        given["count"] = rnd.choice(["x", 1.5, 2**40])
    return given
