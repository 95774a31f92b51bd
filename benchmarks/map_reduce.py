"""Counting the words of 249 speeches, 12 MB, with two processes: against one process, and against `dask.bag`.

Belongs here: whole map-reduce runs, from the texts to the counts. Does not belong here: single items (``batches``,
``clusters``).

All processes run already, those of the peer too. The time is that from the texts in this process to a dict of the
counts in this process, so with sending the texts and fetching the counts, for us and for the peer. A wrong count raises
an error.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark
from kaygraph_viz.base.optional import require
from kaygraph_viz.course.patterns.map_reduce import WordCountNode, words_of
from kaygraph_viz.course.services.datasets import Speech, load_speeches
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.dask.executor import DaskExecutor

WORKERS = 2
EVERY = 20  # speech is counted in a quick run
NOTE = "processes running already; needs two free cores"
CLUSTER_NOTE = f"2 worker processes each; {NOTE}"


@benchmark("word count on 2 processes / serial", peer="the same node with executor='serial'", target=1 / 1.6, note=NOTE)
def against_serial(scale: Scale) -> Measured:
    """Measure the word count of the pattern against the same on one core."""
    speeches = _speeches(scale)
    expected = _expected(speeches)
    with kv.get_executor("process", WORKERS) as ours, kv.get_executor("serial") as serial:
        return alternate(
            lambda: _timed(lambda: _counted(ours, speeches), expected),
            lambda: _timed(lambda: _counted(serial, speeches), expected),
            scale.pick(11, 1),
        )


@benchmark(
    "word count on 2 processes / plain loop", peer="Counter().update(words) for each text, in one process", target=0.75,
    note=f"the peer has no groups, partitions or merging; {NOTE}",
)  # fmt: skip
def against_loop(scale: Scale) -> Measured:
    """Measure the word count of the pattern against the shortest program for one core."""
    speeches = _speeches(scale)
    expected = _expected(speeches)
    with kv.get_executor("process", WORKERS) as ours:
        return alternate(
            lambda: _timed(lambda: _counted(ours, speeches), expected),
            lambda: _timed(lambda: _expected(speeches), expected),
            scale.pick(11, 1),
        )


@benchmark(
    "word count on 2 processes, from Counters / plain loop",
    peer="Counter().update(words) for each text, in one process",
    note=f"the mapper returns a Counter of each text; {NOTE}",
)  # fmt: skip
def counters_against_loop(scale: Scale) -> Measured:
    """Measure the same with a mapper that returns a mapping that is combined already."""
    speeches = _speeches(scale)
    expected = _expected(speeches)
    with kv.get_executor("process", WORKERS) as ours:
        return alternate(
            lambda: _timed(lambda: _counted(ours, speeches, _CounterOfEach), expected),
            lambda: _timed(lambda: _expected(speeches), expected),
            scale.pick(11, 1),
        )


class _CounterOfEach(WordCountNode):
    def map(self, item: Speech) -> Counter[str]:  # type: ignore[override]  # any iterable
        return Counter(words_of(item.text))


@benchmark("word count / dask.bag", peer="map(words).flatten().frequencies()", target=0.5, note=CLUSTER_NOTE)
def against_bag(scale: Scale) -> Measured:
    """Measure the word count of the pattern against the usual one with Dask."""
    return _against(scale, lambda bag: bag.map(words_of).flatten().frequencies(), partitions=WORKERS)


@benchmark(
    "word count / dask.bag, by partition", peer="map_partitions(one Counter).fold(update)",
    note=f"the peer's counting is written by hand; {CLUSTER_NOTE}",
)  # fmt: skip
def against_tuned_bag(scale: Scale) -> Measured:
    """Measure the word count of the pattern against the fastest one that we found with Dask."""
    return _against(scale, lambda bag: bag.map_partitions(_partition_counted).fold(_merged), partitions=2 * WORKERS)


def _against(scale: Scale, counting: Callable[[Any], Any], *, partitions: int) -> Measured:
    """Measure against `dask.bag`, with the number of partitions that is best for it."""
    require("distributed")
    bag: Any = import_module("dask.bag")
    speeches = _speeches(scale)
    texts, expected = [speech.text for speech in speeches], _expected(speeches)
    with kv.get_executor("process", WORKERS) as ours, DaskExecutor(WORKERS) as cluster:
        client = cluster.client

        def theirs() -> Mapping[str, int]:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")  # for us, the texts are sent each time, too
                return dict(counting(bag.from_sequence(texts, npartitions=partitions)).compute(scheduler=client))

        return alternate(
            lambda: _timed(lambda: _counted(ours, speeches), expected),
            lambda: _timed(theirs, expected),
            scale.pick(7, 1),
        )


def _partition_counted(texts: Iterable[str]) -> list[Counter[str]]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    return [counts]


def _merged(counts: Counter[str], more: Counter[str]) -> Counter[str]:
    counts.update(more)
    return counts


def _speeches(scale: Scale) -> list[Speech]:
    return load_speeches(spoken_only=False)[:: scale.pick(1, EVERY)]


def _expected(speeches: Sequence[Speech]) -> Mapping[str, int]:
    return _partition_counted(speech.text for speech in speeches)[0]


def _counted(
    executor: Executor, speeches: Sequence[Speech], node: type[WordCountNode] = WordCountNode
) -> Mapping[str, int]:
    shared: dict[str, Any] = {"speeches": speeches}
    node(executor=executor, progress=False).run(shared)
    counts: Mapping[str, int] = shared["word_counts"]
    return counts


def _timed(count: Callable[[], Mapping[str, int]], expected: Mapping[str, int]) -> float:
    started = time.perf_counter()
    counts = count()
    cost = time.perf_counter() - started
    if counts != expected:
        raise AssertionError(f"{len(counts):,} of {len(expected):,} words were counted: the comparison means nothing")
    return cost
