"""An override forgets the contract, and what it does is not seen."""

from lifeguard import Resource, releases, scope, uses

image = Resource("image")


class Images:
    @uses(image, key="name")
    def show(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


class CachedImages(Images):
    def delete(self, name):
        self.cache = None
        #+ super().delete(name)


with scope("nightly build"):
    images = CachedImages()
    images.show("nightly")
    images.delete("nightly")
