"""Every option in its three forms, their precedence, and what makes no sense."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from suites import Suite, closing_line, complaint, counted, short_summary

from lifeguard_pytest import OPTIONS

LEAKS = "def test_leaks(): leak()\n"


def test_off_unless_it_is_asked_for(suite: Suite) -> None:
    """Without a word nothing is watched and nothing is said."""
    suite.tests(LEAKS)
    result = suite.run_as_it_is()
    assert {"passed": 1} == counted(result)
    assert "lifeguard:" not in "\n".join(result.outlines)


@pytest.mark.parametrize(
    ("ini", "command", "marker", "failed"),
    [
        ("true", "", "", 1),
        ("false", "", "", 0),
        ("false", "--lifeguard", "", 1),
        ("true", "--no-lifeguard", "", 0),
        ("true", "--no-lifeguard", "@pytest.mark.lifeguard", 0),
        ("false", "", "@pytest.mark.lifeguard", 1),
        ("true", "", "@pytest.mark.lifeguard('off')", 0),
        ("true", "", "@pytest.mark.lifeguard(off=True)", 0),
        ("false", "--lifeguard", "@pytest.mark.lifeguard('off')", 0),
        ("false", "--lifeguard", "@pytest.mark.lifeguard(off=False)", 1),
    ],
)
def test_switching_on_and_off(suite: Suite, ini: str, command: str, marker: str, failed: int) -> None:
    """The ini file is beaten by the command line, and that by the marker; only --no-lifeguard is stronger."""
    suite.ini(f"lifeguard = {ini}")
    suite.tests(f"{marker}\n{LEAKS}")
    assert failed == counted(suite.run_as_it_is(*command.split())).get("failed", 0)


def test_the_nearest_marker_wins(suite: Suite) -> None:
    """A test's own word beats its class's, and that its module's; what it does not say, they do."""
    suite.tests(
        """
        pytestmark = pytest.mark.lifeguard("off")

        @pytest.mark.lifeguard(ignore=["image"])
        class TestOn:
            def test_ignores_images(self): leak()
            def test_ports(self): ports.create("p")

            @pytest.mark.lifeguard(only="image")
            def test_both_words_hold(self): leak(); ports.create("p")

            @pytest.mark.lifeguard("off")
            def test_off(self): ports.create("p")

            @pytest.mark.lifeguard(ignore=())
            def test_everything(self): leak()

        def test_off(): leak()
        """
    )
    result = suite.run()
    assert {"failed": 2, "passed": 4} == counted(result)
    assert ["test_ports", "test_everything"] == [line.split("::")[2].split()[0] for line in short_summary(result)]


def test_precedence_is_for_each_option_by_itself(suite: Suite) -> None:
    """Command line over ini file, whatever else either says."""
    suite.ini("lifeguard = true\nlifeguard_on_violation = raise\nlifeguard_ignore = port")
    suite.tests("def test_leaks(): leak()\ndef test_port(): ports.create('p')\n")
    result = suite.run_as_it_is("--lifeguard-on-violation=record")
    assert {"passed": 2} == counted(result)
    assert "1 acquired, 0 released, 0 handed over; 1 violation" in closing_line(result)


def test_on_violation(suite: Suite) -> None:
    """Raise, warn, log, record, and a function in the marker."""
    suite.tests(LEAKS)
    assert {"failed": 1} == counted(suite.run("--lifeguard-on-violation=raise"))
    warned = suite.run_apart("--lifeguard", "--lifeguard-on-violation=warn")
    assert {"passed": 1} == counted(warned)
    assert any("LifeguardWarning: LG101 image 'left': still held" in line for line in warned.outlines)
    assert {"passed": 1} == counted(suite.run("--lifeguard-on-violation=log"))
    assert {"passed": 1} == counted(suite.run("--lifeguard-on-violation=record"))
    suite.tests(
        """
        def stop(verdict): raise RuntimeError(f"{len(verdict.violations)} found")

        @pytest.mark.lifeguard(on_violation=stop)
        def test_leaks(): leak()
        """
    )
    result = suite.run()
    assert {"passed": 1, "errors": 1} == counted(result)
    assert "RuntimeError: 1 found" in short_summary(result)[0]


def test_fail_fast(suite: Suite) -> None:
    """The call that broke the rule is where the test stops; it is told once."""
    suite.tests("def test_twice():\n    balance('a')\n    images.delete('a')\n    assert 0, 'not reached'\n")
    for result in (suite.run("--lifeguard-fail-fast"), suite.run("-o", "lifeguard_fail_fast=true")):
        assert {"failed": 1} == counted(result)
        assert "LG103 image 'a': released again" in short_summary(result)[0]
    suite.ini("lifeguard_fail_fast = true")
    assert {"failed": 1, "errors": 1} == counted(suite.run("--no-lifeguard-fail-fast"))


def test_remember(suite: Suite) -> None:
    """All by default; a number bounds what is remembered, and 0 turns double releases off."""
    suite.tests(
        """
        def test_doubles():
            for number in range(2000):
                balance(f"i{number}")
            images.delete("i0")
        """
    )
    assert {"failed": 1} == counted(suite.run())
    assert {"passed": 1} == counted(suite.run("--lifeguard-remember=1000"))
    assert {"passed": 1} == counted(suite.run("-o", "lifeguard_remember=0"))
    assert {"failed": 1} == counted(suite.run("-o", "lifeguard_remember=0", "--lifeguard-remember=all"))


def test_sample(suite: Suite) -> None:
    """A part of the keys, named as a number; the closing line says what was left out."""
    suite.tests("def test_leaks():\n    images.create('a')\n")
    assert {"failed": 1} == counted(suite.run())
    for result in (suite.run("--lifeguard-sample=0"), suite.run("-o", "lifeguard_sample=0.0")):
        assert {"passed": 1} == counted(result)
        assert any("1 left out by the sample" in line for line in result.outlines)
    suite.tests("@pytest.mark.lifeguard(sample=0)\ndef test_leaks():\n    images.create('a')\n")
    assert {"passed": 1} == counted(suite.run())


def test_grace(suite: Suite) -> None:
    """Work that ends in the background gets a few looks more; the marker can bring its own pump."""
    suite.tests(
        """
        import threading
        from lifeguard import Grace

        @pytest.mark.lifeguard(grace=20)
        def test_background():
            images.create("a")
            threading.Timer(0.01, images.delete, ["a"]).start()

        todo = ["b"]

        @pytest.mark.lifeguard(grace=Grace(attempts=3, step=lambda: todo and images.delete(todo.pop())))
        def test_pumped(): images.create("b")

        def test_without(): images.create("c")
        """
    )
    assert {"passed": 2, "failed": 1} == counted(suite.run())


@pytest.mark.parametrize("form", ["ini", "command", "marker"])
def test_only_and_ignore(suite: Suite, form: str) -> None:
    """Kinds by name in each of the three forms; in the marker kinds themselves, too."""
    mark = "@pytest.mark.lifeguard(only=[image, 'port'], ignore='port')\n" if form == "marker" else ""
    suite.tests(f"{mark}def test_port(): ports.create('p')\n{mark}def test_image(): leak()\n")
    if form == "ini":
        suite.ini("lifeguard_only = image, port\nlifeguard_ignore =\n    port\n")
    command = (
        ["--lifeguard-only=image", "--lifeguard-only=port", "--lifeguard-ignore=port"] if form == "command" else []
    )
    result = suite.run(*command)
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "test_image" in short_summary(result)[0]


def test_a_kind_of_an_imported_name_is_found_where_it_was_declared(suite: Suite) -> None:
    """A module that no test imports by itself can be named with the contracts."""
    suite.write(
        "disks.py",
        "from lifeguard import Resource, acquires\ndisk = Resource('disk')\n@acquires(disk, key='n')\ndef make(n): ...\n",
    )
    suite.ini("lifeguard_contracts = disks\nlifeguard_only = disk\npythonpath = .")
    suite.tests("def test_image(): leak()\ndef test_disk():\n    import disks\n    disks.make(1)\n")
    assert {"passed": 1, "failed": 1} == counted(suite.run())


def test_every_option_is_described(suite: Suite) -> None:
    """`--help` tells of every option, its ini form included; the marker is registered, so that strict markers know it."""
    suite.tests("@pytest.mark.lifeguard(reach='context')\ndef test_it(): pass\n")
    text = "\n".join(suite.run_as_it_is("--help").outlines)
    for option in OPTIONS:
        assert option.command in text
        assert f"  {option.ini} (" in text
    assert {"passed": 1} == counted(suite.run_as_it_is("--strict-markers"))
    marker = "@pytest.mark.lifeguard(off, *, " + ", ".join(option.name for option in OPTIONS if not option.of_run) + ")"
    assert any(line.startswith(marker) for line in suite.run_as_it_is("--markers").outlines)


SENSELESS = """
lifeguard_reach = proces          | {ini}: 'proces'; it takes process or context
lifeguard = maybe                 | {ini}: *maybe*; it takes true or false*
lifeguard_fail_fast = 3           | {ini}: *3*; it takes true or false
lifeguard_ignore = xyzzy          | {ini}: there is no kind 'xyzzy'; there are *
--lifeguard-reach=all             | 'all'; it takes process or context
--lifeguard-on-violation=shout    | 'shout'; it takes raise, warn, log or record*
--lifeguard-remember=-1           | '-1'; it takes all, or a whole number from 0
--lifeguard-sample=2              | '2'; it takes a number from 0 to 1
--lifeguard-sample=some           | 'some'*; it takes a number from 0 to 1
--lifeguard-grace=soon            | 'soon'; it takes off, or a number of attempts from 1*
--lifeguard-grace=0               | '0'; it takes off, or a number of attempts from 1*
--lifeguard-only=imag             | there is no kind 'imag'; did you mean 'image'?
--lifeguard-contracts=nowhere:One | 'nowhere:One' cannot be imported: ModuleNotFoundError*'nowhere'*
--lifeguard-contracts=cloud:Imges | 'cloud:Imges' cannot be found: cloud has no 'Imges'; did you mean 'Images'?
--lifeguard-contracts=textwrap    | there is no contract in 'textwrap'*
--lifeguard-contracts=broken      | 'broken' cannot be imported: DeclarationError*NoSuchClass*
--lifeguard-baseline=none.json    | there is no file *none.json; --lifeguard-update-baseline writes it
--lifeguard-update-baseline       | which file? *
"""


@pytest.mark.parametrize(
    ("said", "text"), [[part.strip() for part in line.split(" | ")] for line in SENSELESS.strip().splitlines()]
)
def test_what_makes_no_sense_ends_the_run(suite: Suite, said: str, text: str) -> None:
    """Exit code 4 and one line: where it stands, what was written, what was expected."""
    command = said.startswith("-")
    suite.ini("pythonpath = .\n" + ("" if command else said))
    suite.write(
        "broken.py", "from lifeguard import contracts_for\n@contracts_for('cloud:NoSuchClass')\nclass Them: pass\n"
    )
    suite.tests(LEAKS)
    told = complaint(
        suite.run_as_it_is(*([said] if command else []), *([] if said.startswith("lifeguard =") else ["--lifeguard"]))
    )
    where = f"{said.partition('=')[0].strip()}: " if command else f"{said.partition('=')[0].strip()} in "
    assert fnmatchcase(told, where + text.replace("{ini}", str(suite.path / "pytest.ini"))), told


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("reach='all'", "reach=: 'all'; it takes process or context"),
        (
            "color='red'",
            "there is no option 'color'; there are baseline, check_types, conditions, contracts, fail_fast, *",
        ),
        ("'maybe'", "'maybe'; it takes true or false; the marker takes nothing, or 'off'"),
        ("'off', 'on'", "('off', 'on'); it takes 'off', or options by name"),
        ("only='imag'", "only=: there is no kind 'imag'; did you mean 'image'?"),
        ("only=[3]", "only=: 3 is no kind; it takes names of kinds*"),
        ("baseline='x.json'", "baseline=: 'x.json'; a baseline is one of the whole run: a marker takes 'off'"),
        ("contracts='nowhere'", "contracts=: 'nowhere' cannot be imported: *"),
    ],
)
def test_what_a_marker_says_is_checked_before_the_first_test(suite: Suite, marker: str, text: str) -> None:
    """The test that carries it is named."""
    suite.tests(f"@pytest.mark.lifeguard({marker})\n{LEAKS}")
    said = complaint(suite.run_as_it_is())
    assert fnmatchcase(said, f"@pytest.mark.lifeguard of test_it.py::test_leaks*{text}".replace("[", "[[]")), said


def test_a_journal_of_every_test(suite: Suite) -> None:
    """All tests write to one file, from which their verdicts can be had again."""
    from lifeguard.reporting import replay

    suite.tests("def test_sound(): ports.create('p'); ports.delete('p')\n" + LEAKS)
    assert {"passed": 1, "failed": 1} == counted(suite.run("--lifeguard-journal=run.jsonl"))
    found = replay.read([suite.path / "run.jsonl"])
    assert () == found.differing
    assert [0, 1] == sorted(len(one.verdict.violations) for one in found.report.scopes)


@pytest.mark.parametrize("command", ["--lifeguard-conditions=pydantic", "--lifeguard-journal=no/such/folder.jsonl"])
def test_what_the_bridges_cannot_do(suite: Suite, command: str) -> None:
    """A library that there is no bridge to, or a file that cannot be written, ends the run before its first test."""
    suite.tests(LEAKS)
    result = suite.run(command)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert command.partition("=")[2].partition("/")[0] in complaint(result)


def test_conditions_that_a_test_swallows(suite: Suite) -> None:
    """With the library's name, a condition that broke fails the test, also where the test caught it."""
    pytest.importorskip("icontract")
    suite.tests(
        """
        import icontract

        @icontract.require(lambda n: n > 0)
        def half(n): return n / 2

        def test_swallows():
            try: half(0)
            except icontract.ViolationError: pass
        """
    )
    assert {"passed": 1} == counted(suite.run())
    assert {"failed": 1} == counted(suite.run("--lifeguard-conditions=icontract"))
