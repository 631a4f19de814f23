"""What would have been deleted stays when an exception passes by."""

from lifeguard import Resource, acquires, releases, scope

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


def check(name):
    raise OSError("disk full")


with scope("nightly build"):
    images = Images()
    images.create("nightly")
    #+ try:
    #+     check("nightly")
    #+ finally:
    #+     images.delete("nightly")
    check("nightly")  #-
    images.delete("nightly")  #-
