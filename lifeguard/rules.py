"""The rules that lifeguard knows: one table, from which the report, the documentation and other formats are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from lifeguard.data import record


@record
class Rule:
    """One rule.

    Attributes:
        code: the stable code, `LG101`.
        name: the short name, "leaked".
        cwe: the number of the weakness in the Common Weakness Enumeration, or None where none fits.
        cwe_name: the name that CWE gives it; empty where `cwe` is None.
        severity: "error" makes a scope fail, "warning" is only told.
        said: when the rule is said.
        meaning: what it means for the program.
        fix: what to do about it.
        category: the CWE is a pillar of the catalogue: it names the family of the rule and not its weakness.
    """

    code: str
    name: str
    cwe: int | None
    cwe_name: str
    severity: Literal["error", "warning"]
    said: str
    meaning: str
    fix: str
    category: bool = False

    @property
    def cwe_id(self) -> str | None:
        """The weakness as it is written elsewhere, `CWE-772`; None where there is none."""
        return None if self.cwe is None else f"CWE-{self.cwe}"


_CWE_NAMES = {
    459: "Incomplete Cleanup",
    460: "Improper Cleanup on Thrown Exception",
    664: "Improper Control of a Resource Through its Lifetime",
    666: "Operation on Resource in Wrong Phase of Lifetime",
    672: "Operation on a Resource after Expiration or Release",
    694: "Use of Multiple Resources with Duplicate Identifier",
    696: "Incorrect Behavior Order",
    703: "Improper Check or Handling of Exceptional Conditions",
    708: "Incorrect Ownership Assignment",
    754: "Improper Check for Unusual or Exceptional Conditions",
    755: "Improper Handling of Exceptional Conditions",
    763: "Release of Invalid Pointer or Reference",
    772: "Missing Release of Resource after Effective Lifetime",
    826: "Premature Release of Resource During Expected Lifetime",
    1250: "Improper Preservation of Consistency Between Independent Representations of Shared State",
    1341: "Multiple Releases of Same Resource or Handle",
}
_PILLARS = frozenset({664, 703})


def _rule(
    code: str,
    name: str,
    cwe: int | None,
    *,
    said: str,
    meaning: str,
    fix: str,
    severity: Literal["error", "warning"] = "error",
) -> Rule:
    cwe_name = "" if cwe is None else _CWE_NAMES[cwe]
    return Rule(code, name, cwe, cwe_name, severity, said, meaning, fix, category=cwe in _PILLARS)


def _table() -> tuple[Rule, ...]:
    return (
        _rule(
            "LG101",
            "leaked",
            772,
            said="The scope ended normally and the obligation was still open.",
            meaning="Something was acquired, and nobody released it, handed it over or took it along with its owner.",
            fix="Call a function that `@releases` this kind, or one that `@transfers` it, on every path that ends the "
            "scope. What may stay: `scope.allow(kind, key, why=…)`.",
        ),
        _rule(
            "LG102",
            "leaked on error",
            460,
            said="An exception left the scope and the obligation was still open.",
            meaning="The failing path does not clean up what the good path would have released.",
            fix="Release it where the exception passes (`try`/`finally`, a context manager, `contextlib.ExitStack`). "
            "What a failure may leave: `scope.allow(kind, key, why=…, rule='LG102')`.",
        ),
        _rule(
            "LG103",
            "double release",
            1341,
            said="A release returned for something that was already released; or an amount went below zero; or the same "
            "part was released twice.",
            meaning="Two places believe that they own it. With a key that is given out anew, the second release destroys "
            "what belongs to someone else.",
            fix="Let one owner release it. A release that may be called again and then does nothing is declared so: "
            "`@releases(kind, key=…, idempotent=True)`.",
        ),
        _rule(
            "LG104",
            "use after release",
            672,
            said="A use or a transfer returned for something that was already released, or gone with its owner.",
            meaning="The program works on something that is no longer there. It went well by luck, or because a fake "
            "forgives it.",
            fix="Move the use before the release, or acquire it anew. Where the call only asks whether it is still "
            "there, name the answer: `@uses(kind, key=…, gone=NotFound)`.",
        ),
        _rule(
            "LG105",
            "never acquired",
            763,
            said='A release, transfer or use returned for a key that was never seen, of a kind with `unseen="error"`.',
            meaning="The key is wrong, or it was acquired where lifeguard did not look: before the scope opened, or by a "
            "function without a contract.",
            fix="Put `@acquires` on the function that makes it, open the scope earlier, or tell the scope what was there "
            "before with `scope.seed(kind, key, why=…)`.",
        ),
        _rule(
            "LG106",
            "acquired again while held",
            694,
            said='An acquire returned a key that is still held, of a kind with `again="error"`, which is the default.',
            meaning="Two things go by one name, or one thing was made twice. From here on the key counts: it needs as "
            "many releases as it had acquires.",
            fix='Make the key tell them apart (`key="self, image_id"` where each fake numbers from 1), or say what a '
            'second acquire means: `Resource(name, again="count")`, `"keep"` or `"replace"`.',
        ),
        _rule(
            "LG107",
            "handed to an owner that cannot pay",
            708,
            said="A transfer returned, and its target was a closed scope or a resource that is not held.",
            meaning="After the call nobody would have been responsible. The giver keeps the obligation.",
            fix="Acquire the new owner before handing over to it, or hand it out of sight on purpose: `@transfers(kind, "
            "key=…, to=OUTSIDE)`.",
        ),
        _rule(
            "LG108",
            "released while parts are held",
            826,
            said="The release of a parent returned while resources declared `within=` it were still held.",
            meaning="The parts now hang in the air: they still exist, but what they belong to is gone.",
            fix="Release the parts first. Where releasing the parent takes them along, say so: `Resource(name, "
            "within=parent, cascade=True)` or `@releases(parent, key=…, cascade=True)`.",
        ),
        _rule(
            "LG109",
            "drift",
            1250,
            said="The state of an object whose class has `@tracks`, and the ledger, disagreed when the scope closed or, with "
            "`always=True`, when a watched call on it ended.",
            meaning="The object's own state disagrees with the ledger: something changed it without passing a function "
            "that has a contract.",
            fix="Put a contract on the function that made the change, or mend the release that reports success and does "
            "nothing.",
        ),
        _rule(
            "LG110",
            "partly released",
            459,
            said="The scope ended, and of several demanded parts (`needs=all_of(…)`) or several acquires only some were "
            "paid.",
            meaning="The clean-up began and stopped half way.",
            fix="Call the releases that are still missing, also when an earlier one of them raises. The report names the "
            "parts that are owed.",
        ),
        _rule(
            "LG111",
            "overdue",
            459,
            said="A call with `@settles` returned and left open what it had to settle.",
            meaning="The operation said that it was done, and it was not. That it is paid later in the scope does not "
            "change this.",
            fix="Pay before the call returns. Where later is soon enough, take `@settles` away and let the scope judge.",
        ),
        _rule(
            "LG201",
            "failure without rollback",
            755,
            said="A call with `@on_failure` failed, and until the scope ended nobody called its rollback.",
            meaning="The failure was noticed or swallowed, and what it had half done was left as it was.",
            fix="Call the function that `@rolls_back` this rollback, with the same key, on the failing path. Where a "
            "later success makes up for the failure: `@on_failure(…, success_pays=True)`.",
        ),
        _rule(
            "LG202",
            "rollback tried and failed",
            755,
            said="A call with `@on_failure` failed, its rollback was called, raised, and did not succeed until the scope "
            "ended.",
            meaning="The clean-up broke too. The report has the first failure and the exception of every attempt.",
            fix="Mend the rollback, or try it again until it returns. One that can find nothing left to do should "
            "return, not raise.",
        ),
        _rule(
            "LG203",
            "rollback of what never failed",
            666,
            said='A rollback returned for a key whose failure was never seen, of a rollback with `unseen="error"`.',
            meaning="Work that had succeeded was undone, or the key of the rollback names something else than that of "
            "the failure.",
            fix="Call the rollback on the failing path only, and compare the key expressions of `@on_failure` and "
            "`@rolls_back`.",
        ),
        _rule(
            "LG204",
            "not atomic",
            460,
            said="A call with `@atomic` raised, and what was opened since it began was not settled by then. With "
            "`restores=True` also: something held before was gone or moved.",
            meaning="The caller sees an exception and may think that nothing happened, but something did. A retry that "
            "succeeds does not wash this out.",
            fix="Settle inside the call before the exception leaves it. What may stay: `scope.allow(kind, key, why=…, "
            "rule='LG204')`; another deadline: contracts without `@atomic`.",
        ),
        _rule(
            "LG205",
            "in doubt",
            754,
            said="An acquire declared `in_doubt=True` raised, and until the scope ended nobody released it or looked "
            "whether it had taken effect.",
            meaning="The request may have been carried out although its answer was lost. If so, nobody knows of the thing.",
            fix="After the failure release it (with `gone=NotFound` on the release) or look it up with a function that "
            "`@uses` the kind and names `gone=`.",
        ),
        _rule(
            "LG206",
            "rollback out of order",
            696,
            said='A rollback with `order="lifo"` was done while a later step was still owed, or a step was not tried '
            "because another one had failed.",
            meaning="Steps build on one another; undone in the wrong order, or not all of them, they leave a state that "
            "neither the program nor its failure ever made.",
            fix="Roll back the last step first, and try each one even when another raised: collect the exceptions and "
            "raise them at the end.",
        ),
        _rule(
            "LG207",
            "failure masked",
            755,
            said="Said by fault exploration only: a call was made to fail, and what the scenario raised in the end was another "
            "exception, in whose chain that failure does not stand.",
            meaning="Whoever sees the exception looks for the wrong cause; the failure itself is told nowhere.",
            fix="Raise the new exception while the first one is being handled, or `raise … from` it; where a clean-up can fail, "
            "raise the first failure when it is done.",
        ),
        _rule(
            "LG301",
            "condition broke",
            703,
            said="A condition of icontract, deal or typeguard broke in a scope that names the library in `conditions=`; or a "
            "key was not of its kind's `key_type` in a scope with `check_types=True`.",
            meaning="A precondition, postcondition or type check of another library failed inside the scope, whether or "
            "not the program swallowed its exception.",
            fix="Mend what the condition's own message names. A condition that is meant to break, as in a test of it: "
            "`scope.allow(None, why=…, rule='LG301')`.",
        ),
        _rule(
            "LG302",
            "invariant broke",
            664,
            said="A function with `@invariant` returned false when the scope closed, at the end of an `@atomic` or "
            "`@settles` call that names its kinds, or after any call with `always=True`.",
            meaning="Each call kept its own contract, and together they reached a state that must not be.",
            fix="The report names the last event before it; what the invariant says in its `description=` must hold "
            "again when the call ends.",
        ),
        _rule(
            "LG401",
            "contract could not be evaluated",
            None,
            said="A key expression, a condition, an amount or an invariant raised, or gave what cannot be a key.",
            meaning="The program went on unharmed, but this event is missing from the ledger, so other findings of this "
            "scope may be wrong.",
            fix="Correct the expression in the contract. `after(…)` reads a key once the call has set it; a condition in "
            "`when=` keeps calls out that have none.",
        ),
        _rule(
            "LG402",
            "contract could not see its calls",
            None,
            said="A contract was dropped, hidden by an override, or replaced on its class or instance while it was "
            "applied. Where that is likely and not proven, it is a warning.",
            meaning="Calls went by without being seen. A scope that looks clean may only be blind.",
            fix="Put lifeguard directly on the function, below icontract or deal; put `@implements(Service)` on a class "
            "that overrides; start `contracts_for(…).applied()` after whatever replaces the function.",
        ),
        _rule(
            "LG403",
            "allowance matched nothing",
            None,
            severity="warning",
            said="The scope closed, and a `scope.allow(…)` had matched nothing.",
            meaning="What it allowed is mended, or the allowance names the wrong kind, key or rule and would hide "
            "nothing when needed.",
            fix="Remove the allowance, or correct it.",
        ),
    )


class _Rules(Mapping[str, Rule]):
    """The table, made when it is looked into first: most programs that import it break none of them."""

    @cached_property
    def _by_code(self) -> dict[str, Rule]:
        return {rule.code: rule for rule in _table()}

    def __getitem__(self, code: str) -> Rule:
        return self._by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_code)

    def __len__(self) -> int:
        return len(self._by_code)


RULES: Mapping[str, Rule] = _Rules()
"""Every rule by its code, in the order of the codes."""


def rule(code: str) -> Rule:
    """Look a rule up.

    Args:
        code: its code; small letters and surrounding space are forgiven (`lg101`).

    Returns:
        The rule.

    Raises:
        ValueError: there is no such rule; the message names those that it could have meant, and all that there are.
    """
    wanted = str(code).strip().upper()
    found = RULES.get(wanted)
    if found is not None:
        return found
    near = _near(wanted)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"There is no rule {code!r}.{hint} The rules are {', '.join(RULES)}.")


def _near(wanted: str) -> list[str]:
    import difflib

    by_name = [each.code for each in RULES.values() if wanted and wanted in each.name.upper()]
    return by_name[:3] or difflib.get_close_matches(wanted, RULES, n=3, cutoff=0.6)
