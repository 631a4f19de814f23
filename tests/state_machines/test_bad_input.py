"""What is written wrongly is said at once, with what was expected and how to mend it."""

# ruff: noqa: D102

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from stories import failure, run

import lifeguard
from lifeguard import DeclarationError, Resource, UsageError, acquires, releases
from lifeguard.integrations.hypothesis import held_key, state_machine

lock = Resource("lock")


class Locks:
    """A service with one parameter that has no hint."""

    @acquires(lock, key="name")
    def take(self, name: str, owner) -> None: ...  # type: ignore[no-untyped-def]

    @releases(lock, key="name")
    def free(self, name: str) -> None: ...


class Hinted:
    """Hints that are of no use."""

    @acquires(lock, key="name")
    def take(self, name: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821

    @acquires(lock, key="name")
    def take_any(self, name: Any) -> None: ...


class Strange:
    """A class that Hypothesis cannot make."""

    def __init__(self, unknown) -> None: ...  # type: ignore[no-untyped-def]


class Odd:
    """Takes something that cannot be made."""

    @acquires(lock, key="name")
    def take(self, name: str, context: Strange) -> None: ...


class Picky:
    """A class that cannot be made, as turns out when it is tried."""

    def __init__(self, number: int) -> None:
        raise ValueError(number)


class Late:
    """Takes one of these."""

    @acquires(lock, key="name")
    def take(self, name: str, context: Picky) -> None: ...


GIVEN = {"owner": st.none()}


def message(*args: Any, **kwargs: Any) -> str:
    """What state_machine says, without the place; the place is in this file."""
    with pytest.raises(DeclarationError) as caught:
        state_machine(*args, **kwargs)
    text, _, place = str(caught.value).rpartition("\n  at ")
    assert "test_bad_input.py" in place
    return text


def test_an_argument_that_cannot_be_made() -> None:
    """The error names method, parameter and reason, and what to write."""
    assert (
        "Locks.take: there is no way to make its parameter 'owner': it has no type hint. Give a strategy: "
        'state_machine(strategies={"owner": …}), or for this method alone {"take.owner": …}; or leave the method out: '
        'exclude=["take"]'
    ) == message(Locks)
    assert "its type hint 'Nowhere' cannot be resolved: name 'Nowhere' is not defined" in message(Hinted)
    assert "its type hint is Any, which can be anything" in message(Hinted, strategies={"take.name": st.text()})
    assert "parameter 'context': Hypothesis makes nothing from its type hint Strange: " in message(Odd)
    error = failure(state_machine(Late))
    assert isinstance(error, UsageError)
    assert "Late.take: there is no way to make its parameter 'context': making a Picky raised ValueError: " in str(
        error
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"strategies": [1]}, "state_machine(strategies=…) takes a mapping of parameters to strategies, not [1]"),
        (
            {"strategies": {"owner": "x"}},
            "state_machine(strategies={'owner': …}) takes a strategy of Hypothesis, not 'x'",
        ),
        (
            {"strategies": {**GIVEN, "nam": st.text()}},
            (
                "state_machine(strategies={…}): there is no 'nam'; there are free.name, name, owner, take.name, "
                "take.owner; did you mean 'name'?"
            ),
        ),
        ({"include": "take"}, "state_machine(include=…) takes a list of names, not 'take'"),
        (
            {"include": ["tke"]},
            "state_machine(include=…): there is no 'tke'; there are free, take; did you mean 'take'?",
        ),
        ({"include": []}, "state_machine(include=[]) leaves nothing to call"),
        ({"exclude": ["x"], "strategies": GIVEN}, "state_machine(exclude=…): there is no 'x'; there are free, take"),
        (
            {"exclude": ["free", "take"], "strategies": GIVEN},
            "state_machine(exclude=['free', 'take']) leaves nothing to call",
        ),
        (
            {"raises": 3, "strategies": GIVEN},
            "state_machine(raises=…) takes an exception class or a tuple of them, not 3",
        ),
        (
            {"raises": {"tak": KeyError}, "strategies": GIVEN},
            "state_machine(raises={…}): there is no 'tak'; there are free, take; did you mean 'take'?",
        ),
        ({"leaks": "yes"}, "state_machine(leaks=…) takes True or False, not 'yes'"),
        ({"settings": 5, "strategies": GIVEN}, "state_machine(settings=…) takes hypothesis.settings(…), not 5"),
        ({"name": "my machine", "strategies": GIVEN}, "state_machine(name=…) takes an identifier, not 'my machine'"),
        (
            {"conditions": "contracts", "strategies": GIVEN},
            "scope(conditions=…) takes some of 'icontract', 'deal', 'typeguard', not 'contracts'",
        ),
        (
            {"contracts": 7},
            "state_machine(contracts=…) takes stand-in classes of contracts_for(…), not 7",
        ),
        (
            {"contracts": Locks},
            (
                "state_machine(contracts=…) takes stand-in classes of contracts_for(…), not "
                f"{Locks!r}; a fake takes over the contracts of its service with @implements(Service)"
            ),
        ),
    ],
)
def test_a_parameter_of_the_wrong_sort(arguments: dict[str, Any], text: str) -> None:
    """Each names the value, and what was expected."""
    assert text == message(Locks, **arguments)


def test_a_factory_of_the_wrong_sort() -> None:
    """What can be driven is said, and how to write it."""
    assert (
        "state_machine(factory) takes a class, a function that makes the object, a module or a list of functions, not 5"
    ) == message(5)
    assert (
        "state_machine: dict carries no contract. Decorate its methods, take contracts over with @implements(Service), or "
        "give stand-ins: state_machine(…, contracts=StandIn)"
    ) == message(dict)
    assert "state_machine([]) has nothing to call" == message([])
    assert "state_machine([…]) takes functions that carry contracts, not " in message([len])

    class Needy(Locks):
        def __init__(self, host: str) -> None: ...

    assert (
        "state_machine(Needy): Needy needs host; give a function that makes the object: state_machine(lambda: Needy(…))"
    ) == message(Needy)

    @acquires(lock, key="name")
    def take(name: str) -> None: ...

    assert "state_machine(take): take carries a contract itself; to drive functions, give a list: [take, …]" == message(
        take
    )


def test_a_method_whose_conditions_never_hold() -> None:
    """A rule that is never run would find nothing: after many attempts that is an error."""
    icontract = pytest.importorskip("icontract")

    class Never:
        @icontract.require(lambda size: size < 0 < size, "size is both")  # type: ignore[untyped-decorator, unused-ignore]
        @acquires(lock, key="name")
        def take(self, name: str, size: int) -> None: ...

        @releases(lock, key="name")
        def free(self, name: str) -> None: ...

    error = failure(state_machine(Never))
    assert isinstance(error, UsageError)
    assert (
        "Never.take was never called: of 200 times none found arguments that are allowed, the last time since the "
        "precondition size is both does not hold. Give a strategy: state_machine(strategies={"
        '"take.name": …, "take.size": …}), or leave it out: exclude=["take"]'
    ) == str(error)


def test_held_key_outside_a_machine() -> None:
    """It has a meaning only where something is held."""
    with pytest.raises(DeclarationError, match=r"held_key\(…\) takes a kind \(Resource or Rollback\), not 'lock'"):
        held_key("lock")  # type: ignore[arg-type]

    @hypothesis.settings(database=None)
    @hypothesis.given(held_key(lock))
    def test(key: object) -> None: ...

    with pytest.raises(hypothesis.errors.InvalidArgument, match=r"held_key|runner"):
        test()


def test_a_factory_that_changes_its_mind() -> None:
    """A machine is made for what the factory gave first."""
    made = iter([Locks()])
    machine = state_machine(lambda: next(made, 5), strategies=GIVEN)
    with pytest.raises(UsageError, match=r"the factory first gave Locks, and then 5, which has no Locks\.take"):
        run(machine)


def test_what_a_failing_factory_began_is_undone() -> None:
    """A factory that raises leaves no scope open (see conftest), and its own exception comes out."""

    def broken() -> Locks:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run(state_machine(broken, strategies=GIVEN))


def test_a_missing_library() -> None:
    """Without Hypothesis the error names the extra that brings it."""
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "try:\n    import lifeguard.integrations.hypothesis\n"
        "except RuntimeError as error:\n    print(str(error).splitlines()[0])"
    )
    path = str(Path(lifeguard.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r})\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        "lifeguard.integrations.hypothesis needs hypothesis, which is not installed: "
        "pip install 'lifeguard-contracts[hypothesis]'\n"
    ) == ran.stdout
