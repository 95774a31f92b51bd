"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples import validation
from kaygraph_viz.course.patterns import checks
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve


@pytest.fixture
def few_customers(monkeypatch):
    """Run on 60 customers and a service that answers at once, where the full run is not the point."""
    few = load_customers(limit=60)
    monkeypatch.setattr(validation, "load_customers", lambda: [dict(customer) for customer in few])
    monkeypatch.setattr(checks, "serve", lambda settings: serve(ServiceSettings(latency_s=0)))
