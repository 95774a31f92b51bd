"""Each picture of a page leads to the picture alone, which a narrow screen can show large.

Belongs here: the link around a picture. Does not belong here: making it (``run_directive``), its text (``lessons``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.osutil import relative_uri

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def link_pictures(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Wrap each picture that is not a link yet."""
    here = app.builder.get_target_uri(page)
    for image in list(doctree.findall(nodes.image)):
        if image["uri"] in app.env.images and not isinstance(image.parent, nodes.reference):
            address = relative_uri(here, f"{app.builder.imagedir}/{app.env.images[image['uri']][1]}")
            image.replace_self(nodes.reference("", "", image.deepcopy(), refuri=address, classes=["picture"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx to do so when a page is complete."""
    app.connect("doctree-resolved", link_pictures)
    return {"parallel_read_safe": True}
