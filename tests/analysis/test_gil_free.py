"""What CPU times prove about code: more than one core, just one, or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaygraph_viz.analysis.waits import Code, code_of, gil_free
from kaygraph_viz.testing import bar, make_trace

MS = 1_000_000


def told(*branches, cores=2):
    """Return the bounds of the free share of each branch, of ``(start, end, cpu, name, process)`` in [ms]."""
    rows = np.array([(*branch, 0, 0)[:5] for branch in branches], np.int64).reshape(-1, 5)
    started, ended, cpu = rows[:, :3].T * MS
    found = gil_free(rows[:, 3], rows[:, 4], started, ended, cpu, cores)
    return list(zip(found.low.tolist(), found.high.tolist(), strict=True))


UNKNOWN, HELD, FREE = (0.0, 1.0), (0.0, 0.0), (1.0, 1.0)


def test_two_that_use_two_cores_are_free():
    assert told((0, 50, 50), (0, 50, 50)) == [FREE] * 2


def test_branches_that_take_turns_hold_the_gil():
    assert told((0, 100, 50), (0, 100, 50)) == [HELD] * 2


def test_branches_one_after_the_other_prove_nothing():
    assert told((0, 50, 50), (50, 100, 50)) == [UNKNOWN] * 2


def test_branches_that_mostly_wait_prove_nothing():
    assert told((0, 100, 20), (0, 100, 20)) == [UNKNOWN] * 2


def test_what_is_above_one_core_is_free_at_least():
    (least, most), _ = told((0, 100, 65), (0, 100, 65))
    assert (least, most) == (pytest.approx(1 - 1 / 1.3, rel=0.01), 1.0)


def test_only_what_lies_in_a_window_is_a_proof():
    """Spread evenly, the long one would compute 0.3 s a second beside the short ones: it need not have."""
    short = [(10 * place, 10 * place + 10, 9) for place in range(10)]
    assert told((0, 200, 60), *short) == [UNKNOWN] * 11


def test_branches_of_other_processes_prove_nothing_about_the_gil():
    assert told((0, 50, 50, 0, 0), (0, 50, 50, 0, 1)) == [UNKNOWN] * 2


def test_each_name_is_judged_by_its_own_branches():
    hashing = [(0, 50, 50, 1), (0, 50, 50, 1)]
    python = [(100, 200, 50, 2), (100, 200, 50, 2)]
    assert told(*hashing, *python) == [FREE] * 2 + [HELD] * 2


def test_names_that_occur_once_are_judged_together():
    assert told(*((0, 50, 50, name) for name in range(2))) == [FREE] * 2


def test_where_there_are_very_many_names_they_mean_nothing():
    assert told(*((0, 50, 50, name) for name in range(300)), cores=300) == [FREE] * 300


def test_cores_that_are_not_known_are_as_many_as_were_used():
    assert told((0, 100, 50), (0, 100, 50), (0, 100, 50), (0, 100, 48), cores=None) == [FREE] * 4


def test_moments_are_too_short_for_a_proof():
    assert told((0, 2, 2), (0, 2, 2)) == [UNKNOWN] * 2


def test_no_branches():
    assert told() == []
    assert Code(np.zeros(0), np.ones(0)).is_free.tolist() == []


def test_parts_show_more_than_bars():
    """Both wait for 90 ms and then compute side by side, which their bars alone do not tell."""
    parts = [("wait", 0.09), ("cpu", 0.01)]
    bars = [bar("b", f"thread-{n}", 0, 0.1, cpu_s=0.01, parts=parts) for n in (1, 2)]
    told = [code_of(make_trace(*each).columns, np.arange(2), np.zeros(2, np.int64), 2).is_free.tolist() for each in
            (bars, [replace(each, noted_parts=None) for each in bars])]  # fmt: skip
    assert told == [[True, True], [False, False]]
