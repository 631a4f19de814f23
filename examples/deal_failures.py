"""Failures that deal declares are the failures that must be rolled back; a rollback that promises not to raise, and does."""

import deal

from lifeguard import Rollback, ViolationError, on_failure, rolls_back, scope

spawning = Rollback("spawn")


class NoHost(Exception):
    """There is no room for the server."""


class Driver:
    """A compute driver."""

    @deal.raises(NoHost)
    @on_failure(spawning, key="server")
    def spawn(self, server: str) -> None:
        """Start a server: what it declares to raise leaves something to roll back."""
        raise NoHost(server)

    @deal.safe
    @rolls_back(spawning, key="server")
    def destroy(self, server: str) -> None:
        """Undo that. It must not raise, says its contract."""
        raise OSError("the disk is busy")


def build(driver: Driver, server: str) -> None:
    """Start a server, and roll back where that fails; errors of the rollback are swallowed."""
    try:
        driver.spawn(server)
    except NoHost:
        try:
            driver.destroy(server)
        except Exception:
            print(f"{server}: no host")


try:
    with scope("build", conditions="deal"):
        build(Driver(), "web-1")
except ViolationError as error:
    print(error)
