"""The native file: round trips, equal bytes, and every kind of damage."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import stat
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.export.loading import load as load_any
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace import files
from kaygraph_viz.trace.files import FORMAT, Allowance, opened, values_in, written
from kaygraph_viz.trace.span import KINDS, STATUSES, Span
from kaygraph_viz.trace.trace import load
from tests.full_disk import full_disk

HEADER = {"format": "kaygraph-viz-trace", "version": 1}
SPAN = {
    "span_id": 1, "submitted_ns": 0, "started_ns": 1, "ended_ns": 2, "name": "a", "kind": "branch", "lane": "main",
}  # fmt: skip
SUFFIXES = pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])


def write(tmp_path, *lines, name="run.jsonl"):
    path = tmp_path / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def write_spans(tmp_path, *spans):
    return write(tmp_path, HEADER, *spans, {"spans": len(spans), "dropped": 0})


def small_trace():
    return make_trace((bar("exec", "main", 0, 9, kind="phase"), [bar("a", "t-1", i, i + 1, index=i) for i in range(9)]))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
text = st.text(max_size=20)
time = st.integers(0, 10**12)


@st.composite
def spans(draw):
    found = []
    for number in range(1, draw(st.integers(1, 8))):
        submitted, queued, service = draw(time), draw(time), draw(time)
        found.append(Span(
            number, draw(st.none() | st.integers(1, number - 1)) if number > 1 else None, draw(text),
            draw(st.sampled_from(KINDS)), draw(text), submitted, submitted + queued, submitted + queued + service,
            draw(st.none() | st.integers(0, service)), draw(st.integers(0, service)), draw(st.sampled_from(STATUSES)),
            draw(st.integers(1, 65535)), draw(st.none() | st.integers(0, 10**9)), draw(st.none() | st.text(min_size=1)),
            draw(st.dictionaries(text, plain, max_size=3)), tuple(draw(st.lists(st.integers(1, 9), max_size=3))),
        ))  # fmt: skip
    return found


@SUFFIXES
@given(spans=spans(), dropped=st.integers(0, 9))
def test_a_round_trip_changes_nothing(suffix, spans, dropped):
    trace = make_trace(*spans, dropped=dropped, check=False)
    with tempfile.TemporaryDirectory() as folder:
        path = trace.save(Path(folder) / f"run{suffix}")
        again = load(path)
        assert list(again) == list(trace)
        assert again.dropped == dropped
        assert again.save(Path(folder) / f"again{suffix}").read_bytes() == path.read_bytes()


def test_numbers_that_json_has_no_word_for_become_text(tmp_path):
    trace = make_trace(bar("a", "main", 0, 1, nan=float("nan"), many=[float("inf")]))
    assert load(trace.save(tmp_path / "run.jsonl")).spans[0].attributes == {"nan": "nan", "many": ["inf"]}


def test_equal_traces_make_equal_files(tmp_path):
    for suffix in (".jsonl", ".jsonl.gz"):
        one, two = (small_trace().save(tmp_path / f"{name}{suffix}") for name in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_lone_surrogates_and_control_characters_survive(tmp_path):
    trace = make_trace(bar("\ud800\n\0\u202e", "<b>", 0, 1))
    assert load(trace.save(tmp_path / "run.jsonl")).spans[0].name == "\ud800\n\0\u202e"


# -- saving --------------------------------------------------------------------------------------------------------


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "not a trace"),
        (["hello"], "not a trace"),
        (["[1]"], "not a trace"),
        ([{"format": "other"}], "not a trace"),
        (["{"], "line 1 cannot be read"),
        ([HEADER | {"version": 3}], "version 3"),
        ([HEADER | {"version": None}], "version None"),
        ([HEADER], "is incomplete"),
        ([HEADER, SPAN], "is incomplete"),
        ([HEADER, "{"], "line 2 cannot be read"),
        ([HEADER, "[]"], "line 2 is list"),
        ([HEADER, "5"], "line 2 is int"),
        ([HEADER, '{"ended_ns": NaN}'], "NaN is not a number"),
        ([HEADER, "[" * 100_000], "line 2 cannot be read"),
        ([HEADER, '{"span_id": ' + "9" * 5000 + "}"], "line 2"),
        ([HEADER, "x" * (files.MAX_LINE + 1)], "larger than any trace"),
        ([HEADER, SPAN, {"spans": 2, "dropped": 0}], "counts 2 spans in its last line, but has 1"),
        ([HEADER, SPAN, {"spans": 1, "dropped": 0}, SPAN], "continues after its last line"),
        ([HEADER, SPAN, {"spans": 1, "dropped": "x"}], "dropped"),
        ([HEADER, SPAN, {"spans": 1, "dropped": None}], "dropped"),
        ([HEADER, SPAN, {"spans": 1, "dropped": -1}], "dropped"),
        ([HEADER, SPAN, {"spans": 1, "predicted_from": 4}], "predicted_from is 4, expected text"),
    ],
)
def test_a_damaged_file_is_refused_with_a_clear_message(tmp_path, lines, message):
    path = write(tmp_path, *lines)
    with pytest.raises(TraceFormatError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"span_id": None}, {"span_id": "1"}, {"span_id": True}, {"span_id": 1.5}, {"span_id": 1 << 63}, {"span_id": 0},
        {"span_id": -1}, {"ended_ns": 0}, {"submitted_ns": 5}, {"name": 5}, {"lane": None}, {"kind": "step"},
        {"kind": []}, {"status": "fine"}, {"status": {}}, {"parent_id": 0}, {"parent_id": "1"}, {"parent_id": 1},
        {"index": "1"}, {"cpu_ns": 1.5}, {"cpu_ns": 9}, {"blocked_ns": "0"}, {"attempt": 0}, {"attempt": -1},
        {"error": 5}, {"attributes": []}, {"attributes": "a"}, {"links": 5}, {"links": None}, {"links": ["1"]},
        {"links": {"1": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_span_with_a_wrong_field_is_refused(tmp_path, wrong):
    with pytest.raises(TraceFormatError):
        load(write_spans(tmp_path, SPAN | wrong))


def test_duplicate_numbers_are_refused(tmp_path):
    with pytest.raises(TraceFormatError, match="span 1 ended 2 times"):
        load(write_spans(tmp_path, SPAN, SPAN))


def test_a_parent_cycle_is_refused(tmp_path):
    with pytest.raises(TraceFormatError, match="own ancestors"):
        load(write_spans(tmp_path, SPAN | {"parent_id": 2}, SPAN | {"span_id": 2, "parent_id": 1}))


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(TraceFormatError, match="damaged"):
        load(path)


@pytest.mark.parametrize("position", [15, 40, 60, -9, -3])
def test_a_compressed_file_with_a_wrong_byte_is_refused(tmp_path, position):
    path = small_trace().save(tmp_path / "run.jsonl.gz")
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(TraceFormatError):
        load(path)


def test_a_compressed_bomb_is_refused_at_the_limit_of_a_line(tmp_path):
    path = tmp_path / "run.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(json.dumps(HEADER).encode() + b"\n")
        for _ in range(16):
            stream.write(b" " * (1 << 20))
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(path)


def test_a_limit_holds_for_all_lines_together(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_CHARACTERS", 500)
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(small_trace().save(tmp_path / "run.jsonl"))


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "no.jsonl")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


@SUFFIXES
def test_a_file_that_was_cut_off_is_refused_unless_a_part_will_do(tmp_path, suffix):
    trace = make_trace(*(bar(f"bar {i}", "main", i, i + 1, text=f"{i * 7919}") for i in range(2000)))
    path = trace.save(tmp_path / f"run{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TraceFormatError):
        load(path)
    with pytest.warns(UserWarning, match=r"spans could be read"):
        part = load(path, partial=True)
    assert 0 < len(part) < 2000
    assert list(part) == list(trace)[: len(part)]
    part.validate()


def test_a_part_of_nothing_is_still_an_error(tmp_path):
    with pytest.raises(TraceFormatError, match="is incomplete"):
        load(write(tmp_path, HEADER), partial=True)


# -- disk ----------------------------------------------------------------------------------------------------------


posix = pytest.mark.skipif(os.name == "nt", reason="another matter there")


def save(path, content):
    with written(path) as stream:
        stream.write(content)


def read(path):
    with path.open("rb") as raw, opened(raw, path)[0] as stream:
        return stream.read()


def test_the_name_says_whether_a_file_is_compressed_and_its_content_says_it_to_the_reader(tmp_path):
    save(tmp_path / "run.gz", b"lines\n")
    packed = (tmp_path / "run.gz").read_bytes()
    assert gzip.decompress(packed) == b"lines\n"
    (tmp_path / "renamed").write_bytes(packed)
    assert read(tmp_path / "renamed") == b"lines\n"


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    save(path, b"old")
    with written(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_halfway_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "run.jsonl"
    save(path, b"old")
    with pytest.raises(type(error)), written(path) as stream:
        stream.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["run.jsonl"]


def test_a_name_as_long_as_a_name_can_be_is_no_problem(tmp_path):
    save(tmp_path / ("n" * 255), b"lines")
    assert [found.name for found in tmp_path.iterdir()] == ["n" * 255]


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else_and_the_error_names_it(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with pytest.raises(OSError, match=name), full_disk(), written(path) as stream:
        for number in range(20_000):  # small pieces, so that some are still in the buffer when the disk is full
            stream.write(b"%d\n" % (number * number % 99_991))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error_about_the_file(tmp_path):
    path = tmp_path / "nowhere" / "run.jsonl"
    with pytest.raises(FileNotFoundError) as caught:
        save(path, b"lines")
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("name", ["", ".", "folder"])
def test_a_folder_is_not_replaced(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=str(tmp_path)):
        save(tmp_path / name, b"lines")
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]
    assert list(tmp_path.parent.glob(".*.tmp")) == []


def test_what_a_killed_program_leaves_is_hidden_and_tells_what_it_is(tmp_path):
    with written(tmp_path / "run.jsonl"):
        (left,) = tmp_path.iterdir()
        assert re.fullmatch(r"\.run\.jsonl\.[0-9a-f]{8}\.tmp", left.name)


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "precious").write_bytes(b"old")
    link = tmp_path / "run.jsonl"
    link.symlink_to(tmp_path / "precious")
    save(link, b"lines")
    assert (tmp_path / "precious").read_bytes() == b"old"
    assert (link.is_symlink(), link.read_bytes()) == (False, b"lines")


def test_another_name_of_the_file_keeps_the_old_content(tmp_path):
    (tmp_path / "run.jsonl").write_bytes(b"old")
    (tmp_path / "kept.jsonl").hardlink_to(tmp_path / "run.jsonl")
    save(tmp_path / "run.jsonl", b"lines")
    assert (tmp_path / "kept.jsonl").read_bytes() == b"old"


@posix
def test_a_device_gets_the_content_and_stays_one(tmp_path):
    save(Path(os.devnull), b"lines")
    assert Path(os.devnull).is_char_device()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR)
    save(tmp_path / "pipe", b"lines")
    assert os.read(reader, 100) == b"lines"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


@posix
def test_a_new_file_can_be_read_by_those_who_may_read_any_new_file(tmp_path):
    usual, saved = tmp_path / "usual", tmp_path / "run.jsonl"
    usual.write_text("")
    save(saved, b"lines")
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "run.jsonl"
    path.touch()
    path.chmod(mode)
    with written(path):
        (beside,) = set(tmp_path.iterdir()) - {path}
        assert stat.S_IMODE(beside.stat().st_mode) == mode  # from the beginning, so that nobody reads it meanwhile
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write everything
    with pytest.raises(PermissionError, match=r"run\.jsonl"):
        save(path, b"lines")
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused(tmp_path, protocol):
    path = tmp_path / "run.jsonl"
    path.write_bytes(pickle.dumps({"format": "kaygraph-viz-trace"}, protocol))
    with pytest.raises(TraceFormatError, match="pickles can run code"):
        read(path)


# -- unpacking -----------------------------------------------------------------------------------------------------


MB = 1 << 20
HEADER_LINE = json.dumps({"format": FORMAT, "version": 2})
UNNUMBERED = {"submitted_ns": 0, "started_ns": 0, "ended_ns": 1, "name": "a", "kind": "branch", "lane": "main"}


@pytest.fixture
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
    return json.dumps({"span_id": number, **UNNUMBERED, **more}).encode() + b"\n"


SPACES = b" " * MB
BOMBS = {
    "spaces": [SPACES],
    "spaces in an array": [b"[", SPACES],
    "spaces in an object": [b'{"a":', SPACES],
    "spaces after the end": [b'{"traceEvents": []}', SPACES],
    "lines": [HEADER_LINE.encode() + b"\n", b"\n" * MB],
    "one text": [b'["', b"x" * MB],
    "digits": [b"[", b"1" * MB],
    "depth": [b"[" * MB],
    "depth in a span": [HEADER_LINE.encode() + b"\n", b'{"a":' * 50_000],
    "long errors": [HEADER_LINE.encode() + b"\n", span_line(1, error="x" * 900_000)],
    "tiny values": [HEADER_LINE.encode() + b"\n", span_line(1, attributes={"a": [[]] * 50_000})],
    "tiny events": [b"[", b"1," * MB],
    "fields": [b"{", b'"a":1,' * 200_000],
    "zeros": [b"\0" * MB],
    "many events": [b'{"traceEvents":[', b'{"ph":"i"},' * 20_000],
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.usefixtures("small_files")
def test_a_bomb_is_refused_and_takes_little_memory(name, tmp_path):
    path = pack(tmp_path / "bomb.gz", *BOMBS[name], times=12)
    tracemalloc.start()
    try:
        with pytest.raises(TraceFormatError) as caught:
            load_any(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000
    assert peak < 30 * MB


@pytest.mark.usefixtures("small_files")
def test_a_sparse_file_is_refused_at_once(tmp_path):
    for head in (b"", HEADER_LINE.encode() + b"\n", b"[", b'{"traceEvents": ['):
        path = tmp_path / "sparse"
        with path.open("wb") as stream:
            stream.write(head)
            stream.truncate(2 << 30)
        with pytest.raises(TraceFormatError):
            load_any(path)


@pytest.mark.usefixtures("small_files")
def test_attributes_are_counted_as_long_as_there_are_few_bytes(tmp_path):
    path = tmp_path / "run.jsonl.gz"
    lines = [span_line(number, attributes={"a": [0] * 100}) for number in range(1, 200)]
    footer = json.dumps({"spans": len(lines), "dropped": 0}).encode()
    pack(path, HEADER_LINE.encode() + b"\n", *lines, footer)
    with pytest.raises(TraceFormatError, match="events, attributes and links"):
        load_any(path)


@pytest.mark.usefixtures("small_files")
def test_a_file_that_is_not_compressed_may_have_any_number_of_attributes(tmp_path):
    path = tmp_path / "run.jsonl"
    lines = [span_line(number, attributes={"a": [0] * 100}) for number in range(1, 200)]
    path.write_bytes(
        b"".join([HEADER_LINE.encode() + b"\n", *lines, json.dumps({"spans": len(lines), "dropped": 0}).encode()])
    )
    assert len(load_any(path)) == len(lines)


def test_long_names_in_a_file_are_cut(tmp_path):
    path = tmp_path / "run.jsonl"
    fields = {"span_id": 1, **UNNUMBERED, "name": "n" * 10_000, "lane": "l" * 10_000}
    path.write_text("\n".join([HEADER_LINE, json.dumps(fields), json.dumps({"spans": 1, "dropped": 0})]))
    (span,) = load_any(path)
    assert (len(span.name), len(span.lane)) == (200, 200)


def test_what_may_be_read_grows_with_the_file(tmp_path):
    allowance = Allowance(tmp_path, 10 * MB)
    allowance.take_bytes(1_000 * MB)
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        allowance.take_bytes(2_000 * MB)


def test_values_are_counted_at_any_depth():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert values_in({"a": deep}) == 100_001
    assert values_in(None, None, ()) == 0
