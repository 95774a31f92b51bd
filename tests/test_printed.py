"""Whatever is printed is inert, whatever the names: results, warnings, errors and notes of all modules together.

What prints is found by walking the package, so that a new class has to be tried here, or be said to have no text of
others.
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kaygraph_viz as kv
from kaygraph_viz.analysis.per_item import per_worker
from kaygraph_viz.base import errors
from kaygraph_viz.base.machine import machine_from
from kaygraph_viz.base.texts import visible
from kaygraph_viz.cli.main import main
from kaygraph_viz.clock.virtual.code_places import Line
from kaygraph_viz.course.lessons.goals import Finding as Met
from kaygraph_viz.course.lessons.grade import Grade
from kaygraph_viz.course.lessons.lesson import Parsons
from kaygraph_viz.course.lessons.predict import Comparison as Compared, Prediction
from kaygraph_viz.course.patterns.records import Finding
from kaygraph_viz.course.patterns.sources import Source, Sources
from kaygraph_viz.execute.pickling import WorkerTraceback
from kaygraph_viz.plot.description import Description
from kaygraph_viz.testing import bar, make_trace

ROOT = Path(kv.__file__).parent
LONGEST = 25_000  # characters of any text, however long the names
FORGED = "\nFORGED"  # a name must not add a line that looks like one of ours

BIDI = "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
LINK = "\x1b]8;;https://a.b\x1b\\c\x1b]8;;\x1b\\"
HOSTILE = {
    "mixed": f"a\x1b[31mred{LINK}\x9b31m\x85{BIDI}\0{FORGED}\r\ud800\u200b\u200d\ufeff\u2028",
    "long": "x" * 1_000_000,
    "long and hostile": "\x1b" * 300_000,
}

hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


def trace_of(name: str) -> kv.Trace:
    branches = [
        bar(name, "t-1", 0, 1, index=0, writes=[name[:200]]),
        bar(name, f"{name}-2", 0, 2, index=1, writes=[name[:200]]),
        bar(name, "t-1", 1, 3, status="error", error=name, links=(1,)),
    ]
    return make_trace((bar(name, "main", 0, 3, kind="node"), [(bar("exec", "main", 0, 3, kind="phase"), branches)]))


def slower(name: str) -> kv.Trace:
    return make_trace(bar(name, "t-1", 0, 1, index=0), bar(f"{name}b", "t-1", 1, 9, index=0))


def named_node(name: str) -> kv.Node:
    made: kv.Node = type(visible(name)[:50].replace("\0", "") or "a", (kv.Node,), {})()
    type(made).__name__ = name.replace("\0", "").encode("utf-8", "replace").decode()
    return made


def pipeline_result(name: str) -> kv.PipelineResult:
    class Pipeline(kv.PipelineNode):
        def prep(self, shared):
            return [1, 2]

        def post(self, shared, prep_res, result):
            shared["result"] = result

    def refuse(number):
        raise ValueError(name)

    shared: dict[str, Any] = {}
    stages = [kv.Stage(name, int), kv.Stage(f"2{name}", refuse)]
    Pipeline(stages=stages, on_error="collect").run(shared)
    result: kv.PipelineResult = shared["result"]
    return result


def failing(name: str) -> Callable[[], int]:
    def run():
        raise ValueError(name)

    return run


# What prints a text of others, with all ways to make it from one.
MADE: dict[str, Callable[[str], list[Any]]] = {
    "Comparison": lambda name: [
        kv.compare(trace_of(name), slower(name)), kv.compare(slower(name), trace_of("a")),
        Compared(name, name, name, "near", 1),
    ],
    "CancelToken": lambda name: [cancelled(name)],
    "Conflict": lambda name: kv.conflicts(trace_of(name)),
    "CriticalPath": lambda name: [kv.critical_path(trace_of(name)), kv.critical_path(trace_of(name)).steps[0]],
    "Explanation": lambda name: [kv.explain(trace_of(name))],
    "Summary": lambda name: [kv.summarize(trace_of(name))],
    "WhatIf": lambda name: [kv.what_if(trace_of(name)), kv.what_if(trace_of(name), only=trace_of(name).spans[0].name)],
    "Exploration": lambda name: [
        kv.explore(failing(name), 2), kv.explore(lambda: 1, 2, checks={name: lambda _: False})
    ],
    "Outcome": lambda name: [kv.Outcome(0, error=ValueError(name), status="error"),
                             kv.Outcomes([kv.Outcome(0, error=ValueError(name), status="error")])],
    "WorkerTraceback": lambda name: [WorkerTraceback(name[:5_000])],
    "DeadLetter": lambda name: [kv.DeadLetter(0, error=ValueError(name), status="error", stage=name)],
    "PipelineResult": lambda name: [
        (made := pipeline_result(name)), *made.stages, made.dead_letters
    ],
    "BaseNode": lambda name: [kv.Node(node_id=name), kv.Graph(start=kv.Node(node_id=name)), named_node(name)],
    "Grade": lambda name: [Grade([SimpleNamespace(text=name[:99])], [Met(False, name[:1_000])], None)],
    "Parsons": lambda name: [Parsons([name[:100], "b = 1"], lambda _: True)],
    "Prediction": lambda name: [Prediction(name, name, [name])],
    "Machine": lambda name: [machine_from({"cores": 1, "python": name, "has_gil": True})],
    "Finding": lambda name: [Finding(name[:99], name[:99], name[:99], name[:99])],
    "Sources": lambda name: [],
    "Description": lambda name: [Description(name[:1_000]), kv.describe(kv.gantt(trace_of(name)))],
    "Span": lambda name: [*trace_of(name), trace_of(name).where(kind="branch")],
    "Trace": lambda name: [trace_of(name), trace_of(name).as_predicted_from(name)],
    "Line": lambda name: [line_of_code(name)],
    "Wait": lambda name: [errors.Wait(*[name] * 7)],
    "Progress": lambda name: [kv.progress(name)],
    "Timeline": lambda name: [kv.timeline(trace_of(name), title=name)],
}  # fmt: skip

# What prints only numbers and words of ours.
HARMLESS = {
    "AddressVerifier", "Bounds", "Carried", "Executor", "FakeClock", "Forecast", "Hold", "Lesson", "Lock",
    "MemoryBudget", "Playground", "ProgressInfo", "RateLimit", "RealClock", "Route", "Server", "SpanChanges",
    "SpanSequence", "StreamResult", "VirtualClock", "WaitsOfTasks", "_CarriedError", "_Work",
}  # fmt: skip
KEEP_LINES = {"Description", "Parsons", "WorkerTraceback"}  # what they are given are lines already
PRINTING = {"__str__", "__repr__", "__format__", "sentence", "text", "_repr_html_", "_repr_mimebundle_"}


def cancelled(name: str) -> kv.CancelToken:
    token = kv.CancelToken()
    token.cancel(ValueError(name))
    return token


def line_of_code(name: str) -> Line:
    file = name[:2_000].replace("\0", "").encode("utf-8", "replace").decode()
    return Line(compile("x = 1", file, "exec"), 0)


@cache
def classes_that_print() -> set[str]:
    found = set()
    for path in ROOT.rglob("*.py"):
        if "_data" not in path.parts:
            classes = (each for each in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(each, ast.ClassDef))
            for each in classes:
                functions = {line.name for line in each.body if isinstance(line, ast.FunctionDef)}
                if functions & PRINTING:
                    found.add(each.name)
    return found


def texts_of(made: Any) -> list[str]:
    """Return all that an object shows of itself."""
    texts = [str(made), repr(made), f"{made}"]
    texts += [getattr(made, word) for word in ("sentence", "text") if hasattr(type(made), word)]
    texts += getattr(made, "remarks", ())
    if hasattr(made, "_repr_html_"):
        texts.append(made._repr_html_())
    if hasattr(made, "_repr_mimebundle_"):
        bundle = made._repr_mimebundle_()
        texts.append((bundle[0] if isinstance(bundle, tuple) else bundle)["text/plain"])
    return texts


def check_inert(text: str) -> None:
    harmful = {char for char in text if not char.isprintable()} - {"\n", "\t"}
    assert not harmful, ascii(text[:500])
    assert len(text) <= LONGEST
    text.encode()


def test_everything_that_prints_is_tried_here():
    assert classes_that_print() <= MADE.keys() | HARMLESS
    assert classes_that_print() >= HARMLESS


@hostile
@pytest.mark.parametrize("kind", MADE)
def test_results_are_inert(kind, name):
    for made in MADE[kind](name):
        for text in texts_of(made):
            check_inert(text)
            assert FORGED not in text or kind in KEEP_LINES


@hostile
def test_tables_and_drawings_in_text_are_inert(name):
    graph = kv.Graph(start=kv.Node(node_id=name))
    texts = [str(per_worker(trace_of(name))), kv.diagram_text(graph)]
    for text in texts:
        check_inert(text)
        assert FORGED not in text


# -- errors, warnings, notes ---------------------------------------------------------------------------------------

ERRORS = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.KayGraphVizError)]
FILLED: dict[str, Any] = {"float": 1.0, "int": 1, "int | None": 1, "float | None": 1.0}


@hostile
@pytest.mark.parametrize("cls", ERRORS)
def test_errors_are_inert(cls, name):
    named = list(inspect.signature(cls).parameters.values())
    filled = FILLED | {"Sequence[Wait]": [errors.Wait(*[name] * 7)]}
    arguments = [
        filled.get(each.annotation, name) for each in named if each.kind not in (each.VAR_KEYWORD, each.KEYWORD_ONLY)
    ]
    check_inert(str(cls(*arguments)))


class Act(kv.Node):
    action = "a"

    def post(self, shared, prep_res, exec_res):
        return self.action


def end_of_a_graph(name: str) -> None:
    node = Act(node_id=name)
    node.action = name
    node - "other" >> kv.Node()
    kv.Graph(start=node).run({})


def second_successor(name: str) -> None:
    node = kv.Node(node_id=name)
    node - name >> kv.Node(node_id=name)
    node - name >> kv.Node(node_id=f"b{name}")


def alone(name: str) -> None:
    node = kv.Node(node_id=name)
    node >> kv.Node()
    node.run({})


def failing_branch(name: str) -> None:
    def refuse(_):
        raise errors.DataError("no")

    kv.FanOutNode({name: refuse}, node_id=name).run({})


class Refusing(kv.ParallelBatchNode):
    def prep(self, shared):
        return [1]

    def exec(self, item):
        raise errors.DataError(shared_name[0])


shared_name = [""]


def failing_item(name: str) -> None:
    shared_name[0] = name
    Refusing(node_id=name, max_workers=1).run({})


SCENES: dict[str, Callable[[str], Any]] = {
    "end of a graph": end_of_a_graph,
    "second successor": second_successor,
    "alone": alone,
    "no node": lambda name: kv.Node(node_id=name) >> name,
    "no node for an action": lambda name: (kv.Node(node_id=name) - name) >> 5,
    "pair": lambda name: kv.Node(node_id=name) >> (name, kv.Node()),
    "failing branch": failing_branch,
    "failing item": failing_item,
    "stages": lambda name: kv.PipelineNode(stages=[kv.Stage(name, int), kv.Stage(name, int)]),
    "executor": lambda name: kv.get_executor(name),
    "colours": lambda name: kv.gantt(trace_of("a"), color_by=name),
    "kind": lambda name: trace_of("a").where(kind=name),
    "invalid trace": lambda name: make_trace(bar(name, name, 0, 2), bar(name, name, 1, 3)),
    "impossible trace": lambda name: make_trace(bar(name, "a", 2, 1)),
    "only": lambda name: kv.what_if(trace_of("a"), only=name),
    "option": lambda name: kv.ParallelBatchNode(max_workers=name),
    "progress": lambda name: kv.ParallelBatchNode(progress=name),
    "no sources": lambda name: Sources([name]),
    "source": lambda name: Source(name, name, None),
}


@hostile
@pytest.mark.parametrize("scene", SCENES)
def test_warnings_errors_and_notes_are_inert(scene, name):
    raised: BaseException | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            SCENES[scene](name)
        except (errors.KayGraphVizError, TypeError) as error:
            raised = error
    assert raised is not None or caught or name == HOSTILE["long"]
    texts = [str(each.message) for each in caught]
    if raised is not None:
        texts += [str(raised), *getattr(raised, "__notes__", ())]
    for text in texts:
        check_inert(text)


def test_warnings_go_through_the_one_function_that_makes_them_inert():
    calls = [
        path for path in ROOT.rglob("*.py") if "warnings.warn(" in path.read_text("utf-8") and "_data" not in path.parts
    ]
    assert calls == [ROOT / "base" / "errors.py"]


# -- the command line, progress bars -------------------------------------------------------------------------------


@hostile
@pytest.mark.parametrize("option", [[], ["--example"], ["--workers"], ["--out"]], ids=lambda option: " ".join(option))
def test_the_command_line_is_inert(option, name, capsys):
    with suppress(SystemExit):
        main([*option, name.replace("\0", "")[:100_000], *(["--workers", "none"] if option == ["--out"] else [])])
    said = capsys.readouterr()
    check_inert(said.out)
    check_inert(said.err)


@hostile
def test_progress_bars_are_inert(name, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    from kaygraph_viz.execute.progress import counter

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with counter(True, 2, name) as count:
        count()
    shown = terminal.getvalue()
    assert FORGED not in shown
    assert len(shown) < LONGEST
    check_inert(shown.replace("\r", "").replace("\x1b[A", ""))
