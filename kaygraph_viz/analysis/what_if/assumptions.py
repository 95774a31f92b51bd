"""The assumptions of a replay: how many branches could compute at once, was there a GIL, which code holds it.

Belongs here: reading it from the trace, and the assumptions where the trace says nothing. Does not belong here:
checking options (``what_if``), and the numbers (``predictions``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kaygraph_viz.analysis.intervals import Ints, union_length_ns
from kaygraph_viz.analysis.what_if.gil_waits import real_waits
from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.analysis.what_if.predictions import Predictions
from kaygraph_viz.analysis.what_if.replay import Terms
from kaygraph_viz.analysis.what_if.speed import Speed
from kaygraph_viz.analysis.what_if.thread_code import thread_code
from kaygraph_viz.analysis.workers import OWN_INTERPRETER
from kaygraph_viz.machine import Machine, usable_cores

__all__ = ["Options", "cores_of", "predictions_of"]

MORE_THAN_ALL = 1.1  # a run that used so many times the cores of a machine ran on another one


class Options(NamedTuple):
    """The options of `what_if` that change the run, but for the number of workers; see there."""

    kind: str | None = None
    schedule: str | None = None
    cores: int | None = None
    gil: bool | None = None
    computes_first: bool | None = None


def predictions_of(
    model: Model, machine: Machine | None, options: Options, which: frozenset[int], speed: Speed, dropped: int = 0
) -> Predictions:  # fmt: skip
    """Return the predictions for a run, with all that is assumed about it."""
    had_gil = machine is None or machine.has_gil
    has_gil = had_gil if options.gil is None else options.gil
    recorded_cores = cores_of(model, machine, options.cores)
    cores = recorded_cores if options.cores is None else options.cores
    code = thread_code(model, recorded_cores, has_gil=had_gil)
    recorded = real_waits(model, cores=recorded_cores, computes_first=options.computes_first, free=code.free)
    operations, otherwise = recorded, None
    if has_gil and not had_gil:
        operations, otherwise = replace(recorded, free=None), recorded
    elif has_gil and not code.is_certain and _uses_threads(model, options.kind):
        otherwise = real_waits(model, cores=recorded_cores, computes_first=options.computes_first, free=code.otherwise)
    is_free = bool((operations.held < operations.compute).any())
    shares_cores = not has_gil or is_free or _uses_processes(model, options.kind)
    if machine is not None:
        machine = replace(machine, has_gil=has_gil, cores=cores)
    return Predictions(
        model, recorded, speed.applied(operations), speed,
        Terms(None, options.kind, options.schedule, cores if shares_cores else None, has_gil), which, dropped,
        had_gil=had_gil, had_cores=recorded_cores, otherwise=None if otherwise is None else speed.applied(otherwise),
        is_in_turns=code.is_in_turns, cores=cores, machine=machine,
    )  # fmt: skip


def _uses_threads(model: Model, kind: str | None) -> bool:
    return kind == "thread" or (kind is None and any(call.kind == "thread" for call in model.calls))


def _uses_processes(model: Model, kind: str | None) -> bool:
    return kind in OWN_INTERPRETER or any(call.kind in OWN_INTERPRETER for call in model.calls)


def cores_of(model: Model, machine: Machine | None = None, wanted: int | None = None) -> int | None:
    """Return how many branches could compute at once in a run."""
    if machine is not None:
        cores = machine.cores
    elif wanted is not None or model.is_exact:
        cores = wanted
    else:
        cores = usable_cores()
    if cores is None:
        return None
    is_more = any(_used(model, call.members) > MORE_THAN_ALL * cores for call in model.calls)
    return None if is_more else cores


def _used(model: Model, its: Ints) -> float:
    """Return how many cores branches used together, on average."""
    return float(model.cpu[its].sum() / max(1, union_length_ns(model.started[its], model.ended[its])))
