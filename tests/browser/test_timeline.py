"""The chart to move about in, in a real browser: zoom, search, selection, hostile names, a run that is watched."""

from __future__ import annotations

from kaygraph_viz.plot.style import FILLS

from .test_hostile import MARKS, NAMES, NO_MARKS

CANVAS = ".kv-stage > canvas"
STATE = f"() => ({{...document.querySelector('{CANVAS}')?.dataset}})"

TWO_NODES = """
import kaygraph_viz as kv
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

load = (bar("load", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")])
branches = [bar("format", "t-1", 1, 2, cpu_s=0.5), bar("age", "t-2", 1, 3, status="error", error="ValueError: no age")]
trace = make_trace(load, (bar("check", "main", 1, 3, kind="node"), branches))
graph = GraphView("g", (NodeView("load", "Load"), NodeView("check", "Check", True)), (EdgeView("load", "check"),))
view = kv.timeline(trace, graph=graph)
view
"""
HOSTILE = f"""
import kaygraph_viz as kv
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import GraphView, NodeView

names = {NAMES!r}
bars = [bar(name, name, i, i + 1, status="error", error=name, index=i, note=name) for i, name in enumerate(names)]
nodes = tuple(NodeView(f"{{i}} {{name}}", name, True, branches=tuple(names)) for i, name in enumerate(names))
node = bar("0 " + names[0], "main", 0, 20, kind="node")
view = kv.timeline(make_trace((node, bars)), graph=GraphView(names[0], nodes))
view
"""
PARTS = """
import kaygraph_viz as kv
from kaygraph_viz.testing import bar, make_trace

parts = [("wait", 1), ("cpu", 1), ("unknown", 2, 0.25), *[("cpu", 0.001), ("gil", 0.001)] * 1000, ("blocked", 2)]
tries = [bar("b", "t-2", 0, 1, kind="attempt", status="error"), bar("b", "t-2", 3, 8, kind="attempt", attempt=2)]
again = bar("b", "t-2", 0, 8, attempt=2, parts=[("cpu", 1), ("pause", 2), ("core", 2), ("cpu", 3)])
trace = make_trace(bar("a", "t-1", 0, 8, cpu_s=2.5, blocked_s=2, parts=parts), (again, tries))
kv.timeline(trace)
"""
MANY = """
import kaygraph_viz as kv
from kaygraph_viz.testing import bar, make_trace

parts = [("cpu", 2), ("wait", 6)]
bars = [bar("b", f"t-{lane}", 0, 8 if lane % 2 else 4, parts=parts if lane % 2 else [("wait", 4)],
            status="error" if lane == 8 else "ok") for lane in range(300)]
view = kv.timeline(make_trace(*bars))
view
"""
LIVE = """
import asyncio, threading
import kaygraph_viz as kv
from IPython.display import display

with kv.record() as trace:
    view = kv.timeline(trace)
    display(view)
    with kv.span("first"):
        pass
    for _ in range(600):  # until the browser has shown the first one and selected it; a minute at most
        if view.selected is not None:
            break
        await asyncio.sleep(0.1)
    with kv.span("second"):
        pass
print("seen while running:", view.selected is not None)
"""
COLOUR = """([canvas, x, y]) => {
    const it = document.querySelector(canvas), scale = window.devicePixelRatio, count = {};
    const { data } = it.getContext('2d').getImageData(Math.round(x * scale) - 4, Math.round(y * scale) - 1, 9, 3);
    for (let at = 0; at < data.length; at += 4) {
        const colour = '#' + [0, 1, 2].map(i => data[at + i].toString(16).padStart(2, '0')).join('');
        count[colour] = (count[colour] || 0) + 1;
    }
    return Object.keys(count).sort((a, b) => count[b] - count[a])[0];
}"""


class Chart:
    """The first timeline of a page."""

    def __init__(self, notebook):
        self.notebook = notebook
        self.page = notebook.page
        self.canvas = self.page.locator(CANVAS).first

    @property
    def state(self):
        return self.page.evaluate(STATE)

    def wait_for(self, condition):
        self.notebook.wait_for(f"() => {{ const it = ({STATE})(); return {condition}; }}")

    def press(self, *keys):
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def place(self, time_s, row, height=0.5):
        """Return where a time is in a row, counted from 0 without rows of nodes, so high above its lower end."""
        at, box = self.state, self.canvas.bounding_box()
        left, right, begin, end, unit = (float(at[name]) for name in ("left", "right", "from", "to", "unit"))
        x = left + (time_s - begin) / (end - begin) * (right - left)
        y = box["height"] - 34 - (int(at["rows"]) - row - 1 + height) * unit  # the axis is 34 high
        return {"x": x, "y": y}

    def hover(self, time_s, row):
        """Move to a time in a row."""
        self.canvas.hover(position=self.place(time_s, row))

    def kind(self, time_s, row, height=0.5):
        """Return the kind of part whose colour most pixels around a place have, which has room for hatches."""
        place = self.place(time_s, row, height)
        colour = self.page.evaluate(COLOUR, [CANVAS, place["x"], place["y"]])
        return next((kind for kind, fill in FILLS.items() if fill.colour.lower() == colour), colour)

    def click(self, time_s, row):
        self.hover(time_s, row)
        self.page.mouse.down()
        self.page.mouse.up()


def test_zoom_search_and_selection_shared_with_the_diagram(open_cells):
    notebook = open_cells(TWO_NODES, "print(view.selected, view.node)")
    notebook.run_all()
    chart = Chart(notebook)
    chart.wait_for("it.frames > 0")
    assert (chart.state["bars"], chart.state["rows"], chart.state["selected"]) == ("3", "3", "")

    chart.press("+", "+")
    chart.wait_for("it.to - it.from < 1.7")
    chart.press("ArrowRight")
    chart.wait_for("it.from > 0.8")
    chart.press("Home")
    chart.wait_for("it.from == 0 && it.to > 3")

    chart.hover(1.5, 1)
    assert "format" in notebook.page.locator(".kv-tip").inner_text()
    assert "0.500 s" in notebook.page.locator(".kv-tip").inner_text()
    chart.click(1.5, 1)
    chart.wait_for("it.selected == 4")
    assert notebook.page.locator(".kv-box.kv-chosen").first.get_attribute("aria-label").startswith("node Check")
    chart.press("ArrowDown")
    chart.wait_for("it.selected == 5")
    notebook.run_cell(1)
    notebook.wait_for_text(1, "5 None")

    chart.press("a", "b", "d", "d")  # shortcuts of the notebook, which would insert and delete cells
    assert notebook.texts() == ["<Timeline of 3 bars>", "5 None\n"]

    notebook.page.locator(".kv-box[aria-label*='Load']").first.press("Enter")
    chart.wait_for("it.node == 'load' && it.matches == 1 && it.selected == ''")
    notebook.page.locator(".kv-tools input").fill("no age")
    chart.wait_for("it.matches == 1 && it.node == ''")
    notebook.page.keyboard.press("Enter")
    chart.wait_for("it.selected == 5")
    assert notebook.errors() == []


def test_parts_are_drawn_where_they_happened(open_cells):
    notebook = open_cells(PARTS)
    notebook.run_all()
    chart = Chart(notebook)
    chart.wait_for("it.frames > 0")
    high, low = 0.75, 0.25  # within a row
    assert [chart.kind(time_s, 0, high) for time_s in (0.5, 1.5, 3, 7)] == ["wait", "cpu", "wait", "blocked"]
    assert [chart.kind(2.5, 0, height) for height in (low, high)] == ["cpu", "wait"]  # not known when: a quarter is CPU
    assert [chart.kind(4.5, 0, height) for height in (0.35, high)] == ["cpu", "gil"]  # too short to be drawn one by one
    assert [chart.kind(time_s, 1) for time_s in (2, 3.5, 7)] == ["pause", "core", "cpu"]

    legend = notebook.page.locator(".kv-legend .kv-entry").all_inner_texts()
    expected = [FILLS[kind].label for kind in ("cpu", "gil", "core", "blocked", "pause", "wait", "unknown")]
    assert [text.strip() for text in legend] == [*expected, "error"]
    chart.hover(3, 0)
    tip = " ".join(notebook.page.locator(".kv-tip").inner_text().split())
    assert "CPU 2.50 s waiting 2.50 s waiting for the interpreter 1.00 s blocked 2.00 s not known when 2.00 s" in tip

    chart.press(*["+"] * 14)
    chart.wait_for("it.to - it.from < 0.08")
    begin, end = (float(chart.state[name]) for name in ("from", "to"))
    at = round(500 * (begin + 0.7 * (end - begin))) / 500  # about 4 s: turns of a thousandth of a second
    assert [chart.kind(at + 0.0005 + turn * 0.001, 0) for turn in range(4)] == ["cpu", "gil"] * 2
    assert notebook.errors() == []


def test_hostile_names_are_drawn_as_text(open_cells):
    notebook = open_cells(HOSTILE)
    notebook.run_all()
    chart = Chart(notebook)
    chart.wait_for("it.frames > 0")
    chart.press("Enter", *["ArrowDown"] * (len(NAMES) - 1))
    notebook.page.locator(".kv-facts", has_text="worker").wait_for()
    chart.hover(0.5, 0)
    assert notebook.page.locator(".kv-timeline img, .kv-timeline script, .kv-timeline iframe").count() == 0
    assert notebook.page.evaluate(MARKS) == NO_MARKS
    assert (notebook.errors(), notebook.dialogs()) == ([], [])


def test_run_is_seen_while_it_goes_on_and_leaves_its_picture(open_cells):
    notebook = open_cells(LIVE)
    notebook.command("notebook:run-all-cells")
    chart = Chart(notebook)
    chart.wait_for("it.live == 'true' && it.bars == 1")
    chart.press("Enter")
    notebook.wait_for_text(0, "seen while running: True")
    chart.wait_for("it.live == 'false' && it.bars == 2")
    shown = "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.outputs.get(0).data"
    notebook.wait_for(f"() => 'image/png' in ({shown})()")
    assert notebook.errors() == []


def test_very_many_rows_are_bands_that_show_their_rows_on_a_click(open_cells):
    notebook = open_cells(MANY, "print(view.selected)")
    notebook.run_all()
    chart = Chart(notebook)
    chart.wait_for("it.frames > 0")
    assert (chart.state["bars"], chart.state["rows"], chart.state["open"]) == ("300", "30", "0")
    assert [chart.kind(1, 0, height) for height in (0.3, 0.7)] == ["cpu", "wait"]
    assert chart.kind(6, 0, 0.3) == "wait"
    assert chart.kind(6, 0, 0.7) not in FILLS

    chart.hover(6, 0)
    tip = " ".join(notebook.page.locator(".kv-tip").inner_text().split())
    assert tip.startswith("t-0 to 9 (10)")
    assert "waiting 5 of 10 idle 5 of 10" in tip
    chart.click(6, 0)
    chart.wait_for("it.open == 1 && it.rows == 40")

    notebook.page.locator(".kv-tools input").fill("t-250")
    chart.wait_for("it.matches == 1")
    notebook.page.keyboard.press("Enter")
    chart.wait_for("it.selected == 251 && it.open == 2 && it.rows == 50")  # its band was opened, too
    notebook.run_cell(1)
    notebook.wait_for_text(1, "251")
    assert notebook.errors() == []
