"""Branches on one key of the shared store, from traces made by hand; recorded ones are in ``tests/graph``."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, strategies as st

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.testing import bar, make_trace

ACCESSES = st.fixed_dictionaries({}, optional={"reads": st.just(["k"]), "writes": st.just(["k"])})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), ACCESSES), max_size=12))
def test_all_pairs_that_overlap_and_no_others_are_found(made):
    bars = [bar(f"b{number}", f"t-{number}", start, start + length, **access)
            for number, (start, length, access) in enumerate(made)]  # fmt: skip
    by_start = sorted(bars, key=lambda one: one.started_ns)
    expected = {
        frozenset((a.name, b.name)) for a, b in combinations(by_start, 2)
        if b.started_ns < a.ended_ns and a.attributes and b.attributes and ("writes" in {*a.attributes, *b.attributes})
    }  # fmt: skip
    found = conflicts(make_trace(*bars))
    assert {frozenset((one.first.name, one.second.name)) for one in found} == expected
    assert len(found) == len(expected)
    assert all(one.first.started_ns <= one.second.started_ns for one in found)
    for one in found:
        both = all("writes" in span.attributes for span in (one.first, one.second))
        assert one.kind == ("write-write" if both else "write-read")


def test_branches_one_after_the_other_are_compared_with_their_neighbours_only(monkeypatch):
    compared = 0
    whole = conflicts.__globals__["_is_around"]

    def counted(*spans):
        nonlocal compared
        compared += 1
        return whole(*spans)

    monkeypatch.setitem(conflicts.__globals__, "_is_around", counted)
    bars = [bar("b", f"t-{number % 2}", number, number + 1.5, writes=["k"]) for number in range(2_000)]
    assert len(conflicts(make_trace(*bars, check=False))) == 1_999
    assert compared <= 2_000


def test_many_that_only_read_are_no_conflict_and_not_compared():
    bars = [bar("b", f"t-{number}", 0, 1, reads=["k"]) for number in range(3_000)]
    assert conflicts(make_trace(*bars)) == []


def test_a_branch_in_a_branch_is_no_conflict_with_it():
    inner = bar("inner", "t-1", 1, 2, writes=["k"])
    assert conflicts(make_trace((bar("outer", "t-1", 0, 3, writes=["k"]), [inner]))) == []


def test_a_conflict_is_a_sentence():
    (one,) = conflicts(make_trace(bar("a", "t-1", 0, 2, reads=["total"]), bar("b", "t-2", 1, 3, writes=["total"])))
    assert one.sentence == str(one) == "a and b ran at the same time and both accessed 'total' (write-read)"
