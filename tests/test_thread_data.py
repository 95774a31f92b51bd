"""Data of threads that can be put aside and brought back."""

from __future__ import annotations

import threading

from kaygraph_viz.base.parts import exchanged, of_fibers


class WithDefault(threading.local):
    name = "default"


def test_data_is_put_aside_and_brought_back():
    first, second = of_fibers(WithDefault()), of_fibers(threading.local())
    first.name, second.number = "mine", 7
    held = exchanged([])
    assert (first.name, vars(second)) == ("default", {})
    first.name = "of another"
    assert (first, {"name": "of another"}) in exchanged(held)
    assert (first.name, second.number) == ("mine", 7)


def test_data_that_nobody_uses_any_more_is_forgotten():
    gone = of_fibers(threading.local())
    gone.number = 1
    del gone
    assert not [held for held in exchanged(exchanged([])) if held[1] == {"number": 1}]
