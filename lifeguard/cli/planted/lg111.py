"""A check that says it cleans up after itself, and leaves that to its caller."""

from lifeguard import Resource, acquires, releases, scope, settles

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...

    @settles(image)
    def try_out(self):
        self.create("probe")
        #+ self.delete("probe")


with scope("nightly build"):
    images = Images()
    images.try_out()
    images.delete("probe")  #-
