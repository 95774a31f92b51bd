"""A node that maps items to pairs of key and value, brings the values of each key together, and reduces them.

Belongs here: the node, what its map and reduce branches do in their workers, and which partition a key belongs to.
Does not belong here: running branches (``batch``).

Python's own hash of a text differs from process to process, so it cannot say where a key belongs: two workers would
send the same word to two reducers. The hash used here is the same in every process and on every run.
"""

from __future__ import annotations

import copy
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import count, islice, repeat
from operator import add
from types import GeneratorType
from typing import Any, NamedTuple
from zlib import crc32

from kaygraph_viz.base.checks import checked_whole, refuse_if_async
from kaygraph_viz.base.errors import DeadlineExceeded, NodeError, OptionError, add_note_once, short
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.call import all_of, count_of, opened
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.pickling import not_sent, pack_error, pack_result, unpack, unpack_result
from kaygraph_viz.execute.retries import RetryPolicy, as_node_error, attempt_number
from kaygraph_viz.graph.batch import BranchingNode
from kaygraph_viz.graph.node import Shared, items_of
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

Map = Callable[[Any], Iterable[Any]]  # pairs of key and value, or a mapping, or what `update` of a combiner takes
Reduce = Callable[[Any, list[Any]], Any]
Merging = type[MutableMapping[Any, Any]]  # such as Counter: its update adds what a mapper returns
Combine = Reduce | Merging
Groups = defaultdict[Any, list[Any]]
Part = Any  # the values by key of one partition, pickled where it is sent to another process; None for none
KEYS = "a text, bytes, a number, None, a date, an Enum member, or a tuple or frozenset of these"
PARTITIONS = 8  # fixed, not the number of workers, on which nothing but the time may depend
MAX_PARTITIONS = 4096
ROLES = {"mapper": "map", "reducer": "reduce", "combiner": "combine"}
BRANCHES = 256  # with more items than this, several share a map branch: each branch returns a part for each partition


class MapReduceNode(BranchingNode):
    """Map items to pairs of key and value, and reduce the values of each key to one result.

    1. *Map*: ``mapper(item)`` yields pairs ``(key, value)``, for all items that `prep` returns, several at once. If
       there is a combiner, ``combiner(key, values)`` then makes one value of those that a branch has for a key, so
       that less data is sent. The branch divides its result into partitions, by a hash of the key.
    2. *Shuffle*: each partition gets its parts from all map branches. This is a barrier: nothing is reduced before the
       last map branch has ended.
    3. *Reduce*: ``reducer(key, values)`` gives the result for each key of a partition, several partitions at once.

    `post` gets a dict of the results by key. Neither the kind of executor nor the number of workers changes it, nor
    the order of its keys: partition by partition, and in each one as they first appear in the input. A reducer gets
    the values in the order of the input, too.

    Parameters
    ----------
    mapper, reducer, combiner
        Plain functions. In place of them, a subclass may have methods `map`, `reduce` and `combine`. The combiner may
        also be a class of mappings, such as ``collections.Counter``, which is much faster: see below.
    partitions
        The number of partitions of the keys, 1 to 4096, each one a reduce branch if it has any keys; default: 8.
    max_workers, executor
        As for `ParallelBatchNode`. The same workers map and reduce.
    chunk_size
        The number of items of a map branch, 1 or more; a combiner then works on all of them together. Default: each of
        up to 256 items is a branch of its own; more items share 256 branches, or some more if their number is unknown.
    **options
        ``max_retries wait retry on_error timeout deadline progress memory node_id`` as for `ParallelBatchNode`; a
        branch is tried again as a whole. With ``on_error="collect"``, `post` gets a `Reduced`: in the last attempt of a
        branch, items and keys that fail are left out and noted, and the others go on.

    Raises
    ------
    OptionError
        If an option is out of its range, or there is no mapper or reducer. When it runs: if a key is not a text, bytes,
        a number, None, a date, an ``Enum`` member, or a tuple or frozenset of these.

    Notes
    -----
    After J. Dean and S. Ghemawat, "MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004. A combiner is
    run exactly once for each key of a map branch, so what it returns need not look like what the mapper yields. In a
    trace, map and reduce are two nodes within `exec`, with branches ``map 0``, ``map 1``, ... and ``reduce 0``, ...

    A mapper may return a mapping in place of pairs, with one value for each key of the item. If the combiner is a class
    of mappings, a branch makes one empty mapping of it, and its ``update`` takes what the mapper returns, as a whole
    and in the order of the items. So ``combiner=Counter`` adds up counters, and counts the words of lists of words,
    without a call or a pair for each of them. (It counts pairs as well: ``update`` decides what a value means.) A
    reducer gets one value from each map branch that has its key, as with any combiner. If ``update`` raises an error,
    the whole branch fails.

    Examples
    --------
    >>> def words(line):
    ...     for word in line.split():
    ...         yield word, 1
    >>> count = MapReduceNode(words, lambda word, ones: sum(ones), max_workers=2)
    >>> shared = {"items": ["to be or", "not to be"]}
    >>> count.run(shared)
    >>> sorted(shared["result"].items())
    [('be', 2), ('not', 1), ('or', 1), ('to', 2)]

    The same, but faster: each branch counts the words of all its lines in one `Counter`.

    >>> from collections import Counter
    >>> count = MapReduceNode(str.split, lambda word, counts: sum(counts), combiner=Counter)
    >>> count.run(shared)
    >>> sorted(shared["result"].items())
    [('be', 2), ('not', 1), ('or', 1), ('to', 2)]
    """

    def __init__(
        self,
        mapper: Map | None = None,
        reducer: Reduce | None = None,
        combiner: Combine | None = None,
        partitions: int | None = None,
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        *,
        chunk_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(max_workers, executor, **options)
        self.mapper = mapper
        self.reducer = reducer
        self.combiner = combiner
        self.partitions = checked_whole(
            "partitions", PARTITIONS if partitions is None else partitions, 1, MAX_PARTITIONS, "partitions=8"
        )
        self.chunk_size = chunk_size
        if chunk_size is not None:
            checked_whole("chunk_size", chunk_size, 1, 1_000_000_000, "chunk_size=100")
        for role, method in ROLES.items():
            function = self._function(role)
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise OptionError(role, function, "a plain function, not an asynchronous one")
            if not callable(function) and (function is not None or role != "combiner"):
                example = "MapReduceNode(mapper=words, reducer=add)"
                raise OptionError(role, function, f"a function, or the method {method!r} of a subclass", example)

    # -- to be overridden ---------------------------------------------------------------------------------------

    def map(self, item: Any) -> Any:
        """Yield the pairs of key and value of one item, in place of `mapper`."""

    def reduce(self, key: Any, values: list[Any]) -> Any:
        """Return the result for one key, in place of `reducer`."""

    def combine(self, key: Any, values: list[Any]) -> Any:
        """Return one value for all that one map branch has for a key, in place of `combiner`."""

    def prep(self, shared: Shared) -> Any:
        """Return the items, by default ``shared["items"]``: any iterable, read lazily."""
        return items_of(self, shared)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[Any, Any]) -> str | None:
        """Store the results by key, by default in ``shared["result"]``."""
        shared["result"] = exec_res
        return None

    # -- running ------------------------------------------------------------------------------------------------

    def _exec_phase(self, shared: Shared, prep_res: Any) -> dict[Any, Any]:
        items = () if prep_res is None else prep_res
        if not isinstance(items, Iterable):
            raise OptionError(f"what prep of {self.node_id!r} returns", items, "an iterable")
        what, count = f"the input of {self.node_id!r}", count_of(items)
        rest = opened(items, what)
        inputs: Iterable[MapInput]
        if count is None:
            inputs = _chunks(rest, self.chunk_size)
        else:
            inputs = all_of(_chunks(rest, self.chunk_size or max(1, -(-count // BRANCHES))), what)
        with span("exec", kind="phase"), self._opened() as executor:
            return self._map_reduce(executor, inputs)

    def _map_reduce(self, executor: Executor, inputs: Iterable[MapInput]) -> dict[Any, Any]:
        node, begun_ns = self._picklable(), current_clock().now_ns()
        collects = self.on_error_policy == "collect"
        errors = ErrorPolicy(self._retry_policy() if collects else None, executor.capabilities.needs_pickling)
        mapper, reducer, combiner = (node._function(role) for role in ROLES)
        with span(f"{self.node_id} map", kind="node") as mapping:
            branch: MapBranch | ReduceBranch = MapBranch(mapper, combiner, self.partitions, errors)
            mapped = self._run_branches("map", executor, branch, inputs, begun_ns)
        with span(f"{self.node_id} reduce", kind="node") as reducing:
            reducing.link(mapping)
            shuffled = _shuffled(mapped, self.partitions)
            done = [(outcome.index, outcome.value.value) for outcome in mapped if outcome.ok]
            fed = [[index for index, parts in done if parts[given.partition] is not None] for given in shuffled]
            reducing.link_branches(mapping, fed.__getitem__)  # to the map branches that had anything for it
            branch = ReduceBranch(reducer, combiner is not None, errors)
            reduced = self._run_branches("reduce", executor, branch, shuffled, begun_ns)
        results = {key: value for outcome in reduced if outcome.ok for key, value in outcome.value.value.items()}
        return Reduced(results, _failed(mapped + reduced)) if collects else results

    def _run_branches(
        self, word: str, executor: Executor, branch: MapBranch | ReduceBranch, inputs: Iterable[Any], begun_ns: int
    ) -> list[Outcome]:
        """Run all map or all reduce branches as a copy of this node, whose deadline is the time that is left."""
        node = copy.copy(self)
        node.node_id, node.executor = f"{self.node_id} {word}", executor
        if self.deadline is not None:
            node.deadline = self.deadline - (current_clock().now_ns() - begun_ns) / 1e9
            if node.deadline <= 0:
                raise DeadlineExceeded(f"the call of {self.node_id!r}", self.deadline)
        return node._branches(inputs, fn=branch, name=word, label=branch.name_of)

    def _function(self, role: str) -> Any:
        """Return the function for a role: the one that was given, or else the method of a subclass, or None."""
        given, method = getattr(self, role), getattr(self, ROLES[role])
        if given is None and getattr(method, "__func__", method) is not getattr(MapReduceNode, ROLES[role]):
            return method
        return given

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram shows of this node: the map branches, and after them the reduce branches."""
        names = tuple(f"reduce {number}" for number in range(self.partitions))
        mapping = NodeView(f"{name} map", f"{name} map", is_parallel=True)
        reducing = NodeView(f"{name} reduce", f"{name} reduce", is_parallel=True, branches=names)
        edge = EdgeView(mapping.node_id, reducing.node_id)
        inside = GraphView(name, (mapping, reducing), (edge,))
        return NodeView(name, type(self).__name__, is_parallel=True, graph=inside)


class Reduced(dict[Any, Any]):
    """The results of a node with ``on_error="collect"``: a dict by key, and the outcomes of what failed.

    Parameters
    ----------
    results
        By key.
    failed
        An outcome for each item that could not be mapped, each key that could not be reduced, and each branch that was
        lost or timed out; their names say which. These add nothing to the results.

    Examples
    --------
    >>> Reduced({"tea": 2}).failed
    []
    """

    def __init__(self, results: Mapping[Any, Any], failed: Iterable[Outcome] = ()) -> None:
        super().__init__(results)
        self.failed = Outcomes(failed)


def _chunks(rest: Iterator[Any], size: int | None) -> Iterator[MapInput]:
    """Divide items into the input of map branches; without a size, chunks grow with the number of items so far."""
    first = 0
    for number in count():
        chunk = tuple(islice(rest, size or 1 + first // BRANCHES))
        if not chunk:
            return
        yield MapInput(number, first, chunk)
        first += len(chunk)


def _shuffled(mapped: Sequence[Outcome], partitions: int) -> list[ReduceInput]:
    """Return the input of the reduce branches: the parts of each partition that has any."""
    done = [outcome.value.value for outcome in mapped if outcome.ok]
    found = ([parts[number] for parts in done if parts[number] is not None] for number in range(partitions))
    return [ReduceInput(number, parts) for number, parts in enumerate(found) if parts]


def _failed(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    for outcome in outcomes:
        yield from outcome.value.outcomes() if outcome.ok else (outcome,)


# -- map ------------------------------------------------------------------------------------------------------------


class MapInput(NamedTuple):
    """The input of one map branch: its number, the position of its first item among all, and its items."""

    number: int
    first: int
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class MapBranch:
    """Maps some items, combines the values of each key, and divides the result into partitions."""

    mapper: Map
    combiner: Combine | None
    partitions: int
    errors: ErrorPolicy

    def name_of(self, given: MapInput) -> str:
        """Return the name of the branch in charts and diagrams."""
        return f"map {given.number}"

    def __call__(self, given: MapInput) -> Done:
        """Return one part for each partition."""
        failures: list[Failure] = []
        parts: list[dict[Any, Any]] = [{} for _ in range(self.partitions)]
        count, hashed = self.partitions, _stable_hash
        combined: Iterable[tuple[Any, Any]]  # each key with its value or, without a combiner, with its values
        if isinstance(self.combiner, type) and issubclass(self.combiner, MutableMapping):
            combined = self._merged(given, failures, self.combiner).items()
        else:
            groups = self._grouped(given, failures)
            combined = groups.items() if self.combiner is None else self._one_for_each(groups, self.combiner)
        for key, value in combined:
            parts[hashed(key) % count][key] = value
        return Done([self._packed(part) for part in parts], failures)

    def _merged(self, given: MapInput, failures: list[Failure], merging: Merging) -> Mapping[Any, Any]:
        merged = merging()
        for position, item in enumerate(given.items, given.first):
            try:
                found: Any = self.mapper(item)
                refuse_if_async(found, "the mapper")
                if isinstance(found, Iterator):  # so that an item that fails in the middle adds nothing
                    found = list(found)
            except BaseException as raised:
                failures.append(self.errors.left_out(raised, position, f"item {position}", "mapped"))
            else:
                if merging is Counter and merged and isinstance(found, Mapping):
                    # what `update` does, without a line of Python for each key; each is read before its key is written
                    sums = map(add, found.values(), map(merged.get, found, repeat(0)))
                    dict.update(merged, zip(found, sums, strict=True))
                else:
                    merged.update(found)
        return merged

    def _grouped(self, given: MapInput, failures: list[Failure]) -> Groups:
        groups: Groups = defaultdict(list)
        for position, item in enumerate(given.items, given.first):
            try:
                if self.errors.retry is None:
                    self._map_into(groups, item)
                else:  # it adds all its pairs or, if it fails, none
                    own: Groups = defaultdict(list)
                    self._map_into(own, item)
                    for key, values in own.items():
                        groups[key] += values
            except BaseException as raised:
                failures.append(self.errors.left_out(raised, position, f"item {position}", "mapped"))
        return groups

    def _map_into(self, groups: Groups, item: Any) -> None:
        pairs: Any = self.mapper(item)
        refuse_if_async(pairs, "the mapper")
        try:
            for key, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
                groups[key].append(value)
        except (TypeError, ValueError) as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # it comes from the mapper itself
            raise NodeError(
                f"a mapper must give pairs of a key, which can be hashed, and a value: {error}; write: yield key, value"
            ) from error

    def _one_for_each(self, groups: Groups, combiner: Reduce) -> Iterator[tuple[Any, Any]]:
        for key, values in groups.items():
            try:
                value = _reduced(combiner, key, values, "the combiner")
            except BaseException as raised:
                error = as_node_error(raised, what := f"key {short(key)}")
                add_note_once(error, f"while {what} was combined")
                raise error
            yield key, value

    def _packed(self, part: dict[Any, Any]) -> Part:
        if not part or not self.errors.is_pickled:
            return part or None
        try:
            return pack_result(part)
        except Exception as error:
            raise not_sent("the mapper", error) from error


def _reduced(function: Reduce, key: Any, values: list[Any], what: str) -> Any:
    """Return the one value of a reducer or combiner; it needs no ``yield`` and no ``await``."""
    value = function(key, values)
    refuse_if_async(value, what)
    if type(value) is GeneratorType:
        raise NodeError(f"{what} returned a generator, expected the one value of a key; write return, not yield")
    return value


# -- reduce ---------------------------------------------------------------------------------------------------------


class ReduceInput(NamedTuple):
    """The input of one reduce branch: the number of its partition, and its parts in the order of the map branches."""

    partition: int
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class ReduceBranch:
    """Gathers the values of each key of one partition and reduces them."""

    reducer: Reduce
    is_combined: bool
    errors: ErrorPolicy

    def name_of(self, given: ReduceInput) -> str:
        """Return the name of the branch in charts and diagrams."""
        return f"reduce {given.partition}"

    def __call__(self, given: ReduceInput) -> Done:
        """Return the result for each key, in the order in which the keys first appear in the input."""
        results, failures, reducer = {}, [], self.reducer
        for key, values in self._grouped(given.parts).items():
            try:
                results[key] = _reduced(reducer, key, values, "the reducer")
            except BaseException as raised:
                failures.append(self.errors.left_out(raised, given.partition, f"key {short(key)}", "reduced"))
        return Done(results, failures)

    def _grouped(self, parts: Sequence[Part]) -> Groups:
        groups: Groups = defaultdict(list)
        for part in map(unpack, parts):
            if self.is_combined:
                for key, value in part.items():
                    groups[key].append(value)
            else:
                for key, values in part.items():
                    groups[key] += values
        return groups


# -- the result of a branch, and what failed in it ------------------------------------------------------------------


class Failure(NamedTuple):
    """An item or key that was left out: its position or its partition, its name, the error and the attempts."""

    position: int
    name: str
    error: Any
    attempts: int


class Done(NamedTuple):
    """The result of a branch, and the items or keys that it left out."""

    value: Any
    failures: Sequence[Failure] = ()

    def outcomes(self) -> list[Outcome]:
        """Return an outcome for each item or key that was left out."""
        found = []
        for index, name, error, attempts in self.failures:
            unpacked = error if isinstance(error, BaseException) else unpack_result(None, error, name)[1]
            found.append(Outcome(index, error=unpacked, status="error", attempts=attempts, name=name))
        return found


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """The treatment of items and keys that fail: the branch fails with them, or its last attempt leaves them out."""

    retry: RetryPolicy | None
    is_pickled: bool

    def left_out(self, raised: BaseException, index: int, name: str, done: str) -> Failure:
        """Return the failure of what is left out, or raise the error where the branch fails with it."""
        error = as_node_error(raised, name)
        add_note_once(error, f"while {name} was {done}")
        retry, attempt = self.retry, attempt_number()
        is_last = retry is not None and not retry.applies(attempt, error)
        if not is_last or not isinstance(error, Exception):
            raise error
        with suppress(Exception), span(name, kind="attempt"):  # so that the trace shows it
            raise error
        return Failure(index, name, pack_error(error) if self.is_pickled else error, attempt)


# -- which partition a key belongs to -------------------------------------------------------------------------------


def partition_of(key: Any, partitions: int) -> int:
    """Return the partition of a key: the same in every process and on every run, for keys that are equal too."""
    return _stable_hash(key) % partitions


def _stable_hash(key: Any) -> int:
    stable = _STABLE_HASHES.get(type(key).__hash__)  # by __hash__, since subclasses that inherit it may be equal keys
    if stable is not None:
        return stable(key)
    if key is None:
        return 0
    raise OptionError("a key", key, f"{KEYS}: only these have the same hash in every process", "yield str(key), value")


def _of_text(key: str) -> int:
    return crc32(key.encode("utf-8", "surrogatepass"))


def _of_number(key: float) -> int:
    if key != key:  # NaN
        raise OptionError("a key", key, "equal to itself: the values of others never come together")
    return crc32(hash(key).to_bytes(8, "little", signed=True))  # not the hash itself: decades would all be even


def _of_many(hashes: Iterable[int]) -> int:
    return crc32(b"".join(each.to_bytes(4, "little") for each in hashes))


_STABLE_HASHES: dict[Any, Callable[[Any], int]] = {
    str.__hash__: _of_text,
    bytes.__hash__: crc32,
    int.__hash__: _of_number,
    float.__hash__: _of_number,
    tuple.__hash__: lambda key: _of_many(map(_stable_hash, key)),
    frozenset.__hash__: lambda key: _of_many(sorted(map(_stable_hash, key))),
    date.__hash__: lambda key: _of_number(key.toordinal()),
    Enum.__hash__: lambda key: _of_text(key.name),
}
