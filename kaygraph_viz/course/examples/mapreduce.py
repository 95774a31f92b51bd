"""Map-reduce on the addresses of US presidents, and on a text of the reader's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted, join_words
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.map_reduce import word_count_graph
from kaygraph_viz.course.services.datasets import Speech, load_speeches

LONG = 100_000  # letters from which starting processes pays
MAX_NAMED = 5
CAPTIONS = {
    "serial": "one row: all texts are mapped one after the other, then the reducing begins",
    "parallel": "a row for each worker: no reduce begins before the last map has ended",
}


def run(setup: Setup) -> ExampleRun:
    """Count the words of all addresses, one after the other and in parallel."""
    speeches = load_speeches(spoken_only=False)
    speeches = speeches[: setup.count(len(speeches), len(speeches))]
    return _compared(
        speeches, setup, "process", f"the words of {counted(len(speeches), 'address', 'addresses')} to Congress"
    )


def count_words(text: str, setup: Setup | None = None) -> ExampleRun:
    """Count the words of a text, a sentence at a time."""
    parts = [part for part in re.split(r"(?<=[.!?])\s|\n", text) if part.strip()]
    speeches = [Speech(f"part {number}", 0, "", True, part) for number, part in enumerate(parts)]
    usual = "process" if len(text) > LONG else "thread"
    return _compared(speeches, setup or Setup(), usual, "the words of your text", "sentences")


def _compared(speeches: Sequence[Speech], setup: Setup, usual: str, what: str, unit: str = "texts") -> ExampleRun:
    kind = setup.kind(usual)
    _, _, serial = _counted(speeches, setup, "serial")
    shared, graph, parallel = _counted(speeches, setup, kind)
    counts = shared["word_counts"]
    most_frequent = [f"{word!r} ({counted(count, 'time')})" for word, count in shared["ranking"][:MAX_NAMED]]
    return ExampleRun(
        name="mapreduce",
        title=f"Map-reduce: {what}, counted",
        graph=graph,
        traces={"serial": serial, "parallel": parallel},
        captions=CAPTIONS,
        facts=[Fact("words", f"{sum(counts.values()):,}"), Fact("different words", f"{len(counts):,}")],
        notes=[f"Most frequent: {join_words(most_frequent)}"] if most_frequent else [],
        measured=measured(len(speeches), 0, parallel, serial, unit=unit, computes=True),
        is_simulated=setup.is_simulated,
    )


def _counted(speeches: Sequence[Speech], setup: Setup, kind: str) -> tuple[dict[str, Any], kv.Graph, kv.Trace]:
    workers = setup.workers_for(kind)
    with setup.started(kind, workers, word_count_graph.__module__, len(speeches)) as executor, setup.record() as trace:
        graph = word_count_graph(max_workers=workers, executor=executor, progress=setup.progress)
        graph.run(shared := {"speeches": speeches})
    return shared, graph, trace
