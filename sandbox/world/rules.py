"""Boolean rules over option codes, and what they say about a selection."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from .entities import Expr, Market, Rule, RuleKind, Text
from .rule_table import BODY_AND_DRIVE, CABIN_AND_TECHNOLOGY, MARKETS_AND_DATES, PAINT_AND_TRIM
from .table import rows
from .world import World

_KINDS: dict[str, RuleKind] = {
    "REQUIRES": "REQUIRES",
    "EXCLUDES": "EXCLUDES",
    "AVAILABLE_IF": "AVAILABLE_IF",
    "AUTO_ADD": "AUTO_ADD",
}
_MARKETS: dict[str, Market] = {"CN": "CN", "HK": "HK", "SG": "SG"}
_MESSAGES = {
    "REQUIRES": ("选装{subject}时，还需选装{expr}。", "{subject} needs {expr}."),
    "EXCLUDES": ("{subject}与{expr}不能同时选装。", "{subject} cannot be combined with {expr}."),
    "AVAILABLE_IF": ("仅当选装{expr}时，才可选装{subject}。", "{subject} is offered only with {expr}."),
    "AUTO_ADD": ("选装{subject}时，将自动加入{expr}。", "{subject} brings {expr} with it."),
}


def add_rules(world: World) -> None:
    tables = PAINT_AND_TRIM + BODY_AND_DRIVE + CABIN_AND_TECHNOLOGY + MARKETS_AND_DATES
    for number, (kind, subject_text, expr_text, *rest) in enumerate(rows(tables), 1):
        market, validity = (*rest, "", "")[:2]
        first, _, last = validity.partition(":")
        subject, expr = _parse(subject_text), _parse(expr_text)
        zh, en = _MESSAGES[kind]
        rule = Rule(
            id=f"R{number:04d}",
            kind=_KINDS[kind],
            subject=subject,
            expr=expr,
            market=_MARKETS.get(market),
            valid_from=world.today + timedelta(days=int(first or -365)),
            valid_to=world.today + timedelta(days=int(last)) if last else None,
            message=Text(
                zh.format(subject=_describe(world, subject, "zh"), expr=_describe(world, expr, "zh")),
                en.format(subject=_describe(world, subject, "en"), expr=_describe(world, expr, "en")),
            ),
        )
        world.rules[rule.id] = rule


def holds(expr: Expr, selected: Collection[str]) -> bool:
    """The value of an expression where exactly the ``selected`` codes are true."""
    if isinstance(expr, str):
        return expr in selected
    if "all" in expr:
        return all(holds(part, selected) for part in expr["all"])
    if "any" in expr:
        return any(holds(part, selected) for part in expr["any"])
    return not holds(expr["not"], selected)


def broken_rules(world: World, selected: Collection[str], day: date, market: str = "CN") -> list[Rule]:
    """The rules in force that this selection (with its packages' and fixed options) breaks."""
    return [
        rule
        for rule in world.rules.values()
        if rule.in_force(day, market)
        and holds(rule.subject, selected)
        and holds(rule.expr, selected) == (rule.kind == "EXCLUDES")
    ]


def _parse(text: str) -> Expr:
    if "/" in text:
        return {"any": [_parse(part) for part in text.split("/")]}
    if "&" in text:
        return {"all": [_parse(part) for part in text.split("&")]}
    return {"not": text[1:]} if text.startswith("!") else text


def _describe(world: World, expr: Expr, language: str) -> str:
    if isinstance(expr, str):
        return world.options[expr].name.of(language)
    if "not" in expr:
        return ("不选" if language == "zh" else "no ") + _describe(world, expr["not"], language)
    words = {"any": {"zh": "或", "en": " or "}, "all": {"zh": "和", "en": " and "}}
    key = "any" if "any" in expr else "all"
    parts = [_describe(world, part, language) for part in expr[key]]
    last = words[key][language].join(parts[-2:])
    return ("、" if language == "zh" else ", ").join([*parts[:-2], last])
