"""KayGraph, which is not on every index: a module of its name with classes of its shape stands in for it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import kaygraph_viz as kv


@pytest.fixture
def kaygraph(monkeypatch):
    module = ModuleType("kaygraph")
    module.__spec__ = None

    class BaseNode:
        def _exec(self, prep_res):
            return self.exec(prep_res)

        def _run(self, shared):
            prepared = self.prep(shared)
            return self.post(shared, prepared, self._exec(prepared))

    class Graph(BaseNode):
        def __init__(self, start):
            self.start_node = start

        def _run(self, shared):
            return self.start_node._run(shared)

    for made in (BaseNode, Graph):
        made.__module__ = "kaygraph"
        setattr(module, made.__name__, made)
    monkeypatch.setitem(sys.modules, "kaygraph", module)
    return module


def test_nodes_of_kaygraph_are_recorded(kaygraph):
    class Tea(kaygraph.BaseNode):
        def prep(self, shared):
            return "water"

        def exec(self, water):
            return f"{water} and leaves"

        def post(self, shared, prep_res, exec_res):
            shared["tea"] = exec_res

    shared: dict = {}
    with kv.record(capture="kaygraph") as trace:
        kaygraph.Graph(Tea())._run(shared)
    assert shared == {"tea": "water and leaves"}
    assert [(each.name, each.kind) for each in trace] == [
        ("Graph", "graph"), ("Tea", "node"), ("prep", "phase"), ("exec", "phase"), ("post", "phase"),
    ]  # fmt: skip
