"""The house: a module imports only from the floors below it, nothing goes round in circles, files stay short."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import kaygraph_viz

ROOT = Path(kaygraph_viz.__file__).parent
PACKAGE = "kaygraph_viz"
MAX_LINES = 500

GROUND = {"texts", "errors", "blocks", "parts", "in_force", "machine", "thread_data", "thread_protocols"}
CORE = GROUND | {"installed", "checks", "awaited", "clock", "real_threads", "_optional", "sync", "virtual"}
RECORD = CORE | {"trace", "capture", "recording"}
GRAPH = RECORD | {"execute", "graph"}
DRAWN = RECORD | {"analysis", "plot"}
EVERYTHING = GRAPH | DRAWN | {"services", "patterns", "examples", "export", "html_report", "widgets"}

# What each floor may import, besides itself. A new floor has to be put in here before it can be built.
MAY_IMPORT: dict[str, set[str]] = {
    "texts": set(),
    "errors": {"texts"},
    "blocks": set(),
    "in_force": {"blocks"},
    "parts": {"blocks", "thread_data"},
    "thread_data": set(),
    "installed": {"machine", "errors"},
    "machine": {"texts"},
    "thread_protocols": set(),
    "checks": {"texts", "errors"},
    "awaited": {"parts"},
    "real_threads": {"blocks", "installed", "thread_protocols"},
    "clock": GROUND | {"checks", "real_threads"},
    "_optional": {"errors", "blocks", "installed"},
    "sync": GROUND | {"real_threads", "clock"},
    "virtual": GROUND | {"installed", "checks", "awaited", "real_threads", "clock"},
    "trace": CORE,
    "capture": CORE | {"trace"},
    "recording": CORE | {"trace", "capture"},
    "execute": RECORD,
    "graph": RECORD | {"execute", "plot"},  # a graph on the last line of a cell draws itself
    "services": GRAPH,
    "patterns": GRAPH | {"services", "analysis"},
    "analysis": CORE | {"trace"},
    "plot": CORE | {"trace", "analysis"},
    "widgets": DRAWN | {"execute"},  # a panel stops what it has started, and is told of progress
    "export": CORE | {"trace"},
    "examples": GRAPH | {"services", "patterns", "analysis"},
    "testing": CORE | {"trace"},
    "pytest_plugin": CORE,
    "html_report": DRAWN | {"widgets"},  # an export with pictures
    "lessons": EVERYTHING,
    "completion": DRAWN | {"execute"},  # their names
    "magics": DRAWN | {"widgets", "completion"},
    "cli": EVERYTHING | {"lessons"},
    "__main__": {"cli"},
    PACKAGE: EVERYTHING | {"lessons"},  # the public names
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


@pytest.mark.parametrize("module", [name for name in MODULES if name != PACKAGE])
def test_nothing_inside_imports_the_package_root(module):
    assert PACKAGE not in imports_of(module)


def test_testing_is_for_tests_only():
    assert [name for name in MODULES if f"{PACKAGE}.testing" in imports_of(name)] == []


def test_real_workers_know_nothing_of_simulated_ones():
    simulated = {f"{PACKAGE}.execute.local.simulated_{kind}" for kind in ("threads", "processes")}
    assert simulated <= MODULES.keys()
    assert {name for name in MODULES if imports_of(name) & simulated} <= simulated


def test_no_import_goes_round_in_a_circle():
    waiting = {name: imports_of(name) & MODULES.keys() for name in MODULES}
    while free := [name for name, needed in waiting.items() if not needed & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert waiting == {}


@pytest.mark.parametrize("module", [name for name in MODULES if "lessons" not in name])
def test_locks_are_those_that_no_interrupt_leaves_taken(module):
    made = {ast.unparse(node.func) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)}
    assert not made & {"threading.Lock", "threading.RLock", "threading.Condition"}, "those of real_threads, sync are"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_stays_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is(module):
    assert ast.get_docstring(tree_of(module))


def test_a_floor_above_is_noticed():
    assert "graph" not in MAY_IMPORT["analysis"] | MAY_IMPORT["plot"] | MAY_IMPORT["export"]
    assert "execute" not in MAY_IMPORT["analysis"] | MAY_IMPORT["plot"] | MAY_IMPORT["export"]


def has_logic(module: str) -> bool:
    """Return whether any function of a module does more than one thing: what has none is data or hands on."""
    functions = [node for node in ast.walk(tree_of(module)) if is_function(node)]
    return any(len(statements(node)) > 1 for node in functions)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return function.body[ast.get_docstring(function) is not None :]


def mirror_of(module: str) -> Path:
    *folders, name = module.split(".")[1:]
    return Path(__file__).parent.joinpath(*folders, f"test_{name}.py")


OF_A_NOTEBOOK = re.compile(r"\.lessons\.\w+\.l\d\d")  # executed by the notebook of that number

WITH_LOGIC = [
    name
    for name, path in MODULES.items()
    if path.name not in {"__init__.py", "__main__.py"} and not OF_A_NOTEBOOK.search(name) and has_logic(name)
]


@pytest.mark.parametrize("module", WITH_LOGIC)
def test_a_module_with_logic_has_a_test_file_of_its_name(module):
    assert mirror_of(module).exists()
