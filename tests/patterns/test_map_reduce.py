"""The map-reduce examples on the shipped data, against their answer keys."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from kaygraph_viz.base.errors import DataError
from kaygraph_viz.course.patterns.map_reduce import (
    Spending,
    decade_index_graph,
    order_totals_graph,
    word_count_graph,
    words_of,
)
from kaygraph_viz.course.services.datasets import load_orders, load_orders_key, load_speeches
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.recording import record


@pytest.fixture(scope="module")
def all_speeches():
    return load_speeches(spoken_only=False)


def counted(speeches, **options):
    word_count_graph(**options).run(shared := {"speeches": speeches})
    return shared


@pytest.mark.parametrize("kind", ["serial", "thread", "process"])
def test_the_spoken_addresses_have_the_words_of_the_answer_key(kind):
    shared = counted(load_speeches(), max_workers=2, executor=kind)
    counts = shared["word_counts"]
    assert (sum(counts.values()), len(counts), counts["the"]) == (585_727, 16_709, 36_737)
    assert shared["ranking"][0] == ("the", 36_737)


def test_all_addresses_have_the_words_of_the_answer_key(all_speeches):
    counts = counted(all_speeches, max_workers=2)["word_counts"]
    assert (sum(counts.values()), len(counts)) == (2_013_321, 25_542)
    assert counts == Counter(word for speech in all_speeches for word in re.findall("[a-z']+", speech.text.lower()))


@pytest.mark.processes
def test_the_trace_shows_texts_of_very_different_length_and_the_barrier(all_speeches):
    lengths = [len(speech.text) for speech in all_speeches]
    assert max(lengths) > 30 * min(lengths)
    with record() as trace:
        counted(all_speeches, max_workers=2, executor="process", chunk_size=1)
    maps = [s for s in trace.where(kind="branch") if s.name.startswith("map")]
    reduces = [s for s in trace.where(kind="branch") if s.name.startswith("reduce")]
    assert (len(maps), len(reduces)) == (249, 8)
    assert max(s.ended_ns for s in maps) <= min(s.started_ns for s in reduces)
    shown = {text.get_text() for text in diagram(word_count_graph(), trace=trace).texts}
    assert {"WordCountNode map", "… and 244 more", "WordCountNode reduce"} <= shown
    assert {s.name for s in reduces} & shown  # which of them depends on the critical path, which is in real time


def test_ties_are_ranked_by_the_alphabet():
    class Text:
        text = "b a c c"

    assert counted([Text])["ranking"] == [("c", 2), ("a", 1), ("b", 1)]


def test_the_index_says_in_which_decades_each_word_was_used():
    speeches, expected = load_speeches(), defaultdict(set)
    for speech in speeches:
        for word in words_of(speech.text):
            expected[word].add(speech.year // 10 * 10)
    decade_index_graph(max_workers=2).run(shared := {"speeches": speeches})
    assert shared["decades_of_word"] == {word: tuple(sorted(decades)) for word, decades in expected.items()}
    assert shared["decades_of_word"]["internet"] == (1990, 2000, 2010, 2020)


def totals(orders, **options):
    order_totals_graph(**options).run(shared := {"orders": orders})
    return shared


def test_good_orders_add_up_to_the_answer_key():
    key = load_orders_key()
    shared = totals([order for order in load_orders() if order.order_id not in key], max_workers=2)
    spending = shared["spending"]
    assert (len(spending), spending.failed) == (803, [])
    assert Spending.total(list(spending.values())) == Spending(orders=9_973, units=88_722, cents=891_398_411)
    assert shared["ranking"][0][1] == max(spending.values(), key=lambda each: each.cents)


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_orders_that_do_not_add_up_are_left_out_and_named(kind):
    orders, key = load_orders(), load_orders_key()
    spending = totals(orders, max_workers=2, executor=kind)["spending"]
    failed = [orders[outcome.index].order_id for outcome in spending.failed]
    assert failed == [number for number, fault in key.items() if fault.field in {"items", "total_cents"}]
    assert all(number in str(outcome.error) for number, outcome in zip(failed, spending.failed, strict=True))
    assert Spending.total(list(spending.values())).orders == 10_000 - len(failed)


@pytest.mark.parametrize("graph", [word_count_graph, decade_index_graph, order_totals_graph])
def test_without_its_data_a_graph_says_what_to_write(graph):
    with pytest.raises(DataError, match=r'graph.run\(\{"(speeches|orders)": load_(speeches|orders)\(\)\}\)'):
        graph().run({})
