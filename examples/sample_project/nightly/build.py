"""The build."""

from nightly.images import Images, QuotaExceeded


def build(images: Images, *, tests_pass: bool) -> str:
    """Make an image, and publish it if its tests pass.

    Returns:
        what became of it.
    """
    image_id = images.create("nightly")
    if not tests_pass:
        images.delete(image_id)
        return "deleted"
    try:
        images.publish(image_id)
    except QuotaExceeded:
        images.delete(image_id)
        return "no room"
    return "published"
