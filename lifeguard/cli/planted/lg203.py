"""What went well is rolled back."""

from lifeguard import Rollback, on_failure, rolls_back, scope

spawn_rollback = Rollback("spawn", unseen="error")


class Driver:
    @on_failure(spawn_rollback, key="server")
    def spawn(self, server): ...

    @rolls_back(spawn_rollback, key="server")
    def cleanup(self, server): ...


with scope("boot"):
    driver = Driver()
    try:
        driver.spawn("web")
    #+ except RuntimeError:
    finally:  #-
        driver.cleanup("web")
