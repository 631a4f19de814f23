"""A key with a slip of the pen: what it names was never made."""

from lifeguard import Resource, acquires, releases, scope

row = Resource("row", unseen="error")


class Table:
    @acquires(row, key="number")
    def insert(self, number): ...

    @releases(row, key="number")
    def delete(self, number): ...


with scope("import"):
    table = Table()
    table.insert(7)
    table.delete(7)
    table.delete(8)  #-
