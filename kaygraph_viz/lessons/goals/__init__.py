"""Goals that a run is graded by: its structure, never its seconds alone.

Each goal reads a trace: whether it is met, why, and which part of the chart shows it. A lesson uses them as
``goals.all_ok()``.

>>> from kaygraph_viz.lessons import Lesson, goals
>>> from kaygraph_viz.testing import bar, make_trace
>>> at_once = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))
>>> Lesson("00_start_here").grade(at_once, [goals.all_ok(2), goals.at_most_at_once(1)])
1 of 2 goals met
  [x] 2 branches, and all of them succeed: all 2 branches succeeded
  [ ] never more than 1 branch at once: 2 branches ran at once, 0 s after the start; expected at most 1
"""

from kaygraph_viz.lessons.goals.at_once import (
    at_least_at_once as at_least_at_once,
    at_most_at_once as at_most_at_once,
    no_idle_worker as no_idle_worker,
    overlaps as overlaps,
    starts_after as starts_after,
)
from kaygraph_viz.lessons.goals.goal import Finding as Finding, Goal as Goal
from kaygraph_viz.lessons.goals.results import (
    all_ok as all_ok,
    holds_always as holds_always,
    no_conflicts as no_conflicts,
    same_result as same_result,
)
from kaygraph_viz.lessons.goals.speed import efficiency_at_least as efficiency_at_least, faster_than as faster_than
from kaygraph_viz.lessons.goals.stages import (
    at_most_on_the_way as at_most_on_the_way,
    nothing_lost as nothing_lost,
    queue_at_most as queue_at_most,
)
from kaygraph_viz.lessons.goals.work import as_much_work_as as as_much_work_as, does_the_work as does_the_work
