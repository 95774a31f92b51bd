"""The guards of these tests notice what they are there for."""

from __future__ import annotations

import pytest

from . import chromium


@pytest.fixture
def page(open_page):
    page = open_page("about:blank")
    yield page
    page.close()


def test_there_is_a_browser(browser):
    assert browser.is_connected()


def test_a_request_to_another_computer_is_noticed_and_gets_no_answer(page, listener):
    with page.expect_event("requestfailed"):
        page.set_content("<img src='http://example.com/a.png'>")
    assert listener.foreign == ["http://example.com/a.png"]
    listener.requests.clear()


def test_a_socket_to_another_computer_is_noticed(page, listener):
    with page.expect_event("websocket"):
        page.evaluate("() => { new WebSocket('ws://example.com/'); }")
    assert listener.foreign == ["ws://example.com/"]
    listener.requests.clear()


def test_a_dialog_is_noticed(page, listener):
    page.evaluate("alert('hello')")
    assert listener.dialogs == ["hello"]
    listener.dialogs.clear()


def test_a_missing_browser_is_told_with_the_way_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install chromium" in chromium.missing()
