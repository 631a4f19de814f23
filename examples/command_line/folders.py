"""Contracts for the temporary folders of the standard library, which knows nothing of lifeguard."""

from lifeguard import Resource, acquires, contracts_for, releases

folder = Resource("folder")


@contracts_for("tempfile")
class Tempfile:
    """Who makes folders."""

    @staticmethod
    @acquires(folder, key="result")
    def mkdtemp() -> str:
        """Make one."""
        raise NotImplementedError


@contracts_for("shutil")
class Shutil:
    """Who takes them away."""

    @staticmethod
    @releases(folder, key="path")
    def rmtree(path: str) -> None:
        """Take one away."""
