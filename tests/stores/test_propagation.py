"""A scope's identity in the baggage of a request: what is written, what is read, and what is refused without harm."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from email.message import Message
from typing import Any
from wsgiref.headers import Headers
from wsgiref.util import setup_testing_defaults

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from lifeguard import UsageError, scope
from lifeguard.stores import SharedScope, extract, inject, propagation

IDENT = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
SCOPE = SharedScope(IDENT, "resize")
MEMBER = f"lifeguard.scope={IDENT}"


@pytest.fixture(autouse=True)
def _nothing_said_yet() -> Iterator[None]:
    before = propagation._said.copy()
    propagation._said.clear()
    yield
    propagation._said.clear()
    propagation._said.update(before)


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said on the logger."""
    assert {"lifeguard"} >= {one.name for one in caplog.records}
    return [one.getMessage() for one in caplog.records]


CARRIERS: dict[str, Any] = {
    "mapping": lambda: {"Accept": "*/*"},
    "mapping of bytes": lambda: {b"accept": b"*/*"},
    "pairs": lambda: [("Accept", "*/*")],
    "pairs of bytes, as of ASGI": lambda: [(b"accept", b"*/*")],
    "headers of wsgiref": lambda: Headers([("Accept", "*/*")]),
    "message": Message,
    "empty mapping": dict,
    "empty list": list,
}


@pytest.mark.parametrize("name", CARRIERS)
def test_what_is_injected_is_extracted(name: str) -> None:
    """Every sort of headers carries a scope there and back, and is given back itself."""
    headers = CARRIERS[name]()
    assert headers is inject(headers, SCOPE)
    assert SharedScope(IDENT, "") == extract(headers)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"baggage": "user=7"}, {"baggage": f"user=7,{MEMBER}"}),
        ({"BagGage": " user = 7 ;p=1 , b=2 "}, {"BagGage": f"user = 7 ;p=1,b=2,{MEMBER}"}),
        ({"baggage": ["a=1", "b=2"]}, {"baggage": [f"a=1,b=2,{MEMBER}"]}),
        ({"baggage": "a=1", "Baggage": "b=2"}, {"baggage": f"a=1,b=2,{MEMBER}"}),
        ({"baggage": f"lifeguard.scope={OTHER};x=y,a=%20%2C"}, {"baggage": f"a=%20%2C,{MEMBER}"}),
        ({b"Baggage": b"a=1"}, {b"Baggage": f"a=1,{MEMBER}".encode()}),
        (
            [(b"baggage", b"a=1"), (b"x", b"y"), (b"baggage", b"b=2")],
            [(b"x", b"y"), (b"baggage", f"a=1,b=2,{MEMBER}".encode())],
        ),
        ({"baggage": ""}, {"baggage": MEMBER}),
    ],
)
def test_baggage_that_is_there_is_kept(before: Any, after: Any) -> None:
    """Members of others stay as they are, in their order; what spoke of a scope before is replaced."""
    assert after == inject(before, SCOPE)


def test_message_has_one_header_afterwards() -> None:
    """Item assignment of a message adds a header; two of them must not be left."""
    message = Message()
    message["Baggage"] = "a=1"
    message["baggage"] = "b=2"
    inject(message, SCOPE)
    assert [f"a=1,b=2,{MEMBER}"] == message.get_all("baggage")


@pytest.mark.parametrize(
    "before",
    [
        "x=" + "y" * 8160,
        ",".join(f"k{number}=1" for number in range(180)),
        "a=\u00e9",
        "a=\r\nSet-Cookie: x",
        "z" * 9000,
    ],
    ids=["no room", "too many", "not ASCII", "control characters", "too long"],
)
def test_baggage_without_room_is_left_as_it_is(before: str, caplog: pytest.LogCaptureFixture) -> None:
    """What others carry is not ours to drop or to mend: the request goes without the scope, and that is said once."""
    headers = {"baggage": before}
    for _ in range(3):
        inject(headers, SCOPE)
    assert {"baggage": before} == headers
    assert 1 == len(refused(caplog))
    assert refused(caplog)[0].startswith("a scope does not travel with a request: of its baggage, it ")


def test_last_place_in_full_baggage() -> None:
    """The limits are those of the specification, to the byte and to the member."""
    room = 8192 - len(MEMBER) - len(",x=")
    assert 8192 == len(inject({"baggage": "x=" + "y" * room}, SCOPE)["baggage"])
    many = ",".join(f"k{number}=1" for number in range(179))
    assert SharedScope(IDENT, "") == extract(inject({"baggage": many}, SCOPE))


@pytest.mark.parametrize(
    "headers",
    [
        {"BAGGAGE": f"a=1, lifeguard.scope = {IDENT} ;ttl=5 ,b=2"},
        {"baggage": ["a=1", MEMBER]},
        {"baggage": (b"a=1", MEMBER.encode())},
        {b"baggage": MEMBER.encode()},
        {"baggage": "lifeguard.scope=%30" + IDENT[1:]},
        {"baggage": f"{MEMBER},{MEMBER}"},
        [("x", "y"), ("Baggage", "a=1"), ("bAGGAGE", MEMBER)],
        {"baggage": f"broken;;;=,=,{MEMBER},%%%=%%%"},
    ],
)
def test_ways_of_writing_that_are_the_same(headers: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Case, spaces, properties, several headers and percent-encoding make no difference; what others wrote badly neither."""
    assert SharedScope(IDENT, "") == extract(headers)
    assert [] == refused(caplog)


def test_wsgi_environment() -> None:
    """A WSGI server gives the header under a name of its own."""
    environment: dict[str, Any] = {"HTTP_BAGGAGE": MEMBER}
    setup_testing_defaults(environment)
    assert SharedScope(IDENT, "") == extract(environment)
    del environment["HTTP_BAGGAGE"]
    assert None is extract(environment)


class Hostile(dict):  # type: ignore[type-arg]
    """Headers that raise when they are looked at."""

    def items(self) -> Any:
        """Raise."""
        raise ZeroDivisionError("gotcha")


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (
            {"baggage": "lifeguard.scope=' OR 1=1; DROP TABLE scopes; --"},
            "it names a scope by something that is no identity",
        ),
        ({"baggage": f"lifeguard.scope={IDENT}0"}, "it names a scope by something that is no identity"),
        ({"baggage": f"lifeguard.scope={IDENT[:-1]}"}, "it names a scope by something that is no identity"),
        ({"baggage": f"lifeguard.scope={IDENT.upper()}"}, "it names a scope by something that is no identity"),
        ({"baggage": "lifeguard.scope"}, "it names a scope by something that is no identity"),
        ({"baggage": f"lifeguard.scope={IDENT}%0A"}, "it names a scope by something that is no identity"),
        ({"baggage": "lifeguard.scope=" + "%D9%A0" * 32}, "it names a scope by something that is no identity"),
        ({"baggage": "lifeguard.scope=%ff"}, "its headers raised UnicodeDecodeError"),
        ({"baggage": f"lifeguard.scope={IDENT}\0"}, "it has control characters"),
        ({"baggage": "lifeguard.scope=" + "\u0661" * 32}, "it is not ASCII"),
        ({"baggage": MEMBER.encode() + b"\xff"}, "it is not ASCII"),
        ({"baggage": f"{MEMBER},lifeguard.scope={OTHER}"}, "it has the member more than once, with different values"),
        ({"baggage": "a=1," * 10_000 + MEMBER}, "it has more than 8192 bytes"),
        ({"baggage": ["a=1"] * 10_000}, "it has more than 8192 bytes"),
        ({"baggage": "," * 5000}, "it has more than 180 members"),
        ({"baggage": "x" * 10_000_000}, "it has more than 8192 bytes"),
        ({"baggage": object()}, "it is neither text nor bytes"),
        (7, "these are no headers"),
        ([1, 2], "these are no headers"),
        (None, "these are no headers"),
        (Hostile(), "its headers raised ZeroDivisionError"),
    ],
    ids=range(21),
)
def test_what_is_refused(headers: Any, why: str, caplog: pytest.LogCaptureFixture) -> None:
    """A header that is not what it should be gives no scope, raises nothing, and is told once, without its content."""
    for _ in range(3):
        assert None is extract(headers)
    assert [f"the baggage of a request was not read: {why} (said once)"] == refused(caplog)
    assert [logging.WARNING] == [one.levelno for one in caplog.records]


def test_request_without_a_scope_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No header and no member are the common case, and no news."""
    for headers in ({}, [], {"baggage": ""}, {"baggage": "a=1"}, {"other": MEMBER}, {7: MEMBER}):
        assert None is extract(headers)
    assert [] == refused(caplog)


def test_headers_that_cannot_be_changed_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """A tuple of headers cannot carry a scope; the request goes without."""
    assert () == inject((), SCOPE)
    assert [
        "a scope does not travel with a request: of its baggage, these headers cannot be changed (said once)"
    ] == refused(caplog)


def test_without_a_shared_scope_nothing_is_injected() -> None:
    """A scope of this process alone does not travel by itself; one that is named must be one that can."""
    with scope("of this process") as own:
        assert {} == inject({})
        with pytest.raises(UsageError, match="has no shared ledger"):
            inject({}, own)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.sampled_from(["baggage", b"BAGGAGE", MEMBER]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.binary() | st.just("baggage"), inner) | st.tuples(inner, inner)
    ),
)


@given(anything)
def test_no_headers_whatever_do_harm(headers: Any) -> None:
    """Reading and writing return whatever is given for headers; what is read is a scope only if it looks like one."""
    found = extract(headers)
    assert found is None or found.ident == IDENT
    assert headers is inject(headers, SCOPE)


hostile = st.text(st.sampled_from("lifeguard.scope=0123456789abcdef,;% \t\"'\\\0\n\u00e9\u0661"), max_size=200)


@given(st.lists(hostile | st.just(MEMBER), max_size=5).map(",".join))
def test_no_text_whatever_does_harm(text: str) -> None:
    """Nothing but 32 hexadecimal digits is ever taken for a scope, and what was readable baggage is kept by injecting."""
    found = extract({"baggage": text})
    assert found is None or propagation._IDENT.fullmatch(found.ident)
    headers = {"baggage": text}
    inject(headers, SCOPE)
    assert text == headers["baggage"] or SharedScope(IDENT, "") == extract(headers)


names = st.text("abcXYZ019-_.!*'", min_size=1, max_size=20).filter(lambda name: name != "lifeguard.scope")


@given(st.dictionaries(names, st.text(st.characters(codec="utf-8", exclude_characters=" +"), max_size=20), max_size=10))
def test_opentelemetry_reads_what_we_write_and_we_what_it_writes(others: dict[str, str]) -> None:
    """The propagator of OpenTelemetry is another reader and writer of the same header: neither loses what the other put there."""
    theirs = context.Context()
    for name, value in others.items():
        theirs = baggage.set_baggage(name, value, theirs)
    headers: dict[str, str] = {}
    W3CBaggagePropagator().inject(headers, theirs)
    expected = {name: value.strip() for name, value in others.items()}
    inject(headers, SCOPE)
    assert {**expected, "lifeguard.scope": IDENT} == dict(
        baggage.get_all(W3CBaggagePropagator().extract(headers, context.Context()))
    )

    headers = {}
    W3CBaggagePropagator().inject(headers, baggage.set_baggage("lifeguard.scope", IDENT, theirs))
    assert SharedScope(IDENT, "") == extract(headers)


def test_context_of_opentelemetry_counts_where_the_headers_say_nothing() -> None:
    """A server that OpenTelemetry has instrumented has read the header already; what is in its context is as good."""
    token = context.attach(baggage.set_baggage("lifeguard.scope", OTHER))
    try:
        assert SharedScope(OTHER, "") == extract({})
        assert SharedScope(IDENT, "") == extract({"baggage": MEMBER})
    finally:
        context.detach(token)
    assert None is extract({})


def test_context_of_opentelemetry_is_not_trusted_more(caplog: pytest.LogCaptureFixture) -> None:
    """What stands there came from a header, too."""
    token = context.attach(baggage.set_baggage("lifeguard.scope", object()))
    try:
        assert None is extract({})
    finally:
        context.detach(token)
    assert 1 == len(refused(caplog))
