"""Map-reduce: words counted, words looked up by decade, and orders added up by customer.

Belongs here: mappers and reducers for the shipped data, and their graphs. Does not belong here: how map and reduce
branches run (``graph.map_reduce``), and reading the data (``services``).

Counts and sums are put in order by a `RankNode`, which is a graph's last node: the largest results come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from kaygraph_viz.checks import checked_whole
from kaygraph_viz.clock import cost
from kaygraph_viz.errors import DataError
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.services.orders import Order
from kaygraph_viz.services.speeches import Speech

__all__ = [
    "DecadeIndexNode",
    "OrderTotalsNode",
    "RankNode",
    "Spending",
    "WordCountNode",
    "decade_index_graph",
    "order_totals_graph",
    "word_count_graph",
    "words_of",
]

SECONDS_PER_LETTER, SECONDS_PER_KEY, SECONDS_PER_ORDER = 6e-8, 5e-7, 2e-5  # of CPU, as measured
TEXTS_TOGETHER = 8  # texts of one time share most of their words: counted together, two fifths of the pairs travel
_WORD = re.compile(r"[a-z']+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case: letters from a to z and apostrophes.

    Examples
    --------
    >>> words_of("Don't panic, it's 1790.")
    ["don't", 'panic', "it's"]
    """
    return _WORD.findall(text.lower())


class WordCountNode(MapReduceNode):
    """Count the words of ``shared["speeches"]``; it leaves ``shared["word_counts"]``, a number by word.

    Parameters
    ----------
    **options
        As for `MapReduceNode`; by default 8 speeches share a map branch.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"chunk_size": TEXTS_TOGETHER} | options)

    def prep(self, shared: Shared) -> Sequence[Speech]:
        """Return the speeches."""
        speeches: Sequence[Speech] = _given(shared, "speeches")
        return speeches

    def map(self, item: Speech) -> Iterator[tuple[str, int]]:
        """Yield a one for every word."""
        cost(SECONDS_PER_LETTER * len(item.text))
        for word in words_of(item.text):
            yield word, 1

    def combine(self, key: str, values: list[int]) -> int:
        """Add up the ones of one map branch, so that one number travels for each word."""
        return sum(values)

    def reduce(self, key: str, values: list[int]) -> int:
        """Add up the numbers of all map branches."""
        cost(SECONDS_PER_KEY)
        return sum(values)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Hand the counts over."""
        shared["word_counts"] = exec_res


class DecadeIndexNode(MapReduceNode):
    """Say in which decades each word of ``shared["speeches"]`` was used; it leaves ``shared["decades_of_word"]``.

    That is an inverted index: from a word to where it occurs, as at the back of a book.
    """

    def prep(self, shared: Shared) -> Sequence[Speech]:
        """Return the speeches."""
        speeches: Sequence[Speech] = _given(shared, "speeches")
        return speeches

    def map(self, item: Speech) -> Iterator[tuple[str, int]]:
        """Yield the decade for every different word."""
        cost(SECONDS_PER_LETTER * len(item.text))
        decade = item.year // 10 * 10
        for word in dict.fromkeys(words_of(item.text)):
            yield word, decade

    def reduce(self, key: str, values: list[int]) -> tuple[int, ...]:
        """Return the decades, each once, the earliest first."""
        cost(SECONDS_PER_KEY)
        return tuple(sorted(set(values)))

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Hand the index over."""
        shared["decades_of_word"] = exec_res


@dataclass(frozen=True, slots=True)
class Spending:
    """What a customer has ordered.

    Parameters
    ----------
    orders, units
        How many orders, and how many pieces of anything.
    cents
        What they cost in all [cents].
    """

    orders: int
    units: int
    cents: int

    @classmethod
    def total(cls, parts: Sequence[Spending]) -> Spending:
        """Return everything together.

        Examples
        --------
        >>> Spending.total([Spending(1, 2, 300), Spending(1, 1, 50)])
        Spending(orders=2, units=3, cents=350)
        """
        return cls(
            sum(part.orders for part in parts), sum(part.units for part in parts), sum(part.cents for part in parts)
        )


class OrderTotalsNode(MapReduceNode):
    """Add up ``shared["orders"]`` by customer; it leaves ``shared["spending"]``, a `Spending` by customer number.

    An order whose items do not add up to its total, or cannot be read, is an error of its own: it is left out of the
    sums and stands in ``shared["spending"].failed``, at its position among the orders.

    Parameters
    ----------
    **options
        As for `MapReduceNode`; ``on_error`` is ``"collect"`` by default.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"on_error": "collect"} | options)

    def prep(self, shared: Shared) -> Sequence[Order]:
        """Return the orders."""
        orders: Sequence[Order] = _given(shared, "orders")
        return orders

    def map(self, item: Order) -> Iterator[tuple[str, Spending]]:
        """Yield what one order adds to its customer."""
        cost(SECONDS_PER_ORDER)
        lines = item.lines()
        cents = sum(line.amount_cents for line in lines)
        if cents != item.total_cents:
            raise DataError(f"order {item.order_id} says {item.total_cents:,} cents, its lines make {cents:,}")
        yield item.customer_id, Spending(1, sum(line.quantity for line in lines), cents)

    def combine(self, key: str, values: list[Spending]) -> Spending:
        """Add up what one map branch has of a customer."""
        return Spending.total(values)

    def reduce(self, key: str, values: list[Spending]) -> Spending:
        """Add up what all map branches have of a customer."""
        return Spending.total(values)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> None:
        """Hand the totals over."""
        shared["spending"] = exec_res


class RankNode(Node):
    """Put the largest results first; it leaves ``shared["ranking"]``, a list of pairs of key and result.

    Parameters
    ----------
    source
        Where the results are in the shared store, by key.
    size
        How large a result is: a function of it.
    most
        How many pairs to keep, 1 or more. Of results of one size, the first keys in the alphabet come first.
    """

    def __init__(self, source: str, size: Callable[[Any], float], most: int = 10) -> None:
        super().__init__()
        self.source = source
        self.size = size
        self.most = checked_whole("most", most, 1, 1_000_000_000, "most=10")

    def prep(self, shared: Shared) -> dict[str, Any]:
        """Return the results."""
        results: dict[str, Any] = _given(shared, self.source)
        return results

    def exec(self, prep_res: dict[str, Any]) -> list[tuple[str, Any]]:
        """Sort them."""
        return sorted(prep_res.items(), key=lambda pair: (-self.size(pair[1]), pair[0]))[: self.most]

    def post(self, shared: Shared, prep_res: Any, exec_res: list[tuple[str, Any]]) -> None:
        """Hand the ranking over."""
        shared["ranking"] = exec_res


def word_count_graph(*, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any) -> Graph:
    """Return the graph ``WordCountNode >> RankNode``, for speeches.

    Parameters
    ----------
    max_workers
        How many branches may be in progress at once, 1 to 4096.
    executor, **options
        As for `MapReduceNode`.

    Returns
    -------
    Graph
        Run it with ``graph.run({"speeches": load_speeches()})``.

    Examples
    --------
    >>> from kaygraph_viz.services.speeches import load_speeches
    >>> shared = {"speeches": load_speeches()}
    >>> word_count_graph(max_workers=2).run(shared)
    >>> sum(shared["word_counts"].values()), len(shared["word_counts"]), shared["ranking"][0]
    (585727, 16709, ('the', 36737))
    """
    words = WordCountNode(max_workers=max_workers, executor=executor, **options)
    words >> RankNode("word_counts", size=int)
    return Graph(start=words, node_id="word count")


def decade_index_graph(*, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any) -> Graph:
    """Return the graph of a `DecadeIndexNode`, for speeches.

    Parameters
    ----------
    max_workers, executor, **options
        As for `word_count_graph`.

    Examples
    --------
    >>> from kaygraph_viz.services.speeches import load_speeches
    >>> shared = {"speeches": load_speeches()}
    >>> decade_index_graph(max_workers=2).run(shared)
    >>> shared["decades_of_word"]["internet"]
    (1990, 2000, 2010, 2020)
    """
    return Graph(start=DecadeIndexNode(max_workers=max_workers, executor=executor, **options), node_id="decade index")


def order_totals_graph(*, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any) -> Graph:
    """Return the graph ``OrderTotalsNode >> RankNode``, for orders; the customers who spent most come first.

    Parameters
    ----------
    max_workers, executor, **options
        As for `word_count_graph`.

    Examples
    --------
    >>> from kaygraph_viz.services.orders import load_orders
    >>> shared = {"orders": load_orders()}
    >>> order_totals_graph(max_workers=2).run(shared)
    >>> len(shared["spending"]), len(shared["spending"].failed)
    (806, 15)
    """
    totals = OrderTotalsNode(max_workers=max_workers, executor=executor, **options)
    totals >> RankNode("spending", size=attrgetter("cents"))
    return Graph(start=totals, node_id="order totals")


def _given(shared: Shared, key: str) -> Any:
    if key not in shared:
        raise DataError(f"shared[{key!r}] is not there; run the graph with graph.run({{{key!r}: ...}})")
    return shared[key]
