"""The command line: ``kaygraph-viz``, ``python -m kaygraph_viz`` and ``python main.py`` are this program.

Belongs here: which commands there are, and how each ends. Does not belong here: the commands, a module each, and what
runs when no command is named (``patterns``).

Exit codes: 0 for success, 1 for a record that was not accepted, 2 for input that cannot be used, 130 for Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from kaygraph_viz.base.errors import KayGraphVizError, short
from kaygraph_viz.cli.terminal import OK, UsageError, printable

USAGE, INTERRUPTED = 2, 130
COMMANDS = ("grade", "lab", "lessons", "record", "report")  # a module beside this one each, with `parser` and `run`


def main(arguments: Sequence[str] | None = None, loaded: Callable[[], object] | None = None) -> int:
    """Run the program and return its exit code."""
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        from kaygraph_viz.cli.completion import complete

        return complete(COMMANDS)
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words.pop(0) if words and words[0] in COMMANDS else "patterns"
    try:
        run = import_module(f"kaygraph_viz.cli.{command}").run
        if loaded is not None:
            loaded()
        code: int = run(words)
        print(end="", flush=True)
    except (UsageError, KayGraphVizError, OSError) as error:
        # Nobody reads what is printed any more; Windows calls it an invalid argument.
        is_invalid = isinstance(error, OSError) and error.errno == errno.EINVAL and error.filename is None
        if isinstance(error, BrokenPipeError) or (os.name == "nt" and is_invalid):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit raises no error
            return OK
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None and not isinstance(error, KayGraphVizError):
            text = f"{short(str(error.filename), 300)}: {error.strerror}"
        print(f"kaygraph-viz: {printable(' '.join(text.split()))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("kaygraph-viz: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code
