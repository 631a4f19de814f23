"""The clean-up fails as well, and that is swallowed."""

from contextlib import suppress

from lifeguard import Rollback, on_failure, rolls_back, scope

spawn_rollback = Rollback("spawn")


class Driver:
    @on_failure(spawn_rollback, key="server")
    def spawn(self, server):
        raise RuntimeError("no room")

    @rolls_back(spawn_rollback, key="server")
    def cleanup(self, server, patiently=False):
        if not patiently:
            raise TimeoutError("the hypervisor is busy")


with scope("boot"):
    driver = Driver()
    with suppress(RuntimeError):
        driver.spawn("web")
    with suppress(TimeoutError):
        driver.cleanup("web")
    #+ driver.cleanup("web", patiently=True)
