"""``kaygraph-viz report``: a page to send, of traces that were saved or exported by other tools.

Belongs here: the arguments, and what each trace is called. Does not belong here: reading (``export.loading``) and the
page (``html_report``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kaygraph_viz.base.errors import OutputExistsError
from kaygraph_viz.cli.terminal import OK, Parser, printable

EXAMPLES = """examples:
  kaygraph-viz report run.jsonl.gz -o run.html             one run
  kaygraph-viz report before.json after.json -o both.html  two runs, and what changed
"""


def run(words: Sequence[str]) -> int:
    """Write the page that is asked for, say where it is, and return the exit code."""
    options = parser().parse_args(words)
    path = Path(options.out)
    if path.exists() and not options.force:
        raise OutputExistsError(path)
    from kaygraph_viz.export.loading import load  # takes a while; what can be said before is said at once
    from kaygraph_viz.html_report.report import save_report

    names = _names([Path(each) for each in options.traces])
    runs = {name: load(each) for name, each in zip(names, options.traces, strict=True)}
    title = options.title or ", ".join(names)
    save_report(next(iter(runs.values())) if len(runs) == 1 else runs, path, title=title)
    print(f"wrote {printable(str(path))}")
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``report``."""
    made = Parser(
        prog="kaygraph-viz report",
        description="Make one HTML file of saved runs: charts to move about in, numbers and reasons.",
        epilog=EXAMPLES,
    )
    made.add_argument(
        "traces", nargs="+", metavar="TRACE", help="a file of this package, Perfetto, VizTracer, Dask or OpenTelemetry"
    )
    made.add_argument("-o", "--out", default="report.html", metavar="PAGE", help="default: report.html")
    made.add_argument("--title", help="default: the names of the files")
    made.add_argument("--force", action="store_true", help="overwrite a page that exists")
    return made


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what each run is called: its file without endings, or all of its path where two are called alike."""
    short = [path.name.partition(".")[0] or path.name for path in paths]
    often = Counter(short)
    return [name if often[name] == 1 else path.as_posix() for name, path in zip(short, paths, strict=True)]
