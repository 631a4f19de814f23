"""The allowance speaks of something that is not left any more."""

from lifeguard import Resource, acquires, releases, scope

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


with scope("nightly build") as watched:
    watched.allow(image, "nightly", why="kept for the inquest")  #-
    images = Images()
    images.create("nightly")
    images.delete("nightly")
print(watched.report())
