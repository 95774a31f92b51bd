"""Programs that ask services: the same result in simulated time, with each call in the trace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.lessons.parts.l10 import LATENCIES_S, customers, simulated


def ask(client, service):
    return client.get(f"/{service}", params={"customer_id": customers[0]["customer_id"]}).status_code


@pytest.mark.parametrize("service", ["profile", "company", "social"])
def test_each_service_takes_its_time_and_each_call_is_recorded(service):
    def program(client):
        with ThreadPoolExecutor(2) as pool:
            return [each.result() for each in [pool.submit(ask, client, service) for _ in range(2)]]

    answers, trace = simulated(program)
    assert len(answers) == 2
    assert [call.service_s for call in trace.where(name="ask")] == pytest.approx([LATENCIES_S[service]] * 2)
