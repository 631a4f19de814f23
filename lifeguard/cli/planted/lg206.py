"""The steps of a move are undone in the order in which they were done."""

from contextlib import suppress

from lifeguard import Rollback, on_failure, rolls_back, scope

task = Rollback("task", order="lifo")


class Move:
    @on_failure(task, key="name")
    def execute(self, name):
        self.step("copy")
        self.step("switch over")
        raise RuntimeError("the target does not answer")

    @on_failure(task, key="name")
    def step(self, name): ...

    @rolls_back(task, key="name")
    def undo(self, name): ...


with scope("move a server"):
    move = Move()
    with suppress(RuntimeError):
        move.execute("move")
    move.undo("copy")  #-
    move.undo("switch over")
    #+ move.undo("copy")
    move.undo("move")
