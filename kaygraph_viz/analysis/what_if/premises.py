"""What a replay of a run rests on: how many could compute at once, whether there was a GIL, which code holds it.

Belongs here: what is taken from the trace, and what is assumed where it says nothing. Does not belong here: checking
options (``what_if``), and the numbers (``predictions``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kaygraph_viz.analysis.intervals import Ints, union_length_ns
from kaygraph_viz.analysis.what_if.gil_waits import real_waits
from kaygraph_viz.analysis.what_if.model import OWN_INTERPRETER, Script
from kaygraph_viz.analysis.what_if.predictions import Study
from kaygraph_viz.analysis.what_if.replay import Terms
from kaygraph_viz.analysis.what_if.speed import Stretch
from kaygraph_viz.analysis.what_if.thread_code import thread_code
from kaygraph_viz.machine import Machine, usable_cores

__all__ = ["Wanted", "cores_of", "study_of"]

MORE_THAN_ALL = 1.1  # a run that used so many times the cores of a machine ran on another one


class Wanted(NamedTuple):
    """The options of `what_if` that say what is different, but for the number of workers; see there."""

    kind: str | None = None
    schedule: str | None = None
    cores: int | None = None
    gil: bool | None = None
    computes_first: bool | None = None


def study_of(
    script: Script, machine: Machine | None, wanted: Wanted, which: frozenset[int], stretch: Stretch, dropped: int = 0
) -> Study:  # fmt: skip
    """Return a run and the terms of its replays.

    Parameters
    ----------
    script
        The run.
    machine
        Where it was recorded, if that is known; else on one like this, with a GIL.
    wanted
        What is different.
    which
        The numbers of the calls to which that applies.
    stretch
        What is made faster.
    dropped
        How many spans were not kept.
    """
    had_gil = machine is None or machine.has_gil
    has_gil = had_gil if wanted.gil is None else wanted.gil
    there = cores_of(script, machine, wanted.cores)
    places = there if wanted.cores is None else wanted.cores
    code = thread_code(script, there, has_gil=had_gil)
    recorded = real_waits(script, cores=there, computes_first=wanted.computes_first, free=code.free)
    parts, otherwise = recorded, None
    if has_gil and not had_gil:
        parts, otherwise = replace(recorded, free=None), recorded
    elif has_gil and not code.is_certain and _uses_threads(script, wanted.kind):
        otherwise = real_waits(script, cores=there, computes_first=wanted.computes_first, free=code.otherwise)
    shares_cores = not has_gil or bool((parts.held < parts.work).any()) or _uses_processes(script, wanted.kind)
    if machine is not None:
        machine = replace(machine, has_gil=has_gil, cores=places)
    return Study(
        script, recorded, stretch.applied(parts), stretch,
        Terms(None, wanted.kind, wanted.schedule, places if shares_cores else None, has_gil), which, dropped,
        had_gil=had_gil, had_cores=there, otherwise=None if otherwise is None else stretch.applied(otherwise),
        is_in_turns=code.is_in_turns, cores=places, machine=machine,
    )  # fmt: skip


def _uses_threads(script: Script, kind: str | None) -> bool:
    return kind == "thread" or (kind is None and any(call.kind == "thread" for call in script.calls))


def _uses_processes(script: Script, kind: str | None) -> bool:
    return kind in OWN_INTERPRETER or any(call.kind in OWN_INTERPRETER for call in script.calls)


def cores_of(script: Script, machine: Machine | None = None, wanted: int | None = None) -> int | None:
    """Return how many could compute at once in a run; None for any number, or where it shows more than there are.

    Parameters
    ----------
    script
        The run.
    machine
        Where it was recorded. Where that is not known, and times are not exact, it is taken to be like this one.
    wanted
        How many are asked for, which counts where the machine is not known.
    """
    if machine is not None:
        cores = machine.cores
    elif wanted is not None or script.is_exact:
        cores = wanted
    else:
        cores = usable_cores()
    if cores is None:
        return None
    is_more = any(_used(script, call.members) > MORE_THAN_ALL * cores for call in script.calls)
    return None if is_more else cores


def _used(script: Script, its: Ints) -> float:
    """Return how many cores branches used together, on average."""
    return float(script.cpu[its].sum() / max(1, union_length_ns(script.started[its], script.ended[its])))
