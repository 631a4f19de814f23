"""The table of the rules."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

import lifeguard.rules
from lifeguard.rules import RULES, Rule, rule

CWES = {
    "LG101": 772,
    "LG102": 460,
    "LG103": 1341,
    "LG104": 672,
    "LG105": 763,
    "LG106": 694,
    "LG107": 708,
    "LG108": 826,
    "LG109": 1250,
    "LG110": 459,
    "LG111": 459,
    "LG201": 755,
    "LG202": 755,
    "LG203": 666,
    "LG204": 460,
    "LG205": 754,
    "LG206": 696,
    "LG207": 755,
    "LG301": 703,
    "LG302": 664,
    "LG401": None,
    "LG402": None,
    "LG403": None,
}


def test_codes_and_weaknesses_are_those_of_the_design() -> None:
    """Codes and CWE numbers are public: other tools and baselines refer to them."""
    assert CWES == {code: one.cwe for code, one in RULES.items()}
    assert list(RULES) == [one.code for one in RULES.values()] == sorted(RULES)


def test_names_are_short_and_different() -> None:
    """A name has to tell its rule from the others in one line of a report."""
    names = [one.name for one in RULES.values()]
    assert len(names) == len(set(names))
    assert [] == [name for name in names if len(name) > 40]


def test_only_the_pillars_are_categories() -> None:
    """MITRE discourages mapping to pillars, so they are marked."""
    assert ["LG301", "LG302"] == [one.code for one in RULES.values() if one.category]


def test_only_an_unused_allowance_is_always_a_warning() -> None:
    """Everything else makes a scope fail."""
    assert ["LG403"] == [one.code for one in RULES.values() if one.severity == "warning"]


@pytest.mark.parametrize("one", RULES.values(), ids=lambda one: one.code)
def test_texts_are_sentences(one: Rule) -> None:
    """What a report shows to a reader is whole sentences: when, what it means, what to do."""
    for text in (one.said, one.meaning, one.fix):
        assert text[0].isupper() or text[0] in "`@", text
        assert text.endswith("."), text
        assert "  " not in text, text
        assert text.count("`") % 2 == 0, text
        assert 15 < len(text) < 400, text
    assert bool(one.cwe) == bool(one.cwe_name)


@pytest.mark.parametrize(("one", "cwe_id"), [("LG101", "CWE-772"), ("LG401", None)])
def test_weakness_as_it_is_written_elsewhere(one: str, cwe_id: str | None) -> None:
    """Reports and other formats print CWE-772, not 772."""
    assert cwe_id == rule(one).cwe_id


def test_table_cannot_be_changed() -> None:
    """Every report is made from one table, so nobody may change it under the others."""
    with pytest.raises(TypeError):
        RULES["LG101"] = RULES["LG102"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        RULES["LG101"].name = "lost"  # type: ignore[misc]


@pytest.mark.parametrize("written", ["LG103", "lg103", " LG103\n"])
def test_rule_is_found(written: str) -> None:
    """A code from a command line or a comment may be written in small letters."""
    assert RULES["LG103"] is rule(written)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("LG1O3", "There is no rule 'LG1O3'. Did you mean LG103 or "),
        ("overdue", "There is no rule 'overdue'. Did you mean LG111? The rules are LG101, "),
        ("", "There is no rule ''. The rules are LG101, LG102, "),
        ("???", "There is no rule '???'. The rules are LG101, LG102, "),
    ],
)
def test_unknown_rule_names_those_that_exist(written: str, hint: str) -> None:
    """A mistyped code is answered with the near ones and the whole list, and never with a KeyError."""
    with pytest.raises(ValueError, match="There is no rule") as caught:
        rule(written)
    assert hint == str(caught.value)[: len(hint)]
    assert str(caught.value).endswith("LG401, LG402, LG403.")


def test_table_is_a_leaf() -> None:
    """Everything may read the table, so it imports nothing of lifeguard but what makes records."""
    tree = ast.parse(Path(lifeguard.rules.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {"lifeguard.data"} == {name for name in imported if name and name.startswith("lifeguard")}
