"""`bff documents`: a manifest from operation files, each held to the schema and to the limits before it is trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from bff.execution import InvalidOperation
from bff.operations.manifests import ManifestError, ManifestOperation, digest, read_manifest
from bff.operations.registry import AdmittedPlan, AdmittedPlans, check_cost

SUFFIXES = (".graphql", ".gql", ".json")


class Built(NamedTuple):
    """`cost` is what it costs without variables, so with every list as long as is assumed."""

    source: str
    operation: ManifestOperation
    cost: float


def source_files(paths: Iterable[Path]) -> list[Path]:
    """Operation files and manifests below these paths, in order; `*.variables.json` beside them are neither."""
    found: list[Path] = []
    for path in paths:
        found += sorted(_below(path)) if path.is_dir() else [path]
    return found


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in SUFFIXES and not path.name.endswith(".variables.json"):
            yield path


def build(files: Iterable[Path], plans: AdmittedPlans) -> tuple[list[Built], list[str]]:
    """What can be trusted, and what is wrong with the rest, each as `file:line: problem`."""
    problems: list[str] = []
    documents: list[tuple[str, str, DocumentNode]] = []
    for file in files:
        try:
            documents += [(str(file), text, parse(text)) for text in _texts(file)]
        except (OSError, UnicodeDecodeError, ManifestError) as error:
            problems.append(str(error) if isinstance(error, ManifestError) else f"{file}: {error}")
        except GraphQLError as error:
            problems.append(_said(str(file), error))
        except RecursionError:
            problems.append(f"{file}: it is nested too deeply.")
    fragments = _fragments(documents, problems)
    built: dict[str, Built] = {}
    for source, text, document in documents:
        for name, body in _operations(source, text, document, fragments, problems):
            entry = _check(source, name, body, plans, problems)
            if entry is None:
                continue
            known = built.setdefault(name, entry)
            if known.operation.id != entry.operation.id:
                problems.append(f"{source}: an operation {name} is in {known.source} too; names are unique.")
    return list(built.values()), problems


def _texts(file: Path) -> list[str]:
    if file.suffix != ".json":
        return [file.read_text(encoding="utf-8")]
    return list(dict.fromkeys(document.text for document in read_manifest(file.read_bytes(), str(file)).values()))


def _fragments(
    documents: Iterable[tuple[str, str, DocumentNode]], problems: list[str]
) -> dict[str, FragmentDefinitionNode]:
    """Fragments by name, whichever file they are in; the same fragment may be in several."""
    fragments: dict[str, FragmentDefinitionNode] = {}
    for source, _, document in documents:
        for each in document.definitions:
            if isinstance(each, FragmentDefinitionNode):
                known = fragments.setdefault(each.name.value, each)
                if known is not each and print_ast(known) != print_ast(each):
                    problems.append(f"{source}: another fragment {each.name.value} is in another file.")
    return fragments


def _operations(
    source: str,
    text: str,
    document: DocumentNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    problems: list[str],
) -> Iterator[tuple[str, str]]:
    """Name and body. A file that is one whole operation is taken as it is, since that is what its client sends."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    own = {each.name.value for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    for operation in operations:
        if operation.name is None:
            problems.append(f"{source}: every operation has a name.")
            continue
        needed = _needed(operation, fragments)
        if len(operations) == 1 and own == set(needed):
            yield operation.name.value, text
        else:
            parts: list[Node] = [operation, *(fragments[name] for name in needed if name in fragments)]
            yield operation.name.value, "\n\n".join(map(print_ast, parts))


def _needed(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> list[str]:
    needed: dict[str, None] = {}
    nodes: list[Node] = [operation]
    while nodes:
        for name in _spreads(nodes.pop()):
            if name not in needed:
                needed[name] = None
                if name in fragments:
                    nodes.append(fragments[name])
    return list(needed)


def _spreads(node: Node) -> list[str]:
    names: list[str] = []

    class Spreads(Visitor):
        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
            names.append(node.name.value)

    visit(node, Spreads())
    return names


def _check(source: str, name: str, body: str, plans: AdmittedPlans, problems: list[str]) -> Built | None:
    try:
        plan = plans.plan(body, name)
        assert isinstance(plan, AdmittedPlan)
        amount = plan.amount({})
        check_cost(amount, plans.profile.limits)
    except InvalidOperation as invalid:
        problems += [_said(source, error, name) for error in invalid.errors]
        return None
    operation = ManifestOperation(digest(body), name, plan.kind.value, body)
    return Built(source, operation, amount.total)


def _said(source: str, error: GraphQLError, name: str | None = None) -> str:
    line = f":{error.locations[0].line}" if error.locations else ""
    return f"{source}{line}: {name + ': ' if name else ''}{error.message}"
