"""What the command line prints about a run, and the files it writes."""

from __future__ import annotations

import io
import sys

import pytest

from kaygraph_viz.errors import OutputExistsError
from kaygraph_viz.patterns.examples import validate_records
from kaygraph_viz.patterns.finding import Finding
from kaygraph_viz.patterns.validation import Verdict
from kaygraph_viz.report import check_outputs, print_run, print_verdicts, printable, write_outputs
from kaygraph_viz.trace.trace import load

pytestmark = pytest.mark.usefixtures("few_customers")


@pytest.fixture
def run():
    return validate_records([{"customer_id": "7"}], workers=2)[1]


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


def test_verdict_is_printed_with_its_reasons(run, capsys):
    finding = Finding("format", "email", "email_invalid", "there is no @-sign")
    print_verdicts([Verdict("C1", "rejected", (finding,), {"external": "it is down"})], run)
    assert capsys.readouterr().out.startswith(
        "C1: rejected\n  format: email: there is no @-sign\n  external: could not be checked (it is down)\n\n"
    )


def test_record_without_a_number_is_called_the_record(run, capsys):
    print_verdicts([Verdict("", "accepted")], run)
    assert capsys.readouterr().out.startswith("the record: accepted\n")


def test_facts_are_a_table_with_values_on_the_right(run, capsys):
    print_run(run)
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith(("  checks passed", "  all checks together"))]
    assert len({len(line) for line in lines}) == 1
    assert printed.splitlines()[0] == "Parallel validation"


def test_folder_is_made_with_its_parents(tmp_path):
    check_outputs(tmp_path / "a" / "b", "validation", force=False)
    assert (tmp_path / "a" / "b").is_dir()


def test_existing_output_is_refused_unless_forced(tmp_path):
    (tmp_path / "validation-gantt.png").touch()
    with pytest.raises(OutputExistsError, match="add --force"):
        check_outputs(tmp_path, "validation", force=False)
    check_outputs(tmp_path, "validation", force=True)


def test_outputs_of_another_pattern_do_not_matter(tmp_path):
    (tmp_path / "other-gantt.png").touch()
    check_outputs(tmp_path, "validation", force=False)


def test_every_file_that_is_written_was_checked_for(run, tmp_path):
    paths = write_outputs(run, tmp_path)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    for path in paths:
        others = [other for other in paths if other != path]
        for other in others:
            other.unlink(missing_ok=True)
        if path.exists():
            with pytest.raises(OutputExistsError):
                check_outputs(tmp_path, run.name, force=False)


def test_trace_that_is_written_is_the_one_of_the_run(run, tmp_path):
    write_outputs(run, tmp_path)
    assert list(load(tmp_path / "validation-trace.jsonl.gz")) == list(run.trace)
