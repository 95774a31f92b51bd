"""What a replay assumes about cores, the GIL and the code of branches."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.predictions import Options, cores_of, predictions_of
from kaygraph_viz.analysis.what_if.replay import Speed, varied
from kaygraph_viz.base.machine import Machine, usable_cores
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import call

TWO = Machine(2, "CPython 3.11", has_gil=True)


def model_of(*, executor="thread", cpu_s=0.9, at_once=2):
    lanes = range(1, at_once + 1)
    gaps = (0, 0.01, 0.03, 0.02)
    bars = [bar("b", f"{executor}-{lane}", 1.1 * n + gap + 0.01, 1.1 * n + gap + 1.01, queued_s=0.01 + gap, cpu_s=cpu_s)
            for lane in lanes for n, gap in enumerate(gaps)]  # fmt: skip
    return read_model(make_trace(call(5, *bars, workers=at_once, executor=executor)).columns)


def predicted(model, machine, **options):
    which = varied(model, also_serial=False)
    return predictions_of(model, machine, Options(**options), which, Speed.of(model, {}))


def test_the_recorded_machine_counts_before_the_wish():
    model = model_of()
    assert cores_of(model, TWO) == 2
    assert cores_of(model, TWO, wanted=7) == 2
    assert cores_of(model, None, wanted=7) == 7


def test_a_run_of_an_unknown_machine_is_taken_to_be_from_this_one():
    assert cores_of(model_of(cpu_s=0)) == usable_cores()


def test_a_run_that_used_more_cores_than_there_are_was_not_limited_by_them():
    assert cores_of(model_of(at_once=4, cpu_s=1), TWO) is None
    assert cores_of(model_of(at_once=2, cpu_s=1), TWO) == 2


@pytest.mark.parametrize(("executor", "cores"), [("thread", None), ("process", 2)])
def test_cores_limit_processes_and_not_python_code_in_threads(executor, cores):
    assert predicted(model_of(executor=executor, at_once=1), TWO).terms.cores == cores


def test_without_a_gil_cores_limit_threads_too():
    found = predicted(model_of(at_once=1), TWO, gil=False)
    assert (found.terms.has_gil, found.terms.cores, found.machine.has_gil) == (False, 2, False)


def test_where_code_may_hold_the_gil_or_not_both_are_predicted():
    found = predicted(model_of(at_once=1), TWO)
    assert found.is_in_turns
    assert found.otherwise is not None
    assert found.otherwise.held.sum() < found.operations.held.sum()
    assert predicted(model_of(at_once=1), TWO, kind="process").otherwise is None


def test_options_change_the_terms_but_not_what_was_recorded():
    found = predicted(model_of(), TWO, kind="process", schedule="static", cores=8)
    assert (found.terms.kind, found.terms.schedule, found.terms.cores) == ("process", "static", 8)
    assert (found.had_cores, found.had_gil, found.machine.cores) == (2, True, 8)
