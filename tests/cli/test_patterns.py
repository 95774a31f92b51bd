"""Patterns from the command line: what is printed, what is written."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from kaygraph_viz.cli import patterns as cli
from kaygraph_viz.cli.main import main
from kaygraph_viz.course.examples.example import EXAMPLES, Setup
from kaygraph_viz.course.services.datasets import load_customers, load_customers_key
from kaygraph_viz.trace.trace import load

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 60  # against a test that hangs; never waited for
PNG = b"\x89PNG\r\n\x1a\n"
OUTPUTS = {
    "validation-serial-gantt.png",
    "validation-gantt.png",
    "validation-diagram.png",
    "validation-trace.jsonl.gz",
}
FAST = ["--virtual", "--items", "6"]
GOOD = next(one for one in load_customers(limit=60) if load_customers_key()[one["customer_id"]].is_clean)
BAD = {**GOOD, "email": "nowhere"}

pytestmark = pytest.mark.usefixtures("few_customers")


def one_line_of_error(capsys):
    """Return the only line that was printed, which is on the error channel."""
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("kaygraph-viz: ")
    return line


# -- examples -----------------------------------------------------------------------------------------------------


def test_no_argument_runs_every_example_and_compares_them(capsys):
    assert main(["--virtual", "--items", "6"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    overview = printed.out.partition("All patterns\n")[2].splitlines()
    assert [line.split()[0] for line in overview[3:] if line.startswith("  ")] == list(EXAMPLES)


def test_example_prints_the_facts_that_were_measured(capsys):
    assert main(["--example", "validation", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    planted = sum(not load_customers_key()[one["customer_id"]].is_clean for one in load_customers(limit=60))
    assert re.search(rf"planted faults found +{planted} +of {planted}\b", printed)
    assert re.search(r"measured speedup +[\d.]+", printed)
    assert re.search(r"workers used +2 +threads\n", printed)
    assert "each of 60 customer records" in printed


def test_options_are_handed_over(monkeypatch):
    asked = []

    def noted(name, setup):
        asked.append((name, setup))
        raise KeyboardInterrupt  # so that there is nothing to print

    monkeypatch.setattr(cli, "run_example", noted)
    options = ["--workers", "3", "--executor", "process", "--items", "70", "--seed", "5", "--virtual"]
    main(["--example", "mapreduce", *options])
    main(["--example", "validation"])
    assert asked == [
        ("mapreduce", Setup(workers=3, executor="process", items=70, seed=5, clock="virtual")),
        ("validation", Setup()),
    ]


def test_simulated_run_is_the_same_every_time(capsys):
    arguments = ["--example", "validation", "--virtual", "--items", "5"]
    printed = []
    for _ in range(2):
        assert main(arguments) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "in simulated time" in printed[0]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*FAST, "--example", "validation"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.endswith("Add --out DIR for the charts and the traces.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--example", "sandwich"], "invalid choice: 'sandwich'"),
        (["--executor", "threads"], "invalid choice: 'threads'"),
        (["--items", "x"], "items must be a whole number from 1 to 1000000, got 'x'"),
        (["--items", "0"], "from 1 to 1000000, got 0"),
        (["--seed", "x"], "seed must be a whole number from 0 to"),
        (["--seed", "-1"], "seed must be a whole number from 0"),
        (["--workers", "x"], "workers must be a whole number from 1 to 4096, got 'x'"),
        (["--workers", "1e9"], "from 1 to 4096, got '1e9'"),
        (["--workers", "0"], "from 1 to 4096, got 0"),
        (["--workers", "-1"], "from 1 to 4096, got -1"),
        (["--workers", "1000000000"], "from 1 to 4096, got 1000000000"),
        (["--workers"], "expected one argument"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["{}", "{}"], "unrecognized arguments: {}"),
        (["--interactive", "--workers", "0"], "from 1 to 4096, got 0"),
        (["{}", "--workers", "0"], "from 1 to 4096, got 0"),
    ],
)
def test_impossible_arguments_are_one_line_and_exit_code_2(capsys, arguments, says):
    assert main(arguments) == 2
    assert says in one_line_of_error(capsys)


@pytest.mark.parametrize("name", ["--help", "--version"])
def test_help_and_version_succeed(capsys, name):
    with pytest.raises(SystemExit) as left:
        main([name])
    assert left.value.code == 0
    assert "kaygraph-viz" in capsys.readouterr().out


def test_checkout_that_is_not_installed_still_runs(capsys, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(cli, "version", missing)
    assert main(["--virtual", json.dumps(GOOD)]) == 0


# -- files --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Run an example once into a folder that is made for it."""
    out = tmp_path_factory.mktemp("cli") / "new" / "out"
    assert main([*FAST, "--example", "validation", "--out", str(out), "--workers", "4"]) == 0
    return out


def test_charts_and_trace_are_written(written):
    assert {path.name for path in written.iterdir()} == OUTPUTS


def test_written_trace_is_valid_and_holds_the_parallel_run(written):
    trace = load(written / "validation-trace.jsonl.gz").validate()
    assert trace.counts()["branch"] == 4 * 6
    assert len({span.lane for span in trace.where(kind="branch")}) == 4


def test_no_figure_stays_open(written):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    assert main(["--virtual", json.dumps(GOOD), "--out", str(written), "--force"]) == 0
    assert plt.get_fignums() == before


@pytest.mark.parametrize("arguments", [["--example", "validation", "--items", "2"], [json.dumps(GOOD), "--virtual"]])
def test_place_of_the_files_is_said(tmp_path, capsys, arguments):
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"  In {tmp_path}{os.sep}\n" in said
    assert [name for name in OUTPUTS if f"  {name} " not in said] == []


@pytest.mark.parametrize("arguments", [[], [json.dumps(GOOD)], ["validate this"]])
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_existing_file_is_refused_and_left_untouched(tmp_path, capsys, arguments, name):
    (tmp_path / name).write_text("mine")
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert f"{tmp_path / name} exists; add --force" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_existing_file_is_overwritten_with_force(tmp_path):
    (tmp_path / "validation-gantt.png").write_text("mine")
    assert main(["--virtual", json.dumps(GOOD), "--out", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "validation-gantt.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_folder_that_is_a_file_or_below_one_is_one_line(tmp_path, capsys, below):
    (tmp_path / "file").write_text("mine")
    assert main(["--out", str(tmp_path / "file" / below)]) == 2
    assert "file" in one_line_of_error(capsys)
    assert (tmp_path / "file").read_text() == "mine"


def test_picture_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "validation-gantt.png").mkdir()
    assert main(["--virtual", json.dumps(GOOD), "--out", str(tmp_path), "--force"]) == 2
    assert "validation-gantt.png" in capsys.readouterr().err


# -- records ------------------------------------------------------------------------------------------------------


def test_bad_record_is_rejected_with_a_reason_and_exit_code_1(capsys):
    assert main(["--virtual", json.dumps(BAD)]) == 1
    printed = capsys.readouterr().out
    assert f"{GOOD['customer_id']}: rejected" in printed
    assert "format: email: " in printed


def test_list_of_records_gives_a_verdict_for_each(capsys):
    other = {**GOOD, "customer_id": "C99999", "email": "somebody.else@example.com"}
    assert main(["--virtual", json.dumps([GOOD, other, {}])]) == 1
    printed = capsys.readouterr().out
    assert re.findall(r"^(.+): (accepted|rejected)$", printed, re.MULTILINE) == [
        (GOOD["customer_id"], "accepted"),
        ("C99999", "accepted"),
        ("the record", "rejected"),
    ]


def test_record_that_cannot_be_checked_is_not_accepted(capsys, monkeypatch):
    from kaygraph_viz.course.patterns import checks
    from kaygraph_viz.course.services.endpoints import ServiceSettings
    from kaygraph_viz.course.services.server import serve

    monkeypatch.setattr(checks, "serve", lambda settings: serve(ServiceSettings(failure_rate=1)))
    assert main(["--virtual", json.dumps(GOOD)]) == 1
    assert f"{GOOD['customer_id']}: needs review" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["customer_id", "name", "email", "note", "\x1b]0;owned\x07"])
def test_hostile_record_cannot_steer_the_terminal(capsys, field):
    hostile = "\x1b[31m\x1b]0;owned\x07\r\b\x00\x9b2J\u202egnp.exe\u2028\ud800" + "x" * 1_000_000
    assert main(["--virtual", json.dumps({**GOOD, field: hostile})]) == 1
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert all(mark.isprintable() or mark == "\n" for mark in text)
    assert len(text) < 10_000


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[1]", "[]", "[" * 100_000, "nowhere.json", "\x1b[31m.json", "sandwich"]
)
def test_input_that_cannot_be_used_is_one_harmless_line(capsys, text):
    assert main([text]) == 2
    line = one_line_of_error(capsys)
    assert line.isprintable()
    assert len(line) < 600


def test_unknown_option_with_control_characters_is_harmless(capsys):
    assert main(["--\x1b[31mred\n"]) == 2
    assert one_line_of_error(capsys).isprintable()


# -- sentences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", ["Validate this user data", "please CHECK it", "validate " * 60])
def test_sentence_runs_the_pattern_that_it_names(capsys, sentence):
    assert main([sentence, "--virtual"]) == 0
    printed = capsys.readouterr().out
    assert "validation, on a record of the shipped data:" in printed
    assert "C00041: rejected" in printed


def test_sentence_runs_all_patterns_that_it_names(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "_run_examples", lambda names, *_: asked.extend(names) or 0)
    assert main(["Validate this user data and count its words", "--virtual"]) == 0
    assert "C00041: rejected" in capsys.readouterr().out
    assert asked == ["mapreduce"]


def test_sentence_without_a_pattern_says_which_can_be_run(capsys):
    assert main(["Make me a sandwich"]) == 2
    assert f"names no pattern that can be run ({', '.join(EXAMPLES)})" in one_line_of_error(capsys)
