"""The verification service, for tests of the checks of a record."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.patterns.checks import AddressVerifier
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve


@pytest.fixture(scope="module")
def server():
    with serve(ServiceSettings(latency_s=0)) as server:
        yield server


@pytest.fixture(scope="module")
def verifier(server):
    with AddressVerifier(server.base_url, timeout_s=30) as verifier:
        yield verifier
