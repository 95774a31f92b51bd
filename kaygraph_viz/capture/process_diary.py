"""What a process that the program starts itself writes down while it runs, page after page, and how that is read.

Belongs here: the file of such a process. Does not belong here: what is recorded there (``away``), which processes those
are (``processes``). The process imports this module: it must load fast.

Such a process has no result that could carry anything, and one that is killed has no last word. So it writes a page
whenever something begins or ends there, as long as that takes no more than a twentieth of its time.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Any

from kaygraph_viz.capture.away import MOST_ROWS, Away, Page
from kaygraph_viz.real_threads import Lock
from kaygraph_viz.trace.recorder import OpenSpan
from kaygraph_viz.trace.span import Row, RowTuple

__all__ = ["Diary", "told"]

FREE_NS = 5_000_000  # what pages may take in any case: some 50 of them [ns]
SHARE = 0.05  # and the share of the time since it began: other threads wait for a page, too
KIND = Row._fields.index("kind")
_LENGTH = Struct("<Q")  # comes before each page, of which the last one may be cut short


class Diary:
    """The file of this process."""

    def __init__(self, file: str, away: Away) -> None:
        self._file, self._away = file, away
        self._process = os.getpid()
        self._lock = Lock()
        self.now_ns = away.recorder.now_ns
        self.next_ns = 0  # when there may be another page
        self._began_ns = self.now_ns()
        self._spent_ns = self._count = 0
        self._has_news = False  # that no page has yet
        self._is_over = False  # since it could not be written

    def begin(self) -> None:
        """Write the first page, and another one whenever a span begins or ends, or a wait has ended."""
        recorder = self._away.recorder
        self._write_page()
        recorder.open_spans = _OpenSpans(self, recorder.open_spans)
        recorder.add = partial(self._add, recorder.add)  # type: ignore[method-assign]

    def _add(self, add: Callable[[RowTuple], None], row: RowTuple) -> None:
        add(row)
        if row[KIND] == "wait" and self.now_ns() >= self.next_ns:
            self.note()

    def note(self) -> None:
        """Write what has happened since the last page; never raises."""
        recorder = self._away.recorder
        self._has_news = True
        while self._has_news and recorder.is_open and self._lock.acquire(blocking=False):  # else its holder sees it
            try:
                self._has_news = False
                self._write_page()
            except Exception as error:
                recorder.give_up(error)
            finally:
                self._lock.release()

    def _write_page(self) -> None:
        started_ns, page = self.now_ns(), self._away.page()
        self._write(page)
        self._spent_ns += self.now_ns() - started_ns
        self._count += len(page[0])
        is_enough = self._count >= MOST_ROWS
        self.next_ns = sys.maxsize if is_enough else self._began_ns + int((self._spent_ns - FREE_NS) / SHARE)

    def end(self) -> None:
        """Write the last page: nothing is open any more. A child that this process has forked writes nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:
            rows, dropped = self._away.fetch()
            self._write((rows, [], dropped))
            self._is_over = True

    def _write(self, page: Page) -> None:
        if self._is_over:
            return
        text = pickle.dumps(page)
        content, written = _LENGTH.pack(len(text)) + text, 0
        with suppress(OSError), Path(self._file).open("ab", buffering=0) as stream:
            written = stream.write(content)
        if written != len(content):  # nobody waits for it any more, or the disk is full
            self._is_over, self._away.recorder.is_open = True, False


class _OpenSpans(dict[int, OpenSpan]):
    """The open spans of a recorder, with a diary that is told when one begins or ends."""

    def __init__(self, diary: Diary, opened: dict[int, OpenSpan]) -> None:
        super().__init__(opened)
        self._diary = diary

    def __setitem__(self, number: int, opened: OpenSpan) -> None:
        super().__setitem__(number, opened)
        if self._diary.now_ns() >= self._diary.next_ns:
            self._diary.note()

    def pop(self, number: int, default: Any = None) -> Any:
        found = super().pop(number, default)
        if self._diary.now_ns() >= self._diary.next_ns:
            self._diary.note()
        return found


def told(file: str) -> Page | None:
    """Return all that a process has written as one page; None where it has written nothing."""
    content = b""
    with suppress(OSError):
        content = Path(file).read_bytes()
    pages: list[Page] = []
    first = _LENGTH.size
    while len(content) >= first:
        (length,) = _LENGTH.unpack_from(content, first - _LENGTH.size)
        if len(content) < first + length:
            break
        pages.append(pickle.loads(content[first : first + length]))  # noqa: S301  (only this user can write there)
        first += length + _LENGTH.size
    if not pages:
        return None
    rows = [row for page in pages for row in page[0]]
    ended = {row[0] for row in rows}
    _, opened, dropped = pages[-1]
    return rows, [row for row in opened if row[0] not in ended], dropped
