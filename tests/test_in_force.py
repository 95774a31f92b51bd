"""Values in force inside blocks, also where a block is left in another context than it was entered in."""

from __future__ import annotations

import contextvars
import threading

import pytest

from kaygraph_viz.clock.clock import InForce


@pytest.fixture
def colour():
    return InForce("colour", "grey")


def test_blocks_nest_and_end(colour):
    with colour.set_to("red"), colour.set_to("blue"):
        assert colour.get() == "blue"
    assert colour.get() == "grey"


def test_a_value_ends_with_an_error_too(colour):
    with pytest.raises(OSError, match="gone"), colour.set_to("red"):
        raise OSError("gone")
    assert colour.get() == "grey"


def test_a_value_travels_with_a_copied_context(colour):
    with colour.set_to("red"):
        context = contextvars.copy_context()
    assert context.run(colour.get) == "red"


def test_a_block_that_is_left_in_another_context_is_over_in_both(colour):
    block, here, there = colour.set_to("red"), contextvars.copy_context(), contextvars.copy_context()
    here.run(block.__enter__)
    there.run(block.__exit__, None, None, None)
    assert (here.run(colour.get), there.run(colour.get), colour.get()) == ("grey", "grey", "grey")


def test_what_is_around_a_block_that_is_left_in_another_thread_is_in_force_again(colour):
    block = colour.set_to("red")
    with colour.set_to("blue"):
        block.__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        assert colour.get() == "blue"
    assert colour.get() == "grey"


def test_blocks_may_be_left_elsewhere_in_any_order(colour):
    outer, inner, there = colour.set_to("red"), colour.set_to("blue"), contextvars.copy_context()
    outer.__enter__()
    inner.__enter__()
    there.run(outer.__exit__, None, None, None)
    assert colour.get() == "blue"
    there.run(inner.__exit__, None, None, None)
    assert colour.get() == "grey"


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_blocks_may_overlap(colour, first):
    blocks = {"outer": colour.set_to("red"), "inner": colour.set_to("blue")}
    blocks["outer"].__enter__()
    blocks["inner"].__enter__()
    blocks.pop(first).__exit__(None, None, None)
    assert colour.get() == ("blue" if first == "outer" else "red")
    blocks.popitem()[1].__exit__(None, None, None)
    assert colour.get() == "grey"


def test_of_three_that_overlap_the_one_that_goes_on_is_in_force(colour):
    first, second, third = (colour.set_to(name) for name in ("red", "blue", "green"))
    for block in (first, second, third):
        block.__enter__()
    second.__exit__(None, None, None)
    assert colour.get() == "green"
    third.__exit__(None, None, None)
    assert colour.get() == "red"
    first.__exit__(None, None, None)
    assert colour.get() == "grey"
