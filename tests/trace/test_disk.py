"""Files that are written whole or not at all, and what is refused when they are read."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import stat
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.trace.files import opened, written
from tests.full_disk import full_disk

posix = pytest.mark.skipif(os.name == "nt", reason="another matter there")


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


def test_an_empty_file_is_read_as_such(tmp_path):
    (tmp_path / "run.jsonl").touch()
    assert read(tmp_path / "run.jsonl") == b""
