"""The package root: names without logic, loaded when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kaygraph_viz as kv

HEAVY = (
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "pandas",
    "dask",
    "distributed",
    "IPython",
    "networkx",
    "httpx2",
    "tenacity",
)


@pytest.mark.parametrize("name", kv.__all__)
def test_every_public_name_loads_and_is_documented(name):
    value = getattr(kv, name)
    assert name.startswith("__") or value.__doc__


def test_dir_lists_the_public_names():
    assert dir(kv) == sorted(kv.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        kv.no_such_name  # noqa: B018


def test_names_for_type_checkers_and_names_at_run_time_are_the_same():
    import ast
    from pathlib import Path

    tree = ast.parse(Path(kv.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    typed = {(alias.asname, node.module) for node in imports for alias in node.names}
    assert typed == {(name, f"kaygraph_viz.{module}") for name, module in kv._MODULE_OF.items()}


def loaded_by(code: str) -> set[str]:
    report = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.processes
def test_importing_loads_nothing_heavy():
    assert loaded_by("import kaygraph_viz") == set()


@pytest.mark.processes
def test_recording_a_graph_loads_nothing_heavy():
    code = """
import kaygraph_viz as kv
class Double(kv.ParallelBatchNode):
    def prep(self, shared): return [1, 2, 3]
    def exec(self, item): return 2 * item
with kv.record() as trace:
    kv.Graph(start=Double(max_workers=2)).run({})
assert len(trace) == 8, trace
trace.validate()
"""
    assert loaded_by(code) == set()


@pytest.mark.processes
def test_a_node_loads_its_executor_when_it_is_built_and_not_within_a_recorded_run():
    code = "import sys, kaygraph_viz as kv\nkv.ParallelBatchNode(executor={!r})\nprint({!r} in sys.modules)"
    homes = {"thread": "local.threads", "process": "local.processes", "async": "coroutines.executor"}
    for kind, module in homes.items():
        program = code.format(kind, f"kaygraph_viz.execute.{module}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "True"
