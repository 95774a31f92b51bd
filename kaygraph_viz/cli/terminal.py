"""What the commands share: a parser whose errors are one line, exit codes, and text that a terminal can print.

Belongs here: words that come in, and text that goes out. Does not belong here: the arguments of a command (its module).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

__all__ = ["NOT_ACCEPTED", "OK", "Parser", "UsageError", "printable"]

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
