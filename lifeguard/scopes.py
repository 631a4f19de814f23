"""The scope: the span over which everything that was acquired must be settled."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Token
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar, overload

from lifeguard import context
from lifeguard.allowances import Allowance, allowance
from lifeguard.context import CURRENT, LEDGER, OPEN, PROCESS, Node
from lifeguard.contracts import expect_kinds
from lifeguard.enforcement import FailFast, Policy, enforce, read_policy
from lifeguard.errors import DeclarationError, UsageError, ViolationError
from lifeguard.grace import wait, wait_async
from lifeguard.hand_events import HandEvents
from lifeguard.keys import problem_text, repr_safely
from lifeguard.kinds import Grace, Kind, Resource, Rollback
from lifeguard.ledger import account
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Finding
from lifeguard.places import user_place
from lifeguard.telling import check_invariant
from lifeguard.text import render
from lifeguard.verdict import Allowed, Counts, Outstanding, Verdict, Violation

F = TypeVar("F", bound=Callable[..., Any])
Reach = Literal["context", "process"]

_UNSET: Final[Any] = object()


class Scope(HandEvents):
    """The span over which everything that was acquired must be settled. Made by `lifeguard.scope`."""

    def __init__(
        self,
        name: str | None = None,
        *,
        reach: Reach = "context",
        on_violation: Policy = "raise",
        fail_fast: bool = False,
        grace: Grace | None = None,
        remember: int | None = 1024,
        only: Iterable[Kind] | None = None,
        ignore: Iterable[Kind] = (),
        on_leak: Callable[[Outstanding], object] | None = None,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise DeclarationError.at_caller(f"scope(name) takes a non-empty text, not {repr_safely(name)}")
        if reach not in ("context", "process"):
            raise DeclarationError.at_caller(f"scope(reach=…) takes 'context' or 'process', not {repr_safely(reach)}")
        if remember is not None and (isinstance(remember, bool) or not isinstance(remember, int) or remember < 0):
            raise DeclarationError.at_caller(
                f"scope(remember=…) takes None or a whole number from 0, not {repr_safely(remember)}"
            )
        if grace is not None and not isinstance(grace, Grace):
            raise DeclarationError.at_caller(
                f"scope(grace=…) takes Grace(attempts=…, step=…), not {repr_safely(grace)}"
            )
        if on_leak is not None and not callable(on_leak):
            raise DeclarationError.at_caller(f"scope(on_leak=…) takes a function, not {repr_safely(on_leak)}")
        self._options: dict[str, Any] = {
            "reach": reach,
            "on_violation": on_violation,
            "fail_fast": fail_fast,
            "grace": grace,
            "remember": remember,
            "only": _kinds(only, "only") if only is not None else None,
            "ignore": _kinds(ignore, "ignore"),
            "on_leak": on_leak,
        }
        self._given_name = name
        place = user_place()
        self.name = name if name is not None else f"scope at {place}" if place is not None else "scope"
        self.reach: Reach = reach
        self.inert = False  # in a forked child
        self._policy: Policy = read_policy(on_violation)
        self._grace = grace
        self._on_leak = on_leak
        self.book = Book(self.name, remember=remember, only=self._options["only"], ignore=self._options["ignore"])
        self._state: Literal["new", "open", "closed"] = "new"
        self.outer: Node | None = None
        self._tokens: list[tuple[Node, Token[Node]]] = []
        self._allowances: list[Allowance] = []
        self._verdict: Verdict | None = None
        self._swallowed: list[ViolationError] = []  # what inner scopes raised
        self._fail_fast = FailFast(self) if fail_fast else None
        if self._fail_fast is not None:
            self.book.observers = (self._fail_fast,)

    def __repr__(self) -> str:
        return f"<scope {self.name!r}, {self._state}>"

    # -- life -------------------------------------------------------------------------------------------------------------------

    def open(self) -> Scope:
        """Open the scope without making it current: for fixtures, worker threads and callbacks (see `active` and
        `bind`).

        Returns:
            the scope.

        Raises:
            UsageError: it has been opened before.
        """
        if self._state != "new":
            raise UsageError.at_caller(
                f"{self!r} was opened before: a scope is used once; make another one, or use it as a decorator"
            )
        self._state = "open"
        self.outer = CURRENT.get(None)
        for prepare in context.opening:
            prepare()
        LEDGER.open(self.book)
        OPEN.append(self)
        if self.reach == "process":
            PROCESS.append(self)
        return self

    def close(self, exc: BaseException | None = None) -> Verdict:
        """Judge what is held, and close.

        Args:
            exc: the exception that ended the work, if one did: it is never replaced, only chained to or, where it is no
                Exception
                (KeyboardInterrupt, cancellation), given the report as a note.

        Returns:
            the verdict.

        Raises:
            ViolationError: something was found, and `on_violation` is "raise".
            UsageError: it is not open, or still current somewhere in this context.
        """
        if self.inert:
            return self.verdict or Verdict(self.name)
        self.expect_open("close()")
        if self._tokens and CURRENT.get(None) in [node for node, _ in self._tokens]:
            raise UsageError.at_caller(
                f"{self!r} is current here: leave its with-block, or that of active(), before close()"
            )
        if self._grace is not None:
            wait(self._grace, self.book)
        return self._end(exc)

    @contextlib.contextmanager
    def active(self) -> Iterator[Scope]:
        """Make an open scope current in this context for the length of a with-block; may be nested, and used in many
        contexts.

        Raises:
            UsageError: the scope is not open.
        """
        self.expect_open("active()")
        token = CURRENT.set(Node(self, CURRENT.get(None)))
        try:
            yield self
        finally:
            with contextlib.suppress(ValueError):  # left in another context: there it never was current
                CURRENT.reset(token)

    def bind(self, function: F) -> F:
        """Make a function run in this scope wherever it is called: a thread's target, a callback.

        Args:
            function: a function or a coroutine function.

        Returns:
            the bound one.
        """
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with self.active():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with self.active():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def expect_open(self, what: str) -> None:
        if self._state != "open" and not self.inert:
            raise UsageError.at_caller(f"{what}: {self!r} is not open")

    def __enter__(self) -> Scope:
        if self._state == "open":
            raise UsageError.at_caller(f"{self!r} is open already; active() makes an open scope current")
        self.open()
        node = Node(self, CURRENT.get(None))
        self._tokens.append((node, CURRENT.set(node)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        if self.inert:
            return
        node, token = self._expect_innermost(error)
        if self._grace is not None:
            wait(self._grace, self.book)
        self._leave(node, token)
        self._end(error)

    async def __aenter__(self) -> Scope:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        if self.inert:
            return
        node, token = self._expect_innermost(error)
        if (self._grace is not None and error is None) or (self._grace is not None and isinstance(error, Exception)):
            await wait_async(self._grace, self.book)
        self._leave(node, token)
        self._end(error)

    def _expect_innermost(self, error: BaseException | None) -> tuple[Node, Token[Node]]:
        if not self._tokens or self._state != "open":
            raise UsageError.at_caller(f"{self!r} is left, but was not entered, or was left before") from error
        node, token = self._tokens[-1]
        now = CURRENT.get(None)
        if now is not node:
            if self.reach == "process":
                return node, token
            inner = now.scope.name if now is not None and self._is_outside(now) else None
            raise UsageError.at_caller(
                f"{self!r} is left while {inner!r}, which was opened inside it, is still open: leave the inner one first"
                if inner is not None
                else f"{self!r} is left in another task, thread or context than it was entered in"
            ) from error
        return node, token

    def _is_outside(self, node: Node | None) -> bool:
        while node is not None:
            if node.scope is self:
                return True
            node = node.outer
        return False

    def _leave(self, node: Node, token: Token[Node]) -> None:
        self._tokens.pop()
        if CURRENT.get(None) is node:
            with contextlib.suppress(ValueError):
                CURRENT.reset(token)

    # -- the end ----------------------------------------------------------------------------------------------------------------

    def _end(self, error: BaseException | None) -> Verdict:
        __tracebackhide__ = True
        ended = "normally" if error is None else problem_text(error)
        left = self.outstanding if self._on_leak is not None else ()
        verdict = self._judge(error, ended)
        self._state = "closed"
        self._verdict = verdict
        for observer in self.book.observers:
            observer.closed(verdict)
        for one in left:
            assert self._on_leak is not None
            self._on_leak(one)
        enclosing = self._enclosing()
        enforce(
            verdict,
            error,
            self._policy,
            swallowed=tuple(self._swallowed),
            said=self._fail_fast.said if self._fail_fast is not None else (),
            tell_outer=enclosing._swallowed.append if enclosing is not None else None,
        )
        return verdict

    def _enclosing(self) -> Scope | None:
        node = self.outer
        while node is not None and node.scope.book.closed:
            node = node.outer
        return node.scope if node is not None else None

    def _judge(self, error: BaseException | None, ended: str) -> Verdict:
        for invariant in {one: None for kind in self.book.tallies for one in kind._invariants}:
            check_invariant(invariant, self.chain(), None)
        since = self.book.opened_at
        for severity, text, about in [blind for ask in context.blind_spots for blind in ask(since)]:
            for finding in LEDGER.complain((self.book,), "LG402", text, about=about):
                finding.severity = severity
        LEDGER.judge(
            self.book,
            error=error is not None,
            ended=ended,
            excused=lambda *what: any(one.would_cover(*what) for one in self._allowances),
        )
        unused = tuple(name for ask in context.unused_contracts for name in ask(since, self))
        findings, allowed = self._sift(self.book.findings)
        for one in self._allowances:
            if not one.used:
                findings += LEDGER.complain((self.book,), "LG403", f"nothing was found of: {one}", about=one)
        told = [account.violation(finding, ended) for finding in sorted(findings, key=lambda finding: finding.seq)]
        watched = account.counts(self.book)
        covered = tuple(Allowed(account.violation(finding, ended), one.why) for finding, one in allowed)
        nowhere, elsewhere = LEDGER.close(self.book)
        OPEN.remove(self)
        if self in PROCESS:
            PROCESS.remove(self)
        return Verdict(
            scope=self.name,
            ended=ended,
            error=error is not None,
            violations=tuple(one for one in told if one.severity == "error"),
            warnings=tuple(one for one in told if one.severity != "error"),
            allowed=covered,
            watched=watched,
            nowhere=nowhere,
            elsewhere=elsewhere,
            unused=unused,
            remember=self.book.remember,
        )

    def _sift(self, findings: list[Finding]) -> tuple[list[Finding], list[tuple[Finding, Allowance]]]:
        left: list[Finding] = []
        allowed: list[tuple[Finding, Allowance]] = []
        for finding in findings:
            cover = next((one for one in self._allowances if one.covers(finding)), None)
            if cover is None:
                left.append(finding)
            else:
                allowed.append((finding, cover))
        return left, allowed

    # -- what it knows ----------------------------------------------------------------------------------------------------------

    @property
    def outstanding(self) -> tuple[Outstanding, ...]:
        """The obligations that the scope holds now, oldest first; empty once it is closed."""
        return tuple(account.outstanding(one) for one in LEDGER.outstanding(self.book))

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What was found so far; after closing, the verdict's violations."""
        if self._verdict is not None:
            return self._verdict.violations
        return self.interim(list(self.book.findings)).violations

    def _so_far(self, found: list[Finding]) -> list[Violation]:
        covered = [(one, one.used) for one in self._allowances]
        findings, _ = self._sift(found)
        for one, used in covered:
            one.used = used
        return [account.violation(finding, "open") for finding in findings]

    def interim(self, found: list[Finding]) -> Verdict:
        """Some findings of a scope that is still open, as a verdict."""
        told = tuple(one for one in self._so_far(found) if one.severity == "error")
        return Verdict(self.name, ended="open", violations=told, remember=self.book.remember)

    @property
    def verdict(self) -> Verdict | None:
        """Everything that the scope has to say; None until it is closed."""
        return self._verdict

    @property
    def watched(self) -> Mapping[str, Counts]:
        """What was seen of each kind so far, by the kind's name."""
        return self._verdict.watched if self._verdict is not None else account.counts(self.book)

    @property
    def late(self) -> int:
        """How many events came after the verdict, for what it had judged."""
        return self.book.late

    def report(self) -> str:
        """The text report: of the verdict, or, while the scope is open, of what was found and is outstanding so far."""
        if self._verdict is not None:
            return render(self._verdict)
        interim = replace(self.interim(list(self.book.findings)), watched=self.watched)
        return render(interim, outstanding=self.outstanding)

    def allow(
        self,
        kind: Kind | None,
        key: object = None,
        *,
        why: str,
        rule: str | None = None,
        about: object = None,
        at_most: int | None = None,
    ) -> None:
        """Say what may stay or happen. An allowance that covers nothing is told (LG403, a warning).

        Args:
            kind: the kind; None for findings that are about no kind, or any.
            key: which one: a key, or a mapping of some of its fields (`{"host": "host1"}`); None for any.
            why: the reason, shown beside what it covered.
            rule: the code of the rule ("LG101"); None for any.
            about: a subject: a key, (kind, key), or a list of these.
            at_most: how many findings it covers; None for any number.

        Raises:
            DeclarationError: a value of the wrong sort, or a rule that does not exist.
            UsageError: the scope is closed.
        """
        if self._state == "closed":
            raise UsageError.at_caller(f"allow(): {self!r} has been judged already")
        self._allowances.append(allowance(kind, key, why=why, rule=rule, about=about, at_most=at_most))

    def chain(self) -> tuple[Book, ...]:
        """The books of this scope and of the open ones around it, the innermost first."""
        return tuple(one.book for one in context.scopes_of(Node(self, self.outer)))

    # -- as a decorator ---------------------------------------------------------------------------------------------------------

    @overload
    def __call__(self, function: F) -> F: ...
    @overload
    def __call__(self, function: object) -> object: ...
    def __call__(self, function: Any) -> Any:
        """Run every call of a function in a fresh scope with these settings.

        Raises:
            DeclarationError: it is no function, or a generator function, whose body runs in its consumer's time.
        """
        if self._state != "new":
            raise UsageError.at_caller(f"{self!r} is in use; decorate with a new scope(…)")
        if not callable(function) or isinstance(function, type):
            raise DeclarationError.at_caller(f"@scope(…) decorates a function, not {repr_safely(function)}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DeclarationError.at_caller(
                f"@scope(…) cannot decorate the generator function {function.__qualname__}: its body runs in its consumer's time; "
                "decorate the function that consumes it"
            )
        name = self._given_name or function.__qualname__
        options = self._options
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                async with Scope(name, **options):
                    return await function(*args, **kwargs)

            return run_async

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with Scope(name, **options):
                return function(*args, **kwargs)

        return run


def scope(
    name: str | None = None,
    *,
    reach: Reach = "context",
    on_violation: Policy = "raise",
    fail_fast: bool = False,
    grace: Grace | None = None,
    remember: int | None = 1024,
    only: Iterable[Kind] | None = None,
    ignore: Iterable[Kind] = (),
    on_leak: Callable[[Outstanding], object] | None = None,
) -> Scope:
    """The span over which everything that was acquired must be settled.

    A context manager (`with` and `async with`), a decorator (a fresh scope for every call), or, with `open()` and
    `close()`, a span that is
    current nowhere until `active()` or `bind()` makes it so. Used once.

    Args:
        name: what reports call it; by default the place where it was made.
        reach: "context": records what its own context does (the tasks started in it included); "process": also what
            happens in
            threads, greenlets and tasks that have no scope of their own.
        on_violation: what happens at the end if something was found: "raise" ViolationError, "warn" at the place of the
            acquire, "log" to
            the logger "lifeguard", "record" (read `violations`), or a function that is called with the verdict.
        fail_fast: raise ViolationError at the call that broke a rule, too.
        grace: how often to look again before judging work that ends in the background.
        remember: how many settled generations of each kind are remembered, for exact double releases and uses after
            release; None for
            all, 0 for none.
        only: the kinds to watch; None for all. What is not watched here goes to the scope around.
        ignore: kinds not to watch.
        on_leak: called with each `Outstanding` after the verdict is fixed.

    Returns:
        the scope.

    Raises:
        DeclarationError: a value of the wrong sort.
    """
    return Scope(
        name,
        reach=reach,
        on_violation=on_violation,
        fail_fast=fail_fast,
        grace=grace,
        remember=remember,
        only=only,
        ignore=ignore,
        on_leak=on_leak,
    )


def _kinds(value: Iterable[Kind], what: str) -> tuple[Kind, ...]:
    if isinstance(value, Resource | Rollback):
        raise DeclarationError.at_caller(f"scope({what}=…) takes a list of kinds, not {value!r}: write [{value!r}]")
    try:
        return expect_kinds(tuple(value), f"scope({what}=…)")
    except TypeError as error:
        if isinstance(error, DeclarationError):
            raise
        raise DeclarationError.at_caller(f"scope({what}=…) takes a list of kinds, not {repr_safely(value)}") from None
