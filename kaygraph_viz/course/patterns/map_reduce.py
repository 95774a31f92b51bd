"""Map-reduce: count words, index words by decade, and add up orders by customer.

Belongs here: mappers and reducers for the shipped data, and their graphs. Does not belong here: reading the data
(``services``).

A `RankNode` at the end of a graph sorts counts and sums, the largest first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.base.errors import DataError
from kaygraph_viz.course.patterns.records import value_of
from kaygraph_viz.course.services.datasets import Order, Speech
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.graph.node import Shared

SECONDS_PER_LETTER, SECONDS_PER_KEY, SECONDS_PER_ORDER = 6e-8, 5e-7, 2e-5  # of CPU, as measured
TEXTS_TOGETHER = 16  # texts of one time share most of their words: a quarter of the counts is left to be sent
_WORD = re.compile(r"[a-z']+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case: letters from a to z and apostrophes.

    Examples
    --------
    >>> words_of("Don't panic, it's 1790.")
    ["don't", 'panic', "it's"]
    """
    return _WORD.findall(text.lower())


class WordCountNode(kv.MapReduceNode):
    """Count the words of ``shared["speeches"]`` and store ``shared["word_counts"]``, a number by word.

    Parameters
    ----------
    **options
        As for `MapReduceNode`; by default 16 speeches share a map branch, which counts the words of all of them.
    """

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {"chunk_size": TEXTS_TOGETHER, "combiner": Counter}
        super().__init__(**defaults | options)

    def prep(self, shared: Shared) -> Sequence[Speech]:
        """Return ``shared["speeches"]``."""
        speeches: Sequence[Speech] = value_of(shared, "speeches", "load_speeches()")
        return speeches

    def map(self, item: Speech) -> list[str]:
        """Return the words of one text, which a `Counter` for all texts of the branch counts."""
        kv.cost(SECONDS_PER_LETTER * len(item.text))
        return words_of(item.text)

    def reduce(self, key: str, values: list[int]) -> int:
        """Return the sum of all map branches."""
        kv.cost(SECONDS_PER_KEY)
        return sum(values)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Store ``shared["word_counts"]``."""
        shared["word_counts"] = exec_res


class DecadeIndexNode(kv.MapReduceNode):
    """Find the decades of each word of ``shared["speeches"]`` and store them in ``shared["decades_of_word"]``."""

    def prep(self, shared: Shared) -> Sequence[Speech]:
        """Return ``shared["speeches"]``."""
        speeches: Sequence[Speech] = value_of(shared, "speeches", "load_speeches()")
        return speeches

    def map(self, item: Speech) -> Iterator[tuple[str, int]]:
        """Yield the decade for every different word."""
        kv.cost(SECONDS_PER_LETTER * len(item.text))
        decade = item.year // 10 * 10
        for word in dict.fromkeys(words_of(item.text)):
            yield word, decade

    def reduce(self, key: str, values: list[int]) -> tuple[int, ...]:
        """Return the decades, each once, the earliest first."""
        kv.cost(SECONDS_PER_KEY)
        return tuple(sorted(set(values)))

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Store ``shared["decades_of_word"]``."""
        shared["decades_of_word"] = exec_res


@dataclass(frozen=True, slots=True)
class Spending:
    """The sum of orders of a customer."""

    # the number of orders, and of pieces in them
    orders: int
    units: int
    cents: int  # the price of all of them [cents]

    @classmethod
    def total(cls, parts: Sequence[Spending]) -> Spending:
        """Return the sum of `parts`.

        Examples
        --------
        >>> Spending.total([Spending(1, 2, 300), Spending(1, 1, 50)])
        Spending(orders=2, units=3, cents=350)
        """
        return cls(
            sum(part.orders for part in parts), sum(part.units for part in parts), sum(part.cents for part in parts)
        )


class OrderTotalsNode(kv.MapReduceNode):
    """Add up ``shared["orders"]`` by customer and store ``shared["spending"]``, a `Spending` by customer number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"on_error": "collect"} | options)

    def prep(self, shared: Shared) -> Sequence[Order]:
        """Return ``shared["orders"]``."""
        orders: Sequence[Order] = value_of(shared, "orders", "load_orders()")
        return orders

    def map(self, item: Order) -> Iterator[tuple[str, Spending]]:
        """Yield the pair of customer number and `Spending` of one order."""
        kv.cost(SECONDS_PER_ORDER)
        lines = item.lines()
        cents = sum(line.amount_cents for line in lines)
        if cents != item.total_cents:
            total = f"order {item.order_id} has a total of {item.total_cents:,} cents"
            raise DataError(f"{total}, but its lines add up to {cents:,}")
        yield item.customer_id, Spending(1, sum(line.quantity for line in lines), cents)

    def combine(self, key: str, values: list[Spending]) -> Spending:
        """Return the sum of one map branch for a customer."""
        return Spending.total(values)

    def reduce(self, key: str, values: list[Spending]) -> Spending:
        """Return the sum of all map branches for a customer."""
        return Spending.total(values)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Store ``shared["spending"]``."""
        shared["spending"] = exec_res


class RankNode(kv.Node):
    """Sort results, the largest first, and store ``shared["ranking"]``, a list of pairs of key and result.

    Parameters
    ----------
    source
        The key of the results in the shared store, which are a dict.
    size
        A function that returns the size of a result.
    limit
        The number of pairs to keep, 1 or more. Results of one size are sorted by their keys.
    """

    def __init__(self, source: str, size: Callable[[Any], float], limit: int = 10) -> None:
        super().__init__()
        self.source = source
        self.size = size
        self.limit = checked_whole("limit", limit, 1, 1_000_000_000, "limit=10")

    def prep(self, shared: Shared) -> dict[str, Any]:
        """Return the results to sort."""
        results: dict[str, Any] = value_of(shared, self.source)
        return results

    def exec(self, prep_res: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the sorted pairs."""
        return sorted(prep_res.items(), key=lambda pair: (-self.size(pair[1]), pair[0]))[: self.limit]

    def post(self, shared: Shared, prep_res: Any, exec_res: list[tuple[str, Any]]) -> None:
        """Store ``shared["ranking"]``."""
        shared["ranking"] = exec_res


def word_count_graph(
    *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> kv.Graph:
    """Return the graph ``WordCountNode >> RankNode``, for speeches."""
    words = WordCountNode(max_workers=max_workers, executor=executor, **options)
    words >> RankNode("word_counts", size=int)
    return kv.Graph(start=words, node_id="word count")


def decade_index_graph(
    *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> kv.Graph:
    """Return the graph of a `DecadeIndexNode`, for speeches."""
    return kv.Graph(
        start=DecadeIndexNode(max_workers=max_workers, executor=executor, **options), node_id="decade index"
    )


def order_totals_graph(
    *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> kv.Graph:
    """Return the graph ``OrderTotalsNode >> RankNode``, for orders; customers are ranked by the sum of their orders."""
    totals = OrderTotalsNode(max_workers=max_workers, executor=executor, **options)
    totals >> RankNode("spending", size=attrgetter("cents"))
    return kv.Graph(start=totals, node_id="order totals")
