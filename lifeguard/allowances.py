"""What a scope is allowed to leave or do: matched against what was found, each use counted."""

from __future__ import annotations

from collections.abc import Mapping

from lifeguard.contracts import expect_kinds
from lifeguard.data import field, record
from lifeguard.errors import DeclarationError
from lifeguard.keys import Key, Pattern, identify, pattern_of, repr_safely, show, show_fields
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.records import Finding, Subject
from lifeguard.places import Place, user_place
from lifeguard.rules import RULES


@record(frozen=False, eq=False)
class Allowance:
    """One thing that may stay or happen.

    Attributes:
        kind: the kind that it is about; None for any.
        key: the key, or a pattern of its parts; None for any.
        why: the reason, shown with what it covered.
        rule: the code of the rule; None for any.
        about: the subject; None for any.
        at_most: how many findings it covers; None for any number.
        place: where it was written.
        used: how many it covered.
    """

    kind: Kind | None
    key: Key | Pattern | None
    any_key: bool
    why: str
    rule: str | None
    about: tuple[Subject, ...]
    at_most: int | None
    place: Place | None = field(default_factory=user_place)
    used: int = 0

    def covers(self, finding: Finding) -> bool:
        """Whether it covers this finding; if so, one use is counted."""
        if not self.would_cover(finding.code, finding.kind, finding.key, finding.subjects):
            return False
        self.used += 1
        return True

    def would_cover(self, code: str, kind: Kind | None, key: Key | None, subjects: tuple[Subject, ...]) -> bool:
        """Whether it would cover a finding like this."""
        if self.at_most is not None and self.used >= self.at_most:
            return False
        if self.rule is not None and code != self.rule:
            return False
        if self.kind is not None and kind is not self.kind:
            return False
        if not self.any_key and not self._key_is(key):
            return False
        return not self.about or any(subject in self.about for subject in subjects)

    def _key_is(self, key: Key | None) -> bool:
        if key is None or self.key is None:
            return False
        return self.key.matches(key) if isinstance(self.key, Pattern) else key == self.key

    def __str__(self) -> str:
        parts = [self.kind.name if self.kind is not None else "any kind"]
        if self.key is not None:
            fields = self.kind.fields if self.kind is not None else None
            parts.append(str(self.key) if isinstance(self.key, Pattern) else show_fields(self.key, fields))
        parts += [show(key) for _, key in self.about]
        if self.rule is not None:
            parts.append(self.rule)
        return f"{' '.join(parts)}, allowed at {self.place} because {self.why}"


def sift(findings: list[Finding], allowances: list[Allowance]) -> tuple[list[Finding], list[tuple[Finding, Allowance]]]:
    """What was found, without what allowances cover; and that, each with the first allowance that covers it."""
    left: list[Finding] = []
    allowed: list[tuple[Finding, Allowance]] = []
    for finding in findings:
        cover = next((one for one in allowances if one.covers(finding)), None)
        if cover is None:
            left.append(finding)
        else:
            allowed.append((finding, cover))
    return left, allowed


def allowance(
    kind: Kind | None, key: object, *, why: str, rule: str | None, about: object, at_most: int | None
) -> Allowance:
    """Check what `scope.allow` was given.

    Raises:
        DeclarationError: a value of the wrong sort; no reason; a rule that does not exist.
    """
    if kind is not None:
        expect_kinds((kind,), "allow(…)")
    if not isinstance(why, str) or not why.strip():
        raise DeclarationError.at_caller(f"allow(…, why=…) takes the reason (a non-empty text), not {repr_safely(why)}")
    if rule is not None and rule not in RULES:
        raise DeclarationError.at_caller(
            f"allow(…, rule={rule!r}): there is no such rule; there are {', '.join(RULES)}"
        )
    if at_most is not None and (isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 1):
        raise DeclarationError.at_caller(f"allow(…, at_most=…) takes a whole number from 1, not {repr_safely(at_most)}")
    wanted: Key | Pattern | None = None
    if isinstance(key, Mapping):
        if kind is None:
            raise DeclarationError.at_caller(
                f"allow(key={repr_safely(key)}): parts of a key can be chosen only where the kind is given"
            )
        wanted = pattern_of(key, kind.fields)
    elif key is not None:
        wanted = identify(key)
    return Allowance(kind, wanted, key is None, why, rule, read_subjects(about), at_most)


def read_subjects(about: object) -> tuple[Subject, ...]:
    """Subjects given as values: a key, (kind, key), or a list of these."""
    if about is None:
        return ()
    found: list[Subject] = []
    for one in about if isinstance(about, list) else [about]:
        if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], Resource | Rollback):
            found.append((one[0], identify(one[1])))
        else:
            found.append((None, identify(one)))
    return tuple(found)
