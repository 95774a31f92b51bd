"""The command ``kaygraph-viz``, also as ``python -m kaygraph_viz``: Ctrl-C from its first moment on.

Belongs here: what has to be ready before the program is. Does not belong here: the program (``cli.main``).
"""

import _signal as signal  # type: ignore[import-not-found]  # the part in C: all of `signal` takes a while to load
import os
import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """Load the program, run it and return its exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else Ctrl-C is ignored, or somebody else takes care of it
        signal.signal(signal.SIGINT, _end)  # an import may turn an interrupt into an error of its own
    from kaygraph_viz.cli.main import main as run

    return run(loaded=lambda: signal.signal(signal.SIGINT, before))


def _end(_signal: int, _frame: object) -> None:
    os.write(2, b"kaygraph-viz: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
