"""icontract: broken conditions are reported with the scope (LG301).

What conditions may ask of the ledger is in `lifeguard` itself: `held`, `released`, `owner_of`, `outstanding`, `watched`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

import icontract
import icontract._checkers as checkers

from lifeguard.errors import UsageError
from lifeguard.integrations.conditions import Hooks, tell
from lifeguard.predicates import listening


def install() -> Hooks:
    """Put the hooks in place.

    Raises:
        UsageError: this version of icontract has no such place.
    """
    missing = [name for name in _HOOKED if not callable(getattr(checkers, name, None))]
    if missing:
        version = getattr(icontract, "__version__", "of this version")
        raise UsageError.at_caller(f"conditions of icontract {version} cannot be seen: it has no {', '.join(missing)}")
    hooks = Hooks()
    for name, make in _HOOKED.items():
        hooks.put(checkers, name, make(getattr(checkers, name), name.split("_")[2].removesuffix("s"), hooks))
    return hooks


def _sync(real: Callable[..., BaseException | None], what: str, hooks: Hooks) -> Callable[..., BaseException | None]:
    def check(conditions: Any, resolved_kwargs: Mapping[str, object], *rest: Any, **named: Any) -> BaseException | None:
        __tracebackhide__ = True
        if hooks.idle:
            return real(conditions, resolved_kwargs, *rest, **named)
        with listening() as asked:
            error = real(conditions, resolved_kwargs, *rest, **named)
        if error is not None:
            _tell(what, error, asked, resolved_kwargs, sys._getframe(1))
        return error

    return _by_any_name(check)


def _async(real: Callable[..., Any], what: str, hooks: Hooks) -> Callable[..., Any]:
    async def check(conditions: Any, resolved_kwargs: Mapping[str, object], *rest: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        if hooks.idle:
            return await real(conditions, resolved_kwargs, *rest, **named)
        with listening() as asked:
            error = await real(conditions, resolved_kwargs, *rest, **named)
        if error is not None:
            _tell(what, error, asked, resolved_kwargs, sys._getframe(1))
        return error

    return _by_any_name(check)


def _by_any_name(check: Callable[..., Any]) -> Callable[..., Any]:
    """Let the first argument be given under each of its names."""

    def named(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        for name in ("preconditions", "postconditions"):
            if name in kwargs:
                return check(kwargs.pop(name), *args, **kwargs)
        return check(*args, **kwargs)

    return named


def _invariant(real: Callable[..., None], what: str, hooks: Hooks) -> Callable[..., None]:
    def check(contract: Any, instance: object) -> None:
        __tracebackhide__ = True
        if hooks.idle:
            return real(contract, instance)
        with listening() as asked:
            try:
                return real(contract, instance)
            except BaseException as error:
                if _is_violation(error, contract):
                    _tell(what, error, asked, {"self": instance}, sys._getframe(1))
                raise

    return check


def _is_violation(error: BaseException, contract: Any) -> bool:
    """Whether an exception says that an invariant does not hold, and not that it could not be asked."""
    wanted = contract.error
    if wanted is None:
        return isinstance(error, icontract.ViolationError)
    if isinstance(wanted, BaseException):
        return error is wanted
    if isinstance(wanted, type):
        return type(error) is wanted
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    return innermost is not None and innermost.tb_frame.f_code.co_name == "_assert_invariant"


def _tell(what: str, error: BaseException, asked: Any, arguments: Mapping[str, object], frame: FrameType) -> None:
    __tracebackhide__ = True
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    function = frame.f_locals.get("func") or frame.f_locals.get("new_func")
    name = f"{type(arguments['self']).__qualname__}" if what == "invariant" and function is None else ""

    def text() -> str:
        return str(error) if type(error) is icontract.ViolationError else f"{type(error).__name__}: {error}"

    tell("icontract", f"icontract {what}", text, function=function, name=name, asked=asked, arguments=arguments)


_HOOKED: Final[Mapping[str, Callable[..., Any]]] = {
    "_assert_preconditions": _sync,
    "_assert_preconditions_async": _async,
    "_assert_postconditions": _sync,
    "_assert_postconditions_async": _async,
    "_assert_invariant": _invariant,
}
"""Through these every condition goes. What they give back is a violation for certain: a group of preconditions that an
override weakens makes an exception, too, and throws it away.
"""
