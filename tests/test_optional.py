"""Optional packages: what is there is loaded, what is not is named with its extra."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import MissingDependencyError
from kaygraph_viz.base.optional import EXTRAS, require
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# Where the name to install is not the name to import.
BROUGHT_BY = {
    "IPython": "ipython",
    "email_validator": "email-validator",
    "jupyter_client": "jupyterlab",
    "opentelemetry.sdk": "opentelemetry-sdk",
}


def test_what_is_installed_is_loaded():
    assert require("json").__name__ == "json"


@pytest.mark.parametrize("package", EXTRAS)
def test_what_is_missing_is_named_with_its_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf'pip install "kaygraph-viz\[{EXTRAS[package]}\]"') as caught:
        require(package)
    assert caught.value.package == package


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("httpx2", "kaygraph_viz.course.patterns.client"),
        ("starlette", "kaygraph_viz.course.services.server"),
        ("uvicorn", "kaygraph_viz.course.services.server"),
        ("pydantic", "kaygraph_viz.course.patterns.validation"),
        ("email_validator", "kaygraph_viz.course.patterns.checks"),
        ("phonenumbers", "kaygraph_viz.course.patterns.checks"),
        ("ipywidgets", "kaygraph_viz.widgets.progress"),
        ("anywidget", "kaygraph_viz.widgets.timeline.timeline"),
        ("IPython", "kaygraph_viz.magics"),
    ],
)
def test_a_module_that_needs_what_is_missing_names_the_extra(package, module, hide, monkeypatch):
    hide(package)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingDependencyError, match=rf'pip install "kaygraph-viz\[{EXTRAS[package]}\]"') as caught:
        import_module(module)
    assert caught.value.package == package


def test_a_package_that_lacks_one_of_its_own_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all") as caught:
        require("broken_package")
    assert type(caught.value) is ModuleNotFoundError


@pytest.mark.parametrize("package", EXTRAS)
def test_each_extra_brings_its_package(package):
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    name = BROUGHT_BY.get(package, package)
    assert any(each.startswith(f"{name}>") for each in extras[EXTRAS[package]])


def test_a_dask_executor_without_dask_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"kaygraph-viz\[dask\]"):
        get_executor("dask", 2)


def test_simulated_dask_workers_need_no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with record(clock="virtual") as trace, get_executor("dask", 2) as executor:
        assert [outcome.value for outcome in executor.imap(abs, [-1, -2])] == [1, 2]
    assert {span.lane.partition("-")[0] for span in trace} == {"dask"}
