"""Report generation: answers of several services are fetched in parallel, counted, and drawn on one page.

Belongs here: the contents of the page, and drawing it. Does not belong here: fetching (``enrichment``), and charts of
runs (``plot``).

The graph is ``data enrichment >> ReportPageNode``. A service that is down costs the page only its own panel, which
shows the reason instead.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.patterns.enrichment import EnrichedRecord, enrichment_graph
from kaygraph_viz.course.patterns.sources import Sources
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.trace.files import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SECTIONS = 4
MAX_BARS = 8
LONGEST_LABEL = 22
SIZE_IN = (10.0, 7.0)
DPI = 150
MUTED = "#5F6B73"
COLOURS = ("#56B4E9", "#E69F00", "#2DB98B", "#CC79A7")  # of the palette of Okabe and Ito, as in all charts


@dataclass(frozen=True, slots=True)
class Section:
    """One panel of the page: a count of the words in the answers of one source."""

    title: str  # the title of the panel
    source: str  # the name of the source
    words: Callable[[Any], Iterable[str]]  # A function that returns the words of one answer

    def counts(self, enriched: Sequence[EnrichedRecord]) -> Counter[str]:
        """Count the words of all answers."""
        answers = (one.facts[self.source] for one in enriched if self.source in one.facts)
        return Counter(word for answer in answers for word in self.words(answer))

    def coverage(self, enriched: Sequence[EnrichedRecord]) -> str:
        """Return in words the number of answers, and of the other results by status."""
        results = [one.results[self.source] for one in enriched if self.source in one.results]
        others = Counter(result.status for result in results if result.status != "ok")
        answered = sum(result.answered for result in results)
        return ", ".join(
            [
                f"{answered:,} of {len(enriched):,} answered",
                *(f"{count:,} {word}" for word, count in others.most_common()),
            ]
        )


SECTIONS = (
    Section("Countries", "location", lambda answer: [answer.country_name]),
    Section("Plans", "profile", lambda answer: [answer.plan]),
    Section("Accounts in networks", "social", lambda answer: [account.network for account in answer.accounts]),
    Section("Industries of employers", "company", lambda answer: [answer.industry]),
)


class ReportPageNode(kv.Node):
    """Draw a page about ``shared["enriched_records"]``, write it, and store ``shared["report_path"]``."""

    def __init__(self, path: str | Path, sections: Sequence[Section] = SECTIONS) -> None:
        super().__init__()
        self.path = Path(path)
        self.sections = tuple(sections)

    def prep(self, shared: Shared) -> Sequence[EnrichedRecord]:
        """Return ``shared["enriched_records"]``."""
        enriched: Sequence[EnrichedRecord] = shared["enriched_records"]
        return enriched

    def exec(self, prep_res: Sequence[EnrichedRecord]) -> Path:
        """Draw the page, write it, and return its path."""
        content = io.BytesIO()
        kind = self.path.suffix.lower().removeprefix(".") or "png"
        draw_page(prep_res, self.sections).savefig(content, format=kind, dpi=DPI)
        with written(self.path) as stream:
            stream.write(content.getbuffer())
        return self.path

    def post(self, shared: Shared, prep_res: Any, exec_res: Path) -> None:
        """Store ``shared["report_path"]``."""
        shared["report_path"] = exec_res


def report_graph(
    sources: Sources,
    path: str | Path,
    *,
    max_workers: int | None = None,
    executor: str | Executor = "thread",
    sections: Sequence[Section] = SECTIONS,
    **options: Any,
) -> kv.Graph:
    """Return the graph ``data enrichment >> ReportPageNode``."""
    fetch = enrichment_graph(sources, max_workers=max_workers, executor=executor, **options)
    fetch >> ReportPageNode(path, sections)
    graph = kv.AsyncGraph if isinstance(fetch, kv.AsyncGraph) else kv.Graph
    return graph(start=fetch, node_id="report")


def draw_page(enriched: Sequence[EnrichedRecord], sections: Sequence[Section] = SECTIONS) -> Figure:
    """Return the page as a figure."""
    from matplotlib.figure import Figure  # not pyplot, whose state is not thread-safe
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise OptionError("sections", sections, f"1 to {MAX_SECTIONS} sections", "sections=SECTIONS[:2]")
    figure = Figure(figsize=SIZE_IN, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12))
    figure.suptitle(_title(enriched), x=0.02, ha="left", fontweight="bold")
    panels = figure.subplots(2, 2, squeeze=False).flat
    for axes, section, colour in zip(panels, sections, COLOURS, strict=False):
        _draw_section(axes, section, enriched, colour)
    for axes in panels[len(sections) :]:
        axes.set_axis_off()
    return figure


def _title(enriched: Sequence[EnrichedRecord]) -> str:
    if not enriched:
        return "0 customers"
    rate = sum(one.enrichment_rate for one in enriched) / len(enriched)
    confidence = sum(one.confidence for one in enriched) / len(enriched)
    return f"{len(enriched):,} customers: {rate:.0%} of the answers are there, confidence {confidence:.2f}"


def _draw_section(axes: Axes, section: Section, enriched: Sequence[EnrichedRecord], colour: str) -> None:
    counts = section.counts(enriched)
    shown = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_BARS]
    axes.set_title(section.title, loc="left", fontsize=11)
    axes.set_xlabel(section.coverage(enriched), color=MUTED, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    if not shown:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        axes.set(xticks=[], yticks=[])
        return
    bars = axes.barh(range(len(shown)), [count for _, count in shown], color=colour)
    axes.bar_label(bars, [f"{count:,}" for _, count in shown], padding=3, fontsize=9)
    axes.set_yticks(range(len(shown)), [_readable(word) for word, _ in shown], parse_math=False)
    axes.set_xticks([])
    axes.invert_yaxis()  # the largest first


def _readable(word: str) -> str:
    text = "".join(mark if mark.isprintable() else "?" for mark in word[: 4 * LONGEST_LABEL])
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
