"""Who accessed which key of a shared store, branch by branch."""

from __future__ import annotations

import contextvars

import pytest

from kaygraph_viz.base.errors import SharedConflictError
from kaygraph_viz.trace.shared_access import SharedWatch


class Branch:
    """A branch in a context of its own, as executors run it."""

    def __init__(self, watch, span_id, inside=None):
        self.watch, self.span_id = watch, span_id
        self.context = (inside.context if inside is not None else contextvars.Context()).copy()
        self.context.run(watch.enter, span_id)

    def reads(self, *keys):
        for key in keys:
            self.context.run(self.watch.note, key, is_write=False)

    def writes(self, *keys):
        for key in keys:
            self.context.run(self.watch.note, key, is_write=True)

    def ends(self):
        return self.watch.leave(self.span_id)


@pytest.fixture
def watch():
    return SharedWatch(strict=False)


@pytest.fixture
def strict():
    return SharedWatch(strict=True)


def test_each_branch_has_its_own_keys_in_order_and_each_once(watch):
    one, other = Branch(watch, 1), Branch(watch, 2)
    one.writes("b", "a", "b")
    other.reads("c")
    one.reads("a")
    assert one.ends() == {"reads": ["a"], "writes": ["a", "b"]}
    assert other.ends() == {"reads": ["c"]}


def test_a_branch_that_accessed_nothing_has_no_attributes(watch):
    assert Branch(watch, 1).ends() is None


def test_outside_of_branches_nothing_is_noted(watch):
    contextvars.Context().run(watch.note, "a", is_write=True)
    assert watch.leave(0) is None


def test_keys_of_any_type_are_kept_as_short_texts(watch):
    branch = Branch(watch, 1)
    branch.writes(7, ("a", 1), "x" * 1_000)
    assert branch.ends() == {"writes": ["('a', 1)", "7", "x" * 200]}


def test_an_access_belongs_to_the_innermost_branch(watch):
    outer = Branch(watch, 1)
    inner = Branch(watch, 2, inside=outer)
    inner.writes("a")
    assert inner.ends() == {"writes": ["a"]}
    assert outer.ends() is None


def test_strict_refuses_the_second_writer_of_a_key_and_names_both(strict):
    one, other = Branch(strict, 1), Branch(strict, 2)
    one.writes("a")
    other.reads("a")
    with pytest.raises(SharedConflictError, match="two branches at once write 'a' of the shared store: spans 1 and 2"):
        other.writes("a")
    assert other.ends() == {"reads": ["a"]}


def test_strict_lets_one_after_the_other_write(strict):
    one, other = Branch(strict, 1), Branch(strict, 2)
    one.writes("a")
    one.ends()
    other.writes("a")
    assert other.ends() == {"writes": ["a"]}


def test_strict_lets_a_branch_within_another_write_what_that_one_wrote(strict):
    outer = Branch(strict, 1)
    outer.writes("a")
    Branch(strict, 2, inside=outer).writes("a")
    with pytest.raises(SharedConflictError):
        Branch(strict, 3).writes("a")
