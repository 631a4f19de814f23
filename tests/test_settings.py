"""What can be set on a scope is checked when it is said."""

from __future__ import annotations

from typing import Any

import pytest
from watched_images import images

from lifeguard import DeclarationError, Event, Verdict, scope


class Onlooker:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, call: Any) -> None:
        """A call begins."""
        self.told.append(f"began {call.function}")

    def event(self, event: Event) -> None:
        """A call has ended."""
        self.told.append(f"{event.outcome.name.lower()} {event.call.function}")

    def closed(self, verdict: Verdict) -> None:
        """The scope was judged."""
        self.told.append(f"closed {verdict.scope}")


def test_observers_are_told_of_every_call() -> None:
    """They are told in the order in which things happen, and at the end."""
    first, second = Onlooker(), Onlooker()
    with scope("s", observers=[first, second]):
        images.create("a")
        images.delete("a")
    expected = [
        "began Images.create",
        "returned Images.create",
        "began Images.delete",
        "returned Images.delete",
        "closed s",
    ]
    assert expected == first.told == second.told


@pytest.mark.parametrize(
    ("observers", "problem"),
    [
        (Onlooker, "a list of observers, not <class"),
        ("Onlooker", "a list of observers, not 'Onlooker'"),
        ([Onlooker], "not the class Onlooker"),
        ([object()], "has no began()"),
    ],
)
def test_what_is_no_observer_is_refused(observers: Any, problem: str) -> None:
    """The error says what an observer needs, when the scope is made."""
    with pytest.raises(DeclarationError, match=problem.replace("(", r"\(").replace(")", r"\)")) as caught:
        scope("s", observers=observers)
    assert "test_settings.py" in str(caught.value)
