"""What examples in docstrings leave behind is put away; checks around tests are in ``tests/conftest.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _figures_of_examples_are_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and isinstance(request.node, pytest.DoctestItem):
        pyplot.close("all")
