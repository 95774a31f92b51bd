"""The examples in the steps of the site run: those steps that need no Sphinx."""

from __future__ import annotations

import doctest

import pytest
from build_steps import check_pages, lessons, snippets


@pytest.mark.parametrize("module", [check_pages, lessons, snippets], ids=lambda module: module.__name__)
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
