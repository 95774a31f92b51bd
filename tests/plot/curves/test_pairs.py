"""Two runs as paired bars."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.collections import PolyCollection

from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.curves.pairs import paired_bars
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace


def run(*lengths, name="page"):
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    made = [
        bar(name, "t-1", end - length, end, index=i) for i, (end, length) in enumerate(zip(ends, lengths, strict=True))
    ]
    return make_trace((bar("exec", "main", 0, ends[-1], kind="phase"), made))


def widths(ax):
    return {c.get_gid(): [path.get_extents().x1 for path in c.get_paths()] for c in ax.collections
            if isinstance(c, PolyCollection)}  # fmt: skip


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_the_first_pair_are_the_makespans_and_names_follow(neat):
    ax = paired_bars(compare(run(4, 2), run(1, 2)))
    assert names(ax) == ["makespan", "page"]
    assert widths(ax) == {"first run": [6, 6], "second run": [3, 3]}
    assert [text.get_text() for text in ax.texts] == ["0.50x", "0.50x, makespan -3.0 s, 2 units"]
    neat(ax)


def test_single_branches_come_in_the_order_of_their_changes(neat):
    ax = paired_bars(compare(run(4, 2, 3), run(5, 2, 1)), by="span")
    assert names(ax) == ["makespan", "page 2", "page 0"]  # page 1 did not change
    assert widths(ax)["second run"] == [8, 1, 5]
    neat(ax)


def test_what_is_in_one_run_only_has_no_bars():
    ax = paired_bars(compare(run(4), run(4, name="other")))
    assert sorted(names(ax)) == ["makespan", "other", "page"]
    assert {"in one run only, makespan -4.0 s", "in one run only, makespan +4.0 s"} <= {t.get_text() for t in ax.texts}


def test_many_names_are_cut_and_long_ones_shortened(neat):
    branches = [[bar(f"{'long ' * 30}{i}", f"t-{i}", 0, 1 + i + k) for i in range(40)] for k in range(2)]
    one, two = (make_trace(*made) for made in branches)
    ax = paired_bars(compare(one, two))
    assert len(names(ax)) == 16
    neat(ax)


def test_bars_of_a_pair_do_not_overlap():
    ax = paired_bars(compare(run(4, 2), run(1, 2)))
    boxes = sorted((path.get_extents() for c in ax.collections for path in c.get_paths()), key=lambda box: box.y0)
    assert all(one.y1 <= other.y0 for one, other in pairwise(boxes))


def test_the_description_is_that_of_the_comparison_with_a_line_for_each_pair():
    comparison = compare(run(4, 2), run(1, 2))
    description = describe(paired_bars(comparison))
    assert comparison.sentence in description.sentence
    assert description.tables[0].rows[1] == ("page", "6.00 s", "3.00 s", "0.50x, makespan -3.0 s, 2 units")


def test_empty_runs_can_be_drawn(neat):
    assert neat(paired_bars(compare(make_trace(), make_trace())))
    assert neat(paired_bars(compare(make_trace(), run(2))))


@pytest.mark.parametrize("options", [{"comparison": 3}, {"by": "mood"}, {"ax": 3}])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        paired_bars(**{"comparison": compare(run(1), run(2)), **options})
