"""`lifeguard explain` and `rules`: every rule has an example that breaks it, and mended breaks nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_lines import command, python

from lifeguard.cli.examples import NEEDS, example, report_of
from lifeguard.cli.exits import Failure
from lifeguard.cli.explain import find_rule
from lifeguard.rules import RULES, Rule

FINDING = re.compile(r"^(?:\w+: )?(LG\d{3}) ", re.MULTILINE)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_the_example_breaks_its_rule_and_no_other(rule: Rule) -> None:
    """What is shown as an example of a rule is one, exactly."""
    shown = example(rule)
    assert [rule.code] == FINDING.findall(report_of(shown.broken, shown.name))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_the_mended_example_breaks_nothing(rule: Rule) -> None:
    """What is shown as its mending mends it."""
    shown = example(rule)
    assert shown.mended != shown.broken
    assert [] == FINDING.findall(report_of(shown.mended, shown.name))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_the_example_is_short_and_without_marks(rule: Rule) -> None:
    """It is read in one go, and the marks that say what mends it are not shown."""
    shown = example(rule)
    assert len(shown.broken.splitlines()) <= 40
    for text in (shown.broken, shown.mended, *shown.changes):
        assert "#-" not in text
        assert "#+" not in text


def test_what_mends_it_is_shown_in_its_place() -> None:
    """With a line around it, so that one sees where; hunks stand apart."""
    wanted = (
        """  net.plug("p1", "blue")
+ net.unplug("p1")
  net.delete("blue")
- net.unplug("p1")"""
    ).splitlines()
    assert wanted == list(example(RULES["LG108"]).changes)
    assert 1 == example(RULES["LG401"]).changes.count('- images.register(SimpleNamespace(name="nightly"))')


def test_every_example_is_of_a_rule() -> None:
    """No example stays behind when its rule goes."""
    import lifeguard.cli

    planted = Path(lifeguard.cli.__file__).parent / "planted"
    assert [f"{code.lower()}.py" for code in RULES] == sorted(path.name for path in planted.glob("*.py"))


def test_an_example_runs_by_itself(tmp_path: Path) -> None:
    """`lifeguard explain LG103 --example | python -`, as the text says."""
    printed = command("explain", "LG103", "--example", cwd=tmp_path)
    assert (0, "") == (printed.returncode, printed.stderr)
    ran = python("-", cwd=tmp_path, stdin=printed.stdout)
    assert 1 == ran.returncode
    assert "LG103 double release (CWE-1341)" in ran.stderr


def test_the_explanation_whole(tmp_path: Path) -> None:
    """All that is printed of one rule."""
    ran = command("explain", "lg201", cwd=tmp_path)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert LG201 == ran.stdout


LG201 = '''\
LG201 failure without rollback (CWE-755)
  CWE        Improper Handling of Exceptional Conditions:
             https://cwe.mitre.org/data/definitions/755.html
  severity   error: a scope with it fails
  said when  A call with `@on_failure` failed, and until the scope ended nobody called its rollback.
  means      The failure was noticed or swallowed, and what it had half done was left as it was.
  fix        Call the function that `@rolls_back` this rollback, with the same key, on the failing
             path. Where a later success makes up for the failure: `@on_failure(…,
             success_pays=True)`.
  allow      scope.allow(kind, key, rule='LG201', why=…); in a test: lifeguard_scope.allow(…)

Example  (lifeguard explain LG201 --example | python -)

    """A spawn fails, the error is dealt with, and nobody cleans up."""

    from lifeguard import Rollback, on_failure, rolls_back, scope

    spawn_rollback = Rollback("spawn")


    class Driver:
        @on_failure(spawn_rollback, key="server")
        def spawn(self, server):
            raise RuntimeError("no room")

        @rolls_back(spawn_rollback, key="server")
        def cleanup(self, server): ...


    with scope("boot"):
        driver = Driver()
        try:
            driver.spawn("web")
        except RuntimeError:
            pass

Its report

    1 violation in scope 'boot', which ended normally

    LG201 failure without rollback (CWE-755)
      spawn 'web': failed, and was never rolled back
      owed      roll back spawn 'web' (Driver.cleanup)
      done      nothing
      here      the scope ended normally
      failed    lg201.py:20 in <module> (MainThread)
      history   1 failed by Driver.spawn at lg201.py:20 in <module> [MainThread]: RuntimeError: no room
      fix       Call the function that `@rolls_back` this rollback, with the same key, on the failing path. Where a later success makes up for the failure: `@on_failure(…, success_pays=True)`.
      or allow  scope.allow(spawn, 'web', rule='LG201', why=…)

    watched spawn: 1 failed
    contracts that saw no call: Driver.cleanup

Mended

      except RuntimeError:
    -     pass
    +     driver.cleanup("web")
'''  # noqa: E501  as it is printed


@pytest.mark.parametrize(
    "words",
    ["LG103", "lg103", "103", " lg 103 ", "double release", "Double-Release", "double", "CWE-1341", "cwe 1341"],
)
def test_a_rule_is_found_by(words: str) -> None:
    """Its code, the number of it, its name, the beginning of that, its weakness; in capitals or not."""
    assert "LG103" == find_rule(words).code


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("LG113", "there is no rule 'LG113'; did you mean LG111 (overdue) or LG110 (partly released) or LG103 (double release)?"),
        ("leakd", "there is no rule 'leakd'; did you mean LG101 (leaked)?"),
        ("doubel release", "there is no rule 'doubel release'; did you mean LG103 (double release)?"),
        ("rollback", ("'rollback' may be any of LG202 (rollback tried and failed), LG203 (rollback of what never failed), "
         "LG206 (rollback out of order)")),
        ("CWE-1", "there is no rule with CWE-1"),
        ("nothing like it", "there is no rule 'nothing like it'; `lifeguard rules` lists them"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_found(words: str, complaint: str) -> None:
    """The near ones are named."""
    with pytest.raises(Failure) as caught:
        find_rule(words)
    assert (2, complaint) == (caught.value.code, str(caught.value))


def test_json_of_an_explanation(tmp_path: Path) -> None:
    """Programs get the same: the rule, the example, its report."""
    told = json.loads(command("explain", "403", "--format", "json", cwd=tmp_path).stdout)
    shown = example(RULES["LG403"])
    assert ("LG403", "warning", None) == (told["code"], told["severity"], told["cwe"])
    assert (shown.broken, shown.mended) == (told["example"]["source"], told["example"]["mended"])
    assert "warning: LG403 nothing was found of: image 'nightly'" in told["example"]["report"]


def test_an_example_whose_library_is_missing(tmp_path: Path) -> None:
    """The rest is explained, and one line says what to install."""
    assert ["LG301"] == list(NEEDS)
    program = "import sys; sys.modules['icontract'] = None; from lifeguard.cli import main; sys.exit(main(['explain', '301']))"
    ran = python("-c", program, cwd=tmp_path)
    assert (0, "") == (ran.returncode, ran.stderr)
    needs = "Its report needs icontract, which is not installed: pip install 'lifeguard-contracts[icontract]'"
    assert needs in ran.stdout.splitlines()


def test_an_example_under_lifeguard_off(tmp_path: Path) -> None:
    """What the environment switches off is the user's program, not the explanation."""
    assert LG201 == command("explain", "201", cwd=tmp_path, LIFEGUARD="off").stdout


def test_the_list_of_rules(tmp_path: Path) -> None:
    """A line each, and the same as JSON."""
    lines = command("rules", cwd=tmp_path).stdout.splitlines()
    assert "code   severity  weakness  name" == lines[0]
    assert "LG103  error     CWE-1341  double release" in lines
    assert "LG403  warning   -         allowance matched nothing" == lines[-1]
    told = json.loads(command("rules", "--format", "json", cwd=tmp_path).stdout)
    assert list(RULES) == [one["code"] for one in told]
    assert RULES["LG103"].fix == told[2]["fix"]
