"""The picture of a deadlock: a box for each thread and each lock, and an arrow from each to the next."""

from __future__ import annotations

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import DeadlockError, OptionError, Wait
from kaygraph_viz.plot.wait_circle import wait_circle


def wait(name, holder):
    return Wait(f"thread {name!r}", f"item 1 of 'f', a.py:4 in {name}", "with b:", "a lock", holder, "a.py:3 in f", "")


def boxes(ax):
    return [text for text in ax.texts if text.get_text()]


def arrows(ax):
    return [(text.xyann, text.xy, text.arrow_patch.get_linestyle()) for text in ax.texts if not text.get_text()]


def test_threads_and_locks_take_turns_and_each_points_to_the_next():
    ax = wait_circle(DeadlockError([wait("A", "thread 'B'"), wait("B", "thread 'C'"), wait("C", "thread 'A'")], []))
    places = [box.xy for box in boxes(ax)]
    assert [box.get_text().splitlines()[0] for box in boxes(ax)] == [
        "thread 'A'", "a lock", "thread 'B'", "a lock", "thread 'C'", "a lock",
    ]  # fmt: skip
    assert [(start, end) for start, end, _ in arrows(ax)] == list(zip(places, [*places[1:], places[0]], strict=True))
    assert [style for *_, style in arrows(ax)] == ["--", "-"] * 3
    assert ax.get_title(loc="left") == "3 threads wait for each other"


def test_boxes_say_where_a_thread_waits_and_where_the_lock_was_taken():
    first, lock = boxes(wait_circle(DeadlockError([wait("A", "thread 'A'")], [])))
    assert first.get_text() == "thread 'A'\nitem 1 of 'f'\na.py:4 in A\nwith b:"
    assert lock.get_text() == "a lock\ntaken in a.py:3 in f"


def test_it_has_a_description_in_words():
    text = str(kv.describe(wait_circle(DeadlockError([wait("A", "thread 'B'"), wait("B", "thread 'A'")], []))))
    assert text.startswith("Circle of a deadlock: 2 threads wait for each other.")
    assert "thread 'A'  item 1 of 'f', a.py:4 in A  a lock  thread 'B'  a.py:3 in f" in text


@pytest.mark.parametrize("error", [None, ValueError("no"), DeadlockError([], [wait("A", "")])])
def test_an_error_without_a_circle_is_refused(error):
    with pytest.raises(OptionError, match="a DeadlockError with a circle"):
        wait_circle(error)
