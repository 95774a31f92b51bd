"""Graphs and nodes on the last line of a cell."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from matplotlib import pyplot as plt
from matplotlib.image import imread

import kaygraph_viz as kv


class Load(kv.Node):
    """The first node."""


class Check(kv.ParallelBatchNode):
    """The second node."""


@pytest.fixture
def graph():
    load = Load()
    load >> Check()
    return kv.Graph(start=load)


def shown(it):
    from IPython.core.formatters import DisplayFormatter

    return DisplayFormatter().format(it)


def test_a_graph_is_drawn_in_each_format(graph):
    data, metadata = shown(graph)
    assert data["text/plain"] == "<Graph>"
    assert data["text/vnd.mermaid"] == kv.diagram_text(graph)
    assert imread(BytesIO(base64.b64decode(data["image/png"]))).shape[1] > 200
    assert metadata["image/png"]["alt"].startswith("Diagram of Graph with 2 nodes")


@pytest.mark.parametrize("node", [Load(), Check(), kv.AsyncNode(node_id="<b>")], ids=repr)
def test_a_node_is_drawn_alone(node):
    data, metadata = shown(node)
    assert data["text/plain"] == repr(node)
    assert "with 1 node" in metadata["image/png"]["alt"]


def test_no_figure_is_left_open(graph):
    before = plt.get_fignums()
    shown(graph)
    assert plt.get_fignums() == before
