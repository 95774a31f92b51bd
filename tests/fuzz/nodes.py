"""A described graph, built from the nodes of the package.

Belongs here: nodes that do what a description says. Does not belong here: running them (``graphs``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.execute.outcome import Outcome
from tests.fuzz.descriptions import Step, action_of, successors
from tests.fuzz.functions import Function, Mapper, Reducer, attempt, attempt_async, combine, digest
from tests.fuzz.oracle import items_of, text_of

Executors = Callable[[str, int], Any]  # from a kind and a number of workers to what a node takes as its executor


def branch_of(outcome: Outcome) -> tuple[str, Any]:
    """Return an outcome as the oracle writes it."""
    if outcome.status == "ok":
        return "ok", outcome.value
    return outcome.status, text_of(outcome.error)


class Described:
    """What all nodes have in common: they read ``x``, and write their result and its digest as the next ``x``."""

    step: Step
    params: dict[str, Any]

    @property
    def prefix(self) -> str:
        return self.params.get("prefix", "")

    def prep(self, shared: Any) -> Any:
        return shared[self.prefix + "x"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        result, key = self.shown(exec_res), self.prefix + self.step.name
        number = digest(result)
        shared[key], shared[self.prefix + "x"] = result, number
        visits = shared[key + "#"] = shared.get(key + "#", 0) + 1
        return action_of(self.step, number, visits)

    def shown(self, exec_res: Any) -> Any:
        return exec_res

    def on_error(self, shared: Any, error: Exception) -> bool:
        return self.step.handles

    def exec_fallback(self, item: Any, error: Exception) -> Any:
        if self.step.has_fallback:
            return f"fallback {item}"
        raise error


class _Single(Described):
    def exec(self, x: int) -> Any:
        return attempt(self.step.works[0], x)

    async def exec_async(self, x: int) -> Any:
        return await attempt_async(self.step.works[0], x)


class PlainNode(_Single, kv.Node):
    pass


class CoroutineNode(_Single, kv.AsyncNode):
    pass


class _Inner(_Single):
    """A node that is a branch of a fan-out: it writes a key of its own and leaves ``x`` alone."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared[f"{self.prefix}{self.params['owner']}/{self.step.name}"] = exec_res
        return "default"


class InnerNode(_Inner, kv.Node):
    pass


class InnerCoroutineNode(_Inner, kv.AsyncNode):
    pass


class _Items(_Single):
    def prep(self, shared: Any) -> Iterable[int]:
        items = items_of(self.step, super().prep(shared))
        return iter(items) if self.step.is_lazy else items

    def shown(self, exec_res: Any) -> Any:
        return [branch_of(outcome) for outcome in exec_res] if self.step.collects else exec_res


class Batch(_Items, kv.ParallelBatchNode):
    def exec(self, x: int) -> Any:
        return Function(self.step.works[0], is_async=self.step.executors == ("async",))(x)

    def cost(self, x: int) -> float:
        return x % 5


class CoroutineBatch(_Items, kv.AsyncParallelBatchNode):
    pass


class FanOut(Described, kv.FanOutNode):
    def shown(self, exec_res: Any) -> Any:
        if self.step.variant == "first":
            return "first" if len(exec_res) == 1 else exec_res
        shown = branch_of if self.step.collects else lambda value: value
        return sorted((name, shown(value)) for name, value in exec_res.items())


class MapReduce(Described, kv.MapReduceNode):
    def prep(self, shared: Any) -> Iterable[int]:
        items = items_of(self.step, super().prep(shared))
        return (item for item in items) if self.step.is_lazy else items

    def shown(self, exec_res: Any) -> Any:
        failed = [text_of(outcome.error) for outcome in exec_res.failed] if self.step.collects else []
        return [sorted(exec_res.items(), key=repr), sorted(failed)]


class Pipeline(Described, kv.PipelineNode):
    def prep(self, shared: Any) -> Iterable[int]:
        items = items_of(self.step, super().prep(shared))
        return (item for item in items) if self.step.is_lazy else items

    def shown(self, exec_res: Any) -> Any:
        values = sorted(exec_res.values, key=str) if self.step.variant == "unordered" else exec_res.values
        return [values, [(letter.index, letter.stage, *branch_of(letter)) for letter in exec_res.dead_letters]]


class _Runs:
    """A graph that runs for several prefixes."""

    step: Step
    params: dict[str, Any]

    def prep(self, shared: Any) -> list[dict[str, Any]]:
        prefix = self.params.get("prefix", "")
        sets = [{"prefix": f"{prefix}{self.step.name}.{number}/"} for number in range(self.step.items)]
        for number, params in enumerate(sets):
            shared[params["prefix"] + "x"] = shared[prefix + "x"] + number
        return sets

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        found = None
        if self.step.collects:
            found = [(outcome.status, outcome.value) for outcome in exec_res]
        shared[self.params.get("prefix", "") + self.step.name] = found
        return "next"


class RunsInTurn(_Runs, kv.BatchGraph):
    pass


class RunsAtOnce(_Runs, kv.ParallelBatchGraph):
    pass


class CoroutineRunsInTurn(_Runs, kv.AsyncBatchGraph):
    pass


class CoroutineRunsAtOnce(_Runs, kv.AsyncParallelBatchGraph):
    pass


# -- building ---------------------------------------------------------------------------------------------------------


def build(step: Step, executors: Executors) -> Any:
    """Return the node of a step."""
    node = _BUILD[step.kind](step, executors)
    node.step = step
    return node


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def _tries(step: Step) -> dict[str, Any]:
    return {"max_retries": step.retries, "wait": step.wait_us / 1e6, "node_id": step.name}


def _branching(step: Step) -> dict[str, Any]:
    on_error = "collect" if step.collects else "raise"
    return _tries(step) | {"max_workers": step.workers, "on_error": on_error, "timeout": _seconds(step.timeout_us)}


def _node(step: Step, executors: Executors) -> Any:
    return (CoroutineNode if step.is_async else PlainNode)(**_tries(step))


def _batch(step: Step, executors: Executors) -> Any:
    if step.is_async:
        return CoroutineBatch(**_branching(step))
    return Batch(executor=executors(step.executors[0], step.workers), schedule=step.schedule, **_branching(step))


def _fan_out(step: Step, executors: Executors) -> Any:
    is_async = step.executors == ("async",)
    branches: dict[str, Any] = {
        f"b{number}": Function(work, is_async=is_async) for number, work in enumerate(step.works)
    }
    for inner in step.steps:
        branches[inner.name] = node = (InnerCoroutineNode if inner.is_async else InnerNode)(**_tries(inner))
        node.step = inner
        node.set_params({"owner": step.name})
    wait_for = "first" if step.variant == "first" else "all"
    return FanOut(branches, wait_for=wait_for, executor=executors(step.executors[0], step.workers), **_branching(step))


def _map_reduce(step: Step, executors: Executors) -> Any:
    mapper, reducer = step.works
    is_combined = step.variant == "combined"
    executor = executors(step.executors[0], step.workers)
    return MapReduce(
        Mapper(mapper), Reducer(reducer, is_combined), combine if is_combined else None, executor=executor,
        partitions=1 + mapper.seed % 5, chunk_size=(None, 1, 3)[mapper.seed % 3], **_branching(step),
    )  # fmt: skip


def _pipeline(step: Step, executors: Executors) -> Any:
    retry = kv.RetryPolicy(step.retries, step.wait_us / 1e6)
    stages = [
        kv.Stage(
            f"s{number}", Function(work, is_async=kind == "async"), step.workers, buffer=1 + work.seed % 4,
            timeout=_seconds(step.timeout_us), executor=kind, retry=retry,
        )
        for number, (work, kind) in enumerate(zip(step.works, step.executors, strict=True))
    ]  # fmt: skip
    on_error = "collect" if step.collects else "raise"
    return Pipeline(stages, ordered=step.variant != "unordered", on_error=on_error, node_id=step.name)


def _wired(step: Step, executors: Executors) -> Any:
    """Return the first of the nodes in a graph, wired."""
    nodes = [build(inner, executors) for inner in step.steps]
    for (at, action), following in successors(step.steps).items():
        nodes[at].next(nodes[following], action)
    return nodes[0]


def _graph(step: Step, executors: Executors) -> Any:
    return (kv.AsyncGraph if step.is_async else kv.Graph)(_wired(step, executors), step.name)


def _batch_graph(step: Step, executors: Executors) -> Any:
    start, (executor,) = _wired(step, executors), step.executors
    if executor == "in turn":
        return (CoroutineRunsInTurn if step.is_async else RunsInTurn)(start, step.name)
    options = {"max_workers": step.workers, "on_error": "collect" if step.collects else "raise"}
    if step.is_async:
        return CoroutineRunsAtOnce(start, step.name, **options)
    return RunsAtOnce(start, step.name, executor=executors(executor, step.workers), **options)


_BUILD = {
    "node": _node, "batch": _batch, "fan-out": _fan_out, "map-reduce": _map_reduce, "pipeline": _pipeline,
    "graph": _graph, "batch-graph": _batch_graph,
}  # fmt: skip
