"""Telling records, files and sentences apart, and reading them."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import DataError
from kaygraph_viz.cli import run_output
from kaygraph_viz.cli.run_output import patterns_named_in, read_records
from kaygraph_viz.cli.terminal import Parser, UsageError, printable


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_list_of_objects_is_as_many_records():
    assert read_records(' [{"name": "Ada"}, {}]') == [{"name": "Ada"}, {}]


@pytest.mark.parametrize(
    ("value", "text"),
    [("36", "36"), ("-0.5", "-0.5"), ("1e999", "inf"), ("true", True), ("null", None), ("[1]", [1]), ('"36"', "36")],
)
def test_numbers_become_text_and_other_values_stay(value, text):
    assert read_records(f'{{"age": {value}}}') == [{"age": text}]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name": }',
        "{'name': 'Ada'}",
        '[{"a": 1}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": "\x1b[31m"}',
    ],
)
def test_broken_json_is_a_clear_error(text):
    with pytest.raises(DataError, match="the input is not valid JSON"):
        read_records(text)


@pytest.mark.parametrize("text", ["[]", "[1]", '["name"]', "[[]]", '[{"a": 1}, null]'])
def test_json_without_records_is_a_clear_error(text):
    with pytest.raises(DataError, match="must be a JSON object or a list of"):
        read_records(text)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_empty_text_is_a_clear_error(text):
    with pytest.raises(DataError, match="the input is empty"):
        read_records(text)


@pytest.mark.parametrize(
    "text",
    ["Validate this user data", "validate " * 60, "x" * 10_000, "a\0b", "a\0b.json", "two\nlines", "\ud800", "Ünïcode"],
)
@pytest.mark.usefixtures("in_empty_folder")
def test_other_text_is_a_sentence(text):
    assert read_records(text) is None


def test_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "customers.json"
    path.write_bytes(b'\xef\xbb\xbf{"name": "Ada"}')
    assert read_records(str(path)) == [{"name": "Ada"}]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"customer_id,name\n1,Ada\n", b"7", b'"text"'])
def test_file_without_records_is_a_clear_error_that_names_it(tmp_path, content):
    path = tmp_path / "customers.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"customers\.json' (is not valid JSON|must be a JSON object)"):
        read_records(str(path))


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("name", ["missing.json", "missing/", "\x1b[31m.json"])
def test_missing_file_is_an_error(name):
    with pytest.raises(OSError, match="No such file"):
        read_records(name)


def test_file_above_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run_output, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "big.json"
    path.write_text(json.dumps({"name": "x" * (1 << 20)}))
    with pytest.raises(DataError, match="larger than 1 MB"):
        read_records(str(path))


def test_file_of_the_limit_is_read(tmp_path, monkeypatch):
    path = tmp_path / "small.json"
    path.write_text("{}")
    monkeypatch.setattr(run_output, "MAX_FILE_BYTES", 2)
    assert read_records(str(path)) == [{}]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_device_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(run_output, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(DataError, match="larger than 1 MB"):
        read_records("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_an_error(tmp_path):
    path = tmp_path / "secret.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(PermissionError):
        read_records(str(path))


PATTERNS = ["validation", "enrichment", "batch", "mapreduce", "pipeline", "coordination", "report", "stream"]


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("validate it", ["validation"]),
        ("a VALIDATION please", ["validation"]),
        ("double-check", ["validation"]),
        ("verify my data", ["validation"]),
        ("Validate and enrich this user data", ["validation", "enrichment"]),
        ("ask several APIs", ["enrichment"]),
        ("process this batch of orders", ["batch"]),
        ("map-reduce", ["mapreduce"]),
        ("MapReduce a text", ["mapreduce"]),
        ("count all the words", ["mapreduce"]),
        ("an ETL pipeline", ["pipeline"]),
        ("coordinate async calls", ["coordination"]),
        ("make a report", ["report"]),
        ("process a stream in real time", ["stream"]),
        ("enrich, then validate", ["validation", "enrichment"]),
        ("run all patterns", PATTERNS),
        ("Every example, please", PATTERNS),
        ("run everything", PATTERNS),
    ],
)
def test_words_for_patterns_are_known(sentence, named):
    assert patterns_named_in(sentence, PATTERNS) == named


@pytest.mark.parametrize("name", PATTERNS)
def test_name_of_a_pattern_names_it(name):
    assert patterns_named_in(name, PATTERNS) == [name]


@pytest.mark.parametrize("sentence", ["invalidate it", "recheck", "sandwich", "capital", "wordy accounts", "\x1b[31m"])
def test_sentence_without_such_a_word_is_a_clear_error(sentence):
    with pytest.raises(DataError, match=r"names no pattern that can be run \(validation, batch\)$") as caught:
        patterns_named_in(sentence, ["validation", "batch"])
    assert str(caught.value).isprintable()


def test_pattern_that_is_not_offered_is_not_chosen():
    with pytest.raises(DataError):
        patterns_named_in("validate", ["batch"])


# -- terminal ------------------------------------------------------------------------------------------------------


def test_a_wrong_argument_is_raised_as_one_line():
    with pytest.raises(UsageError, match="unrecognized arguments: --colour"):
        Parser(prog="x").parse_args(["--colour"])


@pytest.mark.parametrize(
    "mark", ["\x1b", "\x07", "\n", "\r", "\t", "\x00", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800"]
)
def test_marks_that_steer_a_terminal_are_replaced(mark):
    assert printable(f"a{mark}b") == "a?b"


@pytest.mark.parametrize("text", ["", "plain", "Łódź", "東京", "🙂", "<b>&amp;</b>"])
def test_harmless_text_is_left_as_it_is(text, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert printable(text) == text


def test_letters_that_the_output_does_not_know_are_replaced(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert printable("Łodz") == "?odz"


def test_output_that_is_closed_is_no_problem(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert printable("Łodz") == "Łodz"


def test_huge_text_is_cut():
    assert len(printable("x" * 1_000_000)) == 500
