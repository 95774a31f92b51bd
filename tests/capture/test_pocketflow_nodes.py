"""When the hooks of PocketFlow are made; what they record is in ``test_flows``."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import kaygraph_viz as kv
with kv.record(capture="pocketflow") as trace:
    assert "pocketflow" not in sys.modules
    import pocketflow
    pocketflow.Flow(start=pocketflow.Node()).run({})
print([span.name for span in trace])
"""


@pytest.mark.processes
def test_a_library_that_the_block_imports_first_is_captured_too():
    pytest.importorskip("pocketflow")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Flow', 'Node', 'prep', 'exec', 'post']"
