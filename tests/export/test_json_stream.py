"""JSON documents, value by value."""

from __future__ import annotations

import gzip
import json

import pytest

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export import json_stream
from kaygraph_viz.export.loading import load
from tests.export.examples import X, write


def test_an_array_may_lack_its_end_as_the_format_allows(tmp_path):
    whole = json.dumps([X, X])
    for end in (whole, whole.removesuffix("]"), whole.removesuffix("]") + ",\n"):
        assert len(load(write(tmp_path, end))) == 2


def test_an_event_without_end_is_refused_at_the_limit(tmp_path):
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as stream:
        stream.write(b'[{"ph": "')
        for _ in range(16):
            stream.write(b"x" * (1 << 20))
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(tmp_path / "bomb.gz")


@pytest.mark.parametrize("filling", [b" " * 12, b'{"ph": "M"},'])
def test_a_limit_holds_for_all_events_together(tmp_path, monkeypatch, filling):
    monkeypatch.setattr(json_stream, "MAX_CHARACTERS", 100_000)
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(write(tmp_path, gzip.compress(b"[" + filling * 20_000)))
