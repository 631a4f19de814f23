"""Where something happened: the line of the caller; of what an event loop ran, the task, not the line that runs the loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field

import trio
from findings import watching

from lifeguard import Resource, acquires
from lifeguard.scopes import Scope

image = Resource("image")


@acquires(image, key="name")
def make(name: str) -> str:
    """Acquire."""
    return name


@acquires(image, key="name")
async def make_async(name: str) -> str:
    """Acquire, awaited."""
    return name


def acquired(watched: Scope) -> dict[object, tuple[str | None, str]]:
    """For each leak the function that the place is in, and the actor."""
    assert watched.verdict is not None
    return {
        one.key: (one.acquired.function.rpartition(".")[2] if one.acquired else None, one.history[0].actor)
        for one in watched.verdict.violations
    }


def test_what_asyncio_runs_has_no_line_but_a_task() -> None:
    """A coroutine that is awaited stands at its `await`; one that was made a task, or a callback, was called by nobody's line."""

    async def main() -> Scope:
        with watching() as watched:
            await make_async("awaited")
            task = asyncio.create_task(make_async("a task"), name="maker")
            asyncio.get_running_loop().call_soon(make, "a callback")
            await task
        return watched

    places = acquired(asyncio.run(main()))
    assert "main" == places["awaited"][0]
    assert (None, "task maker") == places["a task"]
    assert None is places["a callback"][0]


def test_what_trio_runs_has_no_line_but_a_task() -> None:
    """The same for a nursery; nothing of trio's own is ever named."""

    async def main() -> Scope:
        with watching() as watched:
            await make_async("awaited")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(make_async, "a task", name="maker")
        return watched

    places = acquired(trio.run(main))
    assert "main" == places["awaited"][0]
    assert (None, "task maker") == places["a task"]


def test_the_report_names_the_task() -> None:
    """Where there is no line, the report says who did it, and equal leaks of one function are still grouped."""

    async def main() -> Scope:
        with watching() as watched:
            await asyncio.gather(make_async("a"), make_async("b"))
        return watched

    report = asyncio.run(main()).report()
    assert 1 == report.count("LG101 leaked")
    assert "2 times image: still held when the scope ended" in report
    assert "  acquired  in task Task-" in report


def test_a_data_class_hides_the_init_that_was_written_for_it() -> None:
    """What a default factory acquires stands at the line that made the object."""

    @dataclass
    class Server:
        image: str = field(default_factory=lambda: "")
        made: str = field(default_factory=lambda: make("a"))

    def boot() -> Server:
        return Server()

    with watching() as watched:
        boot()
    assert "<lambda>" == acquired(watched)["a"][0]


def test_python_c_has_lines() -> None:
    """A program given on the command line is the user's own, though its file has no name."""
    program = (
        "from lifeguard import *; image = Resource('image')\n"
        "make = acquires(image, key='name')(lambda name: name)\n"
        "with scope('s', on_violation='record') as watched:\n"
        "    make('a')\n"
        "print(watched.violations[0].acquired)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "<string>:4 in <module>\n" == done.stdout


def test_an_object_that_is_its_own_key_is_shown_as_it_is_when_it_is_made() -> None:
    """`key="self"` on `__init__` is read after it: the repr of a half-made object is never called."""

    class Box:
        name = "closed"

        @acquires(image, key="self")
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            assert "closed" != self.name
            return f"<Box {self.name}>"

    class Slot(Box):
        @acquires(image, key="name, self")
        def __init__(self, name: str) -> None:
            self.name = name

    with watching() as watched:
        box = Box("two")
        slot = Slot("three")
    assert watched.verdict is not None
    assert ["<Box two>", "('three', <Box three>)"] == [one.key_text for one in watched.verdict.violations]
    assert ("two", "three") == (box.name, slot.name)
