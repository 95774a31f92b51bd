"""What holds for every picture: its texts do not collide and lie in the figure, and no figure is left open."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib import pyplot as plt

from kaygraph_viz.testing import bar, make_trace


@pytest.fixture(autouse=True)
def _closed_figures():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def _texts_of(ax):
    legend = ax.get_legend()
    labels = [*ax.get_yticklabels(), *ax.get_xticklabels()] if ax.axison else []
    axes_labels = [ax.xaxis.label, ax.yaxis.label] if ax.axison else []
    found = [*ax.texts, *labels, *axes_labels, ax._left_title, *(legend.get_texts() if legend is not None else ())]
    return [text for text in found if text.get_text() and text.get_visible()]


@pytest.fixture
def neat():
    """Check that no two texts of a picture collide, that all lie in the figure, and return what they say."""

    def check(ax):
        ax.figure.draw_without_rendering()
        renderer = ax.figure.canvas.get_renderer()
        texts = _texts_of(ax)
        boxes = [text.get_window_extent(renderer) for text in texts]
        shown = [(text, box) for text, box in zip(texts, boxes, strict=True) if _is_in_view(text, box, ax, renderer)]
        for (one, box), (other, near) in combinations(shown, 2):
            assert not box.padded(-0.5).overlaps(near.padded(-0.5)), (one.get_text(), other.get_text())
        figure = ax.figure.bbox.padded(1)
        for text, box in shown:
            inside = figure.contains(box.x0, box.y0) and figure.contains(box.x1, box.y1)
            assert inside, text.get_text()
        return [text.get_text() for text, _ in shown]

    return check


def _is_in_view(text, box, ax, renderer):
    """Whether a text is drawn at all: labels of ticks beyond the limits are not."""
    view = ax.get_window_extent(renderer).padded(2)
    if text in ax.get_xticklabels():
        return view.containsx((box.x0 + box.x1) / 2)
    return text not in ax.get_yticklabels() or view.containsy((box.y0 + box.y1) / 2)


@pytest.fixture
def batch():
    """Make a trace of the items of a batch, each as long as the others."""

    def make(workers=4, items=12, **options):
        times = [(i // workers, i // workers + 0.9) for i in range(items)]
        made = [
            bar("Check", f"thread-{i % workers + 1}", start, end, queued_s=start, cpu_s=0.3, index=i)
            for i, (start, end) in enumerate(times)
        ]
        return make_trace(*made, **options)

    return make


@pytest.fixture
def validation():
    """A run of two nodes, with retries, an error, a timeout and blocked time."""
    attempts = [bar("format", "t-2", 1, 2, kind="attempt", status="error"), bar("format", "t-2", 3, 4, kind="attempt")]
    branches = [bar("security", "t-1", 1, 3, cpu_s=1), (bar("format", "t-2", 1, 4, attempt=2), attempts),
                bar("external", "t-3", 1, 6, cpu_s=0.1, blocked_s=2, status="error"),
                bar("quick", "t-4", 1, 1.01, status="timeout")]  # fmt: skip
    nodes = [(bar("Validate", "main", 0, 7, kind="node"),
              [bar("prep", "main", 0, 1, kind="phase"), (bar("exec", "main", 1, 6, kind="phase"), branches),
               bar("post", "main", 6, 7, kind="phase")]),
             (bar("Report", "main", 7, 9, kind="node"), [bar("exec", "main", 7, 9, kind="phase")])]  # fmt: skip
    return make_trace(*nodes)


@pytest.fixture
def pipeline():
    """Two stages of a pipeline, the second one slower, with room for two items between them."""
    parse = [bar("parse", "t-1", 0, 1, span_id=101, index=0), bar("parse", "t-1", 1, 2, span_id=102, index=1),
             bar("parse", "t-1", 2, 3, span_id=103, index=2),
             bar("parse", "t-1", 3, 6, blocked_s=2, span_id=104, index=3)]  # fmt: skip
    store = [bar("store", "t-2", 1, 5, links=(101,), index=0),
             bar("store", "t-2", 5, 9, queued_s=3, links=(102,), index=1),
             bar("store", "t-2", 9, 13, queued_s=6, links=(103,), index=2),
             bar("store", "t-2", 13, 17, queued_s=7, links=(104,), index=3)]  # fmt: skip
    stages = [
        (bar("Load parse", "main", 0, 17, kind="node", executor="thread", workers=1), parse),
        (bar("Load store", "main", 0, 17, kind="node", executor="thread", workers=1, buffer=2), store),
    ]
    return make_trace((bar("Load", "main", 0, 17, kind="node"), [(bar("exec", "main", 0, 17, kind="phase"), stages)]))
