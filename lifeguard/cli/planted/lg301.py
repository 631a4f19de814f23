"""A condition of icontract breaks, and a broad `except` swallows it."""

import icontract

from lifeguard import Resource, acquires, held, releases, scope

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...

    @icontract.require(lambda name: held(image, name))
    def tag(self, name): ...


with scope("nightly build", conditions="icontract"):
    images = Images()
    images.create("nightly")
    try:
        images.tag("nightli")  #-
        #+ images.tag("nightly")
    except Exception:
        print("no tag tonight")
    images.delete("nightly")
