"""What the commands share: a parser whose errors are one line, exit codes, text that a terminal can print, and Ctrl-C.

Belongs here: words that come in, text that goes out, noticing an interrupt that got lost on its way. Does not belong
here: the arguments of a command (its module).

Python drops an error in a callback of a weak reference, and a library in C may turn one into an error of its own;
drawing is full of both. So the program would go on after Ctrl-C, or end with a traceback.
"""

from __future__ import annotations

import signal
import sys
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from typing import Any, NoReturn

from kaygraph_viz.base.parts import contextmanager

OK, NOT_ACCEPTED = 0, 1
LONGEST_LINE = 500


class UsageError(Exception):
    """Arguments that cannot be used."""


class Parser(ArgumentParser):
    """A parser whose errors are one line: they are raised as `UsageError`; examples below the help stay as written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        raise UsageError(message)


def printable(text: str) -> str:
    """Return text without control characters, cut to a bound, in characters that the terminal can print."""
    if len(text) > LONGEST_LINE:
        text = text[: LONGEST_LINE - 3] + "..."
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    harmless = "".join(mark if mark.isprintable() else "?" for mark in text)
    return harmless.encode(encoding, "replace").decode(encoding)


@contextmanager
def noticing_interrupts() -> Iterator[None]:
    """Return a block that ends with ``KeyboardInterrupt`` if an interrupt came, whatever became of it inside."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # it is ignored, or somebody else takes care of it
        return
    came = []

    def note(*_: object) -> None:
        came.append(True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
