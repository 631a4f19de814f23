"""deal: what a function is declared to raise, and broken conditions reported with the scope (LG301)."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import deal
from deal import introspection
from deal._runtime import _contracts, _dispatch, _invariant, _validators

from lifeguard.data import GENERATED
from lifeguard.errors import UsageError
from lifeguard.integrations.conditions import Hooks, tell
from lifeguard.keys import problem_text
from lifeguard.places import is_plumbing
from lifeguard.predicates import listening

_BROKEN: Final = "__lifeguard_broken__"
"""On an exception: by which validator of deal it was made, until it was told; then that it was."""

Errors = tuple[type[BaseException], ...]


# -- what a function is declared to raise ---------------------------------------------------------------------------------


def declared_failures(function: Callable[..., object]) -> Errors | None:
    """The exceptions that a function is declared to raise, by `deal.raises`, `deal.safe` and `deal.reason`.

    Args:
        function: the function as callers see it, with its decorators, ours among them in any order.

    Returns:
        the exceptions, each once, those of `raises` first; () where it is declared to raise none (`deal.safe`); None
        where nothing is declared. They are to be matched with `isinstance`; deal itself compares the very class.
    """
    return _declared(introspection.get_contracts(function))


def _declared(contracts: Iterator[Any]) -> Errors | None:
    raises: list[type[BaseException]] = []
    reasons: list[type[BaseException]] = []
    known = False
    for one in contracts:
        if isinstance(one, introspection.Raises):
            known = True
            raises += one.exceptions
        elif isinstance(one, introspection.Reason):
            known = True
            reasons.append(one.event)
    return tuple(dict.fromkeys((*raises, *reasons))) if known else None


def failures_of_call(error: BaseException) -> Errors | None:
    """Which exceptions are declared failures of the watched call that is just ending with one.

    Read from the frames of the running call: deal's decorators may stand below our wrapper or above it.

    Args:
        error: the exception.

    Returns:
        what `deal.raises` declares, with what `deal.reason` adds; None where `raises` declares nothing (`deal.safe`,
        too: what it raises all the same is a failure), or where our wrapper does not run.
    """
    found: list[Any] = []
    frame = _wrapper_frame(sys._getframe(1))
    if frame is None:
        return None
    found += introspection.get_contracts(frame.f_locals["lg_f"])
    above = frame.f_back
    while above is not None and is_plumbing(above.f_code.co_filename):
        owner = above.f_locals.get("self")
        if isinstance(owner, _contracts.Contracts):
            found += introspection.get_contracts(owner.wrapped)
            break
        above = above.f_back
    declared = [one for one in found if isinstance(one, introspection.Raises)]
    if not any(one.exceptions for one in declared):
        return None
    return _declared(iter(found))


def _wrapper_frame(frame: FrameType | None) -> FrameType | None:
    """The frame of our wrapper that runs innermost."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(GENERATED) and "lg_f" in frame.f_locals:
            return frame
        if not is_plumbing(frame.f_code.co_filename):
            return None
        frame = frame.f_back
    return None


# -- broken conditions ----------------------------------------------------------------------------------------------------


def install() -> Hooks:
    """Put the hooks in place.

    Raises:
        UsageError: this version of deal has no such place.
    """
    places: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (_validators.Validator, "_exception", _made),
        (_contracts.Contracts, "_run_sync", _sync),
        (_contracts.Contracts, "_run_async", _async),
        (_contracts.Contracts, "_run_iter", _iter),
        (_invariant.InvariantedClass, "_deal_validate", _invariants),
    )
    missing = [f"{owner.__name__}.{name}" for owner, name, _ in places if name not in vars(owner)]
    if missing:
        version = deal.__version__
        raise UsageError.at_caller(f"conditions of deal {version} cannot be seen: it has no {', '.join(missing)}")
    hooks = Hooks()
    for owner, name, make in places:
        hooks.put(owner, name, make(vars(owner)[name], hooks))
    return hooks


def _made(real: Callable[..., Exception], hooks: Hooks) -> Callable[..., Exception]:
    def _exception(self: Any, *args: Any, **kwargs: Any) -> Exception:
        error = real(self, *args, **kwargs)
        if not hooks.idle:
            error.__dict__[_BROKEN] = self
        return error

    return _exception


def _sync(real: Callable[..., Any], hooks: Hooks) -> Callable[..., Any]:
    def _run_sync(self: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        if hooks.idle:
            return real(self, args, kwargs)
        with listening() as asked:
            try:
                return real(self, args, kwargs)
            except BaseException as error:
                _tell(self, error, asked, args, kwargs)
                raise

    return _run_sync


def _async(real: Callable[..., Any], hooks: Hooks) -> Callable[..., Any]:
    async def _run_async(self: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        if hooks.idle:
            return await real(self, args, kwargs)
        with listening() as asked:
            try:
                return await real(self, args, kwargs)
            except BaseException as error:
                _tell(self, error, asked, args, kwargs)
                raise

    return _run_async


def _iter(real: Callable[..., Any], hooks: Hooks) -> Callable[..., Any]:
    def _run_iter(self: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            yield from real(self, args, kwargs)
        except BaseException as error:
            _tell(self, error, (), args, kwargs)
            raise

    return _run_iter


def _invariants(real: Callable[..., None], hooks: Hooks) -> Callable[..., None]:
    def _deal_validate(self: Any) -> None:
        __tracebackhide__ = True
        if hooks.idle:
            return real(self)
        with listening() as asked:
            try:
                return real(self)
            except BaseException as error:
                if isinstance(error.__dict__.get(_BROKEN), _validators.Validator):
                    error.__dict__[_BROKEN] = True
                    name = type(self).__qualname__.removesuffix("Invarianted")
                    text = functools.partial(_text, error)
                    tell("deal", "deal.inv", text, name=name, asked=asked, arguments={"self": self})
                raise

    return _deal_validate


def _tell(contracts: Any, error: BaseException, asked: Any, args: Any, kwargs: Any) -> None:
    """Tell an exception that says that a condition of this very function broke, once."""
    __tracebackhide__ = True
    made_by = error.__dict__.get(_BROKEN)
    if made_by is True or (made_by is None and not isinstance(error, deal.MarkerError)):
        return
    if isinstance(error, deal.PreContractError) and _is_asked(sys._getframe(2)):
        return
    error.__dict__[_BROKEN] = True

    def text() -> str:
        if made_by in contracts.raises:
            return f"it raised {problem_text(error.__context__) if error.__context__ is not None else 'something else'}"
        return _text(error)

    arguments: dict[str, object] = dict(kwargs)
    with suppress(Exception):
        bound = inspect.signature(contracts.func).bind_partial(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
    tell("deal", _what(contracts, made_by), text, function=contracts.func, asked=asked, arguments=arguments)


def _what(contracts: Any, made_by: Any) -> str:
    """Which of deal's decorators it was, as it is written."""
    if made_by in contracts.raises:
        names = ", ".join(one.__name__ for one in made_by.exceptions)
        return f"deal.raises({names})" if names else "deal.safe"
    for name in ("pre", "post", "ensure", "reason"):
        if made_by in getattr(contracts, f"{name}s"):
            return f"deal.{name}"
    return "deal.has"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__ if isinstance(error, deal.ContractError) else problem_text(error)


def _is_asked(frame: FrameType | None) -> bool:
    """Whether deal itself tries a precondition: `dispatch` to choose a function, `cases` to choose arguments."""
    above = frame.f_back if frame is not None else None
    return above is not None and above.f_code in _ASKING


_ASKING: Final = (_dispatch.Dispatch.__call__.__code__, deal.TestCase.__call__.__code__)
