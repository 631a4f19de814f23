"""Generated programs: correct ones are left alone, and leaving out equivalent points finds what trying all of them finds."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifeguard import Resource, acquires, releases, uses
from lifeguard.faults import explore

thing = Resource("thing")

EXAMPLES = int(os.environ.get("LIFEGUARD_EXAMPLES", "10"))


@acquires(thing, key="name")
def take(name: str) -> None:
    """Take it."""


@uses(thing, key="name")
def look(name: str) -> None:
    """Look at it."""


@releases(thing, key="name")
def give(name: str) -> None:
    """Give it back."""


@dataclass(frozen=True)
class Node:
    """A block of a program: how it takes and gives back a thing, and what it does meanwhile."""

    form: str
    body: tuple[Node, ...] = field(default=())


RIGHT = ("stack", "finally", "loop", "look", "swallow")
WRONG = ("bare", "handler", "brittle")


def programs(forms: tuple[str, ...]) -> st.SearchStrategy[Node]:
    """Programs of some forms of blocks, a few of them in one another."""
    return st.recursive(
        st.builds(Node, st.sampled_from(forms)),
        lambda inner: st.builds(Node, st.sampled_from(forms), st.lists(inner, max_size=2).map(tuple)),
        max_leaves=3,
    )


TEMPLATES = {
    "look": "look('none')\n{body}",
    "swallow": "with suppress(Exception):\n    look('none')\n{body}",
    "stack": "with ExitStack() as {stack}:\n    take({name})\n    {stack}.callback(give, {name})\n{inner}",
    "finally": "take({name})\ntry:\n{inner}\nfinally:\n    give({name})",
    "loop": (
        "with ExitStack() as {stack}:\n    for {i} in range(4):\n        take(f'{{{i}}}' + {name})\n"
        "        {stack}.callback(give, f'{{{i}}}' + {name})\n{inner}"
    ),
    "bare": "take({name})\n{body}\ngive({name})",
    "handler": "take({name})\ntry:\n{inner}\nexcept KeyError:\n    give({name})\n    raise\nelse:\n    give({name})",
    "brittle": (
        "{stack} = [{name} + 'x', {name} + 'y']\nfor {i} in {stack}:\n    take({i})\n"
        "try:\n{inner}\nfinally:\n    for {i} in {stack}:\n        give({i})"
    ),
}


def compiled(program: Node) -> Callable[[], None]:
    """A function that has a line of its own for every call."""
    numbers = count()

    def write(node: Node) -> str:
        number = next(numbers)
        body = "\n".join(map(write, node.body)) or "pass"
        return TEMPLATES[node.form].format(
            name=f"'n{number}'", stack=f"s{number}", i=f"i{number}", body=body, inner=textwrap.indent(body, "    ")
        )

    source = "def scenario():\n" + textwrap.indent(write(program), "    ")
    names = {
        "take": take,
        "look": look,
        "give": give,
        "ExitStack": contextlib.ExitStack,
        "suppress": contextlib.suppress,
    }
    namespace: dict[str, Callable[[], None]] = {}
    exec(compile(source, "generated program", "exec"), names, namespace)
    return namespace["scenario"]


def origins(program: Node, *, exhaustive: bool) -> set[tuple[str, str, int]]:
    """What is found, and where it was taken."""
    result = explore(compiled(program), exhaustive=exhaustive, max_runs=5000, strict=True, progress=False)
    assert not [doubt for doubt in result.doubts if "no call" not in doubt]
    return {(one.verdict, one.kind, one.place.line if one.place else 0) for one in result.findings}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(RIGHT))
def test_nothing_is_found_in_correct_programs(program: Node) -> None:
    """Whatever fails, and whatever fails because of it.

    But for one mistake that is not the program's: see `test_what_contextlib_masks`.
    """
    assert set() == {one for one in origins(program, exhaustive=False) if one[0] != "masked"}


def test_what_contextlib_masks() -> None:
    """An ExitStack whose block ended well forgets the first of two failing callbacks; with-statements do not."""

    def stacked() -> None:
        with contextlib.ExitStack() as stack:
            for name in ("a", "b"):
                take(name)
                stack.callback(give, name)

    def nested() -> None:
        take("a")
        try:
            take("b")
            give("b")
        finally:
            give("a")

    assert {"masked"} == {one.verdict for one in explore(stacked, pairs="all").findings}
    assert () == explore(nested, pairs="all").findings


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(RIGHT + WRONG))
def test_leaving_out_equivalent_points_finds_the_same(program: Node) -> None:
    """The exhaustive search is the oracle of the pruned one."""
    assert origins(program, exhaustive=True) == origins(program, exhaustive=False)


def test_the_wrong_blocks_are_wrong() -> None:
    """Each of them has something to find, or the property would say nothing."""
    for form in WRONG:
        assert origins(Node(form, (Node("look"),)), exhaustive=False), form
