"""Counting by places where a place has 32 bits: what NumPy would refuse or get wrong in a browser tab."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import kaygraph_viz as kv
from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.trace.columns import as_places, repeated, sums, tally
from kaygraph_viz.widgets.timeline.packing import pack

ROOT = Path(kv.__file__).parent


@pytest.fixture
def narrow(monkeypatch):
    """Make places 32 bits wide, and refuse wider ones as NumPy does then."""

    def refusing(function):
        def call(*args, **options):
            places = np.asarray(args[place_of[function.__name__]])
            if not np.can_cast(places.dtype, np.int32, "safe"):
                raise TypeError(f"Cannot cast array data from {places.dtype} to int32 according to the rule 'safe'")
            return function(*args, **options)

        return call

    place_of = {"bincount": 0, "repeat": 1}
    monkeypatch.setattr(np, "intp", np.int32)
    for name in place_of:
        monkeypatch.setattr(np, name, refusing(getattr(np, name)))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.int32, np.uint8])
def test_numbers_of_any_width_tell_places(dtype):
    places = np.array([0, 2, 2], dtype)
    assert as_places(places).dtype == np.int32
    assert tally(places, 4).tolist() == [1, 0, 2, 0]
    assert sums(places, [1, 2, 3], 4).tolist() == [1, 0, 5, 0]
    assert repeated([7, 8, 9], places).tolist() == [8, 8, 9, 9]


def test_counts_have_64_bits_and_sums_are_floats():
    assert (tally([], 2).dtype, sums([], [], 2).dtype) == (np.int64, np.float64)


def recorded(workers):
    def work(item):
        kv.sleep(0.1)
        kv.compute(0.01 * item)

    with kv.record(clock="virtual") as trace, kv.get_executor("thread", workers) as executor:
        list(executor.imap(work, range(12)))
    return trace


def everything():
    first, second = recorded(2), recorded(4)
    return [
        str(explain(first)), str(what_if(first, workers=4)), str(compare(first, second)),
        pack(first).data, str(kv.summarize(second)),
    ]  # fmt: skip


def test_analyses_are_the_same_with_narrow_places(request):
    wide = everything()
    request.getfixturevalue("narrow")
    assert everything() == wide


def test_nothing_counts_by_places_in_another_way():
    for path in ROOT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "counting.py" or not ("np.bincount" in text or "np.repeat" in text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.bincount", "np.repeat"):
                assert any(option.arg == "axis" for option in node.keywords), f"{path.name}:{node.lineno}"
