"""Documents that strangers send to hurt, each with the limit that stops it."""

from __future__ import annotations


def doubled(times: int) -> str:
    """Fragments that spread the next one twice: 2^times fields in a few hundred bytes."""
    chain = "".join(f"fragment F{i} on Query{{...F{i + 1} ...F{i + 1}}}" for i in range(times))
    return f"{{...F0}}{chain}fragment F{times} on Query{{__typename}}"


def overlapping(times: int) -> str:
    """One field again and again, nested: graphql-core compares them in pairs, on every level."""
    return "{products(first:1){" + "edges{node{id name{a b}}}" * times + "}}"


ATTACKS: dict[str, tuple[str, str]] = {
    "doubled fragments": (doubled(18), "rootFields"),
    "doubled fragments below a field": (
        "{viewer{...F0}}" + doubled(18).replace("{...F0}", "", 1).replace("Query", "Viewer"),
        "selections",
    ),
    "10,000 aliases": ("{" + " ".join(f"a{i}:__typename" for i in range(10_000)) + "}", "documentBytes"),
    "101 aliases": ("{" + " ".join(f"a{i}:__typename" for i in range(101)) + "}", "aliases"),
    "10,000 fields": ("{" + "__typename " * 10_000 + "}", "documentBytes"),
    "500 times one field": ("{" + "__typename " * 500 + "}", "rootFields"),
    "10,000 deep": ("{a" * 10_000 + "}" * 10_000, "nesting"),
    "list of lists": ("{a(x:" + "[" * 9_000 + "]" * 9_000 + ")}", "nesting"),
    "16 fields deep": ("{a" * 16 + "}" * 16, "depth"),
    "16,000 tokens": ("{" + "a," * 16_000 + "}", "tokens"),
    "16,000 comments": ("#\n" * 16_000 + "{__typename}", "tokens"),
    "16,000 quotes": ('"' * 16_000, "tokens"),
    "100 overlapping fields": (overlapping(100), "overlaps"),
    "fragments in pairs": (
        "{" + " ".join(f"...F{i}" for i in range(101)) + "}"
        + "".join(f"fragment F{i} on Query{{__typename}}" for i in range(101)),
        "fragments",
    ),
    "one fragment 201 times": ("{" + "...F " * 201 + "}fragment F on Query{__typename}", "spreads"),
    "10 directives on a field": ("{__typename" + "@aa" * 10 + "}", "directivesPerField"),
    "101 directives": ("{viewer{" + "kind@skip(if:true) " * 101 + "}}", "directives"),
    "21 operations": (" ".join(f"query Q{i}{{__typename}}" for i in range(21)), "operations"),
    "51 variables": ("query(" + " ".join(f"$v{i}:Int" for i in range(51)) + "){__typename}", "variables"),
    "a list of 1,001": ("{products(first:1001){edges{cursor}}}", "listSize"),
    "lists in lists": (
        "{vehicleModels{trims{offer{groups{options{code}}} offer2:offer{groups{options{code}}}}}"
        " m2:vehicleModels{trims{offer{groups{options{code}}} offer2:offer{groups{options{code}}}}}"
        " m3:vehicleModels{trims{offer{groups{options{code}}} offer2:offer{groups{options{code}}}}}}",
        "cost",
    ),
    "a mutation 20 times": (
        "mutation{" + " ".join(
            f'm{i}:cancelPayment(input:{{paymentId:"x"}}){{entity{{id}}}}' for i in range(21)
        ) + "}",
        "rootFields",
    ),
}  # fmt: skip
