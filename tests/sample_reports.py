"""Reports to look at: one with everything that a timeline can show, one where much is alike, one with ten thousand resources,
one that is hostile.
"""

from __future__ import annotations

from lifeguard import Verdict, Violation
from lifeguard.places import Place
from lifeguard.reporting.model import Event, Life, Mark, Report, ScopeReport, Standing
from lifeguard.rules import RULES
from lifeguard.verdict import Allowed, Counts, Entry, Subject

HOSTILE = "</script><img src=x onerror=\"window.broken=1\"><!-- {{script}} & 'quoted' \u2028\x00 ünïcode"
"""What a key may be, and must never be taken for: markup."""


def place(line: int, function: str = "resize") -> Place:
    """A line of the program."""
    return Place("src/conductor/tasks.py", line, function)


def event(seq: int, mark: Mark, verb: str, function: str, line: int, **more: object) -> Event:
    """One event of the sample."""
    return Event(seq, mark, verb, function, place(line), "MainThread", **more)  # type: ignore[arg-type]


def life(
    kind: str,
    key: str,
    *events: Event,
    ended: int | None,
    standing: Standing = "fine",
    state: str = "released",
    **more: object,
) -> Life:
    """One bar of the sample."""
    told: dict[str, object] = {
        "ident": str(events[0].seq),
        "rollback": False,
        "subjects": (),
        "begun": events[0].seq,
        "owner": "scope 'resize'",
        "owner_ident": "",
        "part_of": "",
        "codes": (),
        "seeded": False,
        **more,
    }
    return Life(kind=kind, key=key, ended=ended, state=state, standing=standing, events=events, **told)  # type: ignore[arg-type]


def violation(
    code: str, kind: str, key: str, message: str, *history: Event, scope: str = "resize", **more: object
) -> Violation:
    """One finding of the sample."""
    rule = RULES[code]
    told: dict[str, object] = {
        "severity": rule.severity,
        "subjects": (),
        "owed": f"release {kind} {key}",
        "done": "nothing",
        "ended": "the scope ended normally",
        "acquired": history[0].place if history else None,
        "place": history[0].place if history else place(99),
        "actor": "MainThread",
        "history": tuple(Entry(one.seq, one.verb, one.function, one.place, one.actor, one.note) for one in history),
        "cut": 0,
        "children": (),
        "also": (),
        "hint": "",
        "fix": rule.fix,
        "allow": f"scope.allow({kind}, {key}, rule={code!r}, why=…)" if kind else "",
        "seq": history[-1].seq if history else 30,
        **more,
    }
    text = f"{kind} {key}: {message}" if kind else message
    return Violation(
        code=code, name=rule.name, cwe=rule.cwe_id, scope=scope, kind=kind, key=key, key_text=key, message=text, **told
    )  # type: ignore[arg-type]


def everything() -> Report:
    """A scope with a leak and its child, a double release, a fault, a rollback, an allowance and a warning; one that balances."""
    server = event(1, "acquire", "acquired", "Cloud.boot", 10)
    made = event(2, "acquire", "acquired", "Cloud.create_volume", 12)
    attached = event(
        3, "transfer", "transferred", "Cloud.attach", 13, note="to server 's1'", owner="server 's1'", to="1"
    )
    port = event(4, "acquire", "acquired", "Ports.create", 20)
    used = event(5, "use", "used", "Ports.bind", 21)
    gone = event(7, "release", "released", "Ports.delete", 23)
    twice = event(12, "release", "released", "Ports.delete", 31, codes=("LG103",))
    failed = event(
        6,
        "fail",
        "failed",
        "Driver.spawn",
        22,
        raised=True,
        error="RuntimeError('no valid host')",
        note="RuntimeError('no valid host')",
    )
    undone = event(8, "rollback", "rolled back", "Driver.cleanup", 24)
    image = event(9, "acquire", "acquired", "Images.create", 26)
    refused = event(
        10,
        "release",
        "release raised",
        "Images.delete",
        27,
        raised=True,
        error="Timeout()",
        note="Timeout()",
        fault="after",
    )
    deleted = event(11, "release", "released", "Images.delete", 28)
    kept = event(13, "acquire", "acquired", "Images.create", 33)
    given = event(14, "transfer", "transferred", "Images.publish", 34, note="to the outside", owner="outside")
    image_kept = event(15, "acquire", "acquired", "Images.create", 35)
    leaks = violation(
        "LG101", "server", "'s1'", "still held when the scope ended", server, children=("volume 'v1' (held)",)
    )
    double = violation("LG103", "port", "'p1'", "released again", port, used, gone, twice)
    allowed = violation("LG101", "image", "'img-3'", "still held when the scope ended", image_kept)
    blind = violation("LG402", "", "", "a contract could not see its calls: Ports.list is replaced", severity="warning")
    verdict = Verdict(
        "resize",
        violations=(double, leaks),
        warnings=(blind,),
        allowed=(Allowed(allowed, "kept by the cache"),),
        watched={"server": Counts(1), "image": Counts(3, 1, 1), "port": Counts(1, 2, 0, 1), "volume": Counts(1, 0, 1)},
        unused=("Cloud.destroy",),
    )
    lives = (
        life("server", "'s1'", server, ended=None, standing="left", state="held", codes=("LG101",)),
        life(
            "volume",
            "'v1'",
            made,
            attached,
            ended=None,
            standing="left",
            state="held",
            owner="server 's1'",
            owner_ident="1",
            codes=("LG101",),
        ),
        life("port", "'p1'", port, used, gone, twice, ended=7, standing="violated", codes=("LG103",)),
        life("spawn", "'s1'", failed, undone, ended=8, state="rolled back", rollback=True),
        life("image", "'img-1'", image, refused, deleted, ended=11),
        life("image", "'img-2'", kept, given, ended=14, state="handed outside", owner="outside"),
        life("image", "'img-3'", image_kept, ended=None, standing="allowed", state="held", codes=("LG101",)),
    )
    other = event(21, "acquire", "acquired", "Images.create", 26)
    scopes = (
        ScopeReport(
            "1",
            verdict,
            run="r",
            reach="context",
            place=place(5, "test_resize"),
            opened=0,
            closed=15,
            recorded=True,
            lives=lives,
            test="tests/test_resize.py::test_resize",
        ),
        ScopeReport(
            "2",
            Verdict("nightly", watched={"image": Counts(1, 1)}),
            run="r",
            opened=20,
            closed=22,
            recorded=True,
            lives=(
                life(
                    "image",
                    "'img-9'",
                    other,
                    event(22, "release", "released", "Images.delete", 27),
                    ended=22,
                    owner="scope 'nightly'",
                ),
            ),
        ),
    )
    return Report(scopes, ("journal.jsonl: line 17 is torn",), "the resize suite", "0.1.0")


def many(count: int) -> Report:
    """One scope with so many resources of eight kinds; one in five hundred leaks, one in ten is handed to a server."""
    lives, leaks = [], []
    for number in range(count):
        seq = 3 * number + 1
        kind = "server" if number % 10 == 0 else f"kind {number % 7}"
        begun = event(seq, "acquire", "acquired", f"Service.create_{number % 7}", 10 + number % 50)
        used = event(seq + 1, "use", "used", "Service.show", 70)
        if number % 500 == 3:
            lives.append(
                life(kind, f"'n-{number}'", begun, used, ended=None, standing="left", state="held", codes=("LG101",))
            )
            leaks.append(violation("LG101", kind, f"'n-{number}'", "still held when the scope ended", begun, used))
        elif number % 10 == 1:
            moved = event(
                seq + 1, "transfer", "transferred", "Service.attach", 71, note="to its server", to=str(seq - 3)
            )
            lives.append(
                life(
                    kind,
                    f"'n-{number}'",
                    begun,
                    moved,
                    ended=seq + 40,
                    state="settled with its owner",
                    owner=f"server 'n-{number - 1}'",
                )
            )
        else:
            ended = event(seq + 2 + 30 * (number % 4), "release", "released", "Service.delete", 80)
            lives.append(life(kind, f"'n-{number}'", begun, used, ended, ended=ended.seq))
    return Report(
        (ScopeReport("1", Verdict("big", violations=tuple(leaks)), run="r", recorded=True, lives=tuple(lives)),),
        (),
        "many resources",
        "0.1.0",
    )


def crowded() -> Report:
    """Seven equal leaks from a folder with a space in its name; a leak with things in things, and a history that was cut; scopes
    that have the same warning; and nine that have nothing to say.
    """
    here = Place("src/my app/nightly build.py", 12, "build_all")
    leaks = []
    for number in range(1, 8):
        made = Event(number, "acquire", "acquired", "Images.create", here, "MainThread")
        about = (Subject("server", f"s{number}", f"'s{number}'"),)
        leaks.append(
            violation(
                "LG101",
                "image",
                f"'img-{number}'",
                "still held when the scope ended",
                made,
                scope="builds",
                subjects=about,
            )
        )
    builds = Verdict("builds", violations=tuple(leaks), watched={"image": Counts(7)}, remember=None)

    booted = event(20, "acquire", "acquired", "Cloud.boot", 40)
    used = [event(20 + number, "use", "used", "Cloud.show", 41) for number in range(1, 10)]
    volume = event(31, "acquire", "acquired", "Cloud.create_volume", 42)
    snapshot = event(32, "acquire", "acquired", "Cloud.snapshot", 43)
    port = event(33, "acquire", "acquired", "Ports.create", 44)
    left = {"ended": None, "standing": "left", "state": "held", "owner": "server 's9'", "codes": ("LG101",)}
    lives = (
        life("server", "'s9'", booted, *used, **{**left, "owner": "scope 'nested'"}),  # type: ignore[arg-type]
        life("volume", "'v9'", volume, owner_ident="20", **left),  # type: ignore[arg-type]
        life("snapshot", "'n9'", snapshot, part_of="31", **left),  # type: ignore[arg-type]
        life("port", "'p9'", port, part_of="20", **left),  # type: ignore[arg-type]
    )
    children = (
        "volume 'v9' (held)",
        "snapshot 'n9' (held), from src/conductor/tasks.py:43 in resize",
        "port 'p9' (held)",
    )
    nested = Verdict(
        "nested",
        ended="ValueError: no",
        error=True,
        violations=(
            violation(
                "LG102",
                "server",
                "'s9'",
                "still held when the scope was left by ValueError: no",
                booted,
                used[0],
                *used[-6:],
                scope="nested",
                cut=2,
                children=children,
            ),
        ),
        watched={"server": Counts(1, used=9)},
    )
    stale = violation(
        "LG403", "", "", "scope.allow(image, 'x') matched nothing", severity="warning", owed="", done="", allow=""
    )
    quiet = [Verdict(f"quiet {number}", watched={"image": Counts(1, 1)}) for number in range(9)]
    warned = [Verdict(f"warned {number}", warnings=(stale,)) for number in range(2)]
    told = [ScopeReport(str(number), verdict) for number, verdict in enumerate((*warned, *quiet), 3)]
    return Report(
        (ScopeReport("1", builds), ScopeReport("2", nested, run="r", recorded=True, lives=lives), *told),
        lifeguard="0.1.0",
    )


def hostile() -> Report:
    """Everything that the program under test names is an attempt to break out of the page."""
    where = Place(HOSTILE, 1, HOSTILE)
    made = Event(1, "acquire", HOSTILE, HOSTILE, where, HOSTILE, note=HOSTILE)
    leak = violation("LG101", HOSTILE, HOSTILE, HOSTILE, made, scope=HOSTILE, owed=HOSTILE, hint=HOSTILE, allow=HOSTILE)
    held = life(HOSTILE, HOSTILE, made, ended=None, standing="left", state=HOSTILE, owner=HOSTILE, codes=("LG101",))
    verdict = Verdict(
        HOSTILE, ended=HOSTILE, error=True, violations=(leak,), watched={HOSTILE: Counts(1)}, unused=(HOSTILE,)
    )
    scope = ScopeReport("1", verdict, place=where, recorded=True, lives=(held,), test=HOSTILE)
    return Report((scope,), (HOSTILE,), HOSTILE, HOSTILE)
