"""Build an image for every name on the command line, and publish it."""

import sys

from images import Images

images = Images(room=1)
for name in sys.argv[1:]:
    images.create(name)
    try:
        images.publish(name)
        print(name, "is published")
    except RuntimeError as error:
        print(name, "is not published:", error)
