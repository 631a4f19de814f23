"""How a shared scope gets into processes that this one starts: by their environment, or with what they are given to do.

The scope's identity is no secret. The ledger's URL may hold a password; it is put into a child's environment, where every
process of the same user can read it, only where that is asked for.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from multiprocessing import util
from typing import Any, Final, Generic, ParamSpec, TypeVar

from lifeguard.errors import DeclarationError, UsageError
from lifeguard.keys import repr_safely
from lifeguard.lazily import inspect
from lifeguard.scopes import Scope
from lifeguard.settings import Reach
from lifeguard.stores.joining import SharedScope, shared
from lifeguard.stores.naming import Ledger, read_ledger, shown
from lifeguard.stores.propagation import Joining, current_shared, identity, say_once

P = ParamSpec("P")
R = TypeVar("R")

SCOPE: Final = "LIFEGUARD_SCOPE"
"""The variable that holds the identity of the scope that a child joins."""

LEDGER: Final = "LIFEGUARD_LEDGER"
"""The variable that holds the ledger's URL, or "env:NAME" where that stands in the variable NAME."""


def ledger_of(environ: Mapping[str, str] | None = None) -> str | None:
    """The URL of the ledger that an environment names; None where it names none.

    Args:
        environ: the environment; by default that of this process.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(LEDGER) or None
    if named is None or not named.startswith("env:"):
        return named
    url = environ.get(named.removeprefix("env:")) or None
    if url is None:
        say_once(f"no ledger: {LEDGER} names the variable {named.removeprefix('env:')!r}, which is not set")
    return url


def child_environment(
    environ: Mapping[str, str] | None = None,
    *,
    scope: Scope | SharedScope | None = None,
    ledger: str | Ledger | None = None,
    credentials: bool = False,
) -> dict[str, str]:
    """The environment for a child process that is to join a scope: `subprocess.run(…, env=child_environment(…))`.

    The child joins by `join_parent`, as the first thing that it does.

    Args:
        environ: what to start from; by default the environment of this process.
        scope: which scope; by default the innermost one here that has a shared ledger. Where there is none, the child gets
            none.
        ledger: the ledger's URL, or "env:NAME", the name of a variable of the child in which it stands. By default what
            the environment says already.
        credentials: whether a URL with a password may be put there. Every process of the same user can read it.

    Returns:
        a copy of the environment, with `LIFEGUARD_SCOPE` and, where it is known, `LIFEGUARD_LEDGER`.

    Raises:
        DeclarationError: it names no ledger.
        UsageError: the scope that was named cannot be shared; or the URL holds a password, and nobody said that it may be
            shown.
    """
    told = dict(os.environ if environ is None else environ)
    told.pop(SCOPE, None)
    which = _chosen(scope)
    if which is not None:
        told[SCOPE] = which.ident
    if isinstance(ledger, str) and ledger.startswith("env:"):
        told[LEDGER] = ledger
    elif ledger is not None:
        found = read_ledger(ledger)
        if found is None:
            raise DeclarationError.at_caller("child_environment(ledger='memory'): a child process cannot see that")
        if found.name != found.url and not credentials:
            raise UsageError.at_caller(
                f"child_environment(ledger={found.name!r}) would show the password to every process of this user: "
                "name a variable of the child that holds the URL (ledger='env:NAME'), or say credentials=True"
            )
        told[LEDGER] = found.url
    return told


def join_parent(
    environ: Mapping[str, str] | None = None, *, ledger: str | Ledger | None = None, reach: Reach = "process"
) -> Joining:
    """In a child process: be in the scope that its environment names, for the length of a with-block.

    Args:
        environ: the environment; by default that of this process.
        ledger: the ledger; by default what the environment says.
        reach: "process", so that threads of the child are in it, or "context".

    Returns:
        a context manager that never raises of itself. Without a scope in the environment the block runs as it is; where
        the scope cannot be joined, too, and that is said on the logger `lifeguard`.
    """
    environ = os.environ if environ is None else environ
    text = environ.get(SCOPE)
    which = identity(text)
    if text and which is None:
        say_once(f"no scope is joined: {SCOPE} holds no identity of a scope")
    return Joining(which, ledger if ledger is not None else ledger_of(environ), reach=reach)


def _chosen(scope: Scope | SharedScope | None) -> SharedScope | None:
    if scope is None:
        return current_shared()
    if isinstance(scope, SharedScope):
        return scope
    if not isinstance(scope, Scope):
        raise DeclarationError.at_caller(f"scope= takes a scope, or what shared(scope) gives, not {repr_safely(scope)}")
    return shared(scope)


class _Carried(Generic[P, R]):
    """A function that joins a scope wherever it is called. It pickles as well as the function does."""

    def __init__(self, function: Callable[P, R], which: SharedScope | None, ledger: str | Ledger, reach: Reach) -> None:
        self.function = function
        self.which = which
        self.ledger = ledger
        self.reach: Reach = reach
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        where = shown(self.ledger if isinstance(self.ledger, str) else self.ledger.url)
        return f"<{repr_safely(self.function)}, in a scope of {where}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        with Joining(self.which, self.ledger, reach=self.reach):
            return self.function(*args, **kwargs)


def carry(
    function: Callable[P, R],
    *,
    ledger: str | Ledger | None = None,
    scope: Scope | SharedScope | None = None,
    reach: Reach = "context",
) -> Callable[P, R]:
    """A function that takes the scope of this process along: the target of a `multiprocessing.Process`, what a pool or an
    executor of processes is given to do. By fork and by spawn.

    Args:
        function: what the other process is to call; where it is spawned, something that pickles.
        ledger: the ledger; by default the one that the environment names.
        scope: which scope; by default the innermost one here that has a shared ledger. Where there is none, the function
            runs as it is.
        reach: "context", or "process" where the function starts threads of its own.

    Returns:
        the function with its scope. The ledger's URL is pickled with it, and goes where the pickle goes.

    Raises:
        DeclarationError: it is no function, or one whose work is done after it has returned.
        UsageError: the scope that was named cannot be shared; or no ledger is known.
    """
    if not callable(function):
        raise DeclarationError.at_caller(f"carry(…) takes a function, not {repr_safely(function)}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DeclarationError.at_caller(
            f"carry(…) takes a function that has done its work when it returns, not {repr_safely(function)}: "
            "take the one that runs it"
        )
    return _Carried(function, _chosen(scope), _known(ledger, "carry(…)"), reach)


class _Initializer:
    """What a worker process calls first; it stays in the scope until it ends. Pickles."""

    def __init__(self, which: SharedScope | None, ledger: str | Ledger) -> None:
        self.which = which
        self.ledger = ledger

    def __call__(self, *args: Any) -> None:
        joining = Joining(self.which, self.ledger, reach="process")
        if joining.__enter__():
            # Workers leave by os._exit, which runs these and not what atexit knows.
            util.Finalize(None, joining.__exit__, args=(None, None, None), exitpriority=100)


def pool_initializer(
    *, ledger: str | Ledger | None = None, scope: Scope | SharedScope | None = None
) -> Callable[..., None]:
    """What makes every worker of a pool join a scope for as long as it lives.

    For `multiprocessing.Pool(initializer=…)` and `concurrent.futures.ProcessPoolExecutor(initializer=…)`. A worker that
    outlives the scope, or does work of several, takes `carry` for each piece of work instead.

    Args:
        ledger: the ledger; by default the one that the environment names.
        scope: which scope; by default the innermost one here that has a shared ledger.

    Raises:
        UsageError: the scope that was named cannot be shared; or no ledger is known.
    """
    return _Initializer(_chosen(scope), _known(ledger, "pool_initializer(…)"))


def _known(ledger: str | Ledger | None, what: str) -> str | Ledger:
    found = ledger if ledger is not None else ledger_of()
    if found is None:
        raise UsageError.at_caller(f"{what} needs to know the ledger: ledger=…, or {LEDGER} in the environment")
    return found
