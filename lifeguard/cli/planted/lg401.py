"""The key names an attribute that this object does not have."""

from types import SimpleNamespace

from lifeguard import Resource, acquires, scope

image = Resource("image", again="keep")


class Images:
    @acquires(image, key="made.id")
    def register(self, made): ...


with scope("nightly build") as watched:
    images = Images()
    images.register(SimpleNamespace(name="nightly"))  #-
    #+ images.register(SimpleNamespace(id="nightly"))
    #+ watched.allow(image, "nightly", why="the build farm keeps it")
