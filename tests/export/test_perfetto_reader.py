"""Chrome trace events that we wrote ourselves."""

from __future__ import annotations

import json

from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.testing import bar, make_trace
from tests.export.examples import OURS, write


def test_our_events_in_another_layout_are_read(tmp_path):
    assert list(load(write(tmp_path, json.dumps(OURS, indent=2)))) == list(load(write(tmp_path, OURS)))


def test_a_file_of_the_version_before_parts_is_read(tmp_path):
    data = to_perfetto(make_trace(bar("a", "t-1", 0, 3, cpu_s=1)))
    data["otherData"]["version"] = 1
    (path := tmp_path / "old.json").write_text(json.dumps(data))
    assert [part.kind for part in load(path).spans[0].parts] == ["unknown"]
