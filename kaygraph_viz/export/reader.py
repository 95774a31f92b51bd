"""What the readers of all formats of other tools share: collecting rows, and JSON of any length in bounded memory.

Belongs here: limits of size, finding the ends of values. Does not belong here: one format (``..._reader``), and telling
them apart (``loading``).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any, TextIO

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.files import MAX_CHARACTERS, READ_CHUNK, Allowance, values_in
from kaygraph_viz.trace.row import RowTuple, safe_attributes

LARGEST_NS = 1 << 62
MOST_SEEN = 1_000  # attributes that are remembered, and how long they are, as text
LONGEST_SEEN = 500


class Reader(ABC):
    """A reader that takes the events of a file one by one and collects spans."""

    def __init__(self, allowance: Allowance) -> None:
        self._spans = Spans()
        self._allowance = allowance
        self.predicted_from = ""  # of a prediction, the run that it was made from, in words
        self._seen: dict[str, dict[str, Any]] = {}  # attributes by what they were made of

    @abstractmethod
    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, and the number of spans that were not kept, as far as the file has it."""
        return self._spans.columns(), 0

    def _noted(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return values as attributes, or None for none; those that come again and again are kept once."""
        if not values:
            return None
        key = repr(values)
        found = self._seen.get(key)
        if found is None:
            found = _with_shared_names(safe_attributes(values))
            if len(key) <= LONGEST_SEEN:
                if len(self._seen) >= MOST_SEEN:
                    self._seen.clear()
                self._seen[key] = found
        return found

    def _keep(self, row: RowTuple) -> None:
        *_, attributes, links, parts = row
        self._allowance.take_values(values_in(attributes, links, parts))
        self._spans.append(row)
        if len(self._spans.buffer) >= READ_CHUNK:
            self._spans.compact()


def _with_shared_names(values: dict[str, Any]) -> dict[str, Any]:
    """Return attributes whose names, which most spans have in common, are in memory once."""
    return {intern(name): _with_shared_names(value) if type(value) is dict else value for name, value in values.items()}


def integer_ns(value: object, unit_ns: int) -> int:
    """Return a time from a file as whole nanoseconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST_NS / unit_ns:
        return round(value * unit_ns)
    raise ValueError(f"{str(value)[:40]!r} is not a time")


MAX_VALUE = 2 << 20  # characters; real events have some hundred, and a file may be made to fill the memory
CHUNK = 8192  # characters; small, since where a compressed file was cut off a whole chunk is lost
_spaces = re.compile(r"[ \t\r\n]*").match

# NaN and infinities, which other tools write among their arguments, become texts: never a time.
_decode = json.JSONDecoder(parse_constant=str).raw_decode


class JsonStream:
    """A JSON document that is read value by value; only the current value is in memory."""

    def __init__(self, stream: TextIO, path: Path, allowance: Allowance) -> None:
        self._allowance = allowance
        self._stream = stream
        self._path = path
        self._text = ""
        self._at = 0
        self._read = 0

    def peek(self) -> str:
        """Return the next character that is not a space, or "" at the end."""
        while True:
            self._at = _spaces(self._text, self._at).end()  # type: ignore[union-attr]  # it always matches
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def fields(self) -> Iterator[str]:
        """Yield the names of the fields of an object; whoever takes one reads its value before the next."""
        self._take("{")
        while self.peek() == '"':
            key = self.value()
            self._take(":")
            yield key
            self._end_item("}")
        self._take("}")

    def skip(self) -> None:
        """Read a value that nobody needs; an array may have any length."""
        if self.peek() == "[":
            for _ in self.array():
                pass
        else:
            self.value()

    def array(self, *, may_lack_end: bool = False) -> Iterator[Any]:
        """Yield the values of an array."""
        for _ in self.elements(may_lack_end=may_lack_end):
            yield self.value()

    def elements(self, *, may_lack_end: bool = False) -> Iterator[None]:
        """Yield at each element of an array; whoever takes one reads its value before the next."""
        self._take("[")
        while (char := self.peek()) not in ("]", ""):
            yield
            self._end_item("]")
        if char or not may_lack_end:
            self._take("]")

    def _end_item(self, closing: str) -> None:
        char = self.peek()
        if char == ",":
            self._at += 1
        elif char not in (closing, ""):
            raise self._error(f"{char!r} stands where ',' or {closing!r} should be")

    def skip_rest(self) -> None:
        """Read to the end: a compressed file checks its sum there."""
        self._at = len(self._text)
        while self._more():
            self._at = len(self._text)

    def value(self) -> Any:
        """Return the next value."""
        self._allowance.take_values(1)
        self.peek()  # skips spaces
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ValueError as error:
                if self._more():
                    continue
                at_end = getattr(error, "pos", 0) >= len(self._text) or "Unterminated" in str(error)
                raise self._error("it is incomplete" if at_end else str(error)[:100]) from None
            if end < len(self._text) or not self._more():  # a number at the end of the chunk may go on in the next
                self._at = end
                return value

    def _more(self) -> bool:
        """Read more of the text and return whether there was any; the amount doubles while a value is not complete."""
        rest = self._text[self._at :]
        if len(rest) > MAX_VALUE or self._read > MAX_CHARACTERS:
            raise TraceFormatError(
                f"{self._path} is larger than any trace: over {MAX_VALUE:,} characters in one event, or in all"
            )
        new = self._stream.read(max(CHUNK, len(rest)))
        self._text, self._at = rest + new, 0
        self._read += len(new)
        return bool(new)

    def _take(self, char: str) -> None:
        found = self.peek()
        if found != char:
            raise self._error(f"{found!r} stands where {char!r} should be" if found else "it is incomplete")
        self._at += 1

    def _error(self, problem: str) -> TraceFormatError:
        place = self._read - len(self._text) + self._at
        return TraceFormatError(f"{self._path} cannot be read at character {place:,}: {problem}")
