"""The map branch, the reduce branch, and the shuffle between them: which partition a key belongs to.

Belongs here: what runs in a worker. Does not belong here: the node that runs the branches (``map_reduce``).

Python's own hash of a text differs from process to process, so it cannot say where a key belongs: two workers would
send the same word to two reducers. The hash used here is the same in every process and on every run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import repeat
from operator import add
from types import GeneratorType
from typing import Any, NamedTuple
from zlib import crc32

from kaygraph_viz.checks import refuse_if_async
from kaygraph_viz.errors import NodeError, OptionError, add_note_once, short
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.pickling import not_sent, pack_error, pack_result, unpack, unpack_result
from kaygraph_viz.execute.core.retries import as_node_error, attempt_number
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.trace.recorder import span

__all__ = [
    "Combine",
    "Done",
    "Map",
    "MapBranch",
    "MapInput",
    "Reduce",
    "ReduceBranch",
    "ReduceInput",
    "partition_of",
]

Map = Callable[[Any], Iterable[Any]]  # pairs of key and value, or a mapping, or what `update` of a combiner takes
Reduce = Callable[[Any, list[Any]], Any]
Merging = type[MutableMapping[Any, Any]]  # such as Counter: its update adds what a mapper returns
Combine = Reduce | Merging
Groups = defaultdict[Any, list[Any]]
Part = Any  # the values by key of one partition, pickled where it is sent to another process; None for none

KEYS = "a text, bytes, a number, None, a date, an Enum member, or a tuple or frozenset of these"


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
        for key, value in self._combined(given, failures):
            parts[hashed(key) % count][key] = value
        return Done([self._packed(part) for part in parts], failures)

    def _combined(self, given: MapInput, failures: list[Failure]) -> Iterable[tuple[Any, Any]]:
        """Return each key with its value or, without a combiner, with its values; add the items that fail."""
        if isinstance(self.combiner, type) and issubclass(self.combiner, MutableMapping):
            return self._merged(given, failures, self.combiner).items()
        groups = self._grouped(given, failures)
        return groups.items() if self.combiner is None else self._one_for_each(groups, self.combiner)

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
                raise error  # noqa: B904  (it is the same one, or has its cause)
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
