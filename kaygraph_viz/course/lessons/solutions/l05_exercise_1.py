"""Workers in proportion to the time of each stage, and short queues.

- Draw the queues with `kv.queue_depth(mine)`. In front of which stage do the orders wait? That stage needs more
  workers.
- A stage processes workers / seconds orders per second. With 4 workers, `render` does 4 / 0.08 = 50. And the others?
- Longer queues do not make the pipeline faster: `buffer=4` is enough.
"""

stages = [
    kv.Stage("read", read_order, workers=1, buffer=4),
    kv.Stage("render", render, workers=4, buffer=4),
    kv.Stage("send", send, workers=2, buffer=4),
]

with kv.record(clock="virtual") as mine:
    kv.PipelineNode(stages, node_id="invoices").run(my_result := {"items": orders[100:140]})

kv.gantt(mine, group_by="node", labels=False, title="My run")
