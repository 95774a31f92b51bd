"""``kaygraph-viz record``: record a program that knows nothing of this package.

Belongs here: the arguments, and what is written at the end. Does not belong here: running the program (``script``).
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from kaygraph_viz.analysis.explain.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.capture.kinds import KINDS
from kaygraph_viz.cli.script import LastWord, run_module, run_script
from kaygraph_viz.cli.terminal import OK, Parser, printable
from kaygraph_viz.errors import OptionError, OutputExistsError
from kaygraph_viz.recording import record
from kaygraph_viz.trace.trace import Trace

__all__ = ["parser", "run"]

USAGE = "%(prog)s [--capture KINDS] [--arguments] [--out DIR] [--force] (SCRIPT | -m MODULE) [ARGUMENTS ...]"
EXAMPLES = """examples:
  kaygraph-viz record crawl.py --depth 3            record everything, write to recorded/
  kaygraph-viz record --out runs -m shop.nightly    record a module
  kaygraph-viz record --capture asyncio,futures crawl.py
  kaygraph-viz record --arguments crawl.py          bars show what was called with what: fetch("a.html")
"""
ENDINGS = {".jsonl.gz": "the trace, for kaygraph_viz.load()", ".png": "the chart", ".html": "the page with the numbers"}


def run(words: Sequence[str]) -> int:
    """Run a program with its arguments, record it, and write what was recorded when it is over."""
    options, program = _read(words)
    kinds = options.capture.split(",")
    name = Path(program[0]).stem if not options.is_module else program[0]
    paths = {ending: Path(options.out) / f"{name}{ending}" for ending in ENDINGS}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not options.force:
        raise OutputExistsError(taken[0])
    if not options.is_module and not Path(program[0]).is_file():
        raise OptionError("SCRIPT", program[0], "a file with Python code", "kaygraph-viz record crawl.py")
    recording = record(capture=kinds, label="arguments" if options.arguments else None)
    trace = recording.__enter__()  # until the program is over, which may be after this function
    last = LastWord(lambda: _end(recording, trace, paths))
    (run_module if options.is_module else run_script)(program[0], program[1:], last)
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``record``, up to the program."""
    made = Parser(prog="kaygraph-viz record", usage=USAGE, epilog=EXAMPLES)
    made.add_argument("--capture", default="all", metavar="KINDS", help=f"any of {', '.join(KINDS)}, or all (default)")
    made.add_argument(
        "--arguments", action="store_true", help="keep arguments that are numbers, texts or paths, for bars"
    )
    made.add_argument("--out", default="recorded", metavar="DIR", help="where to write (default: recorded)")
    made.add_argument("--force", action="store_true", help="overwrite what is there")
    return made


def _read(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Return our options, and the program with its own: they begin at the first word that is no option of ours."""
    ours = parser()
    place, takes_value = 0, False
    while place < len(arguments) and (takes_value or arguments[place].startswith("-")) and arguments[place] != "-m":
        takes_value = not takes_value and arguments[place] in ("--capture", "--out")
        place += 1
    options = ours.parse_args(arguments[:place])
    options.is_module = arguments[place : place + 1] == ["-m"]
    program = list(arguments[place + options.is_module :])
    if not program:
        ours.error("expected a script, such as: kaygraph-viz record crawl.py")
    return options, program


def _end(recording: AbstractContextManager[Trace], trace: Trace, paths: dict[str, Path]) -> None:
    """End the recording and write it; nothing of this may change how the program ends."""
    try:
        recording.__exit__(None, None, None)
        _write(trace, paths)
    except BaseException as error:
        print(f"kaygraph-viz: could not save: {printable(repr(error))}", file=sys.stderr)


def _write(trace: Trace, paths: dict[str, Path]) -> None:
    if not len(trace):
        print(f"kaygraph-viz: nothing was recorded: the program started no work of {', '.join(KINDS)}", file=sys.stderr)
        return
    import matplotlib as mpl

    mpl.use("Agg")  # the program may have chosen a window
    from kaygraph_viz.html_report.report import save_report
    from kaygraph_viz.plot.files import save_picture
    from kaygraph_viz.plot.gantt.gantt import gantt

    next(iter(paths.values())).parent.mkdir(parents=True, exist_ok=True)
    trace.save(paths[".jsonl.gz"])
    save_picture(gantt(trace, title=paths[".png"].stem), paths[".png"])
    save_report(trace, paths[".html"], title=paths[".html"].stem)
    found = explain(trace)
    for sentence in filter(None, (summarize(trace).sentence, found.sentence, found.blocked_loop)):
        print(f"kaygraph-viz: {printable(sentence)}", file=sys.stderr)
    print(f"kaygraph-viz: wrote {', '.join(str(path) for path in paths.values())}", file=sys.stderr)
