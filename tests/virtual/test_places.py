"""Where a thread is, for messages: its branch, and the line of user code."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import kaygraph_viz as kv
from kaygraph_viz.sync import threads
from kaygraph_viz.virtual import places
from kaygraph_viz.virtual.clock import VirtualClock
from kaygraph_viz.virtual.places import Line, caller_of, is_user_code, named_place_of


def here():
    return Line(*caller_of(sys._getframe(0)))


def test_a_line_is_a_file_a_number_and_what_is_written_there():
    line = here()
    assert str(line) == f"test_places.py:{here.__code__.co_firstlineno + 1} in here"
    assert line.text == "return Line(*caller_of(sys._getframe(0)))"


def test_a_line_whose_source_is_not_at_hand_has_no_text():
    assert Line(compile("1", "gone.py", "eval"), 0).text == ""


def test_a_cell_of_a_notebook_has_its_number(monkeypatch):
    compiler = SimpleNamespace(format_code_name=lambda file: ("Cell", "In[7]") if "ipykernel" in file else None)
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    cell, module = (compile("first()\nsecond()", name, "exec") for name in ("/tmp/ipykernel_1/2.py", "/a/bank.py"))
    at = len(cell.co_code) - 2
    assert str(Line(cell, at)) == "cell [7] line 2 in <module>"
    assert str(Line(module, at)) == "bank.py:2 in <module>"


@pytest.mark.parametrize(
    ("file", "is_users"),
    [
        (kv.__file__, False), (threading.__file__, False), (pytest.__file__, False), ("<frozen runpy>", False),
        (__file__, True), ("/tmp/ipykernel_1/2.py", True), ("<doctest x[0]>", True),
    ],
)  # fmt: skip
def test_whose_code_it_is(file, is_users):
    assert is_user_code(file) is is_users


def test_a_thread_that_has_not_begun_has_a_name_and_no_place():
    with VirtualClock():
        assert named_place_of(threads().Thread(print, name="first").fiber) == "thread 'first'"


def test_folders_of_libraries_are_known_in_a_browser_tab_too(monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: f"//lib/python/{name}")
    monkeypatch.setattr(asyncio, "__file__", "/lib/python.zip/asyncio/__init__.py")
    package, *libraries = places._outside()
    assert places.__file__.startswith(package)
    assert libraries == ["/lib/python/stdlib", "/lib/python/purelib", str(Path("/lib/python.zip"))]
