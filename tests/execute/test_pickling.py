"""What travels between processes: where a context variable is found on the other side."""

from __future__ import annotations

import sys
from contextvars import ContextVar

from kaygraph_viz.execute.pickling import _address_of

city = ContextVar("another name")


def test_a_context_variable_is_found_by_the_name_that_its_module_gives_it():
    assert _address_of(city) == (__name__, "city")


def test_one_whose_place_another_has_taken_is_local_from_then_on(monkeypatch):
    """As when the cell of a notebook that makes it is run again."""
    old, new = ContextVar("town"), ContextVar("town")
    monkeypatch.setattr(sys.modules[__name__], "town", old, raising=False)
    assert _address_of(old) == (__name__, "town")
    monkeypatch.setattr(sys.modules[__name__], "town", new)
    assert (_address_of(old), _address_of(new)) == (("", "town"), (__name__, "town"))


def test_one_of_a_function_is_local():
    assert _address_of(ContextVar("mine")) == ("", "mine")
