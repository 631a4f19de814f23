"""Conditions of icontract that ask what is held, and a fake whose own list no longer says what exists."""

import icontract

from lifeguard import Resource, ViolationError, acquires, held, releases, scope, tracks

volume = Resource("volume")


@tracks(volume, state=lambda self: self.volumes)
class FakeVolumes:
    """A volume service for tests. Its `delete` forgets to take the volume off the list."""

    def __init__(self) -> None:
        self.volumes: list[str] = []

    @icontract.require(lambda name: name, "a volume has a name")
    @icontract.ensure(lambda result: held(volume, result))
    @acquires(volume, key="result")
    def create(self, name: str) -> str:
        """Make a volume."""
        self.volumes.append(f"vol-{name}")
        return self.volumes[-1]

    @icontract.require(lambda volume_id: held(volume, volume_id))
    @releases(volume, key="volume_id")
    def delete(self, volume_id: str) -> None:
        """Delete a volume."""


def clean_up(volumes: FakeVolumes, *volume_ids: str) -> None:
    """Delete what there is, whatever happens: the broken condition is swallowed here."""
    for volume_id in volume_ids:
        try:
            volumes.delete(volume_id)
        except Exception:
            print(f"could not delete {volume_id}")


try:
    with scope("nightly", conditions="icontract"):
        volumes = FakeVolumes()
        made = volumes.create("nightly")
        clean_up(volumes, made, made)
except ViolationError as error:
    print(error)
