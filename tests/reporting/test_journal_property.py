"""A journal judged again says what the process said: generated programs, in several scopes, contexts and files."""

from __future__ import annotations

import contextvars
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from test_ledger_property import Library, Model, Runner, Step, Woven, like_ci, programs

from lifeguard import Scope, scope
from lifeguard.reporting.replay import read


class Journaled:
    """A library whose scopes write journals: of three, the third writes none, and the second to another file."""

    folder: str
    scopes: list[Any]

    def _opening(self, parent: int | None, reach: str, remember: int | None) -> Scope:
        number = len(self.scopes)
        journal = (f"{self.folder}/a.jsonl", f"{self.folder}/b.jsonl", None)[number % 3]
        new = scope(
            f"s{number}",
            reach=reach,  # type: ignore[arg-type]
            remember=remember,
            on_violation="record",
            journal=journal,
        )
        if parent is None:
            return new.open()
        with self.scopes[parent].active():
            return new.open()


class JournaledLibrary(Journaled, Library):
    """Events by hand."""

    def open(self, context: int, parent: int | None, reach: str, remember: int | None) -> None:
        """Open the next scope."""
        self.scopes.append(self.run(context, lambda: self._opening(parent, reach, remember)))


class JournaledWoven(Journaled, Woven):
    """Events told by contracts."""

    open = JournaledLibrary.open


def _judged_again(drive: type[Any], steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        contexts = [contextvars.Context() for _ in range(3)]
        library = drive(lambda context, function: contexts[context].run(function))
        library.folder = folder
        Runner(Model(), library).run(steps)
        found = read(sorted(Path(folder).glob("*.jsonl")))
        assert () == found.report.notes
        assert () == found.differing
        live = {one.name: one.verdict.as_dict() for one in library.scopes[0::3] + library.scopes[1::3]}
        again = {one.name: one.verdict.as_dict() for one in found.report.scopes}
        assert json.loads(json.dumps(live)) == json.loads(json.dumps(again))
        for told in found.report.scopes:
            left = {(life.kind, life.key) for life in told.lives if life.standing == "left" and life.codes != ()}
            said = {
                (one.kind, one.key_text)
                for one in told.verdict.violations
                if one.code in ("LG101", "LG102", "LG110", "LG205")
            }
            assert said <= left


@settings(like_ci)
@given(programs())
def test_by_hand(steps: list[Step]) -> None:
    """Whatever happens in several scopes that write to two files, or to none."""
    _judged_again(JournaledLibrary, steps)


@settings(like_ci)
@given(programs())
def test_of_calls(steps: list[Step]) -> None:
    """The same, told by contracts on functions."""
    _judged_again(JournaledWoven, steps)
