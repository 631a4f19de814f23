"""The contenders: one service under different wrappers; and the proof that each of them does its work."""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Callable
from typing import Any

import lifeguard
from lifeguard import Resource, acquires, releases, scope

Decorator = Callable[[Any], Any]

image = Resource("image")


class NotAtWork(Exception):
    """A contender that does not do what it is measured for."""


def leave(function: Any) -> Any:
    """No decorator at all."""
    return function


def do_nothing(function: Any) -> Any:
    """The unit of all ratios: what a decorator costs that does nothing."""
    return functools.wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))  # noqa: PLW0108


def do_nothing_async(function: Any) -> Any:
    """The same for coroutine functions."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


def service(create: Decorator = leave, delete: Decorator = leave) -> Any:
    """A service whose two methods are decorated so."""

    class ImageService:
        @create
        def create_image(self, name: str, size: int = 1) -> dict[str, str]:
            return {"id": name}

        @delete
        def delete_image(self, image_id: str) -> None:
            return None

    return ImageService()


def async_service(create: Decorator = leave, delete: Decorator = leave) -> Any:
    """The same with coroutine functions."""

    class ImageService:
        @create
        async def create_image(self, name: str, size: int = 1) -> dict[str, str]:
            return {"id": name}

        @delete
        async def delete_image(self, image_id: str) -> None:
            return None

    return ImageService()


def wrong_service(create: Decorator = leave, delete: Decorator = leave) -> Any:
    """A service that answers wrongly, to see whether a check of results is at work."""

    class ImageService:
        @create
        def create_image(self, name: str, size: int = 1) -> dict[str, str]:
            return []  # type: ignore[return-value]

        @delete
        def delete_image(self, image_id: str) -> None:
            return 1  # type: ignore[return-value]

    return ImageService()


OURS: tuple[Decorator, Decorator] = (acquires(image, key="result['id']"), releases(image, key="image_id"))
ABOUT: Decorator = acquires(image, key="result['id']", about="size")


def rivals() -> dict[str, tuple[Decorator, Decorator]]:
    """The decorators of every rival that is installed, by name."""
    found: dict[str, tuple[Decorator, Decorator]] = {}
    for name, make in _RIVALS.items():
        try:
            found[name] = make()
        except ModuleNotFoundError as missing:
            if missing.name != name.split()[0]:
                raise
    return found


def _stack(*decorators: Decorator) -> Decorator:
    def decorate(function: Any) -> Any:
        for one in reversed(decorators):
            function = one(function)
        return function

    return decorate


def _icontract() -> tuple[Decorator, Decorator]:
    icontract = importlib.import_module("icontract")
    return (
        _stack(
            icontract.require(lambda name: isinstance(name, str)),
            icontract.ensure(lambda result: "id" in result),
        ),
        _stack(
            icontract.require(lambda image_id: isinstance(image_id, str)),
            icontract.ensure(lambda result: result is None),
        ),
    )


def _deal() -> tuple[Decorator, Decorator]:
    deal = importlib.import_module("deal")
    return (
        _stack(
            deal.pre(lambda self, name, size=1: isinstance(name, str)),
            deal.post(lambda result: "id" in result),
        ),
        _stack(
            deal.pre(lambda self, image_id: isinstance(image_id, str)),
            deal.post(lambda result: result is None),
        ),
    )


def _deal_short() -> tuple[Decorator, Decorator]:
    deal = importlib.import_module("deal")
    return (
        _stack(deal.pre(lambda _: isinstance(_.name, str)), deal.post(lambda result: "id" in result)),
        _stack(deal.pre(lambda _: isinstance(_.image_id, str)), deal.post(lambda result: result is None)),
    )


def _typeguard() -> tuple[Decorator, Decorator]:
    typechecked = importlib.import_module("typeguard").typechecked
    return typechecked, typechecked


def _beartype() -> tuple[Decorator, Decorator]:
    beartype = importlib.import_module("beartype").beartype
    return beartype, beartype


def _wrapt() -> tuple[Decorator, Decorator]:
    def nothing(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    decorator = importlib.import_module("wrapt").decorator(nothing)
    return decorator, decorator


_RIVALS: dict[str, Callable[[], tuple[Decorator, Decorator]]] = {
    "icontract": _icontract,
    "deal": _deal,
    "deal with _": _deal_short,
    "typeguard": _typeguard,
    "beartype": _beartype,
    "wrapt": _wrapt,
}
CHECKING = frozenset(_RIVALS) - {"wrapt"}
"""Those that check arguments and results; the others pass calls on."""


def prove_all() -> list[str]:
    """See whether every contender does its work.

    Returns:
        who was proved.

    Raises:
        NotAtWork: one does not.
    """
    _prove_do_nothing()
    _prove_ours()
    _prove_ours_async()
    proved = ["do-nothing", "lifeguard"]
    for name, (create, delete) in rivals().items():
        if name in CHECKING:
            _prove_checking(name, create, delete)
        else:
            _expect(hasattr(service(create, delete).create_image, "__wrapped__"), f"{name} wraps nothing")
            _works(name, service(create, delete))
        proved.append(name)
    return proved


def _expect(truth: object, problem: str) -> None:
    if not truth:
        raise NotAtWork(problem)


def _works(name: str, one: Any) -> None:
    _expect(one.create_image("a", size=2) == {"id": "a"}, f"{name}: create_image returns something else")
    _expect(one.delete_image("a") is None, f"{name}: delete_image returns something else")


def _prove_do_nothing() -> None:
    bare, wrapped = service(), service(do_nothing, do_nothing)
    _works("undecorated", bare)
    _works("do-nothing", wrapped)
    _expect(not hasattr(bare.create_image, "__wrapped__"), "undecorated: it is decorated")
    _expect(hasattr(wrapped.create_image, "__wrapped__"), "do-nothing: there is no wrapper")


def _prove_checking(name: str, create: Decorator, delete: Decorator) -> None:
    right, wrong = service(create, delete), wrong_service(create, delete)
    _works(name, right)
    calls: dict[str, Callable[[], object]] = {
        "the argument of create_image": lambda: right.create_image(3),
        "the argument of delete_image": lambda: right.delete_image(3),
        "the result of create_image": lambda: wrong.create_image("a"),
        "the result of delete_image": lambda: wrong.delete_image("a"),
    }
    for what, call in calls.items():
        try:
            call()
        except Exception:
            continue
        raise NotAtWork(f"{name} does not check {what}")


def _line() -> int:
    """The line of the caller."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def _prove_ours() -> None:
    ours = service(*OURS)
    _works("lifeguard without a scope", ours)
    for remember in (1024, 0):
        with scope("proof", remember=remember, on_violation="record") as watched:
            ours.create_image("paid")
            ours.delete_image("paid")
            lines = [_line() + 1]
            ours.create_image("left")
            ours.delete_image("paid")
        found = {one.code: one for one in watched.violations}
        _expect(set(found) == ({"LG101", "LG103"} if remember else {"LG101"}), f"lifeguard found {sorted(found)}")
        leak = found["LG101"]
        _expect(leak.acquired is not None and leak.acquired.file == __file__, f"wrong file: {leak.acquired}")
        _expect(leak.acquired is not None and leak.acquired.line == lines[0], f"wrong line: {leak.acquired}")
        _expect(leak.actor == threading.current_thread().name, f"wrong thread: {leak.actor!r}")
        if remember:
            double = found["LG103"]
            verbs = [(entry.verb, entry.place is not None) for entry in double.history]
            _expect(len(verbs) >= 3 and all(placed for _, placed in verbs), f"history without places: {double.history}")
            numbers = [entry.seq for entry in double.history]
            _expect(numbers == sorted(set(numbers)), f"sequence numbers out of order: {numbers}")
        assert watched.verdict is not None
        counted = watched.verdict.watched["image"]
        _expect((counted.acquired, counted.released) == (2, 2 if remember else 1), f"lifeguard counted {counted}")
    with (
        scope("outer", on_violation="record") as outer,
        scope("inner", reach="process", on_violation="record") as inner,
    ):
        ours.create_image("left")
    _expect(
        (len(inner.violations), len(outer.violations)) == (1, 0), "a nested scope does not hold what is acquired in it"
    )
    with scope("process", reach="process", on_violation="record") as shared:
        thread = threading.Thread(target=ours.create_image, args=("left",))
        thread.start()
        thread.join()
    _expect(
        [one.actor for one in shared.violations] == [thread.name], "another thread's leak is not found, or not its name"
    )


def _prove_ours_async() -> None:
    import asyncio

    ours = async_service(*OURS)

    async def leak() -> Any:
        with scope("proof", on_violation="record") as watched:
            await ours.create_image("paid")
            await ours.delete_image("paid")
            await ours.create_image("left")
        return watched

    watched = asyncio.run(leak())
    _expect([one.code for one in watched.violations] == ["LG101"], "the leak of a coroutine function is not found")
    _expect(watched.violations[0].acquired.file == __file__, "a coroutine's place is wrong")


def which() -> str:
    """Which lifeguard is measured: "compiled" with its C helper, else "pure"."""
    return "compiled" if lifeguard.SPEEDUPS else "pure"
