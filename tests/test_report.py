"""The report of what was left, compared whole: what a stranger reads who has never seen the code."""

from __future__ import annotations

from programs import expect_report


def test_one_leak() -> None:
    """The simplest one: every line that the design asks for, in its order."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'img-1': still held when the scope ended
          owed      release image 'img-1' (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:3 in work (MainThread)
          history   1 acquired by Images.create at app.py:3 in work [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 'img-1', rule='LG101', why=…)

        watched image: 1 acquired
        contracts that saw no call: Images.delete, Images.show
        """,
        """
        def work():
            images.create("img-1")

        with scope("night", on_violation="record") as watched:
            work()
        """,
    )


def test_a_leak_on_error() -> None:
    """The exception that left the scope is named; the release that failed is what was done."""
    expect_report(
        r"""
        1 violation in scope 'night', which was left by RuntimeError: no space

        LG102 leaked on error (CWE-460)
          image 'img-1': still held when the scope was left by RuntimeError: no space
          owed      release image 'img-1' (Images.delete)
          done      release raised OSError: busy (event 2)
          here      the scope was left by RuntimeError: no space, raised at app.py:10 in <module>
          acquired  app.py:5 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:5 in <module> [MainThread]
                    2 release raised by Images.delete at app.py:7 in <module> [MainThread]: OSError: busy
          fix       Release it where the exception passes (`try`/`finally`, a context manager, \
                    `contextlib.ExitStack`).
          or allow  scope.allow(image, 'img-1', rule='LG102', why=…)

        watched image: 1 acquired
        contracts that saw no call: Images.show
        """,
        """
        watched = scope("night", on_violation="record")
        try:
            with watched:
                images.create("img-1")
                try:
                    images.delete("img-1", OSError("busy"))
                except OSError:
                    pass
                raise RuntimeError("no space")
        except RuntimeError:
            pass
        """,
    )


def test_grouped_leaks() -> None:
    """Seven equal leaks from one line are one block; keys and allowance speak of all of them."""
    expect_report(
        r"""
        7 violations in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          7 times image: still held when the scope ended
          keys      0, 1, 2, 3, 4 and 2 more (scope.violations has all)
          owed      release each image (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:4 in <module> (MainThread)
          history   of 0, like those of the other 6:
                    1 acquired by Images.create at app.py:4 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, rule='LG101', why=…)

        watched image: 7 acquired
        contracts that saw no call: Images.delete, Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            for number in range(7):
                images.create(number)
        """,
    )


def test_a_handed_over_kind() -> None:
    """Who may release and who may take it are named apart."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'img-1': still held when the scope ended
          owed      release image 'img-1' (Images.delete), or hand it over (Store.publish)
          done      nothing
          here      the scope ended normally
          acquired  app.py:7 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:7 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 'img-1', rule='LG101', why=…)

        watched image: 1 acquired
        contracts that saw no call: Images.delete, Images.show, Store.publish
        """,
        """
        class Store:
            @transfers(image, key="image_id", to=OUTSIDE)
            def publish(self, image_id): pass

        with scope("night", on_violation="record") as watched:
            images.create("img-1")
        """,
    )


def test_children() -> None:
    """What belongs to a leak stands below it, and is not a finding of its own."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          network 'blue': still held when the scope ended
          owed      release network 'blue' (Networks.drop)
          done      nothing
          here      the scope ended normally
          acquired  app.py:17 in <module> (MainThread)
          history   1 acquired by Networks.make at app.py:17 in <module> [MainThread]
          with it   image 'img-1' (held), from app.py:19 in <module>
                    port 'p1' (held), from app.py:18 in <module>
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(network, 'blue', rule='LG101', why=…)

        watched image: 1 acquired, 1 handed over
        watched network: 1 acquired
        watched port: 1 acquired
        contracts that saw no call: Images.delete, Images.show, Networks.drop
        """,
        """
        network = Resource("network")
        port = Resource("port", within=network)

        class Networks:
            @acquires(network, key="name")
            def make(self, name): pass
            @acquires(port, key="name", within="network_name")
            def plug(self, name, network_name): pass
            @releases(network, key="name")
            def drop(self, name): pass
            @transfers(image, key="image_id", to=(network, "name"))
            def boot(self, image_id, name): pass

        networks = Networks()
        with scope("night", on_violation="record") as watched:
            networks.make("blue")
            networks.plug("p1", "blue")
            images.create("img-1")
            networks.boot("img-1", "blue")
        """,
    )


def test_a_part_that_goes_with_its_parent() -> None:
    """Where nothing releases a kind but its parent does, that is who may pay."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          port 'p1': still held when the scope ended
          owed      release network 'blue', which takes it along (Networks.drop)
          done      nothing
          here      the scope ended normally
          acquired  app.py:17 in <module> (MainThread)
          history   2 acquired by Networks.plug at app.py:17 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(port, 'p1', rule='LG101', why=…)

        watched network: 1 acquired
        watched port: 1 acquired
        allowed LG101 network 'blue': networks stay
        contracts that saw no call: Networks.drop
        """,
        """
        network = Resource("network")
        port = Resource("port", within=network, cascade=True)

        class Networks:
            @acquires(network, key="name")
            def make(self, name): pass
            @acquires(port, key="name", within="network_name")
            def plug(self, name, network_name): pass
            @releases(network, key="name")
            def drop(self, name): pass

        networks = Networks()
        with scope("night", on_violation="record") as watched:
            watched.allow(network, why="networks stay")
            networks.make("blue")
            networks.plug("p1", "blue")
        """,
    )


def test_parts_still_due() -> None:
    """Only the release that is missing is named."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG110 partly released (CWE-459)
          process 17: released only in part: stop done, close still due
          owed      release process 17: close (Processes.close)
          done      released part 'stop' (event 2)
          here      the scope ended normally
          acquired  app.py:14 in <module> (MainThread)
          history   1 acquired by Processes.start at app.py:14 in <module> [MainThread]
                    2 released by Processes.stop at app.py:15 in <module> [MainThread]: part 'stop'
          fix       Call the releases that are still missing, also when an earlier one of them raises. The report \
                    names the parts that are owed.
          or allow  scope.allow(process, 17, rule='LG110', why=…)

        watched process: 1 acquired, 1 released
        contracts that saw no call: Processes.close
        """,
        """
        process = Resource("process", needs=all_of("stop", "close"))

        class Processes:
            @acquires(process, key="pid")
            def start(self, pid): pass
            @releases(process, key="pid", part="stop")
            def stop(self, pid): pass
            @releases(process, key="pid", part="close")
            def close(self, pid): pass

        processes = Processes()
        with scope("night", on_violation="record") as watched:
            processes.start(17)
            processes.stop(17)
        """,
    )


def test_a_hint_of_another_type() -> None:
    """A key that differs only by its type is the likely cause, and is told."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 1: still held when the scope ended
          owed      release image 1 (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:3 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:3 in <module> [MainThread]
          hint      the key '1' (a str), which was never acquired, was released or used: this one is an int
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 1, rule='LG101', why=…)

        watched image: 1 acquired, 1 unmatched: never seen acquired
        contracts that saw no call: Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            images.create(1)
            images.delete("1")
        """,
    )


def test_a_cut_history() -> None:
    """What is left out of a history is counted."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'img-1': still held when the scope ended
          owed      release image 'img-1' (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:3 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:3 in <module> [MainThread]
                    2 used by Images.show at app.py:5 in <module> [MainThread]
                    … 2 events left out: a history keeps its first 2 and last 6
                    5 used by Images.show at app.py:5 in <module> [MainThread]
                    6 used by Images.show at app.py:5 in <module> [MainThread]
                    7 used by Images.show at app.py:5 in <module> [MainThread]
                    8 used by Images.show at app.py:5 in <module> [MainThread]
                    9 used by Images.show at app.py:5 in <module> [MainThread]
                    10 used by Images.show at app.py:5 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 'img-1', rule='LG101', why=…)

        watched image: 1 acquired, 9 used
        contracts that saw no call: Images.delete
        """,
        """
        with scope("night", on_violation="record") as watched:
            images.create("img-1")
            for _ in range(9):
                images.show("img-1")
        """,
    )


def test_a_long_key() -> None:
    """A key that is too long is cut, and says so."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                    xxxxxxx'…(+194 more): still held when the scope ended
          owed      release image \
                    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                    xxxxxxxxxxx'…(+194 more) (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:3 in <module> (MainThread)
          history   1 acquired by hand at app.py:3 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, …, rule='LG101', why=…)

        watched image: 1 acquired
        contracts that saw no call: Images.create, Images.delete, Images.show
        """,
        """
        with scope("night", on_violation="record") as watched:
            watched.acquired(image, "x" * 300)
        """,
    )


def test_a_fake_and_its_service() -> None:
    """Of a service and its fakes the one is named where the contract is written."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'img-1': still held when the scope ended
          owed      release image 'img-1' (Images.delete)
          done      nothing
          here      the scope ended normally
          acquired  app.py:9 in <module> (MainThread)
          history   1 acquired by Fake.create at app.py:9 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 'img-1', rule='LG101', why=…)

        watched image: 1 acquired
        contracts that saw no call: Fake.delete, Fake.show
        """,
        """
        class Fake:
            def create(self, image_id, error=None): pass
            def show(self, image_id): pass
            def delete(self, image_id, error=None): pass
        implements(Images)(Fake)

        with scope("night", on_violation="record") as watched:
            Fake().create("img-1")
        """,
    )


def test_a_stand_in() -> None:
    """Of a stand-in the function that it stands for is named."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          server 's1': still held when the scope ended
          owed      release server 's1' (Cloud.drop)
          done      nothing
          here      the scope ended normally
          acquired  app.py:15 in <module> (MainThread)
          history   1 acquired by Cloud.make at app.py:15 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(server, 's1', rule='LG101', why=…)

        watched server: 1 acquired
        """,
        """
        class Cloud:
            def make(self, name): pass
            def drop(self, name): pass
        server = Resource("server")

        @contracts_for(Cloud)
        class CloudContracts:
            @acquires(server, key="name")
            def make(self, name): pass
            @releases(server, key="name")
            def drop(self, name): pass

        with scope("night", on_violation="record") as watched, CloudContracts.applied():
            Cloud().make("s1")
        """,
    )


def test_no_payer() -> None:
    """A kind that nothing can pay says so."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          file lock '/etc/passwd': still held when the scope ended
          owed      release file lock '/etc/passwd' (no contract names a function that does)
          done      nothing
          here      the scope ended normally
          acquired  app.py:8 in <module> (MainThread)
          history   1 acquired by take at app.py:8 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(file_lock, '/etc/passwd', rule='LG101', why=…)

        watched file lock: 1 acquired
        """,
        """
        lock = Resource("file lock")

        @acquires(lock, key="path")
        def take(path): pass

        with scope("night", on_violation="record") as watched:
            take("/etc/passwd")
        """,
    )


def test_subjects() -> None:
    """What an obligation is about stands below it."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          port host='h1' number=80: still held when the scope ended
          about     server 's1', 'demo'
          owed      release port host='h1' number=80 (no contract names a function that does)
          done      nothing
          here      the scope ended normally
          acquired  app.py:9 in <module> (MainThread)
          history   1 acquired by bind at app.py:9 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(port, ('h1', 80), rule='LG101', why=…)

        watched port: 1 acquired
        """,
        """
        server = Resource("server")
        port = Resource("port", fields=("host", "number"))

        @acquires(port, key="host, number", about=[(server, "owner"), "project"])
        def bind(host, number, owner, project): pass

        with scope("night", on_violation="record") as watched:
            bind("h1", 80, "s1", "demo")
        """,
    )


def test_many_payers() -> None:
    """Four payers are named, and how many more there are."""
    expect_report(
        r"""
        1 violation in scope 'night', which ended normally

        LG101 leaked (CWE-772)
          image 'img-1': still held when the scope ended
          owed      release image 'img-1' (Images.delete, drop_0, drop_1, drop_2 and 2 more)
          done      nothing
          here      the scope ended normally
          acquired  app.py:9 in <module> (MainThread)
          history   1 acquired by Images.create at app.py:9 in <module> [MainThread]
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(image, 'img-1', rule='LG101', why=…)

        watched image: 1 acquired
        contracts that saw no call: Images.delete, Images.show, drop_0, drop_1, drop_2, drop_3, drop_4
        """,
        """
        def make(number):
            def function(image_id): pass
            function.__qualname__ = f"drop_{number}"
            return releases(image, key="image_id")(function)

        drops = [make(number) for number in range(5)]
        with scope("night", on_violation="record", only=[image]) as watched:
            images.create("img-1")
        """,
    )


def test_amounts_and_counts() -> None:
    """How much, or how many times, is still owed."""
    expect_report(
        r"""
        2 violations in scope 'night', which ended normally

        LG110 partly released (CWE-459)
          vcpus 'h1': released only in part: 3 still held
          owed      release vcpus 'h1': 3 of it (Host.free)
          done      released 1 of 4 (event 2)
          here      the scope ended normally
          acquired  app.py:17 in <module> (MainThread)
          history   1 acquired by Host.claim at app.py:17 in <module> [MainThread]
                    2 released by Host.free at app.py:18 in <module> [MainThread]: 1 of 4
          fix       Call the releases that are still missing, also when an earlier one of them raises. The report \
                    names the parts that are owed.
          or allow  scope.allow(vcpus, 'h1', rule='LG110', why=…)

        LG101 leaked (CWE-772)
          lock 'a': still held when the scope ended
          owed      release lock 'a' 2 times (Host.give)
          done      nothing
          here      the scope ended normally
          acquired  app.py:19 in <module> (MainThread)
          history   3 acquired by Host.take at app.py:19 in <module> [MainThread]
                    4 acquired by Host.take at app.py:20 in <module> [MainThread]: 2 times now
          fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that \
                    ends the scope.
          or allow  scope.allow(lock, 'a', rule='LG101', why=…)

        watched lock: 2 acquired
        watched vcpus: 1 acquired, 1 released
        contracts that saw no call: Host.give
        """,
        """
        cpus = Resource("vcpus")
        lock = Resource("lock", again="count")

        class Host:
            @acquires(cpus, key="host", amount="many")
            def claim(self, host, many): pass
            @releases(cpus, key="host", amount="many")
            def free(self, host, many): pass
            @acquires(lock, key="name")
            def take(self, name): pass
            @releases(lock, key="name")
            def give(self, name): pass

        host = Host()
        with scope("night", on_violation="record") as watched:
            host.claim("h1", 4)
            host.free("h1", 1)
            host.take("a")
            host.take("a")
        """,
    )
