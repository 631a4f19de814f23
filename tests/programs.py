"""Programs whose report is compared whole: compiled as `app.py`, so that their places are the same everywhere."""

from __future__ import annotations

import re
import textwrap

from lifeguard import Scope

PRELUDE = """\
from lifeguard import *
image = Resource("image")
class Images:
    @acquires(image, key="image_id", in_doubt=True)
    def create(self, image_id, error=None):
        if error: raise error
    @uses(image, key="image_id")
    def show(self, image_id): pass
    @releases(image, key="image_id")
    def delete(self, image_id, error=None):
        if error: raise error
images = Images()
"""


def run_program(program: str) -> Scope:
    """Run a program; the scope that it calls `watched`."""
    namespace: dict[str, object] = {"__name__": "app"}
    exec(compile(PRELUDE, "images.py", "exec"), namespace)
    exec(compile(textwrap.dedent(program), "app.py", "exec"), namespace)
    watched = namespace["watched"]
    assert isinstance(watched, Scope)
    return watched


def report(program: str) -> str:
    """What the scope of a program reports, its events counted from 1."""
    watched = run_program(program)
    text = renumbered(watched.report(), watched)
    if watched.verdict is None:
        watched.close()
    return text


def renumbered(text: str, watched: Scope) -> str:
    """A report whose events are counted from the scope's first one."""
    since = watched.book.opened_at
    pattern = re.compile(r"(event |^  history   |^            )(\d+)(?=[ ,);]|$)", re.MULTILINE)
    return pattern.sub(lambda found: f"{found[1]}{int(found[2]) - since}", text)


def expect_report(text: str, program: str) -> None:
    """Compare a whole report; `\\` at a line's end joins it with the next, for what is too long for a page."""
    wanted = re.sub(r"\\\n *", "", textwrap.dedent(text).strip("\n"))
    assert wanted == report(program)
