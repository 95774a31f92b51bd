"""What needs an installed Python is refused in a browser tab, in one sentence, before anything starts."""

from __future__ import annotations

import sys

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base import optional
from kaygraph_viz.base.errors import PlatformError
from kaygraph_viz.base.optional import SIMULATE, require_installed, stand_in_for_connections


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
