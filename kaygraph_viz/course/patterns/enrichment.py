"""Data enrichment: several sources are asked about each record at once, and their answers are merged.

Belongs here: the nodes, the graph, and enriched records. Does not belong here: one source (``sources``).

The graph is ``ParallelEnrichmentNode >> MergeNode``. Records run at once, and within each record all its sources do, so
that a record takes as long as its slowest source. A source that fails or is late costs a record only its own facts,
which are then missing with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.batch import measured_times
from kaygraph_viz.course.patterns.records import Record, records_of, text_of
from kaygraph_viz.course.patterns.sources import (
    AGREEMENTS,
    Agreement,
    Question,
    Results,
    SourceResult,
    Sources,
    retry_in_time,
)
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.coroutines.executor import AsyncExecutor
from kaygraph_viz.graph.node import Shared

DEADLINE_S = 2.0
Merged = tuple[list["EnrichedRecord"], dict[str, Any]]
GRACE_S = 0.1  # beyond the deadline, which the connection checks itself: giving up its thread is the last resort


@dataclass(frozen=True, slots=True)
class EnrichedRecord:
    """One record with the answers of its sources."""

    record: Record  # the record, unchanged
    results: Results  # the result of each source, by its name
    agreements: Mapping[str, bool]  # for each comparison that could be made, whether the answers agree

    @property
    def facts(self) -> dict[str, Any]:
        """The answers by the name of the source."""
        return {name: result.value for name, result in self.results.items() if result.value is not None}

    @property
    def missing(self) -> list[str]:
        """The sources that gave no answer."""
        return [name for name, result in self.results.items() if not result.answered]

    @property
    def enrichment_rate(self) -> float:
        """Share of the sources that answered, 0 to 1."""
        return 1 - len(self.missing) / len(self.results) if self.results else 0.0

    @property
    def confidence(self) -> float:
        """The confidence in the facts, 0 to 1."""
        compared = len(self.agreements)
        return self.enrichment_rate * (sum(self.agreements.values()) / compared if compared else 1.0)


class _Enriching:
    """The base of the plain and of the asynchronous node."""

    node_id: str

    def _set_up(self, sources: Sources, deadline_s: float, attempts: int) -> None:
        if not isinstance(sources, Sources):
            raise OptionError("sources", sources, "a Sources object", "customer_sources(server.base_url)")
        self.sources = sources
        self.deadline_s = checked_seconds("deadline_s", deadline_s, "deadline_s=2.0", above=True)
        self.policy = retry_in_time(attempts)

    def prep(self, shared: Shared) -> Sequence[Record]:
        """Return ``shared["records"]``."""
        return records_of(shared)

    def post(self, shared: Shared, prep_res: Any, exec_res: kv.Outcomes) -> None:
        """Store results and outcomes; all sources of a record whose worker was lost are unavailable."""
        shared["source_results"] = [
            outcome.value if outcome.ok else self._results([outcome] * len(self.sources)) for outcome in exec_res
        ]
        shared["record_outcomes"] = exec_res

    def _questions(self, record: Record) -> Generator[Question, None, None]:
        """Yield the question to each source; its deadline counts from when a worker pulls the question."""
        now_ns = current_clock().now_ns
        last_ns = now_ns() + round(self.deadline_s * 1e9)
        for source in self.sources:
            yield Question(source, record, min(last_ns, now_ns() + round(source.deadline_s * 1e9)))

    def _options(self) -> dict[str, Any]:
        """Return the options of `imap` for the questions about one record."""
        longest_s = max(min(source.deadline_s, self.deadline_s) for source in self.sources)
        named = {"name": "source", "label": attrgetter("source.name"), "owner": self.node_id}
        return {"on_error": "collect", "retry": self.policy, "timeout": longest_s + GRACE_S, **named}

    def _results(self, outcomes: Sequence[kv.Outcome]) -> tuple[SourceResult, ...]:
        return tuple(map(SourceResult.of, self.sources.names, outcomes))


class ParallelEnrichmentNode(_Enriching, kv.ParallelBatchNode):
    """Ask all sources about each of ``shared["records"]`` at once, in threads.

    It stores ``shared["source_results"]``, for each record a tuple with a `SourceResult` for each source, and
    ``shared["record_outcomes"]`` with the times. With ``executor="serial"`` the sources are asked one after the other,
    too.

    Parameters
    ----------
    sources
        The sources.
    max_workers
        The number of records in progress at once at most, 1 to 4096; each has a thread for each source. Default: as for
        `ParallelBatchNode`.
    executor
        ``"thread"``, ``"serial"``, and for sources without a rate limit ``"process"`` and ``"dask"``. For coroutines
        there is `AsyncParallelEnrichmentNode`.
    deadline_s
        The time limit of a record [s], above 0. A source that has not answered by then is a timeout.
    attempts
        The number of attempts at most for each source and record, 1 or more.
    **options
        As for `ParallelBatchNode`.

    Raises
    ------
    OptionError
        If an option is out of its range.
    DataError
        When it runs and ``shared["records"]`` is missing or not a list.
    """

    def __init__(
        self,
        sources: Sources,
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = 3,
        **options: Any,
    ) -> None:
        super().__init__(max_workers, executor, on_error="collect", **options)
        self._set_up(sources, deadline_s, attempts)
        kind = executor.kind if isinstance(executor, Executor) else executor
        if kind == "async":
            raise OptionError("executor", executor, "one whose workers wait", "AsyncParallelEnrichmentNode(sources)")
        if self._crosses_processes and any(source.limit is not None for source in sources):
            expected = "'thread' where a source has a rate limit, which processes cannot share"
            raise OptionError("executor", executor, expected, 'executor="thread"')
        self.asks_in = "serial" if kind == "serial" else "thread"

    def branch_name(self, item: Record) -> str:
        """Return one name for all records, so that the diagram has one branch; their spans have their numbers."""
        return f"one record, {len(self.sources)} sources" + (" at once" if self.asks_in == "thread" else "")

    def exec(self, prep_res: Record) -> tuple[SourceResult, ...]:
        """Ask all sources about one record."""
        with kv.span(_name_of(prep_res), kind="node"), kv.get_executor(self.asks_in, len(self.sources)) as executor:
            return self._results(list(executor.imap(self.sources.ask, self._questions(prep_res), **self._options())))


class AsyncParallelEnrichmentNode(_Enriching, kv.AsyncParallelBatchNode):
    """Ask all sources about each of ``shared["records"]`` at once, with coroutines of one loop."""

    def __init__(
        self,
        sources: Sources,
        max_workers: int | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = 3,
        **options: Any,
    ) -> None:
        super().__init__(max_workers, on_error="collect", **options)
        self._set_up(sources, deadline_s, attempts)

    async def exec_async(self, prep_res: Record) -> tuple[SourceResult, ...]:
        """Ask all sources about one record."""
        executor = AsyncExecutor(len(self.sources))
        with kv.span(_name_of(prep_res), kind="node"):
            asked = executor.aimap(self.sources.ask_async, self._questions(prep_res), **self._options())
            return self._results([outcome async for outcome in asked])

    async def branches_async(
        self, items: Iterable[Any], fn: Callable[[Any], Any], fallback: Callable[[Any, Exception], Any] | None = None
    ) -> list[kv.Outcome]:
        """Run the branches over the records, with connections that are open until all have ended."""
        async with self.sources.opened():
            return await super().branches_async(items, fn, fallback)


class MergeNode(kv.Node):
    """Merge the answers of the sources: ``shared["enriched_records"]`` and ``shared["enrichment_summary"]``.

    The summary holds the keys ``records complete statuses enrichment_rate confidence work_s makespan_s
    mean_concurrency``: the number of records and of those for which all sources answered, the number of results with
    each status, two means, and the times of `measured_times`, where work is that of all questions.

    Parameters
    ----------
    agreements
        Comparisons by name: functions of the record and its results that return whether answers agree, None where one
        is missing.
    """

    def __init__(self, agreements: Mapping[str, Agreement] = AGREEMENTS) -> None:
        super().__init__()
        self.agreements = dict(agreements)

    def prep(self, shared: Shared) -> tuple[Sequence[Record], list[tuple[SourceResult, ...]], kv.Outcomes]:
        """Return the records, the results of their sources, and their outcomes."""
        return records_of(shared), shared["source_results"], shared["record_outcomes"]

    def exec(self, prep_res: tuple[Sequence[Record], list[tuple[SourceResult, ...]], kv.Outcomes]) -> Merged:
        """Return the enriched records and the summary."""
        records, found, outcomes = prep_res
        enriched = [self._merged(record, results) for record, results in zip(records, found, strict=True)]
        return enriched, _summary(enriched, outcomes)

    def post(self, shared: Shared, prep_res: Any, exec_res: Merged) -> None:
        """Store the two."""
        shared["enriched_records"], shared["enrichment_summary"] = exec_res

    def _merged(self, record: Record, found: tuple[SourceResult, ...]) -> EnrichedRecord:
        results = {result.source: result for result in found}
        said = {name: compare(record, results) for name, compare in self.agreements.items()}
        return EnrichedRecord(record, results, {name: agrees for name, agrees in said.items() if agrees is not None})


def enrichment_graph(
    sources: Sources, *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> kv.Graph:
    """Return the graph ``ParallelEnrichmentNode >> MergeNode``.

    Parameters
    ----------
    sources, max_workers, **options
        As for `ParallelEnrichmentNode`.
    executor
        As for `ParallelEnrichmentNode`, and ``"async"`` for coroutines: then it is an `AsyncGraph`, which can also be
        awaited with ``await graph.run_async(shared)``.

    Returns
    -------
    Graph
        Run it with ``graph.run({"records": [...]})``.

    Examples
    --------
    >>> from kaygraph_viz.course.patterns.sources import customer_sources
    >>> from kaygraph_viz.course.services.datasets import load_customers
    >>> from kaygraph_viz.course.services.server import serve
    >>> with serve() as server, customer_sources(server.base_url) as sources:
    ...     shared = {"records": load_customers(limit=4)}
    ...     enrichment_graph(sources, max_workers=2).run(shared)
    >>> enriched = shared["enriched_records"][3]
    >>> enriched.facts["company"].name, enriched.facts["location"].population, enriched.confidence
    ('Amber Lantern', 104627, 1.0)
    """
    ask: AsyncParallelEnrichmentNode | ParallelEnrichmentNode
    if executor == "async":
        ask = AsyncParallelEnrichmentNode(sources, max_workers, **options)
    else:
        ask = ParallelEnrichmentNode(sources, max_workers, executor, **options)
    ask >> MergeNode()
    graph = kv.AsyncGraph if executor == "async" else kv.Graph
    return graph(start=ask, node_id="data enrichment")


def _name_of(record: Record) -> str:
    return text_of(record, "customer_id")[:40] or "a record"


def _summary(enriched: Sequence[EnrichedRecord], outcomes: kv.Outcomes) -> dict[str, Any]:
    results = [result for one in enriched for result in one.results.values()]
    count = len(enriched) or 1
    return {
        "records": len(enriched),
        "complete": sum(not one.missing for one in enriched),
        "statuses": dict(Counter(result.status for result in results)),
        "enrichment_rate": sum(one.enrichment_rate for one in enriched) / count,
        "confidence": sum(one.confidence for one in enriched) / count,
        **measured_times(outcomes, work_s=sum(result.service_s for result in results)),
    }
