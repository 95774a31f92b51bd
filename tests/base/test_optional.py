"""Optional packages: what is there is loaded, what is not is named with its extra."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base import optional
from kaygraph_viz.base.errors import MissingDependencyError, PlatformError
from kaygraph_viz.base.optional import EXTRAS, SIMULATE, require, require_installed, stand_in_for_connections
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Where the name to install is not the name to import.
BROUGHT_BY = {
    "IPython": "ipython",
    "email_validator": "email-validator",
    "jupyter_client": "jupyterlab",
    "opentelemetry.sdk": "opentelemetry-sdk",
}


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
        ("starlette", "kaygraph_viz.course.services.background"),
        ("uvicorn", "kaygraph_viz.course.services.background"),
        ("pydantic", "kaygraph_viz.course.patterns.checks"),
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


# -- installed -----------------------------------------------------------------------------------------------------


@pytest.fixture
def in_browser(monkeypatch):
    """Say that this is a browser tab."""
    monkeypatch.setattr(optional, "has_threads", lambda: False)


def test_where_there_are_threads_nothing_is_refused():
    require_installed("threads", SIMULATE)


@pytest.mark.usefixtures("in_browser")
def test_in_a_browser_tab_one_sentence_says_what_to_do_instead():
    with pytest.raises(PlatformError, match=r'threads need an installed Python.*clock="virtual"') as caught:
        require_installed("threads", SIMULATE)
    assert caught.value._render_traceback_() == [f"PlatformError: {caught.value}"]  # what a notebook shows
    assert str(caught.value).count(". ") == 0


@pytest.mark.usefixtures("in_browser")
@pytest.mark.parametrize("kind", ["thread", "process", "async", "dask"])
def test_an_executor_in_real_time_is_refused_before_anything_starts(kind):
    async def call(item):
        began.append(item)

    began = []
    with pytest.raises(PlatformError, match="installed Python"):
        with kv.get_executor(kind, 2) as executor:
            list(executor.imap(call if kind == "async" else began.append, range(3)))
    assert began == []


@pytest.mark.usefixtures("in_browser")
def test_one_after_the_other_works_in_real_time():
    with kv.record() as trace, kv.get_executor("serial") as executor:
        assert [outcome.unwrap() for outcome in executor.imap(str, range(3))] == ["0", "1", "2"]
    assert len(trace) == 3


def test_a_client_can_be_loaded_without_connections(monkeypatch, request):
    monkeypatch.delitem(sys.modules, "httpx2_jsfetch", raising=False)
    stand_in_for_connections()
    assert "httpx2_jsfetch" not in sys.modules
    request.getfixturevalue("in_browser")
    stand_in_for_connections()
    from httpx2_jsfetch import AsyncJavascriptFetchTransport, JavascriptFetchTransport

    assert AsyncJavascriptFetchTransport() is not JavascriptFetchTransport()
    monkeypatch.delitem(sys.modules, "httpx2_jsfetch")
