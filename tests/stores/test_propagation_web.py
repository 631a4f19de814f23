"""Requests over real HTTP are served inside the scope that they carry, whatever the framework."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from stores_elsewhere import create, delete, held

from lifeguard import Scope, scope
from lifeguard.context import CURRENT
from lifeguard.stores import JoiningASGI, JoiningWSGI, current_shared, inject, propagation, shared


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger of this test alone, which the environment names."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("LIFEGUARD_LEDGER", url)
    monkeypatch.setattr(propagation, "_said", set())
    return url


@pytest.fixture
def watched(ledger: str) -> Iterator[Scope]:
    """A shared scope that is current, and balances in the end."""
    with scope("request", ledger=ledger) as watched:
        yield watched


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def serving(app: Callable[..., Iterable[bytes]]) -> Iterator[str]:
    """A real server on a free port; gives its address."""
    with make_server("127.0.0.1", 0, validator(app), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def get(url: str, headers: dict[str, str] | None = None) -> bytes:
    """Ask for a page, with the current scope."""
    request = urllib.request.Request(url, headers=inject(headers if headers is not None else {}))
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def app_of(work: Callable[[], Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """A WSGI application."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return work()

    return app


def test_request_is_served_in_its_scope(watched: Scope) -> None:
    """What the handler acquires, before and while its body is made, is held by the scope of who asked."""

    def work() -> Iterable[bytes]:
        create("before")

        def body() -> Iterator[bytes]:
            create("while")
            yield b"one "
            yield current_shared().ident.encode()  # type: ignore[union-attr]

        return body()

    with serving(JoiningWSGI(app_of(work))) as url:
        assert b"one " + shared(watched).ident.encode() == get(url)
    assert ["before", "while"] == held(watched)
    delete("before")
    delete("while")


def test_request_without_a_scope_is_the_applications_own(ledger: str) -> None:
    """Nothing is put around a request that carries nothing."""
    body = [b"as it is"]
    app = JoiningWSGI(lambda environ, start_response: body)
    assert body is app({"wsgi.version": (1, 0)}, lambda *told: None)


def test_server_keeps_no_scope_from_one_request_to_the_next(watched: Scope) -> None:
    """The thread of a server serves many; none of them finds the scope of the one before."""
    seen: list[object] = []

    def work() -> Iterable[bytes]:
        seen.append(current_shared())
        return [b""]

    with serving(JoiningWSGI(app_of(work))) as url:
        get(url)
        with urllib.request.urlopen(url, timeout=10):
            pass
    assert [shared(watched).ident, None] == [getattr(one, "ident", None) for one in seen]
    node = CURRENT.get(None)
    assert node is not None
    assert watched is node.scope


def test_application_that_raises_raises_the_same(ledger: str) -> None:
    """What the application raises comes out of the middleware, and the scope is left; so does a failing body."""
    with scope("request", ledger=ledger) as watched:
        environ = {"wsgi.version": (1, 0), "HTTP_BAGGAGE": inject({})["baggage"]}

        def at_once(environ: Any, start_response: Any) -> Iterable[bytes]:
            create("at once")
            raise ZeroDivisionError("at once")

        with pytest.raises(ZeroDivisionError, match="at once"):
            JoiningWSGI(at_once)(environ, lambda *told: None)

        def later() -> Iterator[bytes]:
            create("later")
            yield b"x"
            raise ZeroDivisionError("later")

        body = JoiningWSGI(lambda environ, start_response: later())(environ, lambda *told: None)
        with pytest.raises(ZeroDivisionError, match="later"):
            list(body)
        body.close()  # type: ignore[attr-defined]
        assert ["at once", "later"] == held(watched)
        delete("at once")
        delete("later")


def test_bodies_that_one_thread_makes_in_turns_keep_to_their_scopes(ledger: str) -> None:
    """A server may go from one response to another and back; each part of a body is made in the scope of its request."""
    one, two = scope("one", ledger=ledger).open(), scope("two", ledger=ledger).open()

    def body(name: str) -> Iterator[bytes]:
        for number in range(2):
            create(f"{name} {number}")
            yield b""

    def serve(watched: Scope) -> Any:
        app = JoiningWSGI(lambda environ, start_response: body(watched.name))
        return app({"wsgi.version": (1, 0), "HTTP_BAGGAGE": inject({}, watched)["baggage"]}, lambda *told: None)

    bodies = [serve(one), serve(two)]
    for _ in range(2):
        for each in bodies:
            next(each)
        assert None is current_shared()
    bodies[0].close()
    bodies[1].close()
    for watched in (one, two):
        assert [f"{watched.name} 0", f"{watched.name} 1"] == held(watched)
        with watched.active():
            delete(f"{watched.name} 0")
            delete(f"{watched.name} 1")
        watched.close()


@pytest.mark.parametrize(
    "baggage",
    [
        "lifeguard.scope=" + "0" * 32,
        "lifeguard.scope='; DROP TABLE lifeguard_scopes; --",
        "lifeguard.scope=" + "f" * 33,
        ",".join(["a=1"] * 10_000),
        "x" * 60_000,
        "lifeguard.scope=%00%00",
    ],
    ids=["unknown", "SQL", "too long an identity", "too many", "too long", "null bytes"],
)
def test_hostile_baggage_does_a_request_no_harm(baggage: str, ledger: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stands there, the request is answered, without a scope, and the log has one line about it."""
    with scope("to have a ledger", ledger=ledger) as watched, serving(JoiningWSGI(app_of(lambda: [b"served"]))) as url:
        for _ in range(2):
            request = urllib.request.Request(url, headers={"baggage": baggage})
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert b"served" == answer.read()
        assert [] == held(watched)
    assert ["lifeguard"] == [one.name for one in caplog.records]


def test_accept_decides_who_may_join(watched: Scope, caplog: pytest.LogCaptureFixture) -> None:
    """A server that strangers reach, too, joins for its own only; an accept that raises accepts nobody."""

    def accept(environ: dict[str, Any]) -> bool:
        return {"yes": True, "no": False}[environ["HTTP_X_TRUSTED"]]

    def work() -> Iterable[bytes]:
        return [b"in" if current_shared() else b"out"]

    with serving(JoiningWSGI(app_of(work), accept=accept)) as url:
        answers = [get(url, {"X-Trusted": trusted}) for trusted in ("yes", "no", "perhaps", "perhaps")]
    assert [b"in", b"out", b"out", b"out"] == answers
    assert ["a request is served without its scope: accept raised KeyError (said once)"] == [
        one.getMessage() for one in caplog.records
    ]


def test_scope_that_is_closed_is_said_once_and_does_no_harm(ledger: str, caplog: pytest.LogCaptureFixture) -> None:
    """A request that comes after its scope was judged is served all the same."""
    with scope("over", ledger=ledger):
        headers = inject({})
    with serving(JoiningWSGI(app_of(lambda: [b"served"]))) as url:
        assert [b"served", b"served"] == [get(url, dict(headers)) for _ in range(2)]
    (said,) = [one.getMessage() for one in caplog.records]
    assert said.startswith("a scope is not joined: UsageError: ")
    assert said.endswith(" (said once)")


async def asked(app: Any, headers: list[tuple[bytes, bytes]], kind: str = "http") -> list[dict[str, Any]]:
    """Call an ASGI application as a server does."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": kind, "headers": headers}, receive, send)
    return sent


def test_asgi_requests_at_the_same_time_are_each_in_their_own_scope(ledger: str) -> None:
    """Two requests that wait for one another in one loop hold what they acquired in the scopes of their callers."""
    meeting = asyncio.Event()

    async def app(request: dict[str, Any], receive: Any, send: Any) -> None:
        name = dict(request["headers"])[b"name"].decode()
        create(name)
        if name == "first":
            await meeting.wait()
        else:
            meeting.set()
        create(f"{name}, too")
        await send({"type": "http.response.body", "body": b""})

    def opened(name: str) -> Scope:
        return scope(name, ledger=ledger).open()

    one, two = opened("one"), opened("two")

    async def both() -> None:
        joining = JoiningASGI(app)
        await asyncio.gather(
            asked(joining, inject([(b"name", b"first")], one)), asked(joining, inject([(b"name", b"second")], two))
        )

    asyncio.run(both())
    assert (["first", "first, too"], ["second", "second, too"]) == (held(one), held(two))
    for watched, name in ((one, "first"), (two, "second")):
        with watched.active():
            delete(name)
            delete(f"{name}, too")
        watched.close()


def test_asgi_lifespan_and_requests_without_a_scope(ledger: str) -> None:
    """What is no request, and what carries nothing, goes straight to the application."""
    seen: list[object] = []

    async def app(request: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append((request["type"], current_shared()))

    async def main() -> None:
        await asked(JoiningASGI(app), [], "lifespan")
        await asked(JoiningASGI(app), [(b"baggage", b"a=1")])
        await asked(JoiningASGI(app), [(b"baggage", b"lifeguard.scope=nonsense")], "websocket")

    asyncio.run(main())
    assert [("lifespan", None), ("http", None), ("websocket", None)] == seen
