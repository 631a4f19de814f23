"""What a scope holds and what it found, as short texts that a test can write down."""

from __future__ import annotations

from lifeguard import Scope, scope


def watching(name: str = "watched") -> Scope:
    """A scope that only records."""
    return scope(name, on_violation="record")


def held(watched: Scope) -> list[str]:
    """What is outstanding, as texts."""
    return [str(one) for one in watched.outstanding]


def said(watched: Scope) -> list[str]:
    """What the closed scope says, warnings too, as "code kind key also-codes"."""
    assert watched.verdict is not None
    return [
        " ".join([f"{one.code} {one.kind} {one.key_text}", *(text[:5] for text in one.also)])
        for one in (*watched.verdict.violations, *watched.verdict.warnings)
    ]


def codes_and_keys(watched: Scope) -> list[tuple[str, object]]:
    """The codes and keys of the violations of a closed scope."""
    assert watched.verdict is not None
    return [(one.code, one.key) for one in watched.verdict.violations]


def unreadable(watched: Scope) -> str:
    """The text of the only finding, which is LG401."""
    assert watched.verdict is not None
    (violation,) = watched.verdict.violations
    assert "LG401" == violation.code
    return violation.message
