"""What must come out of a described graph: it is done step by step in one plain loop, without the package.

Belongs here: results, the errors that may be raised, and what is uncertain after one. Does not belong here: times.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from kaygraph_viz.base.errors import BranchError, DeadlineExceeded
from tests.fuzz.descriptions import Description, Step, action_of, successors
from tests.fuzz.functions import RudeError, Work, digest, error_for, facts

Branch = tuple[str, Any]  # "ok" and the value, or "error" or "timeout" and the text of the error
TIMEOUT = "DeadlineExceeded"


@dataclass
class Expected:
    """What must come out: the shared store, the last action, or one of some errors.

    Keys of the store that begin with one of `unsure` may be there or not: others were at work when the error came.
    """

    shared: dict[str, Any]
    action: str | None = None
    errors: frozenset[str] = frozenset()
    unsure: tuple[str, ...] = ()


class Store(dict[str, Any]):
    """A shared store, and the beginnings of keys that may be there or not."""

    def __init__(self, x: int) -> None:
        super().__init__(x=x)
        self.unsure: list[str] = []


class Failed(Exception):
    """One of some errors ends the step."""

    def __init__(self, errors: frozenset[str]) -> None:
        super().__init__(errors)
        self.errors = errors


def expect(described: Description) -> Expected:
    shared = Store(described.x)
    action, errors = None, frozenset[str]()
    try:
        action = _graph(described.graph, shared, "")
    except Failed as failed:
        errors = failed.errors
    return Expected(shared, action, errors, tuple(shared.unsure))


def text_of(error: BaseException) -> str:
    """Return an error as it is compared.

    What would steer the program comes as an error of its branch; in a coroutine or generator Python itself makes a
    ``RuntimeError`` of some.
    """
    if isinstance(error, DeadlineExceeded):
        return TIMEOUT
    if isinstance(error, (BranchError, RuntimeError, StopIteration, StopAsyncIteration, GeneratorExit, SystemExit)):
        return BranchError.__name__
    return RudeError.__name__ if isinstance(error, RudeError) else f"{type(error).__name__}: {error}"


def _graph(graph: Step, shared: Store, prefix: str) -> str | None:
    follows, at, action = successors(graph.steps), 0, None
    while at is not None:
        step = graph.steps[at]
        try:
            action = _RUN[step.kind](step, shared, prefix)
        except Failed:
            if not step.handles:
                raise
            action = None
        at = follows.get((at, action or "default"))
    return action


def _finish(step: Step, shared: Store, prefix: str, result: Any) -> str:
    """Do what `post` of every node does."""
    number = digest(result)
    shared[prefix + step.name], shared[prefix + "x"] = result, number
    visits = shared[f"{prefix}{step.name}#"] = shared.get(f"{prefix}{step.name}#", 0) + 1
    return action_of(step, number, visits)


def _branch(step: Step, work: Work, x: int, item: Any) -> Branch:
    """Try one branch as often as it may be, then its fallback."""
    fact = facts(work, x)
    attempts = min(fact.fails + 1, step.retries)
    lasts_us = attempts * fact.lasts_us + (attempts - 1) * step.wait_us
    if step.timeout_us is not None and lasts_us > step.timeout_us:
        return "timeout", TIMEOUT
    if fact.fails < step.retries:
        return "ok", fact.value
    return ("ok", f"fallback {item}") if step.has_fallback else ("error", text_of(error_for(fact, x)))


def _collected(step: Step, branches: list[Branch]) -> list[Any]:
    """Return what `post` gets of branches, or raise."""
    errors = frozenset(text for status, text in branches if status != "ok")
    if errors and not step.collects:
        raise Failed(errors)
    return branches if step.collects else [value for _, value in branches]


def items_of(step: Step, x: int) -> list[int]:
    return [7 * x + number for number in range(step.items)]


def _node(step: Step, shared: Store, prefix: str) -> str:
    return _finish(step, shared, prefix, _value(step, shared[prefix + "x"]))


def _value(step: Step, x: int) -> Any:
    status, value = _branch(step, step.works[0], x, x)
    if status != "ok":
        raise Failed(frozenset({value}))
    return value


def _batch(step: Step, shared: Store, prefix: str) -> str:
    branches = [_branch(step, step.works[0], x, x) for x in items_of(step, shared[prefix + "x"])]
    return _finish(step, shared, prefix, _collected(step, branches))


def _fan_out(step: Step, shared: Store, prefix: str) -> str:
    x, names = shared[prefix + "x"], [f"b{number}" for number in range(len(step.works))]
    if step.variant == "nodes":
        branches = _node_branches(step, shared, prefix, x)
    else:
        branches = [_branch(step, work, x, name) for name, work in zip(names, step.works, strict=True)]
    if step.variant == "first":
        if all(status != "ok" for status, _ in branches):
            raise Failed(frozenset(text for _, text in branches))
        return _finish(step, shared, prefix, "first")
    return _finish(step, shared, prefix, sorted(zip(names, _collected(step, branches), strict=True)))


def _node_branches(step: Step, shared: Store, prefix: str, x: int) -> list[Branch]:
    branches: list[Branch] = []
    for inner in step.steps:
        try:
            value = shared[f"{prefix}{step.name}/{inner.name}"] = _value(inner, x)
            branches.append(("ok", value))
        except Failed as failed:
            branches += [("error", text) for text in failed.errors]
    if not step.collects and any(status == "error" for status, _ in branches):
        shared.unsure.append(f"{prefix}{step.name}/")
    return branches


def _map_reduce(step: Step, shared: Store, prefix: str) -> str:
    mapper, reducer = step.works
    groups: dict[Any, list[int]] = defaultdict(list)
    failures = []
    for x in items_of(step, shared[prefix + "x"]):
        status, value = _branch(step, mapper, x, x)
        if status != "ok":
            failures.append(value)
            continue
        groups[value % 3].append(value)
        groups[f"k{value % 5}"].append(x)
    if failures and not step.collects:
        raise Failed(frozenset(failures))
    results = {}
    for key, values in groups.items():
        status, value = _branch(step, reducer, digest(key), key)
        if status == "ok":
            results[key] = value + (sum(values) if step.variant == "combined" else digest(values))
        else:
            failures.append(value)
    if failures and not step.collects:
        raise Failed(frozenset(failures))
    return _finish(step, shared, prefix, [sorted(results.items(), key=repr), sorted(failures)])


def _pipeline(step: Step, shared: Store, prefix: str) -> str:
    values, letters = [], []
    for index, item in enumerate(items_of(step, shared[prefix + "x"])):
        x: Any = item
        for number, work in enumerate(step.works):
            status, x = _branch(step, work, x, x)
            if status != "ok":
                letters.append((index, f"s{number}", status, x))
                break
        else:
            values.append(x)
    if letters and not step.collects:
        raise Failed(frozenset(letter[3] for letter in letters))
    return _finish(step, shared, prefix, [sorted(values, key=str) if step.variant == "unordered" else values, letters])


def _batch_graph(step: Step, shared: Store, prefix: str) -> str:
    prefixes = [f"{prefix}{step.name}.{number}/" for number in range(step.items)]
    for number, own in enumerate(prefixes):
        shared[own + "x"] = shared[prefix + "x"] + number
    results: list[Branch] = []
    errors: frozenset[str] = frozenset()
    for own in prefixes:
        try:
            results.append(("ok", _graph(step, shared, own)))
        except Failed as failed:
            if step.executors == ("in turn",):
                raise
            results.append(("error", None))
            errors |= failed.errors
    if errors and not step.collects:
        shared.unsure.append(f"{prefix}{step.name}.")
        raise Failed(errors)
    shared[prefix + step.name] = results if step.collects else None
    return "next"


_RUN = {
    "node": _node, "batch": _batch, "fan-out": _fan_out, "map-reduce": _map_reduce, "pipeline": _pipeline,
    "graph": _graph, "batch-graph": _batch_graph,
}  # fmt: skip
