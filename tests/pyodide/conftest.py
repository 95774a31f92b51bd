"""Tabs with Python for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.browser.chromium import Listener

from . import distribution
from .distribution import Tab


@pytest.fixture(scope="package")
def tab(tmp_path_factory) -> Iterator[Tab]:
    """Python in a tab of Chromium, with NumPy and Matplotlib."""
    found = distribution.found()
    if found is None:
        pytest.skip(distribution.MISSING)
    with _opened(tmp_path_factory, found, distribution.PACKAGES) as tab:
        yield tab


@pytest.fixture(scope="package")
def newest_tab(tmp_path_factory) -> Iterator[Tab]:
    """The newest Python for browser tabs, without NumPy."""
    found = distribution.newest(tmp_path_factory.mktemp("npm"))
    if isinstance(found, str):
        pytest.skip(found)
    with _opened(tmp_path_factory, found, ()) as tab:
        yield tab


@contextmanager
def _opened(tmp_path_factory, found: Path, packages: Sequence[str]) -> Iterator[Tab]:
    """Open a tab, which asks no other host for anything, and opens no dialog."""
    if why := chromium.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pyodide")
    distribution.collect(folder, found)
    with distribution.served(folder) as address, chromium.launched() as browser, browser.new_context() as context:
        listener = Listener(context)
        listener.allowed += (address,)
        yield Tab(context.new_page(), address, packages)
        assert (listener.foreign, listener.dialogs) == ([], [])
    shutil.rmtree(folder, ignore_errors=True)
