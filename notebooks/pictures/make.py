"""Make the pictures of the README: ``python notebooks/pictures/make.py``.

They come from simulated time, so that they are the same on every machine.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import kaygraph_viz as kv
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.course.patterns.validation import validation_graph
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings

HERE = Path(__file__).parent
CUSTOMERS = load_customers()


def validate(workers):
    """Validate twelve customers and return the graph and the trace."""
    with kv.record(clock="virtual") as trace:
        with local_checks(CUSTOMERS, ServiceSettings(latency_s=0.05, failure_rate=0.1)) as checks:
            graph = validation_graph(checks, max_workers=workers)
            graph.run({"records": CUSTOMERS[::170]})
    return graph, trace


def main():
    """Write what four workers did, why, and what others would have made of it."""
    graph, four = validate(4)
    axes = kv.gantt(four, critical_path=True, title="12 customers, 4 checks each, 4 threads")
    kv.save_picture(axes, HERE / "gantt.png")
    kv.save_picture(kv.diagram(graph, trace=four), HERE / "diagram.png")
    curve = kv.speedup_curve([validate(workers)[1] for workers in (1, 2, 4, 8, 16)],
                             what_if=kv.what_if(four, workers=range(1, 17)))
    kv.save_picture(curve, HERE / "speedup.png")
    plt.close("all")


if __name__ == "__main__":
    main()
