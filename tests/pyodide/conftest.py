"""One tab with Python for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import chromium
from tests.browser.chromium import Listener

from . import distribution
from .distribution import Tab


@pytest.fixture(scope="package")
def tab(tmp_path_factory) -> Iterator[Tab]:
    """Python in a tab of Chromium; it asks no other host for anything, and opens no dialog."""
    if distribution.found() is None:
        pytest.skip(distribution.MISSING)
    if why := chromium.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pyodide")
    distribution.collect(folder)
    with distribution.served(folder) as address, chromium.launched() as browser, browser.new_context() as context:
        listener = Listener(context)
        listener.allowed += (address,)
        yield Tab(context.new_page(), address)
        assert (listener.foreign, listener.dialogs) == ([], [])
