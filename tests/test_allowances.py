"""What a scope is told may stay or happen: exactly that is covered, each with its reason, and nothing silently."""

from __future__ import annotations

from typing import Any

import pytest
from findings import codes_and_keys

from lifeguard import (
    DeclarationError,
    LifeguardWarning,
    Resource,
    Rollback,
    UsageError,
    ViolationError,
    invariant,
    scope,
)
from lifeguard.scopes import Scope

image = Resource("image")
server = Resource("server")
port = Resource("port", within=server)
binding = Resource("binding", fields=("port", "host"))
spawn = Rollback("spawn")


def allowed(watched: Scope) -> list[tuple[str, object, str]]:
    """Codes, keys and reasons of what was covered."""
    assert watched.verdict is not None
    return [(one.violation.code, one.violation.key, one.why) for one in watched.verdict.allowed]


def warned(watched: Scope) -> list[str]:
    """Codes of the warnings."""
    assert watched.verdict is not None
    return [one.code for one in watched.verdict.warnings]


def test_a_kind() -> None:
    """Everything of it may stay, and nothing else."""
    with scope(on_violation="record") as s:
        s.allow(image, why="kept for the next run")
        s.acquired(image, "i1")
        s.acquired(image, "i2")
        s.acquired(server, "s")
    assert [("LG101", "s")] == codes_and_keys(s)
    assert [("LG101", "i1", "kept for the next run"), ("LG101", "i2", "kept for the next run")] == allowed(s)
    assert ": kept for the next run" in s.report()


def test_a_scope_whose_findings_are_all_allowed_passes() -> None:
    """It balances, and does not raise."""
    with scope() as s:
        s.acquired(image, "i")
        s.allow(image, "i", why="the last word may come late")
    assert s.verdict is not None
    assert s.verdict.balanced


def test_a_key() -> None:
    """That one only, by value and type."""
    with scope(on_violation="record") as s:
        s.allow(image, "1", why="w")
        s.acquired(image, "1")
        s.acquired(image, 1)
        s.acquired(image, True)
    assert [("LG101", 1), ("LG101", True)] == codes_and_keys(s)


def test_a_key_that_is_an_object() -> None:
    """By identity, as everywhere."""
    one, other = [1], [1]
    with scope(on_violation="record") as s:
        s.allow(image, one, why="w")
        s.acquired(image, one)
        s.acquired(image, other)
    assert 1 == len(codes_and_keys(s))
    assert 1 == len(allowed(s))


def test_a_composite_key_and_a_part_of_it() -> None:
    """A tuple chooses one, a mapping of fields chooses by part."""
    with scope(on_violation="record") as s:
        for host in ("h1", "h2"):
            for number in (1, 2):
                s.acquired(binding, (number, host))
        s.allow(binding, (1, "h1"), why="one")
        s.allow(binding, {"host": "h2"}, why="all of h2")
    assert [("LG101", (2, "h1"))] == codes_and_keys(s)
    assert ["one", "all of h2", "all of h2"] == [why for _, _, why in allowed(s)]


def test_a_rule() -> None:
    """A leak is allowed, a double release of the same thing is not."""
    with scope(on_violation="record") as s:
        s.allow(image, rule="LG101", why="w")
        s.acquired(image, "i")
        s.acquired(image, "j")
        s.released(image, "j")
        s.released(image, "j")
    assert [("LG103", "j")] == codes_and_keys(s)
    assert [("LG101", "i", "w")] == allowed(s)


def test_a_subject() -> None:
    """Whatever is about it, of any kind; a subject of a kind and one without never match each other."""
    with scope(on_violation="record") as s:
        s.acquired(image, "i", about=(server, "s1"))
        s.acquired(binding, (1, "h"), about=[(server, "s1"), "other"])
        s.acquired(image, "j", about="s1")
        s.acquired(image, "k")
        s.failed(spawn, "x", about=(server, "s1"))
        s.allow(None, about=(server, "s1"), why="s1 goes on running")
    assert [("LG101", "j"), ("LG101", "k")] == codes_and_keys(s)
    assert ["LG101", "LG101", "LG201"] == [code for code, _, _ in allowed(s)]


def test_one_of_several_subjects() -> None:
    """A list: one of them is enough."""
    with scope(on_violation="record") as s:
        for key in ("a", "b", "c"):
            s.acquired(image, key, about=key)
        s.allow(image, about=["a", "c"], why="w")
    assert [("LG101", "b")] == codes_and_keys(s)


def test_at_most() -> None:
    """So many, the first found first; one more is a violation."""
    with scope(on_violation="record") as s:
        s.allow(image, at_most=2, why="the pool keeps two")
        for key in ("a", "b", "c"):
            s.acquired(image, key)
    assert [("LG101", "c")] == codes_and_keys(s)
    assert ["a", "b"] == [key for _, key, _ in allowed(s)]


def test_several_allowances() -> None:
    """The first that covers counts; the next one covers what that leaves."""
    with scope(on_violation="record") as s:
        s.allow(image, at_most=1, why="first")
        s.allow(image, why="second")
        s.acquired(image, "a")
        s.acquired(image, "b")
    assert [] == codes_and_keys(s)
    assert ["first", "second"] == [why for _, _, why in allowed(s)]


def test_looking_at_the_violations_uses_nothing_up() -> None:
    """What was found so far may be asked any number of times."""
    with scope(on_violation="record") as s:
        s.allow(image, rule="LG103", at_most=1, why="once")
        s.acquired(image, "i")
        s.released(image, "i")
        s.released(image, "i")
        assert () == s.violations == s.violations
    assert [("LG103", "i", "once")] == allowed(s)


def test_what_matched_nothing() -> None:
    """LG403, a warning that names the allowance and where it was written; it fails nothing."""
    with scope("s", on_violation="record") as s:
        s.allow(image, "i", rule="LG101", about=(server, "s1"), why="the installer keeps it")
        s.allow(image, "j", why="w")
        s.acquired(image, "j")
    assert s.verdict is not None
    assert s.verdict.balanced
    (found,) = s.verdict.warnings
    line = test_what_matched_nothing.__code__.co_firstlineno + 3
    assert ("LG403", "warning") == (found.code, found.severity)
    assert found.place is not None
    assert __file__ == found.place.file
    for part in ("image 'i'", "'s1'", "LG101", "the installer keeps it", f"tests/test_allowances.py:{line}"):
        assert part in found.message


def test_two_that_matched_nothing() -> None:
    """Each is told, equal ones included."""
    with scope(on_violation="record") as s:
        s.allow(image, "i", why="w")
        s.allow(image, "i", why="w")
    assert ["LG403", "LG403"] == warned(s)


def test_an_allowance_that_another_anticipates() -> None:
    """The second covers nothing any more, and that is said."""
    with scope(on_violation="record") as s:
        s.allow(image, why="all")
        s.allow(image, "i", why="this one")
        s.acquired(image, "i")
    assert ["LG403"] == warned(s)


def test_lg403_is_warned() -> None:
    """Where violations raise, it is a LifeguardWarning."""
    with pytest.warns(LifeguardWarning, match="LG403"):
        with scope() as s:
            s.allow(image, why="w")


def test_a_failure_that_may_stay() -> None:
    """A rollback is a kind like any other."""
    with scope(on_violation="record") as s:
        s.failed(spawn, 1)
        s.failed(spawn, 2)
        s.rolled_back(spawn, 2, error=OSError())
        s.allow(spawn, rule="LG201", why="nobody rolls it back")
    assert [("LG202", 2)] == codes_and_keys(s)
    assert [("LG201", 1, "nobody rolls it back")] == allowed(s)


def test_findings_of_no_kind() -> None:
    """`allow(None, rule=…)` covers what is about no kind, too."""

    @invariant(image, description="never more than one image")
    def few(view: Any) -> bool:
        return bool(view.count(image) < 2)

    try:
        with scope(on_violation="record") as s:
            s.acquired(image, "i")
            s.acquired(image, "j")
            s.released(image, "i")
            s.acquired(image, "k")
            s.allow(None, rule="LG302", why="known")
            s.allow(image, why="kept")
    finally:
        image._invariants.clear()
    assert [] == codes_and_keys(s)
    assert ["LG101", "LG101", "LG302"] == sorted(code for code, _, _ in allowed(s))


# --- children -----------------------------------------------------------------------------------------------------------


def test_a_child_of_an_allowed_parent_is_judged_by_itself() -> None:
    """What leaks with its parent is told with it; with a parent that may stay, it is a finding of its own."""
    with scope(on_violation="record") as s:
        s.acquired(server, "s")
        s.acquired(port, "p", within="s")
        s.acquired(image, "owned")
        s.transferred(image, "owned", to=(server, "s"))
        s.allow(server, "s", why="goes on running")
    assert [("LG101", "p"), ("LG101", "owned")] == codes_and_keys(s)
    assert [("LG101", "s", "goes on running")] == allowed(s)


def test_a_child_may_be_allowed_by_itself() -> None:
    """Parent and child, each with its reason."""
    with scope(on_violation="record") as s:
        s.acquired(server, "s")
        s.acquired(port, "p", within="s")
        s.allow(server, why="goes on running")
        s.allow(port, why="and keeps its port")
    assert [] == codes_and_keys(s)
    assert ["goes on running", "and keeps its port"] == [why for _, _, why in allowed(s)]


def test_without_an_allowance_children_are_told_with_their_parent() -> None:
    """One finding."""
    with scope(on_violation="record") as s:
        s.acquired(server, "s")
        s.acquired(port, "p", within="s")
    assert [("LG101", "s")] == codes_and_keys(s)
    assert "port 'p' (held)" in s.violations[0].children[0]


def test_grandchildren_of_an_allowed_parent() -> None:
    """The first that may not stay is told, with what is below it."""
    rule = Resource("rule", within=port)
    with scope(on_violation="record") as s:
        s.acquired(server, "s")
        s.acquired(port, "p", within="s")
        s.acquired(rule, "r", within="p")
        s.allow(server, why="goes on running")
    assert [("LG101", "p")] == codes_and_keys(s)
    assert "rule 'r' (held)" in s.violations[0].children[0]


# --- wrongly written ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        ((image,), {"why": ""}, "why"),
        ((image,), {"why": None}, "why"),
        (("image",), {"why": "w"}, "Resource"),
        ((image,), {"why": "w", "rule": "LG999"}, "LG999"),
        ((image,), {"why": "w", "rule": "leaked"}, "no such rule"),
        ((image,), {"why": "w", "at_most": 0}, "at_most"),
        ((image,), {"why": "w", "at_most": True}, "at_most"),
        ((None, {"host": "h"}), {"why": "w"}, "kind"),
        ((binding, {"hots": "h"}), {"why": "w"}, "hots"),
        ((image, {"host": "h"}), {"why": "w"}, "fields"),
        ((binding, {}), {"why": "w"}, "empty|at least|no part|fields"),
    ],
)
def test_a_wrong_allowance(args: tuple[Any, ...], options: dict[str, Any], text: str) -> None:
    """Said at once, at this line; nothing is allowed by it."""
    with pytest.raises(ViolationError):
        with scope() as s:
            with pytest.raises(DeclarationError, match=text) as caught:
                s.allow(*args, **options)
            s.acquired(image, "i")
    assert "test_allowances.py" in str(caught.value)


def test_why_is_required() -> None:
    """An allowance without a reason is none."""
    with scope() as s, pytest.raises(TypeError, match="why"):
        s.allow(image)  # type: ignore[call-arg]


def test_before_and_after() -> None:
    """A scope may be told before it opens, and not after it was judged."""
    s = scope(on_violation="record")
    s.allow(image, why="w")
    with s:
        s.acquired(image, "i")
    assert [] == codes_and_keys(s)
    with pytest.raises(UsageError, match="judged already"):
        s.allow(image, why="w")
