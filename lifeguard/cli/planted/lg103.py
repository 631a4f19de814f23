"""Two places believe that they own the image."""

from lifeguard import Resource, acquires, releases, scope

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


def build(images):
    images.create("nightly")
    images.delete("nightly")


with scope("nightly build"):
    images = Images()
    build(images)
    images.delete("nightly")  #-
