"""What a file may become in memory, whatever its format; and what is refused before it is read."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.export.loading import load
from kaygraph_viz.trace import files
from kaygraph_viz.trace.files import FORMAT, Allowance, opened, values_in

MB = 1 << 20
HEADER = json.dumps({"format": FORMAT, "version": 2})
SPAN = {"submitted_ns": 0, "started_ns": 0, "ended_ns": 1, "name": "a", "kind": "branch", "lane": "main"}


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Make the bounds so small that the tests are fast."""
    monkeypatch.setattr(files, "SMALL", MB)
    monkeypatch.setattr(files, "FEW_VALUES", 1_000)


def pack(path, *pieces, times=1):
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for piece in pieces:
            for _ in range(times if isinstance(piece, bytes) and len(piece) > 200 else 1):
                stream.write(piece)
    return path


def span_line(number, **more):
    return json.dumps({"span_id": number, **SPAN, **more}).encode() + b"\n"


SPACES = b" " * MB
BOMBS = {
    "spaces": [SPACES],
    "spaces in an array": [b"[", SPACES],
    "spaces in an object": [b'{"a":', SPACES],
    "spaces after the end": [b'{"traceEvents": []}', SPACES],
    "lines": [HEADER.encode() + b"\n", b"\n" * MB],
    "one text": [b'["', b"x" * MB],
    "digits": [b"[", b"1" * MB],
    "depth": [b"[" * MB],
    "depth in a span": [HEADER.encode() + b"\n", b'{"a":' * 50_000],
    "long errors": [HEADER.encode() + b"\n", span_line(1, error="x" * 900_000)],
    "tiny values": [HEADER.encode() + b"\n", span_line(1, attributes={"a": [[]] * 50_000})],
    "tiny events": [b"[", b"1," * MB],
    "fields": [b"{", b'"a":1,' * 200_000],
    "zeros": [b"\0" * MB],
    "many events": [b'{"traceEvents":[', b'{"ph":"i"},' * 20_000],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_takes_little_memory(name, tmp_path):
    path = pack(tmp_path / "bomb.gz", *BOMBS[name], times=12)
    tracemalloc.start()
    try:
        with pytest.raises(TraceFormatError) as caught:
            load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000
    assert peak < 30 * MB


def test_a_sparse_file_is_refused_at_once(tmp_path):
    for head in (b"", HEADER.encode() + b"\n", b"[", b'{"traceEvents": ['):
        path = tmp_path / "sparse"
        with path.open("wb") as stream:
            stream.write(head)
            stream.truncate(2 << 30)
        with pytest.raises(TraceFormatError):
            load(path)


def test_attributes_are_counted_as_long_as_there_are_few_bytes(tmp_path):
    path = tmp_path / "run.jsonl.gz"
    lines = [span_line(number, attributes={"a": [0] * 100}) for number in range(1, 200)]
    footer = json.dumps({"spans": len(lines), "dropped": 0}).encode()
    pack(path, HEADER.encode() + b"\n", *lines, footer)
    with pytest.raises(TraceFormatError, match="events, attributes and links"):
        load(path)


def test_a_file_that_is_not_compressed_may_have_any_number_of_attributes(tmp_path):
    path = tmp_path / "run.jsonl"
    lines = [span_line(number, attributes={"a": [0] * 100}) for number in range(1, 200)]
    path.write_bytes(
        b"".join([HEADER.encode() + b"\n", *lines, json.dumps({"spans": len(lines), "dropped": 0}).encode()])
    )
    assert len(load(path)) == len(lines)


def test_long_names_in_a_file_are_cut(tmp_path):
    path = tmp_path / "run.jsonl"
    fields = {"span_id": 1, **SPAN, "name": "n" * 10_000, "lane": "l" * 10_000}
    path.write_text("\n".join([HEADER, json.dumps(fields), json.dumps({"spans": 1, "dropped": 0})]), encoding="utf-8")
    (span,) = load(path)
    assert (len(span.name), len(span.lane)) == (200, 200)


def test_what_may_be_read_grows_with_the_file(tmp_path):
    allowance = Allowance(tmp_path, 10 * MB)
    allowance.take_bytes(1_000 * MB)
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        allowance.take_bytes(2_000 * MB)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(b"\x80\x04.")
    with path.open("rb") as raw, pytest.raises(TraceFormatError, match="pickle"):
        opened(raw, path)


def test_values_are_counted_at_any_depth():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert values_in({"a": deep}) == 100_001
    assert values_in(None, None, ()) == 0
