"""The decorators: a contract is written where its method is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast, overload

from lifeguard.contracts import (
    Contract,
    Errors,
    Invariant,
    LostReply,
    check_part,
    expect_errors,
    expect_flag,
    expect_kinds,
    expect_resource,
    expect_rollback,
    read_about,
    read_amount,
    read_key,
    read_selector,
    read_to,
    read_when,
    read_within,
)
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError
from lifeguard.keys import repr_safely
from lifeguard.kinds import Kind, Outside, Resource, Rollback
from lifeguard.ledger.invariants import LedgerView
from lifeguard.weaving import weave

F = TypeVar("F", bound=Callable[..., Any])
Rule = TypeVar("Rule", bound=Callable[[LedgerView], Any])

_UNSET: Any = object()

ErrorOrErrors = type[BaseException] | Errors


def _apply(target: Any, contracts: tuple[Contract, ...]) -> Any:
    """Weave contracts into whatever a decorator was put on: a function, or a descriptor around one."""
    woven: Any
    if isinstance(target, classmethod | staticmethod):
        woven = type(target)(_apply(target.__func__, contracts))
    elif isinstance(target, property):
        if target.fget is None:
            raise DeclarationError.at_caller(f"{contracts[0]}: the property has no getter to watch")
        woven = type(target)(_apply(target.fget, contracts), target.fset, target.fdel, target.__doc__)
    elif isinstance(target, type):
        raise DeclarationError.at_caller(
            f"{contracts[0]} decorates a function or method, not the class {target.__qualname__}: put it on __init__"
        )
    elif not callable(target):
        raise DeclarationError.at_caller(f"{contracts[0]} decorates a function or method, not {repr_safely(target)}")
    else:
        woven = weave(target, contracts)
    return target if switch() == "off" else woven


def _decorator(*contracts: Contract) -> Callable[[F], F]:
    def decorate(target: F) -> F:
        return _apply(target, contracts)  # type: ignore[no-any-return]

    return decorate


def acquires(
    kind: Resource,
    *,
    key: object,
    when: object = None,
    about: object = None,
    within: object = None,
    amount: object = None,
    in_doubt: bool = False,
    raises: ErrorOrErrors = (),
    lost_reply: LostReply = "excused",
) -> Callable[[F], F]:
    """When the call returns, the resource is held, and owed.

    Args:
        kind: what is acquired.
        key: which one: `"image_id"`, `"result['id']"`, `each("result.ids")`, `after("self.uuid")`, a function of named
            parameters,
            or a tuple of these.
        when: a condition; where it does not hold, nothing is acquired.
        about: the subject: an expression, (kind, expression), or a list of these.
        within: what it is a part of: an expression, where the kind names its parent's kind, else (kind, expression).
        amount: how much, where the thing has no identity: an expression, a number, or a tuple of expressions.
        in_doubt: a call that raised may have taken effect; it must then be looked for and released (LG205).
        raises: what the call is declared to raise, for fault exploration.
        lost_reply: for fault exploration, who has to see to an acquire that took effect although its caller got an
            error: nobody ("excused"), the "caller", who has to look for it, or the "callee", which has to undo itself.

    Returns:
        the decorator; it gives back a function of the same form and signature.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    expect_resource(kind, "acquires(…)")
    expression = read_key(key)
    expect_flag(in_doubt, "acquires(in_doubt=…)")
    if lost_reply not in ("excused", "caller", "callee"):
        raise DeclarationError.at_caller(
            f"acquires(lost_reply=…) takes 'excused', 'caller' or 'callee', not {repr_safely(lost_reply)}"
        )
    if in_doubt and expression.late:
        raise DeclarationError.at_caller(
            f"acquires({kind!r}, key={repr_safely(key)}, in_doubt=True): the key is known only when the call returned; "
            "an acquire in doubt needs one that is made of arguments"
        )
    if amount is not None and kind.again in ("count", "keep", "replace"):
        raise DeclarationError.at_caller(f"acquires(amount=…): amounts add up; {kind!r} says again={kind.again!r}")
    return _decorator(
        Contract(
            "acquires",
            (kind,),
            key=expression,
            when=read_when(when),
            about=read_about(about),
            within=read_within(within, kind),
            amount=read_amount(amount, kind),
            in_doubt=in_doubt,
            raises=expect_errors(raises, "acquires(raises=…)"),
            lost_reply=lost_reply,
        )
    )


def releases(
    kind: Resource,
    *,
    key: object,
    when: object = None,
    part: str | None = None,
    amount: object = None,
    gone: ErrorOrErrors = (),
    idempotent: bool = False,
    cascade: bool | None = None,
    raises: ErrorOrErrors = (),
    retried: bool = False,
    call: Callable[[Any], object] | None = None,
) -> Callable[[F], F]:
    """When the call returns, the obligation is paid, whoever owns it.

    Args:
        kind: what is released.
        key: which one (see `acquires`).
        when: a condition; where it does not hold, nothing is released.
        part: of a resource that needs several releases, which one this is.
        amount: how much, where the thing has no identity.
        gone: exceptions that pay all the same: the thing was not there any more. `BaseException` pays on the attempt.
        idempotent: releasing again is fine.
        cascade: True settles with it all parts that are still held (a hard delete); False lets them live on, but for
            kinds that say
            `cascade=True` themselves; by default those that do not are LG108.
        raises: what the call is declared to raise, for fault exploration.
        retried: whoever calls it has to try again when it fails: fault exploration does not excuse what a single
            failure of it leaves.
        call: how to release what a dead process left (see `lifeguard.stores.reap`), where the key alone does not make the
            call: given the obligation, it calls the function.

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    expect_resource(kind, "releases(…)")
    check_part(kind, part, "releases(…)")
    if cascade is not None:
        expect_flag(cascade, "releases(cascade=…)")
    return _decorator(
        Contract(
            "releases",
            (kind,),
            key=read_key(key),
            when=read_when(when),
            part=part,
            amount=read_amount(amount, kind),
            gone=expect_errors(gone, "releases(gone=…)"),
            idempotent=expect_flag(idempotent, "releases(idempotent=…)"),
            cascade=cascade,
            raises=expect_errors(raises, "releases(raises=…)"),
            retried=expect_flag(retried, "releases(retried=…)"),
            call=_expect_call(call),
        )
    )


def _expect_call(call: Any) -> Callable[[Any], object] | None:
    if call is not None and not callable(call):
        raise DeclarationError.at_caller(f"releases(call=…) takes a function, not {repr_safely(call)}")
    return cast("Callable[[Any], object] | None", call)


def transfers(
    kind: Resource,
    *,
    key: object,
    to: Outside | str | tuple[Resource, object] | Callable[..., object] = _UNSET,
    to_key: object = _UNSET,
    when: object = None,
    raises: ErrorOrErrors = (),
) -> Callable[[F], F]:
    """When the call returns, someone else owes it: with its count, parts and children.

    Args:
        kind: what is handed over.
        key: which one (see `acquires`).
        to: the new owner: `OUTSIDE`, a resource as (kind, expression), or an expression that gives an open scope.
        to_key: instead of `to`: the key that it is held under from now on.
        when: a condition; where it does not hold, nothing is handed over.
        raises: what the call is declared to raise, for fault exploration.

    Returns:
        the decorator.

    Raises:
        DeclarationError: neither or both of `to` and `to_key`, or something else is written wrongly.
    """
    expect_resource(kind, "transfers(…)")
    if (to is _UNSET) == (to_key is _UNSET):
        raise DeclarationError.at_caller(
            "transfers(…) takes either to= (OUTSIDE, (kind, expression), a scope) or to_key= (an expression)"
        )
    return _decorator(
        Contract(
            "transfers",
            (kind,),
            key=read_key(key),
            when=read_when(when),
            to=read_to(to) if to is not _UNSET else None,
            to_key=read_key(to_key, "to_key") if to_key is not _UNSET else None,
            raises=expect_errors(raises, "transfers(raises=…)"),
        )
    )


def uses(
    kind: Resource, *, key: object, when: object = None, gone: ErrorOrErrors = (), raises: ErrorOrErrors = ()
) -> Callable[[F], F]:
    """The call needs the resource: using it after it was settled is LG104.

    Args:
        kind: what is used.
        key: which one (see `acquires`).
        when: a condition; where it does not hold, nothing is used.
        gone: exceptions that say that it is not there, which settles an acquire in doubt.
        raises: what the call is declared to raise, for fault exploration.

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    expect_resource(kind, "uses(…)")
    return _decorator(
        Contract(
            "uses",
            (kind,),
            key=read_key(key),
            when=read_when(when),
            gone=expect_errors(gone, "uses(gone=…)"),
            raises=expect_errors(raises, "uses(raises=…)"),
        )
    )


def on_failure(
    rollback: Rollback,
    *,
    key: object,
    exc: ErrorOrErrors = _UNSET,
    when: object = None,
    about: object = None,
    success_pays: bool = False,
    raises: ErrorOrErrors = (),
) -> Callable[[F], F]:
    """When the call fails, its rollback is owed, whether or not the exception is handled.

    A rollback that is done inside the call, before the exception leaves it, pays too.

    Args:
        rollback: what is owed then.
        key: for which one (see `acquires`).
        exc: which exceptions are failures; () for none. By default every `Exception`; where deal declares what the
            function raises (`deal.raises`), those and their subclasses.
        when: a condition on the failure; one that mentions `result` adds failures by value (`when="not result"`).
        about: the subject: an expression, (kind, expression), or a list of these.
        success_pays: a later success of the same call for the same key pays as well.
        raises: what the call is declared to raise, for fault exploration.

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    expect_rollback(rollback, "on_failure(…)")
    given = exc is not _UNSET
    errors = expect_errors(exc if given else Exception, "on_failure(exc=…)")
    expression, condition = read_key(key), read_when(when)
    if errors and expression.mentions_result:
        raise DeclarationError.at_caller(
            f"on_failure(key={repr_safely(key)}): a call that raised has no result; name the thing by an argument"
        )
    if not errors and (condition is None or not condition.mentions_result):
        raise DeclarationError.at_caller("on_failure(exc=()) never fails without a when= that mentions result")
    return _decorator(
        Contract(
            "on_failure",
            (rollback,),
            key=expression,
            when=condition,
            about=read_about(about),
            exc=errors,
            exc_given=given,
            success_pays=expect_flag(success_pays, "on_failure(success_pays=…)"),
            raises=expect_errors(raises, "on_failure(raises=…)"),
        )
    )


def rolls_back(
    rollback: Rollback, *, key: object, when: object = None, raises: ErrorOrErrors = (), retried: bool = False
) -> Callable[[F], F]:
    """When the call returns, the rollback is done; when it raises, it was tried.

    Args:
        rollback: what is done.
        key: for which one (see `acquires`).
        when: a condition; where it does not hold, nothing is rolled back.
        raises: what the call is declared to raise, for fault exploration.
        retried: whoever calls it has to try again when it fails (see `releases`).

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    expect_rollback(rollback, "rolls_back(…)")
    return _decorator(
        Contract(
            "rolls_back",
            (rollback,),
            key=read_key(key),
            when=read_when(when),
            raises=expect_errors(raises, "rolls_back(raises=…)"),
            retried=expect_flag(retried, "rolls_back(retried=…)"),
        )
    )


def _spanning(
    verb: Literal["atomic", "settles"],
    kinds: tuple[Kind, ...],
    key: object,
    about: object,
    *,
    restores: bool,
    ended: str = "returned",
) -> tuple[Contract, ...]:
    """One contract; one for each kind where parts of keys are chosen, since each kind has its own."""
    groups: list[tuple[Kind, ...]] = [(kind,) for kind in kinds] if isinstance(key, dict) and kinds else [kinds]
    contracts = tuple(
        Contract(verb, group, key=read_selector(key, group), about=read_about(about), restores=restores, ended=ended)
        for group in groups
    )
    for contract in contracts:
        if verb == "atomic" and any(expression.late for expression in contract.expressions()):
            raise DeclarationError.at_caller(
                f"{contract}: what must be gone when the call raises is named by its arguments, not by its result"
            )
    return contracts


def _is_bare(kinds: tuple[object, ...]) -> bool:
    """Whether a decorator was written without parentheses: what it was given is what it decorates."""
    one = kinds[0] if len(kinds) == 1 else None
    if isinstance(one, Resource | Rollback):
        return False
    return callable(one) or isinstance(one, classmethod | property)


@overload
def atomic(function: F, /) -> F: ...
@overload
def atomic(*kinds: Kind, key: object = None, about: object = None, restores: bool = False) -> Callable[[F], F]: ...
def atomic(*kinds: Any, key: object = None, about: object = None, restores: bool = False) -> Any:
    """When the call raises, what was opened since it began must be settled before the exception leaves it (LG204).

    Args:
        *kinds: of which kinds; without any, of every resource kind. Used without parentheses, it decorates at once.
        key: only this one: an expression, or a mapping of some fields (`{"host": "self.host"}`).
        about: whatever was opened for this subject, in any thread of the scope; without it, what the call's own context
            opened, the
            tasks that it started included.
        restores: what was held before must neither be gone nor moved.

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    if _is_bare(kinds):
        return _apply(kinds[0], _spanning("atomic", (), None, None, restores=False))
    checked = expect_kinds(kinds, "atomic(…)")
    return _decorator(*_spanning("atomic", checked, key, about, restores=expect_flag(restores, "atomic(restores=…)")))


@overload
def settles(function: F, /) -> F: ...
@overload
def settles(
    *kinds: Kind, key: object = None, about: object = None, ended: Literal["returned", "raised", "either"] = "returned"
) -> Callable[[F], F]: ...
def settles(*kinds: Any, key: object = None, about: object = None, ended: str = "returned") -> Any:
    """When the call returns, what it opened must be settled; with `key` or `about`, whatever is open for those (LG111).

    Args:
        *kinds: of which kinds; without any, of every resource kind. Used without parentheses, it decorates at once.
        key: this one, whenever it was opened: an expression, or a mapping of some fields.
        about: whatever is open for this subject, whenever it was opened.
        ended: after which ends of the call it judges: "returned", "raised" (what a failure must leave settled), or
            "either" (a `finally`).

    Returns:
        the decorator.

    Raises:
        DeclarationError: something is written wrongly; here, or when the decorator runs.
    """
    if ended not in ("returned", "raised", "either"):
        raise DeclarationError.at_caller(
            f"settles(ended=…) takes 'returned', 'raised' or 'either', not {repr_safely(ended)}"
        )
    if _is_bare(kinds):
        return _apply(kinds[0], _spanning("settles", (), None, None, restores=False))
    contracts = _spanning("settles", expect_kinds(kinds, "settles(…)"), key, about, restores=False, ended=ended)
    if ended != "returned" and any(
        expression.mentions_result for contract in contracts for expression in contract.expressions()
    ):
        raise DeclarationError.at_caller(
            f"settles(ended={ended!r}): a call that raised has no result; name the thing by an argument"
        )
    return _decorator(*contracts)


def invariant(*kinds: Kind, description: str, always: bool = False) -> Callable[[Rule], Rule]:
    """A rule over what is held, checked when a scope that saw its kinds closes, and at the end of atomic and settling
    calls that name them.

    The function is called with a `LedgerView`. It returns None or True where the rule holds, False where it does not;
    or it returns or
    yields what breaks it: holdings, (holding, text) or (kind, key) pairs, or `view.breach(kind, key, why)`.

    Args:
        *kinds: the kinds that the rule speaks of.
        description: what holds, in one sentence; shown where it is broken (LG302).
        always: check it after each call that touches its kinds, too.

    Returns:
        the decorator; it gives back the function.

    Raises:
        DeclarationError: no kind, no description, or not a function.
    """
    checked = expect_kinds(kinds, "invariant(…)")
    if not checked:
        raise DeclarationError.at_caller("invariant(…) names at least one kind that the rule speaks of")
    if not isinstance(description, str) or not description.strip():
        raise DeclarationError.at_caller(
            f"invariant(description=…) takes what holds, in one sentence, not {repr_safely(description)}"
        )
    expect_flag(always, "invariant(always=…)")

    def attach(function: Rule) -> Rule:
        if not callable(function):
            raise DeclarationError.at_caller(
                f"invariant(…) decorates a function of a LedgerView, not {repr_safely(function)}"
            )
        if switch() != "off":
            declared = Invariant(checked, description, function, always)
            for kind in checked:
                kind._invariants.append(declared)
        return function

    return attach
