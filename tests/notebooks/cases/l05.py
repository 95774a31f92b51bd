"""Answers to the exercise of lesson 05: forty invoices with seven workers."""

from tests.notebooks.cases import Case

RUN = """
with kv.record(clock="virtual") as mine:
    kv.PipelineNode(stages, node_id="invoices").run(my_result := {"items": orders[100:140]})
"""


def workers(read, render, send, *, buffers=(4, 4, 4), functions=("read_order", "render", "send"), run=RUN):
    """Return an answer with these numbers of workers and places in the queues."""
    lines = [
        f'    kv.Stage("{name}", {function}, workers={count}, buffer={buffer}),'
        for name, function, count, buffer in zip(
            ("read", "render", "send"), functions, (read, render, send), buffers, strict=True
        )
    ]
    return "\n".join(["stages = [", *lines, "]"]) + "\n" + run


CASES = [
    Case("solution", "the shipped one", grade="7 of 7"),
    Case("untouched", "three readers, long queues", grade="5 of 7", says="38 items waited in front of render"),
    Case("right", "room for one", workers(1, 4, 2, buffers=(1, 1, 1)), grade="7 of 7"),
    Case("right", "short and longer queues", workers(1, 4, 2, buffers=(2, 4, 3)), grade="7 of 7"),
    Case(
        "right",
        "another way to write it",
        """
stages = []
for name, function, count in [("read", read_order, 1), ("render", render, 4), ("send", send, 2)]:
    stages.append(kv.Stage(name, function, count, 4))

my_result = {"items": orders[100:140]}
with kv.record(clock="virtual") as mine:
    kv.Graph(start=kv.PipelineNode(stages)).run(my_result)
""",
        grade="7 of 7",
    ),
    Case("wrong", "only short queues", workers(3, 2, 2), grade="6 of 7", says="it was 1.0 times as fast"),
    Case("wrong", "only more workers", workers(1, 4, 2, buffers=(100, 100, 100)), grade="6 of 7", says="items waited"),
    Case("wrong", "one sender", workers(2, 4, 1), grade="6 of 7", says="times as fast"),
    Case("wrong", "eight renderers", workers(1, 8, 4), grade="5 of 7", says="8 render branches ran at once"),
    Case("wrong", "a worker too many", workers(2, 4, 2), grade="6 of 7", says="there are 8"),
    Case(
        "wrong",
        "no worker for reading",
        workers(0, 4, 3),
        grade="0 of 7",
        says="workers must be a whole number from 1",
    ),
    Case(
        "cheat",
        "functions that do not wait",
        """
def quick(order):
    return f"{order.order_id}: {order.total_cents} cents, please"
"""
        + workers(3, 2, 2, functions=("read_order", "quick", "str")),
        grade="6 of 7",
        says="before it was",
    ),
    Case(
        "cheat",
        "half of the orders",
        workers(3, 2, 2, run=RUN.replace("140", "120")),
        grade="5 of 7",
    ),
    Case(
        "cheat",
        "the invoices from before, and an empty pipeline",
        """
stages = [kv.Stage(name, str) for name in ("read", "render", "send")]
with kv.record(clock="virtual") as mine:
    kv.PipelineNode(stages, node_id="invoices").run({"items": orders[100:140]})
my_result = expected
""",
        grade="5 of 7",
        says="before it was",
    ),
]
