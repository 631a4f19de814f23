"""A survey of contracts as a table, as a tree of who pays what, and as a graph for Graphviz or Mermaid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from lifeguard.cli.output import heading, table
from lifeguard.cli.survey import Declared, KindSurvey
from lifeguard.places import Place, short_path


def _at(place: Place | None) -> str:
    return f"{short_path(place.file)}:{place.line}" if place is not None else ""


def _notes(one: Declared) -> str:
    told = list(one.details)
    if one.implements:
        told.append(f"as {one.implements}")
    if one.stands_in:
        told.append(f"by {one.stands_in}")
    return ", ".join(told)


def as_table(kinds: Sequence[KindSurvey]) -> Iterator[str]:
    """A line for each contract."""
    rows = [
        (kind.name, one.verb, one.function, one.key, _at(one.place), _notes(one))
        for kind in kinds
        for one in kind.contracts
    ]
    yield from table(rows, titles=("kind", "verb", "function", "key", "where", "notes"))


def as_tree(kinds: Sequence[KindSurvey]) -> Iterator[str]:
    """For each kind who makes that it is owed, and who can pay it."""
    for number, kind in enumerate(kinds):
        if number:
            yield ""
        part = f" (a part of {kind.within}{', and goes with it' if kind.taken_along else ''})" if kind.within else ""
        yield heading(kind.name) + (" (a rollback)" if kind.rollback else part)
        groups = (
            ("owed after" if kind.rollback else "acquired by", kind.opening),
            ("paid by", kind.paying),
            ("also", kind.others),
        )
        rows: list[tuple[str, str, str]] = []
        for label, members in groups:
            for at, one in enumerate(members):
                verb = f" ({one.verb})" if label != "acquired by" else ""
                rows.append((label if at == 0 else "", f"{one.function}{verb}", _at(one.place)))
        if kind.opening and not kind.paying:
            rows.insert(len(kind.opening), ("paid by", kind.within if kind.taken_along else "nobody", ""))
        yield from (f"  {line}" for line in table(rows))


_SHAPES: Final = {True: "hexagon", False: "ellipse"}


class _Names:
    """Nodes of a graph: a short identifier for each thing, whatever it is called."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, sort: str, name: str) -> str:
        return self._known.setdefault((sort, name), f"{sort}{sum(one == sort for one, _ in self._known)}")


def _edges(kinds: Sequence[KindSurvey]) -> Iterator[tuple[KindSurvey, Declared, bool]]:
    """Each edge once: its kind, its contract, and whether it leads to the kind."""
    for kind in kinds:
        seen: set[tuple[str, str]] = set()
        for one in (*kind.opening, *kind.paying):
            if (one.function, one.verb) not in seen:
                seen.add((one.function, one.verb))
                yield kind, one, one in kind.opening


def _with_edges(kinds: Sequence[KindSurvey]) -> list[KindSurvey]:
    """The kinds that somebody opens or pays; nothing can be drawn of the others."""
    return [kind for kind in kinds if kind.opening or kind.paying]


def _label(one: Declared) -> str:
    to = [detail for detail in one.details if detail.startswith(("to ", "part="))]
    return " ".join((one.verb, *to))


def as_dot(kinds: Sequence[KindSurvey]) -> Iterator[str]:
    """For Graphviz: `… --format dot | dot -Tsvg`."""
    names, kinds = _Names(), _with_edges(kinds)
    yield "digraph contracts {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, fontname="sans-serif"];'
    for kind in kinds:
        colour = ", color=red" if kind.problems else ""
        yield f"  {names.of('k', kind.name)} [label={_quoted(kind.name)}, shape={_SHAPES[kind.rollback]}{colour}];"
    for function in dict.fromkeys(one.function for _, one, _ in _edges(kinds)):
        yield f"  {names.of('f', function)} [label={_quoted(function)}];"
    for kind, one, opens in _edges(kinds):
        ends = [names.of("f", one.function), names.of("k", kind.name)]
        start, end = ends if opens else reversed(ends)
        yield f"  {start} -> {end} [label={_quoted(_label(one))}];"
    for kind in kinds:
        if kind.within and any(other.name == kind.within for other in kinds):
            inner, outer = names.of("k", kind.name), names.of("k", kind.within)
            yield f'  {inner} -> {outer} [label="part of", style=dashed];'
    yield "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_mermaid(kinds: Sequence[KindSurvey]) -> Iterator[str]:
    """For Mermaid, which GitHub draws in Markdown."""
    names, kinds = _Names(), _with_edges(kinds)
    yield "flowchart LR"
    for kind in kinds:
        left, right = ("{{", "}}") if kind.rollback else ("([", "])")
        yield f"  {names.of('k', kind.name)}{left}{_escaped(kind.name)}{right}"
    for function in dict.fromkeys(one.function for _, one, _ in _edges(kinds)):
        yield f"  {names.of('f', function)}[{_escaped(function)}]"
    for kind, one, opens in _edges(kinds):
        ends = [names.of("f", one.function), names.of("k", kind.name)]
        start, end = ends if opens else reversed(ends)
        yield f"  {start} -->|{_escaped(_label(one))}| {end}"
    for kind in kinds:
        if kind.within and any(other.name == kind.within for other in kinds):
            yield f"  {names.of('k', kind.name)} -.->|{_escaped('part of')}| {names.of('k', kind.within)}"
    broken = [names.of("k", kind.name) for kind in kinds if kind.problems]
    if broken:
        yield "  classDef unpaid stroke:#c00,stroke-width:3px"
        yield f"  class {','.join(broken)} unpaid"


def _escaped(text: str) -> str:
    """A label of Mermaid: in quotes, and what could end it or become markup as an entity."""
    for char, entity in (("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        text = text.replace(char, entity)
    return f'"{text}"'


def as_json(kinds: Sequence[KindSurvey], modules: Iterable[str]) -> str:
    """For programs."""
    told = {"version": 1, "modules": list(modules), "kinds": [kind.as_dict() for kind in kinds]}
    return json.dumps(told, indent=2, ensure_ascii=False)


DRAWINGS: Final[Mapping[str, Callable[[Sequence[KindSurvey]], Iterator[str]]]] = {
    "table": as_table,
    "graph": as_tree,
    "dot": as_dot,
    "mermaid": as_mermaid,
}
