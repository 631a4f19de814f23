"""What icontract and deal say of a call before it is made: whether it may be made, and what it may raise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any


def declared_by_deal(function: Any) -> tuple[type[BaseException], ...]:
    """The exceptions that `deal.raises` and `deal.reason` declare for a function."""
    if "deal" not in sys.modules:
        return ()
    from lifeguard.integrations.deal import declared_failures

    return declared_failures(function) or ()


def refused(function: Any, arguments: Mapping[str, Any], receiver: str | None, run: Callable[[Any], Any]) -> str:
    """Why the preconditions of icontract and deal forbid a call; "" where they do not.

    Args:
        function: what a caller reaches.
        arguments: every argument by name, the receiver included.
        receiver: the name of the receiver.
        run: runs a coroutine to its end, for conditions that are asynchronous.
    """
    return _refused_by_icontract(function, arguments, run) or _refused_by_deal(function, arguments, receiver)


def _refused_by_icontract(function: Any, arguments: Mapping[str, Any], run: Callable[[Any], Any]) -> str:
    if "icontract" not in sys.modules:
        return ""
    import inspect

    from icontract import _checkers

    checker = _checkers.find_checker(function)
    groups: Any = getattr(checker, "__preconditions__", None)
    if not groups:
        return ""
    known = {**arguments, "_ARGS": tuple(arguments.values()), "_KWARGS": {}}
    why = ""
    for group in groups:
        for contract in group:
            try:
                value = contract.condition(**_checkers.select_condition_kwargs(contract, known))
                if inspect.isawaitable(value):
                    value = run(value)
                holds = not _checkers.not_check(value, contract)
            except Exception as error:
                why = f"a precondition raised {type(error).__name__}: {error}"
                break
            if not holds:
                why = f"the precondition {contract.description or contract.condition} does not hold"
                break
        else:
            return ""
    return why


def _refused_by_deal(function: Any, arguments: Mapping[str, Any], receiver: str | None) -> str:
    if "deal" not in sys.modules:
        return ""
    from deal import introspection

    first = [arguments[receiver]] if receiver is not None and receiver in arguments else []
    named = {name: value for name, value in arguments.items() if name != receiver}
    for contract in introspection.get_contracts(function):
        if isinstance(contract, introspection.Pre):
            try:
                contract.validate(*first, **named)
            except Exception as error:
                return f"the precondition of deal does not hold: {type(error).__name__} {error}"
    return ""
