"""A spawn fails, the error is dealt with, and nobody cleans up."""

from lifeguard import Rollback, on_failure, rolls_back, scope

spawn_rollback = Rollback("spawn")


class Driver:
    @on_failure(spawn_rollback, key="server")
    def spawn(self, server):
        raise RuntimeError("no room")

    @rolls_back(spawn_rollback, key="server")
    def cleanup(self, server): ...


with scope("boot"):
    driver = Driver()
    try:
        driver.spawn("web")
    except RuntimeError:
        pass  #-
        #+ driver.cleanup("web")
