"""What docs/field-notes.md says of libraries, found again. Skipped for what is not installed (`nox -s field-notes` does).

The notes are of certain versions; of another, nothing is claimed, and the test is skipped as well.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lifeguard.faults import Result

EXAMPLES = Path(__file__).parents[2] / "examples" / "field_notes"

# What a run leaves open is what is looked for; Python warns of each once more when it is collected.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::lifeguard.LifeguardWarning"
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Nothing that a note leaves outlives its test."""
    yield
    gc.collect()


def script(name: str, **versions: str) -> ModuleType:
    """The script of a note, or a skipped test."""
    for distribution, version in versions.items():
        try:
            found = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{distribution} is not installed: `nox -s field-notes` runs this")
        if found != version:
            pytest.skip(f"the note is of {distribution} {version}, and {found} is installed")
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


def faults(result: Result) -> set[tuple[str, str]]:
    """Of each finding its verdict, and the calls that were made to fail in each schedule that shows it."""
    return {
        (one.verdict, token.removeprefix("lg1:").partition("~")[0])
        for one in result.findings
        for token in one.schedules
    }


def test_fsspec() -> None:
    """Of several files, those opened before the one that fails stay open, and those closed after it too."""
    note = script("with_fsspec", fsspec="2026.9.0")
    assert {
        ("leak", "OpenFile.__enter__@2:before:FileNotFoundError"),
        ("leak", "OpenFile.__enter__@3:before:FileNotFoundError"),
        ("leak", "OpenFile.close@1:before:InjectedFault"),
        ("leak", "OpenFile.close@2:before:InjectedFault"),
    } == faults(note.explored())
    assert [True, False, False] == note.without_lifeguard()
    if Path("/dev/full").exists():
        assert "" == note.written()


def test_pexpect() -> None:
    """A socket that cannot be shut down is not closed; a pipe is left when the fork fails."""
    note = script("with_pexpect", pexpect="4.9.0", ptyprocess="0.7.0")
    assert {("leak", "socket.shutdown@1:before:OSError")} == faults(note.talking())
    assert {("leak", "pty.fork@1:before:OSError")} == faults(note.spawning())
    assert not note.reset_by_peer()
    assert 2 == note.without_terminals()


def test_zodb() -> None:
    """The changes of a demo storage are not closed when the base cannot be; a failed opening keeps the lock."""
    note = script("with_zodb", ZODB="6.4")
    assert {("leak", "FileStorage.close@1:before:InjectedFault")} == faults(note.explored())
    assert "FileStorageFormatError, then LockError" == note.opened_again()


def test_sqlalchemy(caplog: pytest.LogCaptureFixture) -> None:
    """One fault does a session over two databases no harm; a second one, while it rolls back, leaves a connection."""
    note = script("with_sqlalchemy", SQLAlchemy="2.1.9")
    caplog.set_level(logging.CRITICAL, "sqlalchemy")
    result = note.explored()
    assert {("leak", 2)} == {(one.verdict, one.token.count("@")) for one in result.findings}
    assert (2, 1, 0) == note.without_lifeguard()


def test_filelock() -> None:
    """Nothing was found in filelock."""
    note = script("with_filelock", filelock="4.2.11")
    result = note.explored()
    assert () == result.findings
    assert result.complete
