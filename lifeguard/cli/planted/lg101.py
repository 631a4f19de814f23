"""A nightly build forgets its image when the quota is used up."""

from lifeguard import OUTSIDE, Resource, acquires, releases, scope, transfers

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name):
        raise RuntimeError("quota exceeded")


with scope("nightly build"):
    images = Images()
    images.create("nightly")
    try:
        images.publish("nightly")
    except RuntimeError:
        pass  #-
        #+ images.delete("nightly")
