"""The house: a module imports only from floors below it, in no circle, and the engine knows nothing of the course."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import kaygraph_viz

ROOT = Path(kaygraph_viz.__file__).parent
PACKAGE = "kaygraph_viz"
GROUND = {"base", "clock"}
RECORD = GROUND | {"trace", "capture", "recording"}
RUN = RECORD | {"execute", "graph"}
DRAWN = GROUND | {"trace", "analysis", "plot"}
ENGINE = RUN | DRAWN | {"export", "html_report", "widgets"}

# What each floor may import, besides itself. A new floor has to be put in here before it can be built.
MAY_IMPORT: dict[str, set[str]] = {
    "base": set(),
    "clock": {"base"},
    "trace": GROUND,
    "capture": GROUND | {"trace"},
    "recording": GROUND | {"trace", "capture"},
    "execute": RECORD,
    "graph": RECORD | {"execute", "plot"},  # a graph on the last line of a cell draws itself
    "analysis": GROUND | {"trace"},
    "plot": GROUND | {"trace", "analysis"},
    "export": GROUND | {"trace"},
    "widgets": DRAWN | RECORD | {"execute"},  # a panel stops what it has started, and is told of progress
    "html_report": DRAWN | {"widgets"},  # an export with pictures
    "testing": GROUND | {"trace"},
    "pytest_plugin": GROUND,
    "magics": DRAWN | RECORD | {"execute", "widgets"},  # completion knows their names
    "course": ENGINE | {PACKAGE},  # uses the public names as a reader would
    "cli": ENGINE | {"course"},
    "__main__": {"cli"},
    PACKAGE: ENGINE | {"course"},  # the public names
}

# What the course takes of the engine beside its public names, and why no public name serves.
COURSE_TAKES = {
    "base.checks": "its options are refused in the words of the engine",
    "base.errors": "its errors stand in the one tree of errors",
    "base.texts": "texts of others are made harmless in one way",
    "base.optional": "a package that is missing is named with its extra",
    "base.machine": "how many cores there are, and whether this is a browser tab",
    "base.parts": "blocks around code of learners leave its errors as they are",
    "base.threads": "locks that no interrupt leaves taken",
    "clock.clock": "services and patterns stamp and wait in the time of the clock in force",
    "clock.sync": "a service in simulated time waits with its threads",
    "trace.files": "files are written whole or not at all",
    "trace.intervals": "goals measure overlaps",
    "trace.nesting": "goals look for branches within branches",
    "trace.recorder": "a node reads the trace of the run it is in",
    "trace.row": "errors are described as in a trace",
    "trace.span": "the type of a field that is checked at run time",
    "trace.trace": "the type of a field that is checked at run time",
    "execute.base": "an executor as the type of an option",
    "execute.registry": "the kinds of executors as choices of an option",
    "execute.explore": "the type of a field",
    "execute.progress": "the progress of an example",
    "execute.coroutines.executor": "items as they come in, awaited",
    "execute.coroutines.loops": "coroutines of a source that is asked by plain code",
    "execute.pipeline.run": "results of a stream as they come",
    "execute.pipeline.stages": "the kinds of stages as choices of an option",
    "execute.rates.turns": "a service keeps the limit that its clients are told of",
    "graph.node": "the store of a graph as a type",
    "graph.graph": "a graph as the type of an argument",
    "analysis.conflicts": "goals look at conflicts whatever a learner names so",
    "analysis.laws": "the laws that lessons 7, 12 and 13 draw",
    "analysis.per_item": "the load of each worker",
    "analysis.summary": "goals summarize whatever a learner names so",
    "analysis.wording": "sentences with counts and durations read as those of the engine",
    "analysis.workers": "what a lane is called",
    "plot.canvas": "lesson 13 draws a deadlock of its own",
    "plot.style": "lesson 13 draws a deadlock of its own",
    "plot.wait_circle": "lesson 13 draws a deadlock of its own",
    "plot.description": "a picture of a lesson has a text",
    "plot.gantt.gantt": "a grade shows the chart with what is missing",
    "widgets.playground.options": "panels of lessons",
    "widgets.playground.playground": "panels of lessons",
}

MODULES = {
    ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if "_data" not in path.parts
}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> set[str]:
    """Return the modules of the package that a module imports anywhere in its text, TYPE_CHECKING included."""
    path, found = MODULES[module], set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package=path.name == "__init__.py")
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {name for name in found if name.split(".")[0] == PACKAGE} - {module}


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def floor(module: str) -> str:
    return module.split(".")[1] if "." in module else PACKAGE


def test_every_floor_that_is_allowed_exists():
    floors = {floor(module) for module in MODULES}
    assert MAY_IMPORT.keys() == floors
    assert set().union(*MAY_IMPORT.values()) <= floors


def test_the_table_for_contributors_names_only_floors_that_exist():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.search(r"imports only from floors below.*?```\n(.*?)```", text, re.DOTALL)
    assert set(re.findall(r"\w+", table[1])) <= MAY_IMPORT.keys() | {"everything"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_floors_below(module):
    allowed = MAY_IMPORT[floor(module)] | {floor(module)}
    assert {name for name in imports_of(module) if floor(name) not in allowed} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name != PACKAGE and floor(name) != "course"])
def test_nothing_of_the_engine_imports_the_package_root(module):
    assert PACKAGE not in imports_of(module)


def test_the_course_takes_public_names_and_a_few_modules_with_a_reason():
    taken = set().union(*(imports_of(name) for name in MODULES if floor(name) == "course"))
    modules = {name.removeprefix(f"{PACKAGE}.") for name in taken if floor(name) not in {"course", PACKAGE}}
    assert modules == COURSE_TAKES.keys()


def test_testing_is_for_tests_only():
    assert [name for name in MODULES if f"{PACKAGE}.testing" in imports_of(name)] == []


def test_real_workers_know_nothing_of_simulated_ones():
    simulated = f"{PACKAGE}.execute.local.simulated"
    assert simulated in MODULES
    assert [name for name in MODULES if simulated in imports_of(name)] == []


def test_no_import_goes_round_in_a_circle():
    # The root loads a name when it is first used, so the course may import it, although one name comes from there.
    waiting = {name: (imports_of(name) & MODULES.keys()) - {PACKAGE} for name in MODULES}
    while free := [name for name, needed in waiting.items() if not needed & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert waiting == {}


@pytest.mark.parametrize("module", [name for name in MODULES if "lessons" not in name])
def test_locks_are_those_that_no_interrupt_leaves_taken(module):
    made = {ast.unparse(node.func) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)}
    assert not made & {"threading.Lock", "threading.RLock", "threading.Condition"}, "those of real_threads, sync are"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is(module):
    assert ast.get_docstring(tree_of(module))


def test_a_floor_above_is_noticed():
    assert "course" not in set().union(*(MAY_IMPORT[floor] for floor in ENGINE))
    assert "graph" not in MAY_IMPORT["analysis"] | MAY_IMPORT["plot"] | MAY_IMPORT["export"]
    assert "execute" not in MAY_IMPORT["analysis"] | MAY_IMPORT["plot"] | MAY_IMPORT["export"]
