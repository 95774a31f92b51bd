"""``%load_ext kaygraph_viz`` and ``%%gantt``: record a cell of a notebook and draw it; names are completed in quotes.

Belongs here: what IPython needs to know. Does not belong here: recording (``trace``), drawing (``plot``), the chart
that grows (``widgets``), and the completion of the command line (``cli.completion``).
"""

from __future__ import annotations

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.capture.kinds import KINDS as CAPTURED
from kaygraph_viz.execute.registry import KINDS as EXECUTORS
from kaygraph_viz.plot.canvas import figure_of
from kaygraph_viz.plot.gantt.gantt import COLOR_BY, gantt
from kaygraph_viz.recording import record
from kaygraph_viz.trace.trace import Trace

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


with needed():
    from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
    from IPython.core.magic import Magics, line_cell_magic, magics_class
    from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
    from IPython.display import display


# What may stand in quotes behind a keyword, or as the first argument of a function.
NAMES: Mapping[str, tuple[str, ...]] = {
    "capture": (*CAPTURED, "all"),
    "clock": ("virtual",),
    "color_by": COLOR_BY,
    "executor": EXECUTORS,
    "get_executor": EXECUTORS,
    "label": ("arguments",),
    "on_error": ("raise", "collect"),
    "playground": ("validation", "enrichment", "batch", "mapreduce", "pipeline", "coordination"),
    "schedule": ("dynamic", "static", "longest-first"),
    "shared_access": ("strict",),
}
OPTIONS: Mapping[str, tuple[str, ...]] = {  # of the magic, with the names that may follow
    "--arguments": (), "--by": COLOR_BY, "--capture": NAMES["capture"], "--help": (), "--key": (), "--live": (),
    "--save": (), "--seed": (), "--title": (), "--trace": (), "--virtual": (),
}  # fmt: skip
_QUOTED = re.compile(r"""(\w+)\s*[=(]\s*["'](?:[\w-]+,)*([\w-]*)$""")


def names_at(line: str) -> list[str]:
    """Return the names that may stand at the end of a line and begin with what is typed of the last one."""
    if line.startswith("%%gantt "):
        *_, option, begun = line.split(" ")
        names = OPTIONS if begun.startswith("-") else OPTIONS.get(option, ())
        begun = begun.rpartition(",")[2]
    elif found := _QUOTED.search(line):
        called, begun = found.groups()
        names = NAMES.get(called, ())
    else:
        return []
    return [name for name in names if name.startswith(begun)]


@context_matcher()
def _matcher(context: CompletionContext) -> SimpleMatcherResult:
    names = names_at(context.text_until_cursor)
    return {"completions": [SimpleCompletion(name, type="text") for name in names], "suppress": bool(names)}


def add_completions(shell: InteractiveShell) -> None:
    """Have a shell complete these names beside its own."""
    matchers = shell.Completer.custom_matchers
    if _matcher not in matchers:
        matchers.append(_matcher)


NOTHING = (
    "Nothing was recorded: the cell ran no node, no executor and no span. "
    "Pools, tasks and threads of other libraries are recorded with --capture all."
)


@magics_class
class _Magics(Magics):
    @magic_arguments()
    @argument("--virtual", action="store_true", help="run in simulated time, the same on every machine")
    @argument("--seed", type=int, default=None, help="with --virtual: the seed for the order of simultaneous events")
    @argument("--save", metavar="FILE", help="write the trace to a file, such as run.jsonl.gz")
    @argument("--trace", metavar="NAME", default="trace", help="the variable that gets the trace (default: trace)")
    @argument("--title", nargs="+", metavar="WORD", help="title of the chart")
    @argument("--by", choices=("part", "name", "status"), default="part", help="meaning of the colours (default: part)")
    @argument("--key", action="store_true", help="say what each entry of the legend means")
    @argument("--live", action="store_true", help="show an interactive chart that is updated while the cell runs")
    @argument("--arguments", action="store_true", help="show plain arguments of captured calls on their bars")
    @argument("--capture", metavar="KINDS", default="", help="work of other libraries, such as all or asyncio,futures")
    @argument("--help", action="store_true", help="show this text and run nothing, as %%gantt does in a single line")
    @line_cell_magic
    def gantt(self, line: str, cell: str | None = None) -> None:
        """Record a cell and draw its Gantt chart."""
        options = parse_argstring(self.gantt, line)
        if options.help or cell is None:
            print(_help(self.gantt.parser))
            return
        title = " ".join(options.title or ()) or None
        if options.live and options.by != "part":
            raise OptionError("--by", options.by, "left out with --live, where colours show the parts of the time")
        capture = [kind for kind in options.capture.split(",") if kind]
        recording = record(
            clock="virtual" if options.virtual else None,
            seed=options.seed,
            capture=capture,
            label="arguments" if options.arguments else None,
        )
        with ExitStack() as after, recording as trace:
            if options.live:
                from kaygraph_viz.widgets.timeline.timeline import timeline

                display(timeline(trace, title=title))
                after.callback(lambda: print(summarize(trace).sentence if len(trace) else NOTHING))
            else:
                after.callback(_show, trace, title, options.by, key=options.key)  # also of a cell that fails
            self.shell.user_ns[options.trace] = trace
            _run(self.shell, cell)
        if options.save:
            print(f"saved to {one_line(str(trace.save(options.save)), 4096)}")


def _help(parser: ArgumentParser) -> str:
    """Return what can be written behind ``%%gantt``."""
    return parser.format_help().replace("::\n\n  %gantt", "Usage: %%gantt", 1).strip()


def _run(shell: InteractiveShell, cell: str) -> None:
    """Run a cell in the reader's namespace and show the value of its last line."""
    source = shell.transform_cell(cell)
    name = shell.compile.cache(source)
    tree = ast.parse(source, name)
    if any(isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for node in _top_level(tree)):
        raise DataError("%%gantt cannot await; write graph.run(shared), or record with: with kv.record() as trace: ...")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), shell.user_ns)  # noqa: S102  (the reader's own cell)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), name, "eval"), shell.user_ns)  # noqa: S307  (as above)
        if not source.rstrip().endswith(";"):
            sys.displayhook(value)


def _top_level(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes that are not inside a function or class."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            found += [node, *_top_level(node)]
    return found


def _show(trace: Trace, title: str | None, by: str, *, key: bool) -> None:
    if not len(trace):
        print(NOTHING)
        return
    import matplotlib.pyplot as plt

    figure = figure_of(gantt(trace, title=title, color_by=by, legend=key))
    display(figure)
    plt.close(figure)
    print(summarize(trace).sentence)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%%gantt`` and the completion of names; IPython calls this for ``%load_ext kaygraph_viz``."""
    add_completions(shell)
    shell.register_magics(_Magics)
