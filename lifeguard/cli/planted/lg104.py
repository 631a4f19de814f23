"""The image is looked at when it is gone."""

from lifeguard import Resource, acquires, releases, scope, uses

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @uses(image, key="name")
    def show(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


with scope("nightly build"):
    images = Images()
    images.create("nightly")
    #+ images.show("nightly")
    images.delete("nightly")
    images.show("nightly")  #-
