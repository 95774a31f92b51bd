"""Files that are written whole or not at all, and what is refused when they are read."""

from __future__ import annotations

import gzip
import os
import pickle
import stat

import pytest

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.trace.disk import written
from kaygraph_viz.trace.unpacking import opened


def save(path, content):
    with written(path) as stream:
        stream.write(content)


def read(path):
    with path.open("rb") as raw, opened(raw, path)[0] as stream:
        return stream.read()


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_what_was_written_is_read(tmp_path, name):
    save(tmp_path / name, b"lines\n")
    assert read(tmp_path / name) == b"lines\n"


def test_the_name_says_whether_a_file_is_compressed_and_its_content_says_it_to_the_reader(tmp_path):
    save(tmp_path / "run.gz", b"lines\n")
    packed = (tmp_path / "run.gz").read_bytes()
    assert gzip.decompress(packed) == b"lines\n"
    (tmp_path / "renamed").write_bytes(packed)
    assert read(tmp_path / "renamed") == b"lines\n"


def test_equal_content_makes_equal_compressed_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        save(tmp_path / name, b"lines\n")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


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


@pytest.mark.skipif(os.name == "nt", reason="permissions are another matter there")
def test_a_saved_file_can_be_read_by_those_who_may_read_any_new_file(tmp_path):
    usual, saved = tmp_path / "usual", tmp_path / "run.jsonl"
    usual.write_text("")
    save(saved, b"lines")
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused(tmp_path, protocol):
    path = tmp_path / "run.jsonl"
    path.write_bytes(pickle.dumps({"format": "kaygraph-viz-trace"}, protocol))
    with pytest.raises(TraceFormatError, match="pickles can run code"):
        read(path)


def test_an_empty_file_is_read_as_such(tmp_path):
    (tmp_path / "run.jsonl").touch()
    assert read(tmp_path / "run.jsonl") == b""
