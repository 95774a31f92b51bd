"""Windows of time: never more than they hold, and no later than there is room."""

from __future__ import annotations

from hypothesis import given, strategies as st

from kaygraph_viz.execute.rates.windows import Window

PERIOD = 100


def used_in(begun, start, period):
    return sum(amount for at, amount in begun if start <= at < start + period)


@given(
    most=st.integers(1, 20),
    asked=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 20)), max_size=30),
)
def test_no_window_ever_holds_more_and_a_call_waits_no_longer_than_it_must(most, asked):
    window, now, begun = Window("units", most, PERIOD), 0, []
    for number, (later, amount) in enumerate(asked):
        now, amount = now + later, min(amount, most)
        wait = window.wait_ns(amount, now)
        if wait:  # a moment earlier there was no room
            earlier = now + wait - 1
            assert used_in(begun, earlier - PERIOD + 1, PERIOD) + amount > most
        now += wait
        assert window.wait_ns(amount, now) == 0
        window.add(number, amount, now)
        begun.append((now, amount))
    assert all(used_in(begun, at, PERIOD) <= most for at, _ in begun)


def test_what_is_corrected_counts_from_the_begin_of_the_call():
    window = Window("units", 10, PERIOD)
    window.add("a", 8, 0)
    window.correct("a", 3)
    assert window.used == 3
    window.correct("a", 12)
    assert window.wait_ns(1, 50) == 50
    window.correct("long gone", 5)
    assert window.used == 12


def test_a_call_that_was_not_made_counts_no_more():
    window = Window("units", 10, PERIOD)
    window.add("a", 8, 0)
    window.remove("a")
    window.remove("never there")
    assert window.wait_ns(10, 0) == 0
