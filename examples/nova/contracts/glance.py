"""Images: the fake Glance that Nova's functional tests run against."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.kinds import image
from lifeguard import acquires, contracts_for, releases, uses
from nova import exception


@contracts_for("nova.tests.fixtures.glance:GlanceFixture", instances=True)
class Glance:
    # The fixture fills itself with images before the test begins; those it makes without a context.
    @acquires(
        image,
        key="result['id']",
        when=lambda context: context is not None,
        about="metadata['properties']['instance_uuid']",
    )
    def create(self, context, metadata, data=None): ...

    @uses(image, key="image_id")
    def show(self, context, image_id): ...

    @uses(image, key="image_id")
    def download(self, context, image_id): ...

    @uses(image, key="image_id")
    def update(self, context, image_id, metadata): ...

    @releases(image, key="image_id", gone=exception.ImageNotFound)
    def delete(self, context, image_id): ...
