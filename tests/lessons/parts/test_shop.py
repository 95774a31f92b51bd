"""The shop of lessons 05 and 11: its four stages, and how many orders are on the way."""

from __future__ import annotations

from kaygraph_viz.graph.pipeline import PipelineNode, Stage
from kaygraph_viz.lessons.parts.shop import load_orders, max_in_pipeline, open_shop
from kaygraph_viz.recording import record


def run(orders, **options):
    with record(clock="virtual") as trace, open_shop(**options) as shop:
        stages = [
            Stage("check", shop.check, buffer=1), Stage("price", shop.price, buffer=1),
            Stage("enrich", shop.enrich, buffer=1), Stage("load", shop.load, buffer=1),
        ]  # fmt: skip
        PipelineNode(stages).run({"items": orders})
        return shop.store.rows(), trace


def test_each_order_becomes_a_row():
    rows, _ = run(load_orders()[:5])
    assert [row.order_id for row in rows] == ["N00001", "N00002", "N00003", "N00004", "N00005"]
    assert (rows[4].city, rows[4].language) == ("El Paso", "en")


def test_the_database_may_be_a_file_that_is_opened_again(tmp_path):
    run(load_orders()[:2], database=tmp_path / "orders.db")
    rows, _ = run(load_orders()[2:4], database=tmp_path / "orders.db")
    assert len(rows) == 4


def test_other_seeds_are_other_latencies():
    lengths = {run(load_orders()[:3], latency_s=0.025, seed=seed)[1].makespan_s for seed in (1, 1, 2)}
    assert len(lengths) == 2


def test_with_room_for_one_there_is_one_order_in_each_stage_and_queue():
    _, trace = run(load_orders()[:20])
    assert max_in_pipeline(trace) == 8
