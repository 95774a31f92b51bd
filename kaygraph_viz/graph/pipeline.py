"""A node whose items go through several stages, all of which work at the same time.

Belongs here: the node and what it gives to `post`. Does not belong here: stages at work (``execute.pipeline.run``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.base.errors import short
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.execute.call import ON_ERROR, OnError, count_of
from kaygraph_viz.execute.pipeline.run import READER, PipelineRun
from kaygraph_viz.execute.pipeline.stages import SOURCE, DeadLetter, Stage, StageFacts, checked_stages
from kaygraph_viz.execute.progress import Progress, checked_progress, counter
from kaygraph_viz.graph.node import Node, Shared, items_of
from kaygraph_viz.trace.recorder import current_scope, span
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView


@dataclass(frozen=True)
class PipelineResult:
    """The results of a pipeline.

    Parameters
    ----------
    values
        What the last stage returned for each item that got through, in the order of the source if order was kept.
    dead_letters
        The items that did not, in the order of the source. Values and dead letters are `read` together.
    read
        The number of items read from the source.
    stages
        How busy the source and each stage were; print the result to see them as a table.
    bottleneck
        The stage that was busy for the largest share of the time, ``"source"`` for the reading of the items.

    Examples
    --------
    >>> node = PipelineNode([Stage("parse", int)])
    >>> node.run(shared := {"items": ["1", "x", "3"]})
    >>> result = shared["result"]
    >>> result.values, result.dead_letters, result.read
    ([1, 3], [DeadLetter(1, 'parse', ValueError: invalid literal for int() with base 10: 'x')], 3)
    """

    values: list[Any]
    dead_letters: list[DeadLetter]
    read: int
    stages: list[StageFacts]
    bottleneck: str

    @classmethod
    def of(cls, results: PipelineRun) -> PipelineResult:
        """Read all results of a running pipeline."""
        values: list[Any] = []
        letters: list[DeadLetter] = []
        for outcome in results:
            if isinstance(outcome, DeadLetter):
                letters.append(outcome)
            else:
                values.append(outcome.value)
        letters.sort(key=lambda letter: letter.index)
        return cls(values, letters, results.read, results.stages, results.bottleneck)

    @property
    def sentence(self) -> str:
        """The number of items that got through, and the bottleneck, as one sentence.

        Examples
        --------
        >>> facts = StageFacts("parse", 2, 9, 1, busy_s=3.6, blocked_s=0, makespan_s=2.0)
        >>> print(PipelineResult([None] * 9, [DeadLetter(3)], 10, [facts], "parse").sentence)
        9 of 10 items passed all stages, 1 became a dead letter, and the bottleneck is 'parse', busy for 90% of the
        time.
        """
        dead = len(self.dead_letters)
        became = "became a dead letter" if dead == 1 else "became dead letters"
        head = f"{len(self.values):,} of {self.read:,} items passed all stages, {dead:,} {became}"
        return f"{head}, and the bottleneck is {self._bottleneck()}." if self.read else f"{head}."

    def _bottleneck(self) -> str:
        if self.bottleneck == READER:
            return f"{READER!r}, which reads the results"
        busy = next(facts.busy for facts in self.stages if facts.name == self.bottleneck)
        if self.bottleneck == SOURCE:
            return f"the source, busy for {busy:.0%} of the time: all stages wait for items"
        return f"{short(self.bottleneck)}, busy for {busy:.0%} of the time"

    def _advice(self) -> str:
        """Return what would make the pipeline faster, as a sentence, or an empty text."""
        if not self.read or self.bottleneck in (SOURCE, READER):
            return ""
        return f"A faster function or more workers for {short(self.bottleneck)} would make the pipeline faster."

    def __str__(self) -> str:
        width = max(len(one_line(facts.name)) for facts in self.stages) if self.stages else 5
        head = f"{'stage':<{width}}  workers  at once  busy  blocked  starved  items/s  errors  longest queue"
        table = "\n".join([head, *(_line(facts, width) for facts in self.stages)])
        return "\n\n".join(filter(None, [self.sentence, table, self._advice()]))

    def __repr__(self) -> str:
        return f"<PipelineResult: {len(self.values):,} values, {len(self.dead_letters):,} dead letters>"


def _line(facts: StageFacts, width: int) -> str:
    shares = f"{facts.busy:>4.0%}  {facts.blocked:>7.0%}  {facts.starved:>7.0%}"
    queue = "" if facts.name == SOURCE else f"{facts.longest_queue:,}"
    return (
        f"{one_line(facts.name):<{width}}  {facts.workers:>7,}  {facts.parallelism:>7.2f}  {shares}  "
        f"{facts.throughput_per_s:>7,.4g}  {facts.errors:>6,}  {queue:>13}"
    ).rstrip()


class PipelineNode(Node):
    """Pass items through several stages, all of which work at the same time on different items.

    `prep` returns the source: anything to iterate over, also an endless generator. In front of each stage there is a
    queue with room for `buffer` items. A stage that is faster than the one after it has to wait for room in that queue,
    and so has the one before it, up to the source: however long the source, only as many items are on their way as the
    workers hold and the queues have room for.

    `post` gets a `PipelineResult`. For an endless source, or to use results as they come, override `exec`: it gets the
    `PipelineRun` to iterate over. When it returns, the pipeline stops and the source is closed.

    Parameters
    ----------
    stages
        What is done to each item, one after the other; at least one `Stage`.
    ordered
        Whether each stage passes items on in the order of the source; else as it finishes them, which is faster where
        some items take much longer than others.
    on_error
        ``"collect"``: an item that fails becomes a `DeadLetter`, and the others go on. ``"raise"``: the first one ends
        the node with its error. The stages before it stop, those behind it finish what they have.
    progress
        As for `ParallelBatchNode`.
    node_id
        Its name in charts and diagrams; default: the name of its class.

    Raises
    ------
    OptionError
        If an option is out of its range.

    Notes
    -----
    In a trace each stage is a node of its own, and what it does to an item a branch with the item's index and a link to
    the branch of the stage before. A worker that waits for room in the next queue is blocked at the end of its bar.

    Examples
    --------
    >>> class Squares(PipelineNode):
    ...     def prep(self, shared):
    ...         return shared["texts"]
    ...
    ...     def post(self, shared, texts, result):
    ...         shared["squares"] = result.values
    >>> shared = {"texts": ["1", "2", "3"]}
    >>> Squares([Stage("parse", int), Stage("square", lambda number: number**2, workers=2)]).run(shared)
    >>> shared["squares"]
    [1, 4, 9]
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        ordered: bool = True,
        on_error: OnError = "collect",
        progress: Progress = None,
        node_id: str | None = None,
    ) -> None:
        super().__init__(node_id=node_id)
        checked_word("on_error", on_error, ON_ERROR)
        self.stages = checked_stages(stages)
        self.ordered = bool(ordered)
        self.on_error_policy: OnError = on_error
        self.progress = checked_progress(progress)

    def prep(self, shared: Shared) -> Any:
        """Return the source, by default ``shared["items"]``: any iterable, read lazily."""
        return items_of(self, shared)

    def exec(self, prep_res: PipelineRun) -> Any:
        """Read the results as they come and return what `post` gets; by default all of them."""
        return PipelineResult.of(prep_res)

    def post(self, shared: Shared, prep_res: Any, exec_res: Any) -> str | None:
        """Store the result, by default in ``shared["result"]``."""
        shared["result"] = exec_res
        return None

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        return self._phase("exec", self._run_stages, () if prep_res is None else prep_res)

    def _run_stages(self, items: Iterable[Any]) -> Any:
        run = PipelineRun(self.stages, items, owner=self.node_id, ordered=self.ordered, on_error=self.on_error_policy)
        total = count_of(items)
        phase = current_scope()
        if isinstance(phase, span) and any(stage.executor != "serial" for stage in self.stages):
            # the threads of all stages: the span of a stage has only its own
            workers = sum(stage.workers for stage in self.stages if stage.kind == "thread")
            phase.set(executor="thread", workers=1 + workers)
        with counter(self.progress, total, self.node_id) as run.count, run:
            result = self.exec(run)
            self._refuse_generator("exec", result)  # it would be read when the pipeline has ended
            return result

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram shows of this node: its source and its stages, one after the other."""
        inside = [(f"{name} {SOURCE}", 1), *((f"{name} {stage.name}", stage.workers) for stage in self.stages)]
        views = [NodeView(node_id, node_id, is_parallel=workers > 1) for node_id, workers in inside]
        edges = [EdgeView(before.node_id, after.node_id) for before, after in pairwise(views)]
        return NodeView(name, type(self).__name__, is_parallel=True, graph=GraphView(name, tuple(views), tuple(edges)))
