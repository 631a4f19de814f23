"""The delete reports success, and the image stays on the fake's own list."""

from lifeguard import Resource, acquires, releases, scope, tracks

image = Resource("image")


@tracks(image, state=lambda self: self.images)
class Images:
    def __init__(self):
        self.images = set()

    @acquires(image, key="name")
    def create(self, name):
        self.images.add(name)

    @releases(image, key="name")
    def delete(self, name):
        pass  #-
        #+ self.images.remove(name)


with scope("nightly build"):
    images = Images()
    images.create("nightly")
    images.delete("nightly")
