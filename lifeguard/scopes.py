"""The scope: the span over which everything that was acquired must be settled."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Token
from typing import Any, Final, Literal, TypeVar, overload

from lifeguard import context
from lifeguard.allowances import Allowance, allowance, sift
from lifeguard.context import (
    CURRENT,
    LEDGER,
    OPEN,
    PROCESS,
    Node,
    Observer,
    change_lanes,
    living,
    make_current,
    outwards,
)
from lifeguard.data import replace
from lifeguard.enforcement import FailFast, Policy, Told, enforce, switch, tell_safely
from lifeguard.errors import DeclarationError, UsageError, ViolationError, misused
from lifeguard.grace import wait, wait_async
from lifeguard.hand_events import HandEvents
from lifeguard.keys import problem_text, repr_safely
from lifeguard.kinds import Grace, Kind
from lifeguard.lazily import inspect
from lifeguard.ledger import account
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Finding
from lifeguard.places import raised_at, user_place
from lifeguard.roster import ROSTER
from lifeguard.settings import Reach, Settings, read_settings
from lifeguard.telling import check_invariant
from lifeguard.text import render
from lifeguard.verdict import Counts, Names, Outstanding, Verdict, Violation

F = TypeVar("F", bound=Callable[..., Any])

_UNSET: Final[Any] = object()


def _name_of_place() -> str:
    place = user_place()
    return f"scope at {place}" if place is not None else "scope"


class Scope(HandEvents):
    """The span over which everything that was acquired must be settled. Made by `lifeguard.scope`."""

    judges = True
    """Whether it judges at its end; a join of a scope of another process does not."""

    def __init__(self, name: str | None, settings: Settings) -> None:
        self._settings = settings
        self._given_name = name
        self.name = name if name is not None else _name_of_place()
        self.reach: Reach = settings.reach
        self.inert = False  # in a forked child
        self.book = Book(
            self.name, remember=settings.remember, only=settings.only, ignore=settings.ignore, sample=settings.sample
        )
        self._state: Literal["new", "open", "closed"] = "new"
        self.outer: Node | None = None
        self._entered: tuple[Node, Token[Node | None]] | None = None  # by its with-block
        self._current: set[Node] = set()  # where it is current: its with-block, and those of active()
        self._ending = False
        self._allowances: list[Allowance] = []
        self._raised = ""  # where the exception that left it was raised
        self._verdict: Verdict | None = None
        self._swallowed: list[Told] = []  # what inner scopes raised
        self._fail_fast = FailFast(self) if settings.fail_fast else None
        self.book.observers = (*settings.looking_on(), *filter(None, (self._fail_fast,)))

    def __repr__(self) -> str:
        return f"<scope {self.name!r}, {self._state}>"

    # -- life -------------------------------------------------------------------------------------------------------------------

    def open(self) -> Scope:
        """Open the scope without making it current, for fixtures, worker threads and callbacks: see `active` and
        `bind`.

        Returns:
            the scope.

        Raises:
            UsageError: it has been opened before.
        """
        if self._state != "new":
            raise UsageError.at_caller(
                f"{self!r} was opened before: a scope is used once; make another one, or use it as a decorator"
            )
        self.outer = living(CURRENT.get(None))
        for prepare in context.opening:
            prepare(self)
        for opening in context.moments(self, "opening"):
            opening(self)
        self._state = "open"
        LEDGER.open(self.book)
        ROSTER.scope_opened(self.book.opened_at)
        OPEN.append(self)
        if self.reach == "process":
            PROCESS.append(self)
            LEDGER.close_lanes([one.book for one in OPEN])
        if self.book.observers:
            LEDGER.observe(self)
        return self

    def close(self, exc: BaseException | None = None) -> Verdict:
        """Judge what is held, and close.

        Args:
            exc: the exception that ended the work, if one did: it is never replaced, only chained to or, where it is no
                Exception (KeyboardInterrupt, cancellation), given the report as a note.

        Returns:
            the verdict.

        Raises:
            ViolationError: something was found, and `on_violation` is "raise".
            UsageError: it is not open, or still current somewhere in this context.
        """
        if self.inert:
            return self.verdict or Verdict(self.name)
        self.expect_open("close()")
        if any(node in self._current for node in outwards(CURRENT.get(None))):
            raise UsageError.at_caller(
                f"{self!r} is current here: leave its with-block, or that of active(), before close()"
            )
        self._look_again(exc)
        return self._end(exc)

    @contextlib.contextmanager
    def active(self) -> Iterator[Scope]:
        """Make an open scope current for the length of a with-block; may be nested, and used in many contexts.

        Raises:
            UsageError: the scope is not open; or the block is left before one that was entered inside it.
        """
        self.expect_open("active()")
        node = Node(self, living(CURRENT.get(None)))
        token = make_current(node)
        self._current.add(node)
        try:
            yield self
        except BaseException as error:
            self._leave_active(node, token, error)
            raise
        self._leave_active(node, token, None)

    def _leave_active(self, node: Node, token: Token[Node | None], error: BaseException | None) -> None:
        inner = self._current_inside(node)
        self._leave(node, token)
        if inner is not None:
            misused(f"active() of {self!r} is left before {inner!r}, which was made current inside it", error)

    def bind(self, function: F) -> F:
        """Make a function run in this scope wherever it is called: a thread's target, a callback.

        Args:
            function: a function or a coroutine function.

        Returns:
            the bound one. Once the scope is closed, it is as if it were not bound.

        Raises:
            DeclarationError: it is no function, or a generator function, whose body runs in its consumer's time.
        """
        _expect_plain_function(function, "scope.bind(…) takes")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with self._if_open():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with self._if_open():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def _if_open(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._state == "closed" else self.active()

    def expect_open(self, what: str) -> None:
        """Raise UsageError unless the scope is open."""
        if self._state != "open" and not self.inert:
            raise UsageError.at_caller(f"{what}: {self!r} is not open")

    def __enter__(self) -> Scope:
        if self._state == "open":
            raise UsageError.at_caller(f"{self!r} is open already; active() makes an open scope current")
        self.open()
        node = Node(self, self.outer)
        self._entered = node, make_current(node)
        self._current.add(node)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        if self.inert or not self._may_leave(error):
            return
        try:
            self._look_again(error)
        except BaseException as interruption:
            self._leave_and_end(interruption)
            raise
        self._leave_and_end(error)

    async def __aenter__(self) -> Scope:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        if self.inert or not self._may_leave(error):
            return
        try:
            if self._settings.grace is not None and (error is None or isinstance(error, Exception)):
                self._note_trouble(await wait_async(self._settings.grace, self.book))
        except BaseException as interruption:
            self._leave_and_end(interruption)
            raise
        self._leave_and_end(error)

    def _look_again(self, error: BaseException | None) -> None:
        if self._settings.grace is not None and (error is None or isinstance(error, Exception)):
            self._note_trouble(wait(self._settings.grace, self.book))

    def _note_trouble(self, problem: Exception | None) -> None:
        if problem is not None:
            text = f"grace: its step failed: {problem_text(problem)}"
            LEDGER.complain((self.book,), "LG401", text, about=text)

    def _may_leave(self, error: BaseException | None) -> bool:
        """Whether the with-block may be left here and now.

        Raises:
            UsageError: it may not. Where an exception is on its way that must not be replaced, that gets a note, and it
            is False.
        """
        problem = self._misuse()
        if problem is not None:
            misused(problem, error)
        return problem is None

    def _misuse(self) -> str | None:
        if self._entered is None or self._state != "open":
            if self._entered is not None:  # closed from elsewhere
                self._leave(*self._entered)
                self._entered = None
            return f"{self!r} is left, but was not entered, or was left before"
        node, token = self._entered
        inner = self._current_inside(node)
        if self.reach == "process":
            return None
        if inner is not None:
            return f"{self!r} is left while {inner!r}, which was opened inside it, is still open: leave the inner one first"
        now = CURRENT.get(None)
        if now is node:
            try:
                CURRENT.reset(token)
            except ValueError:  # a copy of the context that it was entered in
                now = None
            else:
                self._entered = node, CURRENT.set(node)
        if node not in outwards(now):
            return (
                f"{self!r} is left in another task, thread or context than it was entered in; where that is meant, as in "
                "async fixtures, use open() and close(), and active() around what it watches"
            )
        return None

    def _current_inside(self, node: Node) -> Scope | None:
        """The innermost scope that was made current after a node, in its context, and has to be left before it."""
        found: list[Scope] = []
        for one in outwards(CURRENT.get(None)):
            if one is node:
                return found[0] if found else None
            if not one.gone and one.scope.reach != "process":
                found.append(one.scope)
        return None

    def _leave(self, node: Node, token: Token[Node | None]) -> None:
        self._current.discard(node)
        if CURRENT.get(None) is node:
            try:
                CURRENT.reset(token)
            except ValueError:
                node.left = True
        else:
            node.left = True
        LEDGER.close_way(node.lanes)
        now = CURRENT.get(None)
        if now is not None and now.gone:
            CURRENT.set(living(now))
        change_lanes()

    def _leave_and_end(self, error: BaseException | None) -> None:
        __tracebackhide__ = True
        if self._entered is not None:
            self._leave(*self._entered)
            self._entered = None
        self._end(error)

    # -- the end ----------------------------------------------------------------------------------------------------------------

    def _end(self, error: BaseException | None) -> Verdict:
        __tracebackhide__ = True
        if self._ending:
            raise UsageError.at_caller(f"{self!r} is being closed already")
        self._ending = True
        left = self.outstanding if self._settings.on_leak is not None else ()
        for judging in context.moments(self, "judging"):
            if (trouble := tell_safely(judging, self, "an observer")) is not None:
                LEDGER.complain((self.book,), "LG401", trouble, about=trouble)
        verdict = self._judge(error)
        self._state = "closed"
        self._verdict = verdict
        troubles = [tell_safely(observer.closed, verdict, "an observer") for observer in self.book.observers]
        if self._settings.on_leak is not None:
            troubles += [tell_safely(self._settings.on_leak, one, "on_leak") for one in left]
        around = next(iter(context.scopes_of(self.outer)[0]), None)
        enforce(
            verdict,
            error,
            self._settings.on_violation,
            swallowed=tuple(self._swallowed),
            said=self._fail_fast.said if self._fail_fast is not None else (),
            tell_outer=around._swallowed.append if around is not None else None,
            troubles=tuple(trouble for trouble in troubles if trouble is not None),
        )
        return verdict

    def _judge(self, error: BaseException | None) -> Verdict:
        ended = "normally" if error is None else problem_text(error)
        place = raised_at(error) if error is not None else None
        self._raised = str(place) if place is not None else ""
        for invariant in {one: None for kind in list(self.book.tallies) for one in kind._invariants}:
            check_invariant(invariant, self.chain()[0], None)
        since = self.book.opened_at
        for severity, text, about in [blind for ask in context.blind_spots for blind in ask(since, self)]:
            LEDGER.complain((self.book,), "LG402", text, about=about, severity=severity)
        LEDGER.judge(
            self.book,
            error=error is not None,
            ended=ended,
            excused=lambda *what: any(one.would_cover(*what) for one in self._allowances),
        )
        unused = Names([ask(since, self) for ask in context.unused_contracts] if self.book.alone else ())
        findings, allowed = sift(self.book.findings, self._allowances)
        for one in self._allowances:
            if not one.used and error is None and self.book.limit is None and switch() != "off":
                for finding in LEDGER.complain((self.book,), "LG403", f"nothing was found of: {one}", about=one):
                    finding.place = one.place
                    findings.append(finding)
        verdict = account.verdict(
            self.book,
            findings,
            [(finding, one.why) for finding, one in allowed],
            ended=ended,
            error=error is not None,
            raised=self._raised,
        )
        nowhere, elsewhere = LEDGER.close(self.book)
        OPEN.remove(self)
        if self in PROCESS:
            PROCESS.remove(self)
        LEDGER.stop_observing(self)
        return replace(verdict, nowhere=nowhere, elsewhere=elsewhere, unused=unused)

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
        return self.interim(list(self.book.now().findings)).violations

    def _so_far(self, found: list[Finding]) -> list[Violation]:
        covered = [(one, one.used) for one in self._allowances]
        findings, _ = sift(found, self._allowances)
        for one, used in covered:
            one.used = used
        return [account.violation(finding, "open") for finding in findings]

    def interim(self, found: list[Finding]) -> Verdict:
        """Some findings of a scope that is still open, as a verdict."""
        told = tuple(one for one in self._so_far(found) if one.severity == "error")
        return Verdict(self.name, ended="open", violations=told, remember=self.book.remember, sample=self.book.sample)

    @property
    def verdict(self) -> Verdict | None:
        """Everything that the scope has to say; None until it is closed."""
        return self._verdict

    @property
    def kinds(self) -> frozenset[Kind] | None:
        """The kinds that it was made to watch; None for all but those that it ignores."""
        return frozenset(self._settings.only) if self._settings.only is not None else None

    def let_through(self, error: ViolationError) -> None:
        """Say that what an inner scope raised was not swallowed: whoever caught it sees to it that it is told."""
        self._swallowed = [one for one in self._swallowed if not one.is_among([error])]

    @property
    def watched(self) -> Mapping[str, Counts]:
        """What was seen of each kind so far, by the kind's name."""
        return self._verdict.watched if self._verdict is not None else account.counts(self.book.now())

    @property
    def late(self) -> int:
        """How many events came after the verdict, for what it had judged."""
        return self.book.late

    def report(self) -> str:
        """The text report: of the verdict, or, while the scope is open, of what was found and is outstanding so far."""
        if self._verdict is not None:
            return render(self._verdict)
        interim = replace(self.interim(list(self.book.now().findings)), watched=self.watched)
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
        """Say what may stay or happen. An allowance that covers nothing is told (LG403, a warning), unless
        an exception left the scope, which may have come before it.

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

    def chain(self) -> tuple[tuple[Book, ...], int]:
        """The books of this scope and of the open ones around it, and how many of them do not only reach the process."""
        return context.chain_of(Node(self, self.outer))

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
        _expect_plain_function(function, "@scope(…) decorates")
        if switch() == "off":
            return function
        name = self._given_name or getattr(function, "__qualname__", None) or repr_safely(function)
        settings = self._settings
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                async with Scope(name, settings):
                    return await function(*args, **kwargs)

            return run_async

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with Scope(name, settings):
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
    sample: float = 1.0,
    on_leak: Callable[[Outstanding], object] | None = None,
    observers: Iterable[Observer] = (),
    journal: str | os.PathLike[str] | None = None,
    ledger: object = "memory",
    conditions: str | Iterable[str] = (),
    check_types: bool = False,
) -> Scope:
    """The span over which everything that was acquired must be settled.

    A context manager (`with` and `async with`), a decorator (a fresh scope for every call), or, with `open()` and
    `close()`, a span that is current nowhere until `active()` or `bind()` makes it so. Used once.

    Args:
        name: what reports call it; by default the place where it was made.
        reach: "context": records what its own context does (the tasks started in it included); "process": also what
            happens in threads, greenlets and tasks that have no scope of their own.
        on_violation: what happens at the end if something was found: "raise" ViolationError, "warn" at the place of the
            acquire, "log" to the logger "lifeguard", "record" (read `violations`), or a function that is called with
            the verdict.
        fail_fast: raise ViolationError at the call that broke a rule, too.
        grace: how often to look again before judging work that ends in the background.
        remember: how many settled generations of each kind are remembered, for exact double releases and uses after
            release; None for all, 0 for none.
        only: the kinds to watch; None for all. What is not watched here goes to the scope around.
        ignore: kinds not to watch.
        sample: which part of all keys to watch, from 0 to 1, for programs that make too many calls to watch them all: a key
            is watched from its acquire to its end, or not at all, in every process alike. What ties keys together (owners,
            parents, kinds with `to_key=`, rollbacks in order) is watched whole; invariants are not checked. A key that
            is left out here goes to the scope around, as a kind does.
        on_leak: called with each `Outstanding` after the verdict is fixed.
        observers: who is told of every watched call (see `Observer`); such a scope is slower.
        journal: a file that everything is written to as it happens, as JSON lines, behind what stands there already;
            `lifeguard report` and `lifeguard verify` read it, also after the process was killed.
        ledger: where it is written down what is owed: "memory", the process itself; or a URL of a database
            ("sqlite:///run.db", "postgresql+psycopg://…") or `lifeguard.stores.Ledger(url, …)`, so that other processes can
            join the scope, and what was acquired is known after a crash.
        conditions: whose broken conditions are reported (LG301): "icontract", "deal", "typeguard", or several of these.
        check_types: check keys by the `key_type` of their kind, with typeguard (LG301).

    Returns:
        the scope.

    Raises:
        DeclarationError: a value of the wrong sort.
        UsageError: a library that it asks for is not installed.
    """
    if name is not None and (not isinstance(name, str) or not name):
        hint = "; as a decorator it is written with parentheses: @scope()" if callable(name) else ""
        raise DeclarationError.at_caller(f"scope(name) takes a non-empty text, not {repr_safely(name)}{hint}")
    settings = read_settings(
        reach=reach,
        on_violation=on_violation,
        fail_fast=fail_fast,
        grace=grace,
        remember=remember,
        only=only,
        ignore=ignore,
        sample=sample,
        on_leak=on_leak,
        observers=observers,
        journal=journal,
        ledger=ledger,
        conditions=conditions,
        check_types=check_types,
    )
    return Scope(name, settings)


def _expect_plain_function(function: Any, what: str) -> None:
    if not callable(function) or isinstance(function, type):
        hint = "; put it below that" if isinstance(function, classmethod | property) else ""
        raise DeclarationError.at_caller(f"{what} a function, not {repr_safely(function)}{hint}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError.at_caller(
            f"{what} no generator function: the body of {function.__qualname__} runs in its consumer's time; "
            "take the function that consumes it"
        )
