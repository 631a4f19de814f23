"""Ids that must be live, keys that must be UUIDs, and a fake that must look like its service."""

from typing import Annotated, Protocol
from uuid import UUID, uuid5

import typeguard

from lifeguard import DeclarationError, Resource, ViolationError, acquires, implements, releases, scope
from lifeguard.integrations.typeguard import Live

image = Resource("image", key_type=UUID)


class Images(Protocol):
    """The service that fakes stand for."""

    @acquires(image, key="result")
    def create(self, name: str) -> UUID:
        """Make an image."""
        ...

    async def download(self, image_id: UUID) -> bytes:
        """Fetch its data."""
        ...


@typeguard.typechecked
def delete_record(image_id: Annotated[UUID, Live(image)]) -> None:
    """Delete the record of an image that there is."""


class Store:
    """Where images are kept. Its second method is careless about ids."""

    @acquires(image, key="result")
    def create(self, name: str) -> UUID:
        """Make an image."""
        return uuid5(UUID(int=0), name)

    @releases(image, key="image_id")
    def delete(self, image_id: UUID | str) -> None:
        """Delete an image."""


try:

    @implements(Images, check_types=True)
    class FakeImages:
        """One of its methods is no coroutine function."""

        def create(self, name: str) -> UUID:
            """Make an image."""
            return UUID(int=1)

        def download(self, image_id: UUID) -> bytes:
            """Fetch its data."""
            return b""

except DeclarationError as error:
    print(str(error).splitlines()[0], end="\n\n")

try:
    with scope("images", conditions="typeguard", check_types=True):
        store = Store()
        made = store.create("nightly")
        delete_record(made)
        store.delete(str(made))
        store.delete(made)
        try:
            delete_record(made)
        except typeguard.TypeCheckError:
            print("it was gone already", end="\n\n")
except ViolationError as error:
    print(error)
