"""The rest of a report, compared whole: the heading, warnings, and the summary of what was watched."""

from __future__ import annotations

import json

from programs import expect_report, run_program


def test_what_is_allowed() -> None:
    """A scope that balances says what it was allowed, and why."""
    expect_report(
        """
        scope 'night' balanced

        watched image: 2 acquired
        allowed LG101 image 'img-1', LG101 image 'img-2': the base image stays
        contracts that saw no call: Images.delete, Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            watched.allow(image, why="the base image stays")
            images.create("img-1")
            images.create("img-2")
        """,
    )


def test_an_allowance_of_nothing() -> None:
    """A warning does not make a scope fail, and is told all the same."""
    expect_report(
        """
        scope 'night' balanced

        warning: LG403 nothing was found of: image 'img-9', allowed at app.py:3 in <module> because left by design

        watched image: 1 acquired, 1 released
        contracts that saw no call: Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            watched.allow(image, "img-9", why="left by design")
            images.create("img-1")
            images.delete("img-1")
        """,
    )


def test_unmatched_and_forgotten() -> None:
    """What was not seen is counted, and may be a double of what was forgotten."""
    expect_report(
        r"""
        scope 'night' balanced

        watched image: 2 acquired, 2 released, 1 unmatched: never seen acquired, or doubles of the 1 forgotten \
                    (remember=1)
        contracts that saw no call: Images.show
        """,
        """
        with scope("night", on_violation="record", remember=1) as watched:
            for name in ("a", "b"):
                images.create(name)
                images.delete(name)
            images.delete("a")
        """,
    )


def test_remember_nothing() -> None:
    """A scope that cannot tell double releases says so."""
    expect_report(
        r"""
        scope 'night' balanced

        watched image: 1 acquired, 1 released, 1 unmatched: never seen acquired, or doubles of the 1 forgotten \
                    (remember=0)
        contracts that saw no call: Images.show
        remember=0: double releases and uses after release are not told
        """,
        """
        with scope("night", on_violation="record", remember=0) as watched:
            images.create("a")
            images.delete("a")
            images.delete("a")
        """,
    )


def test_an_open_scope() -> None:
    """Before the end: what was found so far, and what is outstanding."""
    expect_report(
        r"""
        1 violation in scope 'night', which is still open

        LG103 double release (CWE-1341)
          image 'img-2': released again
          owed      release image 'img-2' once (Images.delete)
          done      released (event 3), released again (event 4)
          here      at the end of Images.delete, called at app.py:7 in <module>
          acquired  app.py:5 in <module> (MainThread)
          history   2 acquired by Images.create at app.py:5 in <module> [MainThread]
                    3 released by Images.delete at app.py:6 in <module> [MainThread]
                    4 released by Images.delete at app.py:7 in <module> [MainThread]: again
          fix       Let one owner release it. A release that may be called again and then does nothing is declared \
                    so: `@releases(kind, key=…, idempotent=True)`.
          or allow  scope.allow(image, 'img-2', rule='LG103', why=…)

        outstanding now: 1
          image 'img-1' (held), from app.py:4 in <module>

        watched image: 2 acquired, 2 released
        """,
        """
        watched = scope("night", on_violation="record").open()
        with watched.active():
            images.create("img-1")
            images.create("img-2")
            images.delete("img-2")
            images.delete("img-2")
        """,
    )


def test_a_scope_that_saw_nothing() -> None:
    """A scope that no contract told anything may be blind rather than clean."""
    expect_report(
        """
        scope 'night' balanced

        watched nothing: no contract told an event to this scope
        """,
        """
        with scope("night", on_violation="record") as watched:
            pass
        """,
    )


def test_a_balanced_scope_left_by_an_error() -> None:
    """An exception of the body is named though nothing was left."""
    expect_report(
        """
        scope 'night' balanced, though it was left by RuntimeError: no space

        watched image: 1 acquired, 1 released
        contracts that saw no call: Images.show
        """,
        """
        watched = scope("night", on_violation="record")
        try:
            with watched:
                images.create("img-1")
                images.delete("img-1")
                raise RuntimeError("no space")
        except RuntimeError:
            pass
        """,
    )


def test_acquires_that_went_nowhere() -> None:
    """What another thread acquired is not silently taken for cleanliness."""
    expect_report(
        """
        scope 'night' balanced

        watched image: 1 acquired, 1 released
        1 acquire went nowhere while it was open: made in threads or tasks without a scope (see reach="process")
        contracts that saw no call: Images.show
        """,
        """
        import threading

        with scope("night", on_violation="record") as watched:
            thread = threading.Thread(target=images.create, args=["img-1"], name="worker")
            thread.start()
            thread.join()
            images.create("img-2")
            images.delete("img-2")
        """,
    )


def test_many_contracts_without_a_call() -> None:
    """Eight are named; what is cut is said to be cut, and where the rest is."""
    expect_report(
        r"""
        scope 'night' balanced

        watched image: 1 acquired, 1 released
        contracts that saw no call: Images.show, show_0, show_1, show_2, show_3, show_4, show_5, show_6 and 3 more \
                    (scope.verdict.unused has all)
        """,
        """
        def make(number):
            def function(image_id): pass
            function.__qualname__ = f"show_{number}"
            return uses(image, key="image_id")(function)

        shows = [make(number) for number in range(10)]
        with scope("night", on_violation="record") as watched:
            images.create("img-1")
            images.delete("img-1")
        """,
    )


def test_two_reasons() -> None:
    """What is allowed is told by its reason."""
    expect_report(
        """
        scope 'night' balanced

        watched image: 2 acquired, 2 released
        allowed LG103 image 'img-2': ours, released twice by design
        allowed LG101 image 'img-1': the base image stays
        contracts that saw no call: Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            watched.allow(image, "img-1", why="the base image stays")
            watched.allow(image, "img-2", why="ours, released twice by design", rule="LG103")
            images.create("img-1")
            images.create("img-2")
            images.delete("img-2")
            images.delete("img-2")
        """,
    )


def test_the_same_as_data() -> None:
    """What the text says stands in the verdict as plain, versioned data: names, codes and reprs."""
    watched = run_program(
        """
        with scope("night", on_violation="record") as watched:
            watched.allow(image, "img-2", why="stays")
            watched.allow(image, "img-3", why="is not there")
            images.create("img-1")
            images.create("img-2")
        """
    )
    assert watched.verdict is not None
    data = json.loads(json.dumps(watched.verdict.as_dict()))
    assert (1, "night", "normally", False) == (data["schema"], data["scope"], data["ended"], data["balanced"])
    (violation,) = data["violations"]
    assert ("LG101", "leaked", "CWE-772", "image", "'img-1'") == tuple(
        violation[name] for name in ("code", "name", "cwe", "kind", "key")
    )
    assert {"file": "app.py", "line": 5, "function": "<module>"} == violation["acquired"] == violation["place"]
    assert ["acquired"] == [entry["verb"] for entry in violation["history"]]
    assert "scope.allow(image, 'img-1', rule='LG101', why=…)" == violation["allow"]
    assert ["LG403"] == [warning["code"] for warning in data["warnings"]]
    assert [("stays", "'img-2'")] == [(one["why"], one["key"]) for one in data["allowed"]]
    assert 2 == data["watched"]["image"]["acquired"]
    assert ["Images.delete", "Images.show"] == data["unused"]
