"""A nightly build makes an image, and publishes it or deletes it again."""
