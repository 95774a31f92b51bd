"""The native file: round trips, equal bytes, and every kind of damage."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace import files
from kaygraph_viz.trace.span import KINDS, STATUSES, Span
from kaygraph_viz.trace.trace import load

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


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = small_trace().save(tmp_path / "run.jsonl")
    before = path.read_bytes()

    def full(span):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "as_fields", full)
    with pytest.raises(OSError, match="No space left"):
        small_trace().save(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["run.jsonl"]


def test_saving_into_a_folder_that_does_not_exist_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        small_trace().save(tmp_path / "no" / "run.jsonl")


def test_saving_over_a_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"(?i)directory"):
        small_trace().save(tmp_path)
    assert not list(tmp_path.iterdir())


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
