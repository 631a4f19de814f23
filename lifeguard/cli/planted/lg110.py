"""A process is stopped, and its pipes stay open."""

from lifeguard import Resource, acquires, all_of, releases, scope

process = Resource("process", needs=all_of("stop", "close"))


class Processes:
    @acquires(process, key="pid")
    def start(self, pid): ...

    @releases(process, key="pid", part="stop")
    def stop(self, pid): ...

    @releases(process, key="pid", part="close")
    def close_pipes(self, pid): ...


with scope("a job"):
    processes = Processes()
    processes.start(17)
    processes.stop(17)
    #+ processes.close_pipes(17)
