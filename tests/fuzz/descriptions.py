"""Random graphs as plain data, drawn from a seed.

Belongs here: what a graph is made of, and drawing one. Does not belong here: what comes out of it (``oracle``), and
building it (``nodes``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.functions import Work

EXECUTORS = ("serial", "thread", "thread", "async", "process", "dask")
TIMEOUT_S = 0.4  # for graphs that also run in real time: a hundred times as long as what does not hang
KINDS = ("node", "node", "batch", "batch", "batch", "fan-out", "map-reduce", "pipeline", "graph", "batch-graph")


@dataclass(frozen=True)
class Step:
    """A node of a random graph; what a field means depends on its kind, one of `KINDS`.

    `works` are its functions: one, or one for each branch of a fan-out, one for each stage, or the mapper and the
    reducer. `executors` is one kind, or one for each stage. `variant` is ``first`` or ``nodes`` for a fan-out,
    ``combined`` for a map-reduce, ``unordered`` for a pipeline.
    """

    kind: str
    name: str
    works: tuple[Work, ...] = ()
    executors: tuple[str, ...] = ("serial",)
    workers: int = 2
    retries: int = 1
    wait_us: int = 0
    timeout_us: int | None = None
    has_fallback: bool = False
    collects: bool = False
    handles: bool = False  # on_error swallows its errors
    is_async: bool = False
    is_lazy: bool = False  # its items come from a generator
    items: int = 0
    schedule: str = "dynamic"
    variant: str = ""
    loops: int = 0  # how often it is run again
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Description:
    """A random graph, its first number, how it is simulated and recorded, and whether it may run in real time, too."""

    seed: int
    graph: Step
    x: int
    clock_seed: int
    has_gil: bool
    preempt: float
    notes_accesses: bool
    is_for_real: bool


@dataclass(frozen=True)
class _Place:
    """Where a step is: what it may be there."""

    depth: int
    is_async: bool
    has_exact_timeouts: bool
    may_time_out: bool = True


def describe(seed: int) -> Description:
    rnd = Random(f"graph {seed}")
    is_for_real = rnd.random() < 0.5
    place = _Place(0, rnd.random() < 0.3, has_exact_timeouts=not is_for_real)
    graph = Step("graph", "G", is_async=place.is_async, steps=_steps(rnd, "n", place, rnd.randint(1, 4)))
    return Description(
        seed, graph, rnd.randrange(100), clock_seed=rnd.choice((0, rnd.randrange(1, 1000))), has_gil=rnd.random() < 0.8,
        preempt=rnd.choice((0, 0, 0, 0, 0.1)), notes_accesses=rnd.random() < 0.3, is_for_real=is_for_real,
    )  # fmt: skip


def successors(steps: tuple[Step, ...]) -> dict[tuple[int, str], int]:
    """Return the position of the step that follows one at a position for an action."""
    found = {}
    for at in range(len(steps)):
        found[at, "again"] = at
        if at + 1 < len(steps):
            found[at, "next"] = found[at, "default"] = at + 1
            found[at, "skip"] = min(at + 2, len(steps) - 1)
    return found


def action_of(step: Step, number: int, visits: int) -> str:
    """Return the action after the visit number `visits` to a step whose result has the digest `number`."""
    return "again" if visits <= step.loops else "skip" if number % 3 == 0 else "next"


def _steps(rnd: Random, prefix: str, place: _Place, count: int) -> tuple[Step, ...]:
    return tuple(_step(rnd, f"{prefix}{number}", place) for number in range(count))


def _step(rnd: Random, name: str, place: _Place) -> Step:
    kind = rnd.choice(KINDS[:-2] if place.depth >= 2 else KINDS)
    drawn = _DRAW[kind](rnd, Step(kind, name), place)
    can_loop = kind != "graph" and kind != "batch-graph"
    return replace(
        drawn,
        loops=rnd.choice((0, 0, 0, 1)) if can_loop else 0,
        handles=can_loop and drawn.variant != "nodes" and rnd.random() < 0.25,
    )


def _work(rnd: Random, place: _Place, *, may_hang: bool = False) -> Work:
    failing = rnd.choice((0, 0, 0.2, 0.5))
    return Work(rnd.randrange(1 << 30), failing, 0.1 if may_hang else 0)


def _with_timeout(rnd: Random, step: Step, place: _Place) -> Step:
    """Return the step with a timeout, now and then; in real time then some of its branches hang."""
    if not place.may_time_out or "dask" in step.executors or rnd.random() > 0.15:
        return step
    if place.has_exact_timeouts:
        return replace(step, timeout_us=rnd.choice((250, 500, 750, 1000, 1500, 3000)))
    hanging = 0.0 if "process" in step.executors and rnd.random() < 0.8 else 0.1
    works = tuple(replace(work, hanging=hanging) for work in step.works)
    return replace(step, works=works, timeout_us=round(TIMEOUT_S * 1e6))


def _tries(rnd: Random, step: Step) -> Step:
    return replace(step, retries=rnd.choice((1, 1, 2, 3)), wait_us=rnd.choice((0, 0, 500)))


def _node(rnd: Random, step: Step, place: _Place) -> Step:
    is_async = place.is_async and rnd.random() < 0.6
    step = replace(step, works=(_work(rnd, place),), is_async=is_async, has_fallback=rnd.random() < 0.3)
    return _tries(rnd, step)


def _batch(rnd: Random, step: Step, place: _Place) -> Step:
    is_async = place.is_async and rnd.random() < 0.5
    is_lazy = rnd.random() < 0.3
    schedule = rnd.choice(("dynamic", "dynamic", "static", "longest-first")) if not (is_lazy or is_async) else "dynamic"
    step = replace(
        step, works=(_work(rnd, place),), executors=("async" if is_async else rnd.choice(EXECUTORS),),
        workers=rnd.randint(1, 3), has_fallback=rnd.random() < 0.3, collects=rnd.random() < 0.5, is_async=is_async,
        is_lazy=is_lazy, items=rnd.randint(0, 7), schedule=schedule,
    )  # fmt: skip
    return _tries(rnd, step if schedule == "static" else _with_timeout(rnd, step, place))


def _fan_out(rnd: Random, step: Step, place: _Place) -> Step:
    executor, variant = rnd.choice(EXECUTORS), rnd.choice(("", "", "first", "nodes"))
    if variant == "nodes" and executor in ("process", "dask"):
        variant = ""
    count = rnd.randint(1, 4)
    step = replace(
        step, executors=(executor,), workers=rnd.randint(1, 3), variant=variant,
        works=tuple(_work(rnd, place) for _ in range(count)), collects=variant != "first" and rnd.random() < 0.5,
    )  # fmt: skip
    if variant == "nodes":
        inner = (Step("node", f"b{number}") for number in range(count))
        return replace(step, steps=tuple(_node(rnd, one, replace(place, is_async=True)) for one in inner))
    return _tries(rnd, _with_timeout(rnd, replace(step, has_fallback=rnd.random() < 0.3), place))


def _map_reduce(rnd: Random, step: Step, place: _Place) -> Step:
    step = replace(
        step, executors=(rnd.choice(EXECUTORS),), workers=rnd.randint(1, 3), items=rnd.randint(0, 8),
        works=(_work(rnd, place), _work(rnd, place)), collects=rnd.random() < 0.5, is_lazy=rnd.random() < 0.3,
        variant=rnd.choice(("", "combined")),
    )  # fmt: skip
    return _tries(rnd, step)


def _pipeline(rnd: Random, step: Step, place: _Place) -> Step:
    count = rnd.randint(1, 3)
    kinds = ("serial", "thread", "thread", "async") + (() if rnd.random() < 0.95 else ("process",))
    step = replace(
        step, executors=tuple(rnd.choice(kinds) for _ in range(count)), workers=rnd.randint(1, 3),
        items=rnd.randint(0, 8), works=tuple(_work(rnd, place) for _ in range(count)),
        collects=rnd.random() < 0.6, variant=rnd.choice(("", "unordered")), is_lazy=rnd.random() < 0.5,
    )  # fmt: skip
    return _tries(rnd, _with_timeout(rnd, step, place))


def _graph(rnd: Random, step: Step, place: _Place) -> Step:
    is_async = place.is_async and rnd.random() < 0.5
    inside = replace(place, depth=place.depth + 1, is_async=is_async)
    return replace(step, is_async=is_async, steps=_steps(rnd, f"{step.name}.", inside, rnd.randint(1, 3)))


def _batch_graph(rnd: Random, step: Step, place: _Place) -> Step:
    is_async = place.is_async and rnd.random() < 0.5
    executor = rnd.choice(("in turn", "async" if is_async else rnd.choice(("serial", "thread", "thread"))))
    # Several runs in one loop: what blocks the loop delays the others, so that a timeout depends on them.
    blocks = is_async and executor == "async"
    inside = _Place(place.depth + 1, is_async, place.has_exact_timeouts, place.may_time_out and not blocks)
    return replace(
        step, is_async=is_async, executors=(executor,), workers=rnd.randint(1, 3), items=rnd.randint(0, 3),
        collects=executor != "in turn" and rnd.random() < 0.5,
        steps=_steps(rnd, f"{step.name}.", inside, rnd.randint(1, 2)),
    )  # fmt: skip


_DRAW = {
    "node": _node, "batch": _batch, "fan-out": _fan_out, "map-reduce": _map_reduce, "pipeline": _pipeline,
    "graph": _graph, "batch-graph": _batch_graph,
}  # fmt: skip
