"""The report of what a call broke, and of failures, compared whole: what a stranger reads who has never seen the code."""

from __future__ import annotations

from programs import expect_report


def test_a_double_release() -> None:
    """Both releases stand in the history; what was owed was owed once."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG103 double release (CWE-1341)
          image 'img-1': released again
          owed      release image 'img-1' once (Images.delete)
          done      released (event 2), released again (event 3)
          here      at the end of Images.delete, called at app.py:5 in <module>
          acquired  app.py:3 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:3 in <module> [MainThread]
                    2 released by Images.delete at app.py:4 in <module> [MainThread]
                    3 released by Images.delete at app.py:5 in <module> [MainThread]: again
          fix       Let one owner release it. A release that may be called again and then does nothing is declared \
                    so: `@releases(kind, key=…, idempotent=True)`.
          or allow  scope.allow(image, 'img-1', rule='LG103', why=…)

        watched image: 1 acquired, 2 released
        contracts that saw no call: Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            images.create("img-1")
            images.delete("img-1")
            images.delete("img-1")
        """,
    )


def test_a_failure_with_attempts() -> None:
    """The first failure and the exception of every attempt."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG202 rollback tried and failed (CWE-755)
          spawn 's1': failed; its rollback was tried and failed, too
          about     's1'
          owed      roll back spawn 's1' (Driver.cleanup)
          done      rollback raised ValueError: stuck (event 2), rollback raised ValueError: stuck (event 3)
          here      the scope ended normally
          failed    app.py:15 in <module> (MainThread)
          history   1 failed by Driver.spawn at app.py:15 in <module> [MainThread]: RuntimeError: no host
                    2 rollback raised by Driver.cleanup at app.py:20 in <module> [MainThread]: ValueError: stuck
                    3 rollback raised by Driver.cleanup at app.py:20 in <module> [MainThread]: ValueError: stuck
          fix       Mend the rollback, or try it again until it returns. One that can find nothing left to do \
                    should return, not raise.
          or allow  scope.allow(spawn, 's1', rule='LG202', why=…)

        watched spawn: 1 failed
        """,
        """
        spawning = Rollback("spawn")

        class Driver:
            @on_failure(spawning, key="server_id", about="server_id")
            def spawn(self, server_id):
                raise RuntimeError("no host")
            @rolls_back(spawning, key="server_id")
            def cleanup(self, server_id):
                raise ValueError("stuck")

        driver = Driver()
        with scope("night", on_violation="record") as watched:
            try:
                driver.spawn("s1")
            except RuntimeError:
                pass
            for _ in range(2):
                try:
                    driver.cleanup("s1")
                except ValueError:
                    pass
        """,
    )


def test_a_rollback_out_of_order() -> None:
    """A step is not said to be acquired, and what was still owed stands with it."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG206 rollback out of order (CWE-696)
          task 'first': rolled back before a later step
          owed      roll back task 'first' (Task.undo)
          done      rolled back (event 4)
          here      at the end of Task.undo, called at app.py:23 in <module>
          completed app.py:14 in steps (MainThread)
          history   2 completed by Task.run at app.py:14 in steps [MainThread]: a step of a call that failed later
                    4 rolled back by Task.undo at app.py:23 in <module> [MainThread]
          with it   task 'second' (owed), from app.py:15 in steps
          fix       Roll back the last step first, and try each one even when another raised: collect the \
                    exceptions and raise them at the end.
          or allow  scope.allow(task, 'first', rule='LG206', why=…)

        watched task: 1 failed, 3 rolled back
        """,
        """
        task = Rollback("task", order="lifo")

        class Task:
            @on_failure(task, key="name")
            def run(self, name, inside=None):
                if inside: inside()
            @rolls_back(task, key="name")
            def undo(self, name): pass

        tasks = Task()

        def steps():
            tasks.run("first")
            tasks.run("second")
            raise RuntimeError("too late")

        with scope("night", on_violation="record") as watched:
            try:
                tasks.run("all", steps)
            except RuntimeError:
                pass
            tasks.undo("first")
            tasks.undo("second")
            tasks.undo("all")
        """,
    )


def test_an_acquire_in_doubt() -> None:
    """An acquire that failed was tried, not made."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG205 in doubt (CWE-754)
          image 'img-1': in doubt: its acquire failed, and nobody checked whether it took effect
          owed      find out whether image 'img-1' exists, and release it (Images.delete)
          done      nothing
          here      the scope ended normally
          tried     app.py:4 in <module> (MainThread)
          history   1 acquire raised, in doubt by Images.create at app.py:4 in <module> [MainThread]: TimeoutError: \
                    no answer
          fix       After the failure release it (with `gone=NotFound` on the release) or look it up with a \
                    function that `@uses` the kind and names `gone=`.
          or allow  scope.allow(image, 'img-1', rule='LG205', why=…)

        contracts that saw no call: Images.delete, Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            try:
                images.create("img-1", TimeoutError("no answer"))
            except TimeoutError:
                pass
        """,
    )


def test_a_call_that_was_not_atomic() -> None:
    """Two things from one line are one block; the exception is shown where it was raised."""
    expect_report(
        r"""
        2 violations in scope 'night', which ended normally

        LG204 not atomic (CWE-460)
          2 times image: left behind by Service.boot, which raised (KeyError: 'flavor'); still open at the end
          keys      'a', 'b'
          owed      release each image (Images.delete)
          done      nothing
          here      at the end of Service.boot, called at app.py:11 in <module>, which raised KeyError: 'flavor' at \
                    app.py:7 in Service.boot
          acquired  app.py:6 in Service.boot (MainThread)
          history   of 'a', like those of the other 1:
                    1 acquired by Images.create at app.py:6 in Service.boot [MainThread]
          also      LG101 still held when the scope ended
          fix       Settle inside the call before the exception leaves it.
          or allow  scope.allow(image, rule='LG204', why=…)

        watched image: 2 acquired
        contracts that saw no call: Images.delete, Images.show
        """,
        """
        class Service:
            @atomic
            def boot(self):
                for name in ("a", "b"):
                    images.create(name)
                raise KeyError("flavor")

        with scope("night", on_violation="record") as watched:
            try:
                Service().boot()
            except KeyError:
                pass
        """,
    )


def test_a_deadline_missed() -> None:
    """What was said at the call stays the finding; that it was paid later is added."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG111 overdue (CWE-459)
          image 'img-1': still open when Service.probe, which settles it, returned; released later, as event 3
          owed      release image 'img-1' once (Images.delete)
          done      released (event 3)
          here      at the end of Service.probe, called at app.py:8 in <module>
          acquired  app.py:5 in Service.probe (MainThread)
          history   1 acquired by Images.create at app.py:5 in Service.probe [MainThread]
                    3 released by Images.delete at app.py:9 in <module> [MainThread]
          fix       Pay before the call returns. Where later is soon enough, take `@settles` away and let the scope \
                    judge.
          or allow  scope.allow(image, 'img-1', rule='LG111', why=…)

        watched image: 1 acquired, 1 released
        contracts that saw no call: Images.show
        """,
        """
        class Service:
            @settles(image)
            def probe(self):
                images.create("img-1")

        with scope("night", on_violation="record") as watched:
            Service().probe()
            images.delete("img-1")
        """,
    )
