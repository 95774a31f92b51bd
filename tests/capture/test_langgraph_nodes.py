"""Graphs of LangGraph, where it is installed."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

import kaygraph_viz as kv

graphs = pytest.importorskip("langgraph.graph")
Send = pytest.importorskip("langgraph.types").Send


class State(TypedDict):
    numbers: list[int]
    found: Annotated[list[int], operator.add]


def work(state: Any) -> Any:
    return {"found": [2 * state["number"]]}


async def work_async(state: Any) -> Any:
    return work(state)


def made(function: Any) -> Any:
    graph = graphs.StateGraph(State)
    graph.add_node("split", lambda state: {"numbers": [1, 2, 3]})
    graph.add_node("work", function)
    graph.add_edge(graphs.START, "split")
    graph.add_conditional_edges(
        "split", lambda state: [Send("work", {"number": n}) for n in state["numbers"]], ["work"]
    )
    graph.add_edge("work", graphs.END)
    return graph.compile()


@pytest.mark.parametrize("capture", ["langgraph", "all"])
def test_every_node_and_every_branch_is_recorded(capture):
    with kv.record(capture=capture) as trace:
        assert made(work).invoke({"numbers": [], "found": []})["found"] == [2, 4, 6]
    trace.validate()
    assert sorted(each.name for each in trace if each.kind == "branch") == ["split", "work", "work", "work"]


@pytest.mark.parametrize(("label", "text"), [("arguments", "number={}"), (lambda state: state["number"], "{}")])
def test_nodes_are_labelled_by_their_state(label, text):
    with kv.record(capture="langgraph", label=label) as trace:
        made(work).invoke({"numbers": [], "found": []})
    labels = {each.attributes["label"] for each in trace if each.name == "work"}
    assert labels == {text.format(number) for number in (1, 2, 3)}


def test_so_are_those_of_coroutines():
    with kv.record(capture="langgraph") as trace:
        found = kv.run(made(work_async).ainvoke({"numbers": [], "found": []}))
    assert found["found"] == [2, 4, 6]
    assert sorted(each.name for each in trace if each.kind == "branch") == ["split", "work", "work", "work"]
