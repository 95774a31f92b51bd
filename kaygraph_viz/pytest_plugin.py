"""The pytest plugin of the package: the fixture and marker ``virtual_clock``.

Belongs here: fixtures for tests of readers. Does not belong here: helpers that need no pytest (``testing``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kaygraph_viz.clock.virtual.clock import VirtualClock


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "virtual_clock(seed=0, ...): how the fixture virtual_clock makes its clock")


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest) -> Iterator[VirtualClock]:
    """Run a test in simulated time: nodes, executors, `sleep` and `compute` use it, and `record` records it.

    Mark the test with ``@pytest.mark.virtual_clock(seed=3, cores=2)`` to set what `VirtualClock` takes.
    """
    from kaygraph_viz.clock.virtual.clock import VirtualClock

    marker = request.node.get_closest_marker("virtual_clock")
    with VirtualClock(**(marker.kwargs if marker is not None else {})) as clock:
        yield clock
