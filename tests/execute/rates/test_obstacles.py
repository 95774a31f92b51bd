"""What held up calls, and for how long."""

from __future__ import annotations

from kaygraph_viz.execute.rates.obstacles import Obstacles


def test_times_of_one_limit_add_up_and_gaps_do_not_count():
    obstacles = Obstacles()
    for name, now_ns in (("a", 10), ("", 20), ("b", 50), ("a", 65), ("", 75), ("a", 900)):
        obstacles.now(name, now_ns)
    assert obstacles.so_far(901) == {"a": 21, "b": 15}
    assert obstacles.longest_since({}) == "a"


def test_only_what_came_later_counts():
    obstacles = Obstacles()
    obstacles.now("a", 0)
    before = obstacles.so_far(100)
    assert obstacles.longest_since(before) == ""
    obstacles.now("b", 101)
    obstacles.now("", 110)
    assert obstacles.longest_since(before) == "b"
