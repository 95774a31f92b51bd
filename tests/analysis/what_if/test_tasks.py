"""Tasks of a simulation: turns at the interpreter, the loop and the cores, and calls among operations."""

from __future__ import annotations

from kaygraph_viz.analysis.what_if.engine import SWITCH_NS, simulate
from kaygraph_viz.analysis.what_if.tasks import CALL, COMPUTE, COMPUTE_FREE, WAIT, CallSpec, Simulation, Task
from tests.analysis.what_if.runs import MS, played


def test_threads_take_turns_of_five_milliseconds():
    replay = played([[(COMPUTE, 8 * MS)], [(COMPUTE, 8 * MS)]], 2)
    assert replay.ended == [13 * MS, 16 * MS]  # 5 5 3 3


def test_coroutines_keep_the_loop_while_they_compute():
    assert played([[(COMPUTE, 8 * MS)], [(COMPUTE, 8 * MS)]], 2, "async").ended == [8 * MS, 16 * MS]


def test_processes_share_the_cores():
    branches = [[(COMPUTE, SWITCH_NS)]] * 4
    assert played(branches, 4, "process").makespan_ns == SWITCH_NS
    assert played(branches, 4, "process", cores=2).makespan_ns == 2 * SWITCH_NS


def test_calls_made_at_once_share_the_interpreter():
    branches = [[(COMPUTE, MS)], [(COMPUTE, MS)]]
    specs = [CallSpec([0], 1, number=7), CallSpec([1], 1, number=8, after_ns=MS // 2)]
    replay = simulate([(WAIT, 5 * MS), (CALL, specs), (COMPUTE, MS)], 2, branches.__getitem__)
    assert replay.calls == {7: (5 * MS, 6 * MS), 8: (5 * MS + MS // 2, 7 * MS)}
    assert replay.makespan_ns == 8 * MS


def test_a_branch_may_make_calls():
    inner = CallSpec([1, 2], 2, number=1)
    branches = [[(WAIT, 1), (CALL, [inner]), (WAIT, 1)], [(WAIT, 5)], [(WAIT, 3)]]
    replay = simulate([(CALL, [CallSpec([0], 1)])], 3, branches.__getitem__)
    assert (replay.started, replay.ended) == ([0, 1, 1], [7, 6, 4])


def test_computing_without_the_interpreter_is_done_side_by_side():
    branches = [[(COMPUTE_FREE, 8 * MS)], [(COMPUTE_FREE, 8 * MS)], [(COMPUTE, 8 * MS)]]
    assert played(branches, 3).ended == [8 * MS] * 3
    assert played(branches[:2], 2, cores=1).makespan_ns == 16 * MS


def test_without_a_gil_threads_share_only_the_cores():
    branches = [[(COMPUTE, 8 * MS)], [(COMPUTE, 8 * MS)]]
    program = [(CALL, [CallSpec(range(2), 2)])]
    assert simulate(program, 2, branches.__getitem__, has_gil=False).makespan_ns == 8 * MS
    assert simulate(program, 2, branches.__getitem__, has_gil=False, cores=1).makespan_ns == 16 * MS


def test_a_task_performs_its_operations_in_their_order():
    simulation, ended = Simulation(0, [].__getitem__, None, SWITCH_NS, None), []
    task = Task(simulation, simulation.new_interpreter(), is_alone=False)
    operations = [(WAIT, 3), (COMPUTE, 4), (WAIT, 1)]
    simulation.events.call_at(2, lambda: task.perform(operations, lambda: ended.append(simulation.events.now)))
    simulation.events.run()
    assert ended == [10]


def test_a_long_computation_alone_is_a_single_turn():
    simulation, ended = Simulation(0, [].__getitem__, None, SWITCH_NS, None), []
    task = Task(simulation, simulation.new_interpreter(), is_alone=False)
    task.perform([(COMPUTE, 1000 * SWITCH_NS)], lambda: ended.append(simulation.events.now))
    assert simulation.events.next_ns() == 1000 * SWITCH_NS
    simulation.events.run()
    assert ended == [1000 * SWITCH_NS]
