"""The page: charts, numbers, reasons and spans of a run, or of several.

Belongs here: the page, its sections, its table of spans, and the data and script of the chart to move about in. Does
not belong here: that chart (``widgets.timeline``), and the files that the command line writes (``cli.run_output``).

The page needs no network, and its policy forbids it, as it forbids every script but our own: no label can do anything
but be shown. Without scripts it shows pictures. The runs are in a block of JSON, which browsers never execute; the
columns of numbers in it are compressed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import counted, duration, html_table
from kaygraph_viz.plot.canvas import checked_traces
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.description import HasStructure, checked_view
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.columns import SpanColumns, part_totals_ns
from kaygraph_viz.trace.files import written
from kaygraph_viz.trace.nesting import Places
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import GraphView, Trace
from kaygraph_viz.widgets.timeline.packing import pack
from kaygraph_viz.widgets.timeline.scene_data import STYLES, scene_data, script, stylesheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kaygraph_viz.plot.diagram.description import HasStructure


def run_data(trace: Trace, graph: GraphView | HasStructure | None = None, title: str | None = None) -> dict[str, Any]:
    """Return a run, and the graph that ran, as the script of the page reads them."""
    packed = pack(trace)
    head = packed.head if title is None else {**packed.head, "title": clean(title, 200)}
    scene = {} if graph is None else scene_data(checked_view(graph), trace)
    return {"head": head, "scene": scene, "data": base64.b64encode(gzip.compress(packed.data, mtime=0)).decode()}


def runs_block(runs: Iterable[dict[str, Any]]) -> str:
    """Return runs as an element of a page; no text in them can end it."""
    content = json.dumps({"styles": STYLES, "runs": list(runs)}, separators=(",", ":")).replace("<", r"\u003c")
    return f'<script type="application/json" id="runs">{content}</script>'


@cache
def page_script() -> str:
    """Return the script of a page; the same for every run."""
    return f"\n{script()}\n{files(__package__).joinpath('page.js').read_text(encoding='utf-8')}"


def policy() -> str:
    """Return what a page may do: show pictures that it holds, and run our script, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(page_script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


# -- the table of spans ----------------------------------------------------------------------------------------------

MAX_SPANS = 500
ERROR_LIMIT = 300
_FIRST = ("span", "in", "name", "item", "kind", "worker", "from", "queued", "took", "CPU")
_OF_PARTS = {"wait": "waiting", "gil": "interpreter", "core": "for a core", "blocked": "blocked", "pause": "pause"}
_LAST = ("ended", "error")


def spans_table(columns: SpanColumns, dropped: int) -> str:
    """Return the table of spans, after a sentence about those that are left out."""
    rows = columns.rows
    by_weight = np.lexsort((rows["started_ns"] - rows["ended_ns"], columns.is_status("ok")))  # failed, then longest
    zero_ns = int(columns.column("submitted_ns").min())
    shown = np.sort(by_weight[:MAX_SPANS])
    totals = part_totals_ns(columns, shown)
    kinds = [kind for kind in _OF_PARTS if kind in totals]
    words = _OF_PARTS | {"gil": _turns(columns, shown[totals["gil"] > 0])} if "gil" in totals else _OF_PARTS
    table = html_table(
        [
            _row(columns.span(position), zero_ns, [int(totals[kind][place]) for kind in kinds])
            for place, position in enumerate(shown.tolist())
        ],
        right={1, 3, *range(6, len(_FIRST) + len(kinds))},
        headings=(*_FIRST, *(words[kind] for kind in kinds), *_LAST),
    )
    count = len(columns)
    told = f"All {counted(count, 'span')}, sorted by start."
    if count > MAX_SPANS:
        told = (
            f"{MAX_SPANS:,} of {count:,} spans, sorted by start: those that failed, and those that "
            f"took longest. {count - MAX_SPANS:,} are not shown here; to_frame(trace) has all of them."
        )
    told += f" The recording did not keep {counted(dropped, 'span')}." if dropped else ""
    return f"<p>{told}</p>{table}"


def _turns(columns: SpanColumns, waiting: Places) -> str:
    """Return what these spans waited for that could have gone on, as a heading."""
    from kaygraph_viz.plot.gantt.loops import turns_on

    return turns_on(columns.span(position).lane for position in waiting.tolist()).replace("the ", "")


def _row(span: Span, zero_ns: int, of_parts_ns: Sequence[int]) -> tuple[str, ...]:
    attempts = f", {counted(span.attempt, 'attempt')}" if span.attempt > 1 and span.kind == "branch" else ""
    return (
        str(span.span_id),
        str(span.parent_id or ""),
        clean(span.name),
        _item(span),
        span.kind,
        clean(span.lane),
        duration((span.started_ns - zero_ns) / 1e9),
        duration(span.queue_wait_s) if span.queue_wait_s else "",
        duration(span.service_s),
        "" if span.cpu_ns is None else duration(span.cpu_ns / 1e9),
        *(duration(lasted_ns / 1e9) if lasted_ns else "" for lasted_ns in of_parts_ns),
        span.status + attempts,
        clean(span.error, ERROR_LIMIT) if span.error else "",
    )


def _item(span: Span) -> str:
    """Return the number of the item of a branch, or else what tells its call from others."""
    label = span.attributes.get("label")
    return f"{span.index:,}" if span.index is not None else clean(label) if isinstance(label, str) else ""


# -- the page --------------------------------------------------------------------------------------------------------

MAX_SVG = 1 << 20  # bytes; a larger picture becomes a PNG, else browsers are slow
DPI = 150
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
figure { margin: 1rem 0; overflow-x: auto }
figcaption, footer { color: #5f6b73; font-size: .9rem } footer { margin-top: 2rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem .2rem 0; border-bottom: 1px solid #e3e7ea; vertical-align: top; unicode-bidi: isolate }
th { font-weight: 600 } [style*="right"] { white-space: nowrap } summary { cursor: pointer; font-weight: 600 }
"""


def save_report(
    trace: Trace | Mapping[str, Trace],
    path: str | os.PathLike[str],
    *,
    graph: GraphView | HasStructure | None = None,
    title: str | None = None,
) -> Path:
    """Write a run as one HTML file that opens anywhere, without a network and without Python.

    It shows the Gantt chart to move about in, as `timeline` does: zoom, drag, search, select a bar or a node of the
    graph; a picture of it where scripts are off. Below are the memory in use if that was recorded, the numbers of the
    run and why it was not faster, the chart in words, and the spans: those that failed and those that took longest, at
    most 500, and for how long each computed, waited, or was held up, as far as that is known.

    Parameters
    ----------
    trace
        What was recorded. Several traces by name, such as ``{"before": one, "after": other}``, are shown below each
        other; two of them are compared.
    path
        For example ``"run.html"``. An existing file is replaced, at once and only when everything was written.
    graph
        The graph that ran, or its `GraphView`: adds its diagram.
    title
        Default: the name of the graph that ran.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OptionError
        If an argument is of the wrong type.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> with TemporaryDirectory() as folder:
    ...     page = save_report(make_trace(bar("check", "thread-1", 0, 2)), f"{folder}/run.html")
    ...     "<h1>Run</h1>" in page.read_text(encoding="utf-8")
    True
    """
    traces = checked_traces(trace)
    runs = dict(zip(trace, traces, strict=True)) if isinstance(trace, Mapping) else {"": traces[0]}
    heading = html.escape(clean(title, 200) if title is not None else _title(traces[0]))
    sections = "\n".join(_sections(runs, graph))
    block = runs_block(run_data(each, graph, name or None) for name, each in runs.items())
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{STYLE}{stylesheet()}</style>\n</head>\n<body>\n<main>\n<h1>{heading}</h1>\n"
        f"{sections}\n</main>\n<footer>Made by kaygraph-viz. Times are from the first submission.</footer>\n"
        f'{block}\n<script type="module">{page_script()}</script>\n</body>\n</html>\n'
    )
    path = Path(path)
    with written(path) as stream:
        stream.write(page.encode())
    return path


def _title(trace: Trace) -> str:
    graphs = trace.where(kind="graph")
    return f"Run of {clean(graphs[0].name)}" if graphs else "Run"


def _sections(runs: Mapping[str, Trace], graph: GraphView | HasStructure | None) -> Iterator[str]:
    """Yield the sections of the page: the charts of all runs, how two of them differ, and the details of each."""
    from kaygraph_viz.plot.curves.limits import limit_curve
    from kaygraph_viz.plot.curves.memory import memory_curve
    from kaygraph_viz.plot.diagram.diagram import diagram
    from kaygraph_viz.plot.gantt.gantt import gantt

    words = []
    for at, (name, trace) in enumerate(runs.items()):
        heading = f"<h2>{html.escape(clean(name, 200))}</h2>\n" if name else ""
        yield f"{heading}<p>{html.escape(summarize(trace).sentence)}</p>"
        ax = gantt(trace)
        words.append(describe(ax))
        yield f'<div id="run-{at}"></div>\n{_figure(ax, instead=at)}'
        if graph is not None:
            yield _figure(diagram(graph, trace=trace), instead=at)
        for gauge in trace.gauges:
            yield f"<h2>{html.escape(clean(gauge))}</h2>\n{_figure(limit_curve(trace, gauge))}"
        if len(trace.memory.size):
            yield f"<h2>Memory</h2>\n{_figure(memory_curve(trace))}"
    if len(runs) == 2:
        yield f"<h2>What changed</h2>\n{_wide(compare(*runs.values())._repr_html_())}"
    for (name, trace), described in zip(runs.items(), words, strict=True):
        if len(trace.columns):
            of = f": {html.escape(clean(name, 200))}" if name else ""
            yield f"<h2>In numbers{of}</h2>\n{_wide(summarize(trace)._repr_html_().partition('</p>')[2])}"
            yield f"<h2>How the time of the workers was used{of}</h2>\n{_wide(explain(trace)._repr_html_())}"
            yield f"<h2>Details{of}</h2>\n{_folded('Description of the chart', described._repr_html_())}"
            yield _folded(f"Spans ({len(trace.columns):,})", spans_table(trace.columns, trace.dropped))


def _wide(content: str) -> str:
    return f'<div class="wide">{content}</div>'


def _folded(name: str, content: str) -> str:
    return f"<details><summary>{html.escape(name)}</summary>{_wide(content)}</details>"


# -- pictures ------------------------------------------------------------------------------------------------------


def _figure(ax: Axes, instead: int | None = None) -> str:
    """Return a picture as HTML with its description, and close its figure; a chart with a number takes its place."""
    from matplotlib import pyplot as plt

    from kaygraph_viz.plot.canvas import figure_of

    words = html.escape(str(ax.get_label()))
    figure = figure_of(ax)
    try:
        kind, content = _image(figure)
    finally:
        plt.close(figure)
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    place = "" if instead is None else f' data-instead="{instead}"'
    return f'<figure{place}>\n<img alt="{words}" src="{source}">\n<figcaption>{words}</figcaption>\n</figure>'


def _image(figure: Figure) -> tuple[str, bytes]:
    """Return media type and bytes of a picture: SVG with letters as outlines, or PNG where the SVG is too large."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "kaygraph-viz", "svg.fonttype": "path"}):  # else ids differ each time
        svg = _saved(figure, "svg", metadata={"Date": None, "Creator": None})
    return ("image/svg+xml", svg) if len(svg) <= MAX_SVG else ("image/png", _saved(figure, "png", dpi=DPI))


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, bbox_inches="tight", **options)
    return content.getvalue()
