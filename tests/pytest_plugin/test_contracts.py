"""Contracts named in the configuration, and the scope as a fixture."""

from __future__ import annotations

import pytest
from suites import Suite, closing_line, complaint, counted, short_summary

OTHERS = """
class Service:
    def open(self, name): return name
    def close(self, name): pass

class Store:
    def put(self, key): return key
"""

CONTRACTS = """
from lifeguard import Resource, acquires, releases, contracts_for

handle = Resource("handle")
entry = Resource("entry")

@contracts_for("others:Service")
class ServiceContracts:
    @acquires(handle, key="name")
    def open(self, name): ...
    @releases(handle, key="name")
    def close(self, name): ...

@contracts_for("others:Store")
class StoreContracts:
    @acquires(entry, key="key")
    def put(self, key): ...

both = [ServiceContracts, StoreContracts]
"""

TESTS = """
import others

def test_service(): others.Service().open("s")
def test_store(): others.Store().put("s")
"""


@pytest.fixture
def foreign(suite: Suite) -> Suite:
    """A suite for code that carries no contracts, and contracts for it."""
    suite.write("others.py", OTHERS)
    suite.write("contracts.py", CONTRACTS)
    suite.ini("pythonpath = .")
    suite.tests(TESTS)
    return suite


@pytest.mark.parametrize(
    ("names", "failed"),
    [
        ("contracts:ServiceContracts", ["test_service"]),
        ("contracts:ServiceContracts, contracts:StoreContracts", ["test_service", "test_store"]),
        ("contracts:both", ["test_service", "test_store"]),
        ("contracts", ["test_service", "test_store"]),
        ("cloud", []),
    ],
)
def test_contracts_by_name(foreign: Suite, names: str, failed: list[str]) -> None:
    """A stand-in, several, a list of them, or a module with all that are in it; one with contracts of its own is imported."""
    result = foreign.run(f"--lifeguard-contracts={names}")
    assert failed == [line.split()[1].partition("::")[2] for line in short_summary(result)]


def test_contracts_in_the_ini_file(foreign: Suite) -> None:
    """In several lines, or with commas between; they are taken off when the run is over."""
    foreign.ini("pythonpath = .\nlifeguard_contracts =\n    contracts:ServiceContracts\n    contracts:StoreContracts\n")
    result = foreign.run_apart("--lifeguard")
    assert {"failed": 2} == counted(result)
    assert "2 tests watched; 2 of 8 contracts called" in closing_line(result)


def test_contracts_of_a_marker_are_applied_for_its_test(foreign: Suite) -> None:
    """And taken off again after it; those of the run stay."""
    foreign.tests(
        """
        import others

        @pytest.mark.lifeguard(contracts="contracts:StoreContracts")
        def test_marked():
            others.Store().put("s")

        def test_not_marked():
            others.Store().put("s")
            others.Service().open("s")
        """
    )
    result = foreign.run("--lifeguard-contracts=contracts:ServiceContracts")
    assert {"failed": 2} == counted(result)
    assert ["entry", "handle"] == [line.split("LG101 ")[1].split()[0] for line in short_summary(result)]


def test_a_contract_that_a_test_replaced_and_left_so_is_blind(foreign: Suite) -> None:
    """What stands in a wrapper's place at the end of a test is told of that test: its calls were not seen."""
    foreign.tests(
        """
        import others

        def test_patches_for_good():
            others.Service.open = lambda self, name: name
            others.Service().open("s")

        def test_patches_for_a_while(monkeypatch):
            monkeypatch.setattr(others.Service, "close", lambda self, name: None)
        """
    )
    result = foreign.run("--lifeguard-contracts=contracts")
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "test_patches_for_good - LG402 Service.open was replaced by" in short_summary(result)[0]


def test_a_contract_that_cannot_be_applied_ends_the_run(foreign: Suite) -> None:
    """Nothing of what was named stays applied."""
    foreign.write(
        "unfit.py",
        """
        from lifeguard import Resource, acquires, contracts_for

        @contracts_for(int)
        class IntContracts:
            @acquires(Resource("bits"), key="result")
            def bit_length(self): ...
        """,
    )
    said = complaint(foreign.run("--lifeguard-contracts=contracts,unfit"))
    assert said.startswith("--lifeguard-contracts: int.bit_length cannot be watched: ")
    assert "1 test watched" not in said
    assert {"passed": 2} == counted(foreign.run())


def test_the_scope_of_a_test(suite: Suite) -> None:
    """`lifeguard_scope` is the scope that the test runs in: to allow, to seed, to look at."""
    suite.tests(
        """
        def test_allows(lifeguard_scope):
            lifeguard_scope.allow(image, "left", why="the next test needs it")
            leak()

        def test_looks(lifeguard_scope):
            leak()
            assert ["left"] == [one.key for one in lifeguard_scope.outstanding]
            images.delete("left")
            assert "test_it.py::test_looks" == lifeguard_scope.name

        def test_leaks(lifeguard_scope): leak()
        """
    )
    result = suite.run()
    assert {"passed": 2, "failed": 1} == counted(result)
    assert "1 allowed" in closing_line(result)


def test_asking_for_the_scope_switches_on(suite: Suite) -> None:
    """A test that asks for it wants to be watched, whatever the ini file says."""
    suite.tests("def test_a(lifeguard_scope): leak()\ndef test_b(): leak()\n")
    assert {"passed": 1, "failed": 1} == counted(suite.run_as_it_is())


@pytest.mark.parametrize("how", ["marker", "command"])
def test_where_it_is_switched_off_the_scope_is_idle(suite: Suite, how: str) -> None:
    """A test that allows something must not fail because lifeguard is off."""
    mark = "@pytest.mark.lifeguard('off')\n" if how == "marker" else ""
    suite.tests(f"{mark}def test_a(lifeguard_scope):\n    lifeguard_scope.allow(image, why='x')\n    leak()\n")
    assert {"passed": 1} == counted(suite.run_as_it_is("--lifeguard" if how == "marker" else "--no-lifeguard"))


def test_a_scope_that_the_test_closed_itself(suite: Suite) -> None:
    """It is judged when the test says so, and not again."""
    suite.tests(
        """
        def test_closes(lifeguard_scope):
            leak()
            with pytest.raises(AssertionError):
                lifeguard_scope.close()
        """
    )
    assert {"passed": 1} == counted(suite.run())


def test_an_allowance_that_matched_nothing_is_a_warning(suite: Suite) -> None:
    """So that lists of what is allowed do not rot."""
    suite.tests("def test_a(lifeguard_scope):\n    lifeguard_scope.allow(image, why='x')\n    balance()\n")
    result = suite.run_apart("--lifeguard")
    assert {"passed": 1} == counted(result)
    assert any("test_it.py:5: LifeguardWarning: LG403 nothing was found of: image" in line for line in result.outlines)
    result = suite.run_apart("--lifeguard", "-W", "error")
    assert {"passed": 1, "errors": 1} == counted(result)
    assert "test_it.py:4: LifeguardWarning" in result.outlines
